"""Variants are upright, of the right size and the right colour, whatever the source is."""

from __future__ import annotations

import io
import itertools
import struct
import subprocess
import sys
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageChops

from bandpics.testing.matrix import representative
from images.photofile import formats, rendering, variants
from images.photofile.rendering import resize
from images.tests import drawn_pictures, drawn_profiles
from images.tests.drawn_pictures import BLUE, GREEN, RED, YELLOW

if TYPE_CHECKING:
    from pathlib import Path

Colour = tuple[int, int, int]

CAN_BE_TURNED = [
    *(drawn_pictures.jpeg, drawn_pictures.png, drawn_pictures.heic),
    *(drawn_pictures.webp, drawn_pictures.avif, drawn_pictures.tiff_file),
]
EVERY_FORMAT = [*CAN_BE_TURNED, drawn_pictures.gif, drawn_pictures.bmp]


def render(data: bytes, folder: Path) -> dict[str, rendering.Rendered]:
    """Take a file the way the worker does."""
    path = folder / "original"
    path.write_bytes(data)
    header = rendering.inspect(path)
    rendered = rendering.render(path, header=header, into=folder)
    return {variant.name: variant for variant in rendered}


def corners(path: Path) -> list[Colour]:
    """The colours in the middle of the four corner patches."""
    with Image.open(path) as image:
        picture = image.convert("RGB")
    width, height = picture.size
    left, right = width // 10, width - 1 - width // 10
    top, bottom = height // 10, height - 1 - height // 10
    return [
        picture.getpixel(xy) for xy in ((left, top), (right, top), (left, bottom), (right, bottom))
    ]


def assert_close(colours: list[Colour], expected: list[Colour], tolerance: int) -> None:
    for colour, wanted in zip(colours, expected, strict=True):
        distance = max(abs(a - b) for a, b in zip(colour, wanted, strict=True))
        assert distance <= tolerance, (colours, expected)


# Uprightness


# Every orientation of a JPEG, and every format on its side.
TURNED = representative(
    itertools.product(CAN_BE_TURNED, range(1, 9)),
    lambda case: case[0] is drawn_pictures.jpeg or case[1] == 6,
)


@pytest.mark.parametrize(("draw", "orientation"), TURNED)
def test_every_variant_is_upright(draw: Any, orientation: int, tmp_path: Path):
    variants_by_name = render(draw(width=900, height=600, orientation=orientation), tmp_path)
    assert list(variants_by_name) == ["fullsize", "medium", "tile", "thumb", "small"]
    sizes = {name: (v.width, v.height) for name, v in variants_by_name.items()}
    assert sizes == {
        "fullsize": (900, 600),
        "medium": (800, 533),
        "tile": (560, 373),
        "thumb": (320, 213),
        "small": (200, 133),
    }
    for variant in variants_by_name.values():
        assert_close(corners(variant.path), [RED, GREEN, BLUE, YELLOW], tolerance=12)


@pytest.mark.parametrize(("draw", "orientation"), TURNED)
def test_the_header_tells_the_upright_size(draw: Any, orientation: int, tmp_path: Path):
    path = tmp_path / "photo"
    path.write_bytes(draw(width=90, height=60, orientation=orientation))
    header = rendering.inspect(path)
    assert (header.width, header.height) == (90, 60)


@pytest.mark.parametrize("orientation", [None, 0, 9])
def test_an_unknown_orientation_turns_nothing(orientation: int | None, tmp_path: Path):
    variant = render(drawn_pictures.jpeg(width=900, height=600, orientation=orientation), tmp_path)
    assert_close(corners(variant["thumb"].path), [RED, GREEN, BLUE, YELLOW], tolerance=12)


# Sizes


