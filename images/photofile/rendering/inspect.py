"""Reads the header of a file, and checks it against our budgets before anything is decoded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from images.photofile import formats, pieces
from images.photofile.containers import bmp, gif, heif, jpeg, png, tiff, webp
from images.photofile.metadata import exif
from images.photofile.rendering import bad_picture, heif_decoders
from images.photofile.rendering.bad_picture import BadPicture

if TYPE_CHECKING:
    from collections.abc import Callable
    from mmap import mmap
    from pathlib import Path

    from images.photofile.formats import Format
    from images.photofile.transforms.spec import Size

MEGAPIXEL: Final = 1_000_000

# A baseline JPEG is decoded row by row and at a fraction of its size; everything else stands in
# memory as a whole, at 4 bytes a pixel and more; a HEIC, whose pixels are taken over by bands, at
# fewer than 5, so that those of 200 megapixels, which phones write, are within the bound as well.
MAX_PIXELS_BY_ROWS: Final = 250 * MEGAPIXEL
MAX_PIXELS_HEIC: Final = 200 * MEGAPIXEL
MAX_PIXELS_AS_A_WHOLE: Final = 64 * MEGAPIXEL
# Tiles are decoded whole, and those at the edges are mostly air in a small or narrow picture.
MAX_PIXELS_PADDED: Final = 2 * MAX_PIXELS_AS_A_WHOLE
# Pillow undoes the run-length code of a BMP in Python, at a microsecond a pixel.
MAX_PIXELS_RUN_LENGTH: Final = 8 * MEGAPIXEL

# Every scan of a progressive JPEG costs a pass over the picture; encoders write about ten.
MAX_SCANS: Final = 100
MAX_PIXELS_SCANNED: Final = 20 * MAX_PIXELS_AS_A_WHOLE

# Of orientations, those that swap width and height.
_SIDEWAYS: Final = frozenset({5, 6, 7, 8})


@dataclass(frozen=True)
class Header:
    """The facts that the beginning of a file gives. Width and height are those of the upright
    picture.

    `orientation` is what is left to do to the decoded pixels, in the numbers of EXIF.
    """

    format: Format
    width: int
    height: int
    orientation: int = 1


def inspect(path: Path) -> Header:
    """Read the header and hold it against the budgets. Decodes nothing. Raises BadPicture."""
    try:
        format_ = formats.sniff(path)
    except formats.NotAnImage as error:
        raise BadPicture("not-an-image", str(error)) from error
    except formats.UnsupportedFormat as error:
        raise BadPicture("unsupported-format", str(error)) from error
    with (
        path.open("rb") as file,
        pieces.mapped(file) as data,
        bad_picture.translate_decoder_errors(),
    ):
        (width, height), orientation = _INSPECTORS[format_](data)
    if orientation is None or orientation not in range(1, 9):
        orientation = 1
    if orientation in _SIDEWAYS:
        width, height = height, width
    return Header(format_, width, height, orientation)


def _inspect_jpeg(data: mmap) -> tuple[Size, int | None]:
    header = jpeg.read_header(data)
    size = header.width, header.height
    if not header.pixels_at or header.components not in {1, 3, 4}:
        raise bad_picture.damaged()
    if header.bits != 8 or header.frame_marker not in {0xC0, 0xC1, 0xC2}:
        raise bad_picture.rare("a JPEG of a rare kind (lossless, arithmetic or 12 bits)")
    if header.is_whole_in_memory:
        _checked(size)
        most = min(MAX_SCANS, MAX_PIXELS_SCANNED // math.prod(size))
        if jpeg.count_scans(data, header.pixels_at, most=most) > most:
            raise bad_picture.damaged()
    else:
        _checked(size, MAX_PIXELS_BY_ROWS)
    return size, exif.parse(header.exif).orientation


def _inspect_png(data: mmap) -> tuple[Size, int | None]:
    header = png.read_header(data)
    size = _checked((header.width, header.height))
    return size, exif.parse(header.exif).orientation


def _inspect_webp(data: mmap) -> tuple[Size, int | None]:
    header = webp.read_header(data)
    _checked(header.frame)
    return _checked(header.canvas), exif.parse(header.exif).orientation


def _inspect_heic(data: mmap) -> tuple[Size, int | None]:
    _check_heif(data, MAX_PIXELS_HEIC)
    with heif_decoders.translate_libheif_errors():
        size = heif_decoders.open_heic(data).size
    # libheif applies irot and imir; the EXIF tag says the same thing once more.
    return _checked(size, MAX_PIXELS_HEIC), None


def _inspect_avif(data: mmap) -> tuple[Size, int | None]:
    header = _check_heif(data, MAX_PIXELS_AS_A_WHOLE)
    size, *_ = heif_decoders.open_avif(data).get_info()
    # As with HEIC the EXIF tag does not count (ISO/IEC 23008-12, annex A); here nobody has turned.
    return _checked(size), header.orientation


def _check_heif(data: mmap, limit: int) -> heif.Header:
    header = heif.read_header(data)
    if header.largest != (0, 0):
        _checked(header.largest, limit)
    return header


def _inspect_tiff(data: mmap) -> tuple[Size, int | None]:
    header = tiff.read_header(data)
    if header.is_rare:
        raise bad_picture.rare("a TIFF of a rare kind")
    size = _checked((header.width, header.height))
    if header.tile != (0, 0):
        _checked(header.tile)
        _checked(header.padded, MAX_PIXELS_PADDED)
    scanned = tiff.count_pixels_scanned(data, header, most=MAX_PIXELS_SCANNED)
    if scanned > MAX_PIXELS_SCANNED:
        raise bad_picture.damaged()
    return size, header.orientation


def _inspect_gif(data: mmap) -> tuple[Size, int | None]:
    header = gif.read_header(data)
    return _checked((header.width, header.height)), None


def _inspect_bmp(data: mmap) -> tuple[Size, int | None]:
    header = bmp.read_header(data)
    if header.is_rare:
        raise bad_picture.rare("a BMP of a rare kind")
    limit = MAX_PIXELS_RUN_LENGTH if header.is_run_length else MAX_PIXELS_AS_A_WHOLE
    return _checked((header.width, header.height), limit), None


_INSPECTORS: Final[dict[Format, Callable[[mmap], tuple[Size, int | None]]]] = {
    formats.JPEG: _inspect_jpeg,
    formats.PNG: _inspect_png,
    formats.HEIC: _inspect_heic,
    formats.WEBP: _inspect_webp,
    formats.AVIF: _inspect_avif,
    formats.TIFF: _inspect_tiff,
    formats.GIF: _inspect_gif,
    formats.BMP: _inspect_bmp,
}


def _checked(size: Size, limit: int = MAX_PIXELS_AS_A_WHOLE) -> Size:
    """Return the size if it has pixels, and no more than the limit. Raises BadPicture."""
    pixels = math.prod(size)
    if min(size) < 1:
        raise bad_picture.damaged()
    if pixels > limit:
        raise BadPicture(
            "too-many-pixels",
            f"This picture has {pixels / MEGAPIXEL:,.0f} megapixels; "
            f"we can take up to {limit // MEGAPIXEL} of its kind.",
        )
    return size
