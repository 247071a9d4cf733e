"""What a camera wrote about its picture: EXIF 2.32 and 3.0 (CIPA DC-008), in whatever container;
and where EXIF does not tell when and where, what XMP tells.

Nothing here fails a picture: a field that is missing, malformed or impossible is None, and the rest
stands. Texts and the raw dump are safe for PostgreSQL's text and jsonb. Neither time nor memory
grows with the file.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from billiard.exceptions import SoftTimeLimitExceeded

from images.photofile import formats, pieces
from images.photofile.metadata import capture_place, capture_time, dump, exif_fields, tiff, xmp

if TYPE_CHECKING:
    from mmap import mmap
    from pathlib import Path

    from images.photofile.metadata.capture_place import Gps

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Exif(exif_fields.ExifFields):
    """The fields of the list, and when and where the photo was taken."""

    datetime_original: datetime | None = None  # naive: the clock on the wall
    offset_time: str | None = None  # as the camera says: "+02:00"
    utc_offset: timedelta | None = None  # the camera's, or else told by GPS time
    gps: Gps | None = None
    # JSON-safe: {"IFD0": {tag name: value}, "Exif": {…}, "GPS": {…}, "Interop": {…}, "XMP": {…}}
    raw: dict[str, Any] = field(default_factory=dict)

    @property
    def taken_at(self) -> datetime | None:
        """The moment in UTC; None unless both the local time and its offset are known."""
        if self.datetime_original is None or self.utc_offset is None:
            return None
        return (self.datetime_original - self.utc_offset).replace(tzinfo=UTC)


def read(path: Path) -> Exif:
    """Read the EXIF of a file. Bad metadata never raises; a file that cannot be opened does, and
    so do a lack of memory and a worker's time limit, which say nothing about the picture."""
    with path.open("rb") as file:
        try:
            format_ = formats.sniff_head(file.read(formats.HEAD_BYTES))
        except (formats.NotAnImage, formats.UnsupportedFormat):
            return Exif()
        with pieces.mapped(file) as data:
            try:
                found = format_.container.find_metadata(data)
                return parse(found.exif, *found.xmp)
            except (MemoryError, SoftTimeLimitExceeded):
                raise
            except Exception:
                # A picture is worth more than its tags: whatever a hostile block can still
                # trigger must not cost a guest the photo. The tests read the log and fail.
                logger.exception("EXIF could not be read")
                return Exif()


def parse(block: bytes | mmap, *documents: bytes) -> Exif:
    """Read an EXIF block, the TIFF structure without its container, and documents of XMP."""
    directories = tiff.read(block)
    properties: dict[str, str] = {}
    for document in documents:
        properties = xmp.read(document) | properties
    ifd0 = directories.get(tiff.IFD0, {})
    exif = directories.get(tiff.EXIF, {})
    gps = directories.get(tiff.GPS, {})
    taken = capture_time.read(
        *(ifd0, exif, properties),
        gps_time=capture_time.of_gps(gps) or capture_time.of_gps_in_xmp(properties),
    )
    return Exif(
        **exif_fields.read(directories),
        datetime_original=taken.local,
        offset_time=taken.offset_time,
        utc_offset=taken.utc_offset,
        gps=capture_place.of_exif(gps) or capture_place.of_xmp(properties),
        raw=dump.dump(directories, properties),
    )
