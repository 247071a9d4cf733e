"""Pictures drawn in memory: a known corner, known tags, known colours, and files stuffed to leak.

Upright, every picture has a red corner at the top left, green at the top right, blue at the bottom
left and yellow at the bottom right, whatever its orientation tag says about the stored pixels.
"""

from __future__ import annotations

import io
import random
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import pillow_heif
from PIL import Image, ImageDraw

from images.tests.drawn_exif import (
    BYTE,
    LONG,
    SECRET,
    SHORT,
    UNDEFINED,
    Tags,
    exif_block,
    thumbnail_with_secret,
    tiff,
)

# Benchmarks take their profile from here.
from images.tests.drawn_profiles import srgb

RED, GREEN, BLUE, YELLOW = (220, 30, 30), (30, 160, 60), (30, 60, 210), (240, 210, 40)

# As it is, x265 takes a hundred times as long as an encoder of JPEG, and a thread of each core.
X265 = {"preset": "ultrafast", "x265:pools": "none", "x265:frame-threads": "1"}

# What turns an upright picture into the stored pixels that the orientation tag turns back.
STORED_AS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}

# Pixels


def picture(*, width: int = 1200, height: int = 800, seed: int = 0) -> Image.Image:
    """An upright RGB picture; another seed is another picture."""
    chance = random.Random(seed)
    image = Image.new("RGB", (width, height), tuple(chance.randrange(90, 170) for _ in range(3)))
    draw = ImageDraw.Draw(image)
    for _ in range(24):
        left, top = chance.randrange(width), chance.randrange(height)
        right, bottom = left + chance.randrange(1, width + 1) // 4, top + height // 6
        draw.rectangle((left, top, right, bottom), tuple(chance.randrange(256) for _ in range(3)))
    corner_width, corner_height = -(-width // 5), -(-height // 5)
    for colour, x, y in (
        (RED, 0, 0),
        (GREEN, width - corner_width, 0),
        (BLUE, 0, height - corner_height),
        (YELLOW, width - corner_width, height - corner_height),
    ):
        draw.rectangle((x, y, x + corner_width - 1, y + corner_height - 1), colour)
    return image


def detailed(*, width: int, height: int, seed: int = 0) -> Image.Image:
    """A picture that costs a codec what a photo does: gradients, edges and noise."""
    chance = random.Random(seed)
    image = picture(width=width // 4, height=height // 4, seed=seed)
    image = image.resize((width, height), Image.Resampling.BICUBIC)
    coarse = Image.frombytes("RGB", (480, 320), chance.randbytes(480 * 320 * 3))
    image = Image.blend(image, coarse.resize((width, height), Image.Resampling.BICUBIC), 0.25)
    tile = Image.frombytes("RGB", (1024, 1024), chance.randbytes(1024 * 1024 * 3))
    noise = Image.new("RGB", (width, height))
    for x in range(0, width, 1024):
        for y in range(0, height, 1024):
            noise.paste(tile, (x, y))
    return Image.blend(image, noise, 0.06)


def stored(image: Image.Image, orientation: int) -> Image.Image:
    """The pixels as a camera stores them for this orientation tag."""
    return image.transpose(STORED_AS[orientation]) if orientation in STORED_AS else image


# Files. What a camera has to do with is told to all of them as to `_shot`.


@dataclass(frozen=True)
class _Shot:
    """`pixels` are as stored."""

    pixels: Image.Image
    exif: bytes
    icc: bytes | None
    stuffed: bool


def _shot(
    *,
    width: int = 1200,
    height: int = 800,
    seed: int = 0,
    orientation: int | None = 1,
    stuffed: bool = False,
    image: Image.Image | None = None,
    icc: bytes | None = None,
    exif: bytes | None = None,
    **camera: Any,
) -> _Shot:
    """`camera` goes to `exif_block`; `stuffed` adds every place a secret can hide in."""
    image = image or picture(width=width, height=height, seed=seed)
    if exif is None:
        exif = exif_block(orientation=orientation, stuffed=stuffed, **camera)
    return _Shot(stored(image, orientation or 1), exif, icc, stuffed)


def jpeg(*, progressive: bool = False, quality: int = 88, **shot: Any) -> bytes:
    """A JPEG."""
    drawn = _shot(**shot)
    out = io.BytesIO()
    drawn.pixels.save(out, "JPEG", quality=quality, progressive=progressive, icc_profile=drawn.icc)
    body = out.getvalue()
    segments = segment(0xE1, b"Exif\0\0" + drawn.exif) if drawn.exif else b""
    if drawn.stuffed:
        segments += segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + _xmp())
        segments += segment(0xED, b"Photoshop 3.0\0" + _iptc())
        segments += segment(0xE0, b"JFXX\0\x10" + thumbnail_with_secret())
        segments += segment(0xE2, b"ICC_PROFILE\0\x01\x01" + srgb(SECRET.decode()))
        segments += segment(0xFE, SECRET) + segment(0xEF, SECRET)
    # Behind the pixels too: phones hang films there.
    return body[:2] + segments + body[2:] + (SECRET if drawn.stuffed else b"")


def png(**shot: Any) -> bytes:
    """A PNG with an eXIf chunk."""
    drawn = _shot(**shot)
    out = io.BytesIO()
    drawn.pixels.save(out, "PNG", icc_profile=drawn.icc, compress_level=1)
    body = out.getvalue()
    chunks = chunk(b"eXIf", drawn.exif) if drawn.exif else b""
    if drawn.stuffed:
        # Pillow would write this one into a JPEG as its comment.
        chunks += chunk(b"tEXt", b"comment\0" + SECRET)
        chunks += chunk(b"zTXt", b"Note\0\0" + zlib.compress(SECRET))
        chunks += chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + _xmp())
    return body[:33] + chunks + body[33:] + (SECRET if drawn.stuffed else b"")


