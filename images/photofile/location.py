"""Takes the location out of an original without touching its pixels, and proves that it is gone.

Only what is understood is written: the pixels, the camera's tags, XMP that is known to tell no
place. Anything else (maker notes, comments, other applications' segments, films behind the picture)
is blanked or left out. `CannotRemoveLocation` says that the pixels themselves are not understood:
then only removing the whole original will do.
"""

from __future__ import annotations

import filecmp
import struct
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from PIL import ExifTags

from images.photofile import formats, pieces
from images.photofile.containers.container import NotDrawable
from images.photofile.metadata import dump, exif, exif_editor, location_patterns, tiff
from images.photofile.metadata.location_patterns import CannotRemoveLocation, Redaction, Removed

if TYPE_CHECKING:
    from pathlib import Path

    from images.photofile.containers.container import Container

__all__ = [
    "CannotRemoveLocation",
    "Redaction",
    "Removed",
    "dump_without_location",
    "filename_without_location",
    "remove_location",
]


def remove_location(source: Path, into: Path) -> Redaction | None:
    """Write the file without its location to `into`, and tell what was removed. None, and nothing
    is of use there, if it held nothing that could reveal one.

    Raises CannotRemoveLocation, and OSError if the disk is full.
    """
    with source.open("rb") as file:
        try:
            container = formats.sniff_head(file.read(formats.HEAD_BYTES)).container
            with pieces.mapped(file) as data:
                documents = container.find_metadata(data).xmp
                redaction = location_patterns.begin_redaction(data, documents)
            container.remove_location(source, into, redaction)
            if filecmp.cmp(source, into, shallow=False):
                return None
            _prove(container, source, into, redaction)
        except (formats.NotAnImage, formats.UnsupportedFormat) as error:
            raise CannotRemoveLocation("It is of a format that is not understood.") from error
        except (NotDrawable, struct.error, IndexError, ValueError) as error:
            raise CannotRemoveLocation("It cannot be read in full.") from error
    redaction.removed = redaction.removed or {Removed.OTHER}
    return redaction


def _prove(container: Container, source: Path, edited: Path, redaction: Redaction) -> None:
    """Read the result as a worker would, and hold its pixels against those of the source."""
    read = exif.read(edited)
    with edited.open("rb") as file, pieces.mapped(file) as data:
        allows_xmp = redaction.allows_xmp(*container.find_metadata(data).xmp)
    reveals = any(
        isinstance(value, str) and redaction.reveals(value)
        for tags in read.raw.values()
        for value in tags.values()
    )
    if read.gps is not None or tiff.GPS in read.raw or reveals or not allows_xmp:
        raise CannotRemoveLocation("A location is still there.")
    before, after = (pieces.checksum(path, container.drawing) for path in (source, edited))
    if (read.orientation or 1) != (exif.read(source).orientation or 1) or before != after:
        raise CannotRemoveLocation("The picture would not be the same.")


_FREE_TEXTS: Final = frozenset(
    {
        *("DocumentName", "ImageDescription", "PageName", "ImageTitle", "ImageHistory"),
        *("UserComment", "XPTitle", "XPComment", "XPSubject", "XPAuthor"),
    }
)


def dump_without_location(raw: dict[str, Any]) -> dict[str, Any]:
    """Return the raw dump of exif.read without its position, without free texts, and without tags
    that are not understood and may reveal it."""
    kept = {ExifTags.TAGS.get(tag, f"0x{tag:04X}") for tag in exif_editor.KEPT_TAGS} - _FREE_TEXTS
    return {
        directory: {
            name: value
            for name, value in tags.items()
            if _is_kept_in_dump(directory, name, value, kept)
        }
        for directory, tags in raw.items()
        if directory != tiff.GPS
    }


def _is_kept_in_dump(directory: str, name: str, value: Any, kept: set[str]) -> bool:
    if isinstance(value, str) and Redaction().reveals(value):
        return False
    if directory == dump.XMP:
        return not name.startswith("exif:GPS")
    return name in kept or directory == tiff.INTEROP


def filename_without_location(filename: str, redaction: Redaction) -> str:
    """Return another name for a file whose name tells where, as some phones write it."""
    return f"photo{PurePath(filename).suffix}" if redaction.reveals(filename) else filename
