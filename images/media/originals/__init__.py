"""Takes the position out of an original without touching its pixels, and proves that it is gone.

What is understood is edited; what may hold a position and is not understood (maker notes,
comments, other applications' segments) is blanked or left out; where neither can be proved,
`Unproven` says that only removing the whole original will do.
"""

from __future__ import annotations

import filecmp
import mmap
import shutil
import struct
from typing import TYPE_CHECKING, Any, Final

from PIL import ExifTags

from images.media import containers, exif, tag_dump, tiff
from images.media.originals import bmps, gifs, heifs, jpegs, pngs, telling, tiff_tags, webps
from images.media.originals.telling import Unproven

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Unproven", "dump_without_place", "forget_place"]


def forget_place(source: Path, into: Path) -> bool:
    """Write the file without its position to `into`. False, and nothing is of use there, if it
    held none.

    Raises Unproven, and OSError if the disk is full.
    """
    with source.open("rb") as file:
        kind = containers.kind(file.read(12))
    try:
        if kind == containers.BMP:
            return bmps.look_into(source)
        if kind not in _EDITORS:
            raise Unproven("Nobody knows where such a file may hold a position.")
        edit, drawing = _EDITORS[kind]
        changed = edit(source, into)
        if changed:
            _prove(source, into, drawing)
    except (struct.error, IndexError, ValueError) as error:
        raise Unproven("It cannot be read in full.") from error
    return changed


def dump_without_place(raw: dict[str, Any]) -> dict[str, Any]:
    """The raw dump of exif.read without its position, and without blocks that may hold one."""
    forgotten = {ExifTags.TAGS.get(tag, f"0x{tag:04X}") for tag in tiff_tags.FORGOTTEN_TAGS}
    return {
        directory: {
            name: value
            for name, value in tags.items()
            if name not in forgotten and not name.startswith("exif:GPS")
        }
        for directory, tags in raw.items()
        if directory != tiff.GPS
    }


def _jpeg(source: Path, into: Path) -> bool:
    shutil.copyfile(source, into)
    return jpegs.edit(into)


def _heif(source: Path, into: Path) -> bool:
    shutil.copyfile(source, into)
    return heifs.edit(into)


def _tiff(source: Path, into: Path) -> bool:
    shutil.copyfile(source, into)
    tiff_tags.edit_file(into)
    return not filecmp.cmp(source, into, shallow=False)


# By kind: what writes the file without its position, and what says how the pixels are drawn.
_EDITORS: Final[dict[str, tuple[Callable[[Path, Path], bool], Callable[[Path], object]]]] = {
    containers.JPEG: (_jpeg, jpegs.drawing),
    containers.PNG: (pngs.rewrite, pngs.drawing),
    containers.WEBP: (webps.rewrite, webps.drawing),
    containers.HEIF: (_heif, heifs.drawing),
    containers.TIFF: (_tiff, tiff_tags.drawing),
    containers.GIF: (gifs.rewrite, gifs.drawing),
}


def _prove(source: Path, edited: Path, drawing: Callable[[Path], object]) -> None:
    """Read the result as a worker would, and hold its pixels against those of the source."""
    read = exif.read(edited)
    if read.gps is not None or tiff.GPS in read.raw:
        raise Unproven("A position is still there.")
    with edited.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if any(telling.xmp_tells_where(document) for document in containers.find(data).xmp):
            raise Unproven("A position is still there.")
    if any(name.startswith("exif:GPS") for name in read.raw.get(tag_dump.XMP, {})):
        raise Unproven("A position is still there.")
    if drawing(source) != drawing(edited):
        raise Unproven("The pixels would not be the same.")