@pytest.mark.parametrize(
    ("source", "fullsize"),
    [
        ((4032, 3024), (2016, 1512)),  # exactly a half: no resampling
        ((3024, 4032), (1512, 2016)),
        ((4000, 3000), (2000, 1500)),
        ((4080, 3060), (2040, 1530)),
        ((8064, 6048), (2016, 1512)),  # a quarter
        ((16320, 12240), (2040, 1530)),  # an eighth
        ((3841, 2881), (1921, 1441)),
        ((6000, 4000), (2048, 1365)),
        ((12000, 9000), (2048, 1536)),
        ((2049, 1537), (2048, 1536)),
        ((2048, 1536), (2048, 1536)),
        ((100, 50), (100, 50)),
        ((1, 1), (1, 1)),
        ((65500, 1), (2048, 1)),
        ((1, 65500), (1, 2048)),
    ],
)
def test_the_fullsize_rule(source: variants.Size, fullsize: variants.Size):
    assert variants.FULLSIZE.output_size(source) == fullsize


@pytest.mark.parametrize(
    "draw", [drawn_pictures.jpeg, drawn_pictures.png, drawn_pictures.tiff_file, drawn_pictures.bmp]
)
@pytest.mark.parametrize(
    "size",
    [(1, 1), (100, 50), (2049, 64), (4032, 64), (4033, 67), (9000, 8), (1, 65500), (65500, 1)],
)
def test_files_have_the_size_of_the_rule(draw: Any, size: variants.Size, tmp_path: Path):
    rendered = render(draw(width=size[0], height=size[1]), tmp_path)
    expected = variants.FULLSIZE.output_size(size)
    for spec in sorted(variants.ALL, key=lambda spec: -spec.max_edge):
        expected = spec.output_size(expected)
        variant = rendered[spec.name]
        with Image.open(variant.path) as image:
            assert image.size == (variant.width, variant.height) == expected
            assert image.format == "JPEG"
        assert max(expected) <= spec.max_edge
        assert variant.byte_size == variant.path.stat().st_size
        assert variant.content_type == "image/jpeg"


def test_only_the_wanted_sizes_are_written(tmp_path: Path):
    path = tmp_path / "photo"
    path.write_bytes(drawn_pictures.jpeg(width=900, height=600))
    header = rendering.inspect(path)
    into = tmp_path / "out"
    into.mkdir()
    rendering.render(path, header=header, into=into, specs=(variants.THUMB,))
    assert [file.name for file in into.iterdir()] == ["thumb.jpg"]


ANOTHER_PROCESS = """
import sys
from pathlib import Path
from images.photofile import rendering

for folder in map(Path, sys.argv[1:]):
    path, into = folder / "original", folder / "again"
    into.mkdir()
    rendering.render(path, header=rendering.inspect(path), into=into)
"""


def test_another_process_writes_the_same_bytes(tmp_path: Path):
    rendered = {}
    for number, draw in enumerate(EVERY_FORMAT):
        folder = tmp_path / str(number)
        folder.mkdir()
        extra = (
            {"icc": drawn_profiles.display_p3(), "orientation": 6} if draw in CAN_BE_TURNED else {}
        )
        rendered[folder] = render(draw(width=1300, height=900, **extra), folder)
    command = [sys.executable, "-c", ANOTHER_PROCESS, *map(str, rendered)]
    subprocess.run(command, check=True)
    for folder, variants_by_name in rendered.items():
        for variant in variants_by_name.values():
            again = folder / "again" / variant.path.name
            assert variant.path.read_bytes() == again.read_bytes()


