"""Every kind of pixel, of every format but JPEG and PNG, comes out in the right colour."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from typing import TYPE_CHECKING, Any

import pillow_heif
import pytest
from PIL import Image, ImageChops, ImageCms

from bandpics.testing.matrix import few
from images.tests import drawn_exif, drawn_phones, drawn_pictures, drawn_profiles
from images.tests.test_rendering import (
    ADOBE_TO_SRGB,
    GREYS,
    P3_TO_SRGB,
    PALE,
    PALE_GREYS,
    PATCHES,
    _deep_png,
    _file,
    _shown_on_white,
    assert_close,
    corners,
    in_srgb,
    patches,
    render,
)

if TYPE_CHECKING:
    from pathlib import Path

WHITE = (255, 255, 255)

P3 = [in_srgb(colour, None, P3_TO_SRGB) for colour in PATCHES]
BT2020_TO_SRGB = (
    (1.6605, -0.5876, -0.0728),
    (-0.1246, 1.1329, -0.0083),
    (-0.0182, -0.1006, 1.1187),
)
BT2020 = [in_srgb(colour, None, BT2020_TO_SRGB) for colour in PATCHES]


def tagged(data: bytes, *, primaries: int, transfer: int) -> bytes:
    """A HEIF file with other code points in its colr boxes."""
    assert b"colrnclx" in data
    start = data.index(b"colrnclx") + 8
    return data[:start] + struct.pack(">HH", primaries, transfer) + data[start + 4 :]


def heic_of_10_bits(image: Image.Image) -> bytes:
    deep = b"".join(struct.pack("<H", level * 257) for level in image.tobytes())
    out = io.BytesIO()
    pillow_heif.encode("RGB;16", image.size, deep, out, quality=95)
    return out.getvalue()


# 64 by 64, 10 bits a channel, code points of sRGB: drawn as `patches`, encoded by SVT-AV1.
AVIF_OF_10_BITS = zlib.decompress(
    base64.b85decode(
        "c-muNU{FXasVqn=%S>Yc0uY^>nP!-qnV9D5Xy^nK`k9+rlE?r7`WY!XMNl?FL1uCZ0}==T@=J?SJreU$a#F#n_zE&"
        "ha=~(pKrEM;lb;OYxPbVK5K%@&AYB2(8kw1SX>hetKu#(Xl$Tg$VCbBmlMgmCE3=@e07!dh79{5bX_3t0f>fvr9H3a"
        "BAhRM9B*4tY#Ra5z63Yyo8yS2+Lc+=UIYoKNITb*Yc^McRfI{M#1-URE0v*P}$kfaNWH#icB$jaT0$EJ!|M$jQF-b9"
        "V7^Mp^^ffVY2mr0&*y4Az^P9dyvhpoS1@Al8uDn-jsP}13pH;9($~;0t$$*phke+RepvAUDjyK;%&2(qC^?PZZe7-P"
        "fE3@zHM#1{)-fw3;2$Ol9#US{TSAg;4qPGe4DRL~wyXMOm005d}U^D"
    )
)


def webp_on_a_canvas(image: Image.Image) -> bytes:
    """An animation whose first picture covers the right half of its canvas."""
    still = _file(image, "WEBP", lossless=True)
    first = still[12:]
    size = (image.width - 1).to_bytes(3, "little") + (image.height - 1).to_bytes(3, "little")
    canvas = (2 * image.width - 1).to_bytes(3, "little") + (image.height - 1).to_bytes(3, "little")
    frame = (image.width // 2).to_bytes(3, "little") + bytes(3) + size + b"\x64\0\0\0" + first
    chunks = b"VP8X" + struct.pack("<L", 10) + b"\x12\0\0\0" + canvas
    chunks += b"ANIM" + struct.pack("<L", 6) + bytes(6)
    for _ in range(2):
        chunks += b"ANMF" + struct.pack("<L", len(frame)) + frame
        frame = frame[:16] + _file(Image.new("RGB", image.size), "WEBP", lossless=True)[12:]
    return b"RIFF" + struct.pack("<L", len(chunks) + 4) + b"WEBP" + chunks


def lab(image: Image.Image) -> Image.Image:
    to_lab = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
    converted = ImageCms.applyTransform(image, to_lab)
    assert converted is not None
    return converted


def inks() -> Image.Image:
    """Cyan, magenta upon yellow, half of the black, and yellow."""
    image = Image.new("CMYK", (400, 400))
    for index, ink in enumerate(((255, 0, 0, 0), (0, 255, 255, 0), (0, 0, 0, 128), (0, 0, 255, 0))):
        image.paste(ink, (200 * (index % 2), 200 * (index // 2), 400, 400))
    return image


PRINTED = [
    drawn_profiles.INKS[1, 0, 0],
    drawn_profiles.INKS[0, 1, 1],
    (119, 119, 119),  # of half the lightness, L* 50
    drawn_profiles.INKS[0, 0, 1],
]


def ycck(image: Image.Image) -> bytes:
    """A CMYK JPEG as Photoshop writes it: its inks as YCbCr (Adobe Technical Note 5116)."""
    cyan, magenta, yellow, black = image.split()
    coded = Image.merge("RGB", (cyan, magenta, yellow)).convert("YCbCr")
    # Pillow writes inks the wrong way round, as Adobe does, but tells nobody of a transform.
    data = _file(
        Image.merge("CMYK", (*map(ImageChops.invert, coded.split()), black)),
        "JPEG",
        quality=95,
        icc_profile=drawn_profiles.cmyk(),
    )
    transform_at = data.index(b"\xff\xee\0\x0eAdobe") + 15
    assert data[transform_at] == 0
    return data[:transform_at] + b"\2" + data[transform_at + 1 :]


def grey_of_16_bits(image: Image.Image) -> Image.Image:
    """The low byte all noise."""
    pixels = b"".join(bytes((77, level)) for level in image.tobytes())
    return Image.frombytes("I;16", image.size, pixels)


def white_is_zero(image: Image.Image) -> bytes:
    """A TIFF of 16 bits of grey, the wrong way round."""
    pixels = b"".join(struct.pack("<H", 65535 - level * 257) for level in image.tobytes())
    width, height = image.size
    short, long = drawn_exif.SHORT, drawn_exif.LONG
    tags = {256: (long, width), 257: (long, height), 258: (short, 16), 259: (short, 1)}
    tags |= {262: (short, 0), 273: (long, 0), 277: (short, 1), 278: (long, height)}
    tags |= {279: (long, len(pixels))}
    tags[273] = (long, len(drawn_exif.tiff(tags)))
    return drawn_exif.tiff(tags) + pixels


def bmp_of_runs(*, from_the_top: bool = False) -> bytes:
    """RLE8, or 24 bits with rows from the top."""
    image = patches().quantize(4)
    palette = image.getpalette() or []
    if from_the_top:
        rows = patches().convert("RGB").tobytes("raw", "BGR")
        info = struct.pack("<IiiHHIIiiII", 40, 400, -400, 1, 24, 0, len(rows), 0, 0, 0, 0)
        return b"BM" + struct.pack("<IHHI", 54 + len(rows), 0, 0, 54) + info + rows
    coded = b""
    for y in reversed(range(400)):
        left, right = image.getpixel((10, y)), image.getpixel((390, y))
        coded += bytes((200, left, 200, right, 0, 0))
    coded += b"\0\1"
    colours = b"".join(bytes((*reversed(palette[n : n + 3]), 0)) for n in range(0, 12, 3))
    at = 54 + len(colours)
    info = struct.pack("<IiiHHIIiiII", 40, 400, 400, 1, 8, 1, len(coded), 0, 0, 4, 4)
    return b"BM" + struct.pack("<IHHI", at + len(coded), 0, 0, at) + info + colours + coded


def gif_with_transparency() -> bytes:
    image = patches().quantize(4)
    hidden = image.getpixel((50, 50))
    return _file(image, "GIF", transparency=hidden, optimize=False)


def apng() -> bytes:
    black = Image.new("RGB", (400, 400))
    return _file(patches(), "PNG", save_all=True, append_images=[black, black])


def pages() -> bytes:
    black = Image.new("RGB", (400, 400))
    return _file(patches(), "TIFF", save_all=True, append_images=[black, black])


def with_cicp(data: bytes, *points: int) -> bytes:
    return data[:33] + drawn_pictures.chunk(b"cICP", bytes(points)) + data[33:]


# A profile counts for more than code points in HEIF (MIAF, 7.3.6.4), and for less in PNG.
BESIDE = {
    "P3 by profile, beside BT.2020": ((9, 16), drawn_profiles.display_p3(), P3),
    "P3 by profile, beside sRGB": ((1, 13), drawn_profiles.display_p3(), P3),
    "sRGB by profile, beside P3": ((12, 13), drawn_profiles.srgb(), PATCHES),
}


def heic_with_both(points: tuple[int, int], icc: bytes, *, is_profile_first: bool) -> bytes:
    colours = (b"nclx" + struct.pack(">HHHB", *points, 6, 0x80), b"prof" + icc)
    ordered = colours[::-1] if is_profile_first else colours
    return drawn_phones.heic_of_two_pictures(image=patches(), colours=ordered)


def png_with_both(points: tuple[int, int], icc: bytes) -> bytes:
    return with_cicp(drawn_pictures.png(image=patches(), icc=icc), *points, 0, 1)


WITH_BOTH: dict[str, tuple[bytes, Any]] = {
    **{
        f"HEIC, {name}, {order}": (heic_with_both(points, icc, is_profile_first=first), expected)
        for name, (points, icc, expected) in BESIDE.items()
        for order, first in (("points first", False), ("profile first", True))
    },
    **{
        f"AVIF, {name}": (
            tagged(
                drawn_pictures.avif(image=patches(), icc=icc),
                primaries=points[0],
                transfer=points[1],
            ),
            expected,
        )
        for name, (points, icc, expected) in BESIDE.items()
    },
    "PNG, sRGB by points, beside P3": (
        png_with_both((1, 13), drawn_profiles.display_p3()),
        PATCHES,
    ),
    "PNG, P3 by points, beside Adobe": (png_with_both((12, 13), drawn_profiles.adobe_rgb()), P3),
    "PNG, points of nothing, beside P3": (png_with_both((2, 2), drawn_profiles.display_p3()), P3),
}

BLACK_AND_WHITE = patches("L").point(lambda level: 255 * (level > 100)).convert("1")
BLACK_OR_WHITE = [(255 * (g > 100),) * 3 for g, *_ in GREYS]

KINDS: dict[str, tuple[bytes, Any]] = {
    "WebP": (drawn_pictures.webp(image=patches(), quality=95), PATCHES),
    "lossless WebP": (drawn_pictures.webp(image=patches(), lossless=True), PATCHES),
    "transparent WebP": (_file(_shown_on_white(patches()), "WEBP", quality=95), PALE),
    "lossless transparent WebP": (_file(_shown_on_white(patches()), "WEBP", lossless=True), PALE),
    "WebP, P3": (
        drawn_pictures.webp(image=patches(), icc=drawn_profiles.display_p3(), quality=95),
        P3,
    ),
    "AVIF": (drawn_pictures.avif(image=patches()), PATCHES),
    "AVIF, 4:4:4": (_file(patches(), "AVIF", subsampling="4:4:4"), PATCHES),
    "AVIF of 10 bits": (AVIF_OF_10_BITS, PATCHES),
    "transparent AVIF": (_file(_shown_on_white(patches()), "AVIF", quality=90), PALE),
    "grey AVIF": (_file(patches("L"), "AVIF", quality=90), GREYS),
    "AVIF, P3 by profile": (
        drawn_pictures.avif(image=patches(), icc=drawn_profiles.display_p3()),
        P3,
    ),
    "AVIF, P3 by code points": (tagged(AVIF_OF_10_BITS, primaries=12, transfer=13), P3),
    "AVIF, BT.2020": (tagged(AVIF_OF_10_BITS, primaries=9, transfer=1), BT2020),
    "AVIF, code points of nothing": (tagged(AVIF_OF_10_BITS, primaries=2, transfer=2), PATCHES),
    "HEIC of 10 bits": (heic_of_10_bits(patches()), PATCHES),
    "HEIC, P3 by code points": (
        tagged(drawn_pictures.heic(image=patches(), quality=95), primaries=12, transfer=13),
        P3,
    ),
    "PNG, P3 by code points": (with_cicp(drawn_pictures.png(image=patches()), 12, 13, 0, 1), P3),
    "APNG": (apng(), PATCHES),
    "16 bit transparent PNG": (_deep_png(_shown_on_white(patches()), colour_type=6), PALE),
    "16 bit grey transparent PNG": (
        _deep_png(_shown_on_white(patches("L")), colour_type=4),
        PALE_GREYS,
    ),
    "TIFF": (_file(patches(), "TIFF"), PATCHES),
    "TIFF, LZW": (_file(patches(), "TIFF", compression="tiff_lzw"), PATCHES),
    "TIFF, JPEG": (_file(patches(), "TIFF", compression="jpeg", quality=95), PATCHES),
    "TIFF, other way round": (drawn_pictures.tiff_file(image=patches(), endian=">"), PATCHES),
    "TIFF, CMYK": (_file(patches("CMYK"), "TIFF", compression="tiff_lzw"), PATCHES),
    "JPEG, CMYK by profile": (
        _file(inks(), "JPEG", quality=95, icc_profile=drawn_profiles.cmyk()),
        PRINTED,
    ),
    "JPEG, YCCK by profile": (ycck(inks()), PRINTED),
    "TIFF, CMYK by profile": (
        _file(inks(), "TIFF", compression="tiff_lzw", icc_profile=drawn_profiles.cmyk()),
        PRINTED,
    ),
    "TIFF, L*a*b*": (_file(lab(patches()), "TIFF"), PATCHES),
    "TIFF, grey": (_file(patches("L"), "TIFF"), GREYS),
    "TIFF, 16 bits of grey": (_file(grey_of_16_bits(patches("L")), "TIFF"), GREYS),
    "TIFF, white is zero": (white_is_zero(patches("L")), GREYS),
    "TIFF, palette": (_file(patches().quantize(4), "TIFF"), PATCHES),
    "TIFF, transparent": (_file(_shown_on_white(patches()), "TIFF"), PALE),
    "TIFF, fax": (_file(BLACK_AND_WHITE, "TIFF", compression="group4"), BLACK_OR_WHITE),
    "TIFF, Adobe RGB": (
        drawn_pictures.tiff_file(image=patches(), icc=drawn_profiles.adobe_rgb()),
        [in_srgb(colour, 2.19921875, ADOBE_TO_SRGB) for colour in PATCHES],
    ),
    "TIFF of three pages": (pages(), PATCHES),
    "GIF": (drawn_pictures.gif(image=patches()), PATCHES),
    "GIF, grey": (_file(patches("L"), "GIF"), GREYS),
    "GIF of three frames": (
        drawn_pictures.gif(image=patches().quantize(16).convert("RGB"), frames=3),
        PATCHES,
    ),
    "transparent GIF": (gif_with_transparency(), [WHITE, *PATCHES[1:]]),
    "BMP": (drawn_pictures.bmp(image=patches()), PATCHES),
    "BMP, from the top": (bmp_of_runs(from_the_top=True), PATCHES),
    "BMP, run lengths": (bmp_of_runs(), PATCHES),
    "BMP, palette": (_file(patches().quantize(16), "BMP"), PATCHES),
    "BMP, grey": (_file(patches("L"), "BMP"), GREYS),
    "BMP, black and white": (_file(BLACK_AND_WHITE, "BMP"), BLACK_OR_WHITE),
    "BMP of 32 bits": (_file(patches("RGBA"), "BMP"), PATCHES),
    "MPO": (drawn_pictures.mpo(image=patches(), quality=95), PATCHES),
    **WITH_BOTH,
}


@pytest.mark.parametrize("name", few(KINDS, 20))
def test_every_kind_of_pixel_looks_right(name: str, tmp_path: Path):
    data, expected = KINDS[name]
    rendered = render(data, tmp_path)
    for variant in (rendered["fullsize"], rendered["small"]):
        assert_close(corners(variant.path), expected, tolerance=8)


def test_the_first_picture_of_an_animation_lies_on_its_canvas(tmp_path: Path):
    rendered = render(webp_on_a_canvas(patches()), tmp_path)
    fullsize = rendered["fullsize"]
    assert (fullsize.width, fullsize.height) == (800, 400)
    with Image.open(fullsize.path) as image:
        assert_close(
            [image.getpixel((100, 200)), image.getpixel((450, 50))], [WHITE, PATCHES[0]], 8
        )


# HDR


def pq(nits: float) -> float:
    """The signal for light (SMPTE ST 2084)."""
    power = (nits / 10000) ** 0.1593017578125
    return float(((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375)


def test_hdr_keeps_its_middle_tones_and_its_highlights(tmp_path: Path):
    """Grey of half the light of paper is that in sRGB; 1000 nits are brighter than paper."""
    levels = [round(pq(nits) * 255) for nits in (0, 203 / 2, 203, 1000)]
    image = Image.new("RGB", (400, 400))
    for index, level in enumerate(levels):
        image.paste((level,) * 3, (200 * (index % 2), 200 * (index // 2), 400, 400))
    data = tagged(drawn_pictures.heic(image=image, quality=95), primaries=9, transfer=16)
    black, grey, paper, light = (
        red for red, *_ in corners(render(data, tmp_path)["fullsize"].path)
    )
    half_light_in_srgb = 188
    assert black <= 8
    assert abs(grey - half_light_in_srgb) <= 8
    assert grey + 30 < paper < light
    assert light >= 240
