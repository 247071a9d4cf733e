"""What a camera wrote about its picture: EXIF 2.32 and 3.0 (CIPA DC-008), in whatever container;
and where EXIF does not tell when and where, what XMP tells.

Nothing here fails a picture: a field that is missing, malformed or impossible is None, and the rest
stands. Texts and the raw dump are safe for PostgreSQL's text and jsonb. Neither time nor memory
grows with the file.
"""

from __future__ import annotations

import logging
import math
import mmap
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from billiard.exceptions import SoftTimeLimitExceeded

from images.photofile.metadata import (
    blocks,
    capture_place,
    capture_time,
    dump,
    tag_values,
    tiff,
    xmp,
)

if TYPE_CHECKING:
    from pathlib import Path

    from images.photofile.metadata.capture_place import Gps

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Exif:
    """The tags we use, typed; codes (flash, metering_mode, …) as EXIF numbers them."""

    camera_make: str | None = None
    camera_model: str | None = None
    lens_model: str | None = None
    software: str | None = None
    datetime_original: datetime | None = None  # naive: the clock on the wall
    offset_time: str | None = None  # as the camera says: "+02:00"
    utc_offset: timedelta | None = None  # the camera's, or else told by GPS time
    iso: int | None = None
    focal_length: float | None = None  # mm
    aperture: float | None = None  # f-number
    exposure_time: float | None = None  # seconds
    flash: int | None = None
    metering_mode: int | None = None
    exposure_program: int | None = None
    white_balance: int | None = None
    saturation: int | None = None
    sharpness: int | None = None
    contrast: int | None = None
    orientation: int | None = None  # 1..8
    x_resolution: float | None = None  # pixels per resolution_unit
    y_resolution: float | None = None
    resolution_unit: int | None = None  # 2 inch, 3 centimetre
    exif_version: str | None = None
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
        if path.stat().st_size == 0:
            return Exif()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                found = blocks.find(data)
                return parse(found.exif, *found.xmp)
            except (MemoryError, SoftTimeLimitExceeded):
                raise
            except Exception:
                # A picture is worth more than its tags: whatever a hostile block can still
                # trigger must not cost a guest the photo. The tests read the log and fail.
                logger.exception("EXIF could not be read")
                return Exif()


def parse(block: bytes | mmap.mmap, *documents: bytes) -> Exif:
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
        camera_make=tag_values.text(ifd0.get(0x010F)),
        camera_model=tag_values.text(ifd0.get(0x0110)),
        lens_model=tag_values.text(exif.get(0xA434)),
        software=tag_values.text(ifd0.get(0x0131)),
        datetime_original=taken.local,
        offset_time=taken.offset_time,
        utc_offset=taken.utc_offset,
        iso=_iso(exif),
        focal_length=tag_values.positive(exif.get(0x920A)),
        aperture=_aperture(exif),
        exposure_time=_exposure_time(exif),
        flash=tag_values.code(exif.get(0x9209)),
        metering_mode=tag_values.code(exif.get(0x9207)),
        exposure_program=tag_values.code(exif.get(0x8822)),
        white_balance=tag_values.code(exif.get(0xA403)),
        saturation=tag_values.code(exif.get(0xA409)),
        sharpness=tag_values.code(exif.get(0xA40A)),
        contrast=tag_values.code(exif.get(0xA408)),
        orientation=tag_values.code(ifd0.get(0x0112), among=range(1, 9)),
        x_resolution=tag_values.positive(ifd0.get(0x011A)),
        y_resolution=tag_values.positive(ifd0.get(0x011B)),
        resolution_unit=tag_values.code(ifd0.get(0x0128)),
        exif_version=tag_values.text(exif.get(0x9000)),
        gps=capture_place.of_exif(gps) or capture_place.of_xmp(properties),
        raw=dump.dump(directories, properties),
    )


def _iso(exif: tiff.Directory) -> int | None:
    """PhotographicSensitivity; above 65534 the real value stands in the tags of EXIF 2.3."""
    iso = tag_values.code(exif.get(0x8827), among=range(1, 65535))
    if iso is not None:
        return iso
    # RecommendedExposureIndex, StandardOutputSensitivity, ISOSpeed
    tags = (0x8832, 0x8831, 0x8833)
    wider = (tag_values.code(exif.get(tag), among=range(1, 2**31)) for tag in tags)
    return next((iso for iso in wider if iso is not None), None)


def _aperture(exif: tiff.Directory) -> float | None:
    """FNumber, else ApertureValue, which says the same in APEX (EXIF 2.32 annex C)."""
    f_number = tag_values.positive(exif.get(0x829D))
    apex = tag_values.number(exif.get(0x9202))
    if f_number is None and apex is not None and 0 < apex < 30:
        return math.sqrt(2) ** apex
    return f_number


def _exposure_time(exif: tiff.Directory) -> float | None:
    """ExposureTime in seconds, else ShutterSpeedValue, which says the same in APEX."""
    seconds = tag_values.positive(exif.get(0x829A))
    apex = tag_values.number(exif.get(0x9201))
    if seconds is None and apex is not None and 0 < abs(apex) < 30:
        return float(2**-apex)
    return seconds
