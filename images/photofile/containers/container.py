"""The interface that the module of each container has, and limits they share."""

from __future__ import annotations

from mmap import mmap
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from images.photofile.metadata.location_patterns import Redaction
    from images.photofile.pieces import Piece

# A file, mapped so that only what is looked at is read.
Data = bytes | mmap
Size = tuple[int, int]  # width, height

MAX_EXIF_BYTES: Final = 1024 * 1024
MAX_XMP_BYTES: Final = 1024 * 1024
MAX_ICC_BYTES: Final = 4 * 1024 * 1024


class NotDrawable(Exception):
    """The file describes no picture that a decoder could draw."""


class Metadata:
    """`exif` is a TIFF structure, perhaps behind "Exif"; of a TIFF it is the whole file. `xmp` are
    documents, the main one first."""

    def __init__(self, exif: Data = b"", *xmp: bytes) -> None:
        self.exif = exif
        self.xmp = tuple(document for document in xmp if document)


class Container(Protocol):
    """A module of this package. Each has a `read_header`, too, for `rendering`."""

    def find_metadata(self, data: Data) -> Metadata:
        """Find EXIF and XMP within limits, whatever the file claims. Never raises for bad data."""

    def remove_location(self, source: Path, into: Path, redaction: Redaction) -> None:
        """Write the file without its location to `into`, and record in `redaction` what went.

        Raises CannotRemoveLocation, or struct.error, IndexError, ValueError for a broken file.
        """

    def drawing(self, data: mmap) -> Iterator[Piece]:
        """All that decides how the picture looks: the same before and after `remove_location`."""