def heic(*, xmp: bytes | None = None, quality: int = 70, **shot: Any) -> bytes:
    """A HEIC as phones write it: pixels stored lying, turned by irot and imir *and* by EXIF."""
    drawn = _shot(**shot)
    out = io.BytesIO()
    # pillow-heif takes pixels as stored and writes irot and imir from the EXIF orientation.
    pixels = drawn.pixels
    extra: dict[str, Any] = {"exif": b"Exif\0\0" + drawn.exif} if drawn.exif else {}
    if drawn.stuffed or xmp:
        extra["xmp"] = xmp or _xmp()
    if drawn.icc:
        extra |= {"icc_profile": drawn.icc, "icc_profile_type": "prof"}
    pillow_heif.encode(
        *(pixels.mode, pixels.size, pixels.tobytes(), out),
        quality=quality,
        enc_params=X265,
        **extra,
    )
    return out.getvalue()


def webp(*, quality: int = 90, lossless: bool = False, **shot: Any) -> bytes:
    """A WebP with an EXIF chunk."""
    drawn = _shot(**shot)
    out = io.BytesIO()
    drawn.pixels.save(
        *(out, "WEBP"),
        quality=quality,
        lossless=lossless,
        exif=drawn.exif,
        method=1,
        icc_profile=srgb(SECRET.decode()) if drawn.stuffed else drawn.icc,
        xmp=_xmp() if drawn.stuffed else b"",
    )
    body = out.getvalue()
    if drawn.stuffed:
        unknown = b"junk" + struct.pack("<L", len(SECRET)) + SECRET + b"\0" * (len(SECRET) % 2)
        body = b"RIFF" + struct.pack("<L", len(body) + len(unknown) - 8) + body[8:] + unknown
        body += SECRET
    return body