def test_shrinking_agrees_with_pillow():
    """The resizer works on Pillow's memory; an upgrade of either must not tear that apart."""
    picture = drawn_pictures.picture(width=640, height=480)
    for mode in ("RGB", "L", "CMYK", "RGBA"):
        source = picture.convert(mode)
        ours = resize.shrink(source, (200, 150))
        pillows = source.resize((200, 150), Image.Resampling.LANCZOS)
        assert ours.mode == mode
        difference = [abs(a - b) for a, b in zip(ours.tobytes(), pillows.tobytes(), strict=True)]
        assert max(difference) <= 4
        assert sum(difference) / len(difference) < 0.05


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
@pytest.mark.parametrize("size", [(6000, 4500), pytest.param((2500, 9001), marks=pytest.mark.long)])
def test_shrinking_by_bands_is_shrinking(
    mode: str, size: variants.Size, monkeypatch: pytest.MonkeyPatch
):
    picture = drawn_pictures.picture(width=size[0], height=size[1]).convert(mode)
    at_once = resize.shrink(picture, variants.FULLSIZE.output_size(size))
    data = memoryview(picture.tobytes())
    rows = resize.Rows(data, mode, size, len(data) // size[1])
    monkeypatch.setattr(resize, "_BAND_PIXELS", 1_000_000)
    by_bands = rows.cut(resize.Window.whole(size, at_once.size))
    assert by_bands.mode == mode
    assert by_bands.size == at_once.size
    difference = ImageChops.difference(by_bands, at_once)
    assert max(difference.tobytes()) <= 1


def test_bands_fit_into_a_picture_of_any_height(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(resize, "_BAND_PIXELS", 4000)
    for height in [5760, *range(2100, 12_000, 37)]:
        rows = resize.Rows(memoryview(bytes(9 * height)), "L", (8, height), 9)
        size = variants.FULLSIZE.output_size((8, height))
        assert rows.cut(resize.Window.whole((8, height), size)).size == size


# Colour

PATCHES = [(200, 60, 60), (60, 180, 60), (60, 60, 200), (128, 128, 128)]


def patches(mode: str = "RGB") -> Image.Image:
    image = Image.new("RGB", (400, 400))
    for index, colour in enumerate(PATCHES):
        image.paste(colour, (200 * (index % 2), 200 * (index // 2), 400, 400))
    return image.convert(mode)


def in_srgb(colour: Colour, gamma: float | None, to_srgb: tuple[tuple[float, ...], ...]) -> Colour:
    """What the sRGB standard (IEC 61966-2-1) makes of a colour of another RGB space."""

    def linear(level: int) -> float:
        value = level / 255
        if gamma:
            return float(value**gamma)
        return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)

    def encoded(value: float) -> int:
        value = min(max(value, 0), 1)
        return round(
            255 * (12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055)
        )

    levels = [linear(level) for level in colour]
    rows = (sum(a * b for a, b in zip(row, levels, strict=True)) for row in to_srgb)
    red, green, blue = (encoded(value) for value in rows)
    return red, green, blue


P3_TO_SRGB = ((1.22494, -0.22494, 0), (-0.04206, 1.04206, 0), (-0.01964, -0.07864, 1.09828))
ADOBE_TO_SRGB = ((1.39836, -0.39836, 0), (0, 1, 0), (0, -0.04293, 1.04293))


@pytest.mark.parametrize("draw", [drawn_pictures.jpeg, drawn_pictures.png, drawn_pictures.heic])
@pytest.mark.parametrize(
    ("icc", "gamma", "matrix"),
    [
        (drawn_profiles.display_p3(), None, P3_TO_SRGB),
        (drawn_profiles.adobe_rgb(), 2.19921875, ADOBE_TO_SRGB),
    ],
)
def test_wide_colours_become_srgb(
    draw: Any, icc: bytes, gamma: float | None, matrix: Any, tmp_path: Path
):
    expected = [in_srgb(colour, gamma, matrix) for colour in PATCHES]
    assert max(abs(a - b) for a, b in zip(expected[0], PATCHES[0], strict=True)) > 15
    rendered = render(
        draw(image=patches(), icc=icc, quality=95)
        if draw is not drawn_pictures.png
        else draw(image=patches(), icc=icc),
        tmp_path,
    )
    for variant in rendered.values():
        assert_close(corners(variant.path), expected, tolerance=7)


@pytest.mark.parametrize(
    "icc", [None, drawn_profiles.srgb(), drawn_profiles.srgb("of somebody"), b"broken", b"\0" * 200]
)
def test_srgb_and_unusable_profiles_change_nothing(icc: bytes | None, tmp_path: Path):
    rendered = render(drawn_pictures.jpeg(image=patches(), icc=icc, quality=95), tmp_path)
    assert_close(corners(rendered["fullsize"].path), PATCHES, tolerance=6)


def test_a_profile_of_other_channels_changes_nothing(tmp_path: Path):
    rendered = render(
        drawn_pictures.jpeg(image=patches("L"), icc=drawn_profiles.display_p3()), tmp_path
    )
    grey = [patches("L").getpixel(xy) for xy in ((50, 50), (350, 50), (50, 350), (350, 350))]
    assert_close(corners(rendered["fullsize"].path), [(g, g, g) for g in grey], tolerance=4)


def _file(image: Image.Image, format_: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format_, **options)
    return out.getvalue()


def _png(width: int, height: int, *, depth: int, colour_type: int, rows: bytes) -> bytes:
    """A PNG of a kind Pillow cannot write."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + drawn_pictures.chunk(b"IHDR", head)
        + drawn_pictures.chunk(b"IDAT", zlib.compress(rows))
        + drawn_pictures.chunk(b"IEND", b"")
    )


def _deep_png(image: Image.Image, *, colour_type: int) -> bytes:
    """16 bits a channel, the low byte all noise."""
    data, width = image.tobytes(), image.width
    stride = len(data) // image.height
    rows = b"".join(
        b"\0" + bytes(b for level in data[y * stride : (y + 1) * stride] for b in (level, 77))
        for y in range(image.height)
    )
    return _png(width, image.height, depth=16, colour_type=colour_type, rows=rows)


def _shown_on_white(image: Image.Image) -> Image.Image:
    """Half-transparent, so that white shows through."""
    image.putalpha(128)
    return image


GREYS: list[Colour] = [(g, g, g) for g in (patches("L").getpixel(xy) for xy in
                       ((50, 50), (350, 50), (50, 350), (350, 350)))]  # fmt: skip
PALE: list[Colour] = [tuple((level * 128 + 255 * 127) // 255 for level in c) for c in PATCHES]  # type: ignore[misc]
PALE_GREYS: list[Colour] = [tuple((level * 128 + 255 * 127) // 255 for level in c) for c in GREYS]  # type: ignore[misc]

KINDS = {
    "grey JPEG": (_file(patches("L"), "JPEG"), GREYS),
    "progressive JPEG": (drawn_pictures.jpeg(image=patches(), progressive=True), PATCHES),
    "4:4:4 JPEG": (_file(patches(), "JPEG", subsampling=0), PATCHES),
    "CMYK JPEG": (_file(patches("CMYK"), "JPEG", quality=95), PATCHES),
    "grey PNG": (_file(patches("L"), "PNG"), GREYS),
    "grey PNG, transparent": (_file(_shown_on_white(patches("L")), "PNG"), PALE_GREYS),
    "16 bit grey PNG": (_deep_png(patches("L"), colour_type=0), GREYS),
    "16 bit PNG": (_deep_png(patches(), colour_type=2), PATCHES),
    "palette PNG": (_file(patches().quantize(16), "PNG"), PATCHES),
    "transparent PNG": (_file(_shown_on_white(patches()), "PNG"), PALE),
    "palette PNG, transparent": (_file(_shown_on_white(patches()).quantize(16), "PNG"), PALE),
    "black and white PNG": (
        _file(patches("L").point(lambda level: 255 * (level > 100)).convert("1"), "PNG"),
        [(255 * (g > 100),) * 3 for g, *_ in GREYS],
    ),
    "transparent HEIC": (drawn_pictures.heic(image=_shown_on_white(patches()), quality=95), PALE),
    "grey HEIC": (drawn_pictures.heic(image=patches("L"), quality=95), GREYS),
}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_pixel_looks_right(name: str, tmp_path: Path):
    data, expected = KINDS[name]
    for variant in render(data, tmp_path).values():
        assert_close(corners(variant.path), expected, tolerance=8)


def test_what_is_transparent_does_not_bleed_its_hidden_colour(tmp_path: Path):
    image = Image.new("RGBA", (3000, 300), (255, 0, 0, 0))
    rendered = render(_file(image, "PNG"), tmp_path)
    assert_close(corners(rendered["fullsize"].path), [(255, 255, 255)] * 4, tolerance=2)


def test_the_type_is_that_of_the_bytes(tmp_path: Path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(drawn_pictures.heic(width=90, height=60))
    assert rendering.inspect(path).format is formats.HEIC
