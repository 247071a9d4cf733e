"""Takes the position out of an original without touching its pixels, and proves that it is gone.

Only what is understood is written: the pixels, the camera's tags, XMP that is known to tell no
place. Anything else (maker notes, comments, other applications' segments, films behind the picture)
is blanked or left out. `CannotRemoveLocation` says that the pixels themselves are not understood:
then only removing the whole original will do.
"""

from __future__ import annotations

import filecmp
import mmap
import shutil
import struct
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from PIL import ExifTags

from images.photofile.containers import (
    bmp_location,
    gif_location,
    heif_location,
    jpeg_location,
    location_patterns,
    png_location,
    tiff_location,
    webp_location,
)
from images.photofile.containers.location_patterns import CannotRemoveLocation, Redaction, Removed
from images.photofile.metadata import blocks, dump, exif, tiff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Editor = Callable[[Path, Path, Redaction], None]

__all__ = [
    "CannotRemoveLocation",
    "Redaction",
    "Removed",
    "dump_without_location",
    "filename_without_location",
    "remove_location",
]


def remove_location(source: Path, into: Path) -> Redaction | None:
    """Write the file without its position to `into`, and tell what was removed. None, and nothing
    is of use there, if it held nothing that could tell it.

    Raises CannotRemoveLocation, and OSError if the disk is full.
    """
    with source.open("rb") as file:
        kind = blocks.kind(file.read(12))
        if kind not in _EDITORS:
            raise CannotRemoveLocation("Nobody knows where such a file may hold a position.")
        try:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                redaction = location_patterns.start(data)
            edit, drawing = _EDITORS[kind]
            edit(source, into, redaction)
            if filecmp.cmp(source, into, shallow=False):
                return None
            _prove(source, into, drawing, redaction)
        except (struct.error, IndexError, ValueError) as error:
            raise CannotRemoveLocation("It cannot be read in full.") from error
    redaction.removed = redaction.removed or {Removed.OTHER}
    return redaction


def dump_without_location(raw: dict[str, Any]) -> dict[str, Any]:
    """The raw dump of exif.read without its position, without free texts, and without tags that
    are not understood and may tell it."""
    kept = {ExifTags.TAGS.get(tag, f"0x{tag:04X}") for tag in tiff_location.KEPT_TAGS} - _FREE_TEXTS
    return {
        directory: {
            name: value
            for name, value in tags.items()
            if _is_kept_in_dump(directory, name, value, kept)
        }
        for directory, tags in raw.items()
        if directory != tiff.GPS
    }


def filename_without_location(filename: str, redaction: Redaction) -> str:
    """Another name for a file whose name tells where, as some cameras of phones write it."""
    return f"photo{PurePath(filename).suffix}" if redaction.tells(filename) else filename


_FREE_TEXTS: Final = frozenset(
    {
        *("DocumentName", "ImageDescription", "PageName", "ImageTitle", "ImageHistory"),
        *("UserComment", "XPTitle", "XPComment", "XPSubject", "XPAuthor"),
    }
)


def _is_kept_in_dump(directory: str, name: str, value: Any, kept: set[str]) -> bool:
    if isinstance(value, str) and Redaction().tells(value):
        return False
    if directory == dump.XMP:
        return not name.startswith("exif:GPS")
    return name in kept or directory == tiff.INTEROP


def _in_place(edit: Callable[[Path, Redaction], None]) -> Callable[[Path, Path, Redaction], None]:
    def edit_copy(source: Path, into: Path, redaction: Redaction) -> None:
        shutil.copyfile(source, into)
        edit(into, redaction)

    return edit_copy


# By kind: what writes the file without its position, and what says how the pixels are drawn.
_EDITORS: Final[dict[str, tuple[Editor, Callable[[Path], object]]]] = {
    blocks.JPEG: (_in_place(jpeg_location.edit), jpeg_location.pixel_digest),
    blocks.PNG: (png_location.rewrite, png_location.pixel_digest),
    blocks.WEBP: (webp_location.rewrite, webp_location.pixel_digest),
    blocks.HEIF: (_in_place(heif_location.edit), heif_location.pixel_digest),
    blocks.TIFF: (_in_place(tiff_location.edit_file), tiff_location.pixel_digest),
    blocks.GIF: (gif_location.rewrite, gif_location.pixel_digest),
    blocks.BMP: (_in_place(bmp_location.edit), bmp_location.pixel_digest),
}


def _prove(
    source: Path, edited: Path, drawing: Callable[[Path], object], redaction: Redaction
) -> None:
    """Read the result as a worker would, and hold its pixels against those of the source."""
    read = exif.read(edited)
    with edited.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        keeps_xmp = redaction.keeps_xmp(*blocks.find(data).xmp)
    tells = any(redaction.tells(text) for text in _texts(read.raw))
    if read.gps is not None or tiff.GPS in read.raw or tells or not keeps_xmp:
        raise CannotRemoveLocation("A position is still there.")
    turned = [found.orientation or 1 for found in (read, exif.read(source))]
    if turned[0] != turned[1] or drawing(source) != drawing(edited):
        raise CannotRemoveLocation("The picture would not be the same.")


def _texts(raw: dict[str, Any]) -> Iterator[str]:
    for tags in raw.values():
        yield from (value for value in tags.values() if isinstance(value, str))