def webp_of_one_colour(width: int, height: int) -> bytes:
    """32 bytes that are a whole picture, of whatever size (RFC 9649, section 3).

    Prefix codes of one symbol each take no bits a pixel.
    """
    fields = [(width - 1, 14), (height - 1, 14), (0, 1), (0, 3)]  # no alpha, version 0
    fields += [(0, 1)] * 3  # no transform, no colour cache, no meta prefix codes
    for level in (RED[1], RED[0], RED[2], 255):  # green, red, blue, alpha
        fields += [(1, 1), (0, 1), (1, 1), (level, 8)]  # simple, one symbol, of 8 bits
    fields += [(1, 1), (0, 1), (0, 1), (0, 1)]  # distance: the symbol 0, of 1 bit
    bits = at = 0
    for value, length in fields:
        bits |= value << at
        at += length
    coded = b"\x2f" + bits.to_bytes(-(-at // 8), "little")
    body = b"WEBPVP8L" + struct.pack("<L", len(coded)) + coded + b"\0" * (len(coded) % 2)
    return b"RIFF" + struct.pack("<L", len(body)) + body


def avif(*, quality: int = 85, **shot: Any) -> bytes:
    """An AVIF as a HEIC is drawn: turned by irot and imir *and*, once more, by its EXIF."""
    # Pillow turns the orientation into irot and imir, and takes it out of the EXIF: its twin,
    # of the next number, stays, and takes its place below.
    twin: Tags = {0x0113: (SHORT, shot.get("orientation", 1) or 1)}
    drawn = _shot(ifd0=twin, **shot)
    out = io.BytesIO()
    drawn.pixels.save(
        *(out, "AVIF"),
        quality=quality,
        speed=10,
        exif=drawn.exif,
        icc_profile=srgb(SECRET.decode()) if drawn.stuffed else drawn.icc,
        xmp=_xmp() if drawn.stuffed else b"",
    )
    short = b"\3\0\1\0\0\0"
    body = out.getvalue().replace(b"\x13\1" + short, b"\x12\1" + short)
    return body + (b"\0\0\0\x38free" + SECRET.ljust(48) if drawn.stuffed else b"")


def tiff_file(
    *,
    width: int = 1200,
    height: int = 800,
    seed: int = 0,
    orientation: int | None = 1,
    stuffed: bool = False,
    image: Image.Image | None = None,
    icc: bytes | None = None,
    endian: str = "<",
    **camera: Any,
) -> bytes:
    """A TIFF of one deflated strip, whose IFD0 holds the camera's tags as well."""
    image = image or picture(width=width, height=height, seed=seed)
    image = stored(image.convert("RGB"), orientation or 1)
    pixels = zlib.compress(image.tobytes(), 1)
    tags: Tags = {
        0x0100: (LONG, image.width),
        0x0101: (LONG, image.height),
        0x0102: (SHORT, [8, 8, 8]),
        0x0103: (SHORT, 8),  # deflate
        0x0106: (SHORT, 2),  # RGB
        0x0111: (LONG, 0),
        0x0115: (SHORT, 3),
        0x0116: (LONG, image.height),
        0x0117: (LONG, len(pixels)),
    }
    if stuffed:
        icc = srgb(SECRET.decode())
        tags |= {0x02BC: (BYTE, _xmp()), 0x83BB: (UNDEFINED, _iptc()), 0x8649: (BYTE, _iptc())}
    if icc:
        tags[0x8773] = (UNDEFINED, icc)
    settings = {"orientation": orientation, "stuffed": stuffed, "endian": endian, **camera}
    at = len(exif_block(ifd0=tags, **settings))
    return exif_block(ifd0=tags | {0x0111: (LONG, at)}, **settings) + pixels


def gif(
    *,
    width: int = 1200,
    height: int = 800,
    seed: int = 0,
    stuffed: bool = False,
    image: Image.Image | None = None,
    frames: int = 1,
) -> bytes:
    """A GIF; the frames behind the first are other pictures."""
    image = image or picture(width=width, height=height, seed=seed)
    others = [
        picture(width=image.width, height=image.height, seed=9 + n) for n in range(frames - 1)
    ]
    out = io.BytesIO()
    extra: dict[str, Any] = {"comment": SECRET} if stuffed else {}
    if others:
        extra |= {"save_all": True, "append_images": others}
    image.save(out, "GIF", **extra)
    body = out.getvalue()
    if stuffed:
        # The application extension of XMP, and a text behind the end.
        xmp = b"!\xff\x0bXMP DataXMP" + _xmp() + b"\x01" + bytes(range(255, -1, -1)) + b"\0"
        palette_end = 13 + (3 << (body[10] & 7) + 1 if body[10] & 0x80 else 0)
        body = body[:palette_end] + xmp + body[palette_end:] + SECRET
    return body


def mpo(**options: Any) -> bytes:
    """A JPEG with a second one behind it, as cameras with two eyes write."""
    first = jpeg(**options)
    second = jpeg(width=640, height=480, seed=7)
    # CIPA DC-007: the index of two pictures, in a segment of APP2 right behind SOI.
    entries = b"".join(
        struct.pack("<LLLHH", kind, length, offset, 0, 0)
        for kind, length, offset in ((0x030000, len(first), 0), (0x020002, len(second), len(first)))
    )
    index = tiff({0xB000: (UNDEFINED, b"0100"), 0xB001: (LONG, 2), 0xB002: (UNDEFINED, entries)})
    return first[:2] + segment(0xE2, b"MPF\0" + index) + first[2:] + second


def bmp(
    *,
    width: int = 1200,
    height: int = 800,
    seed: int = 0,
    stuffed: bool = False,
    image: Image.Image | None = None,
) -> bytes:
    image = image or picture(width=width, height=height, seed=seed)
    out = io.BytesIO()
    image.save(out, "BMP")
    return out.getvalue() + (SECRET if stuffed else b"")


def segment(marker: int, payload: bytes) -> bytes:
    """One JPEG segment."""
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def chunk(name: bytes, payload: bytes) -> bytes:
    """One PNG chunk."""
    return (
        struct.pack(">I", len(payload))
        + name
        + payload
        + struct.pack(">I", zlib.crc32(name + payload))
    )


# Where else a text hides


def _xmp() -> bytes:
    return (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
        b'xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:GPSLatitude="48,12.492N" '
        b'xmlns:dc="http://purl.org/dc/elements/1.1/" dc:source="' + SECRET + b'"/>'
        b"</rdf:RDF></x:xmpmeta>"
    )


def _iptc() -> bytes:
    caption = b"\x1c\x02\x78" + struct.pack(">H", len(SECRET)) + SECRET
    return b"8BIM\x04\x04\0\0" + struct.pack(">L", len(caption)) + caption
