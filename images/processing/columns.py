"""The columns of a photo that follow from its file."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.db.models.functions import Now

from images.models import Image, Upload, Variant
from images.photofile import location
from images.photofile.metadata import exif_fields
from images.photofile.rendering.appearance import Appearance
from images.processing import clocks

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from images.photofile.metadata.exif import Exif
    from images.photofile.rendering import Header, Rendered
    from images.storage import object_keys


@dataclass(frozen=True)
class Finished:
    """The facts about a photo whose objects are stored."""

    header: Header
    sha256: str
    byte_size: int
    metadata: Exif
    renderings: list[Rendered]
    original: Path | None  # None where it cannot be kept
    looks: Appearance = field(default_factory=Appearance)


def columns_of(finished: Finished, upload: Upload, image: Image) -> dict[str, Any]:
    """The Image columns that follow from the bytes; those a person has set stay as they are."""
    # A replacement does not make the photo a newer one.
    uploaded_at = upload.created_at if upload.version == 1 else image.created_at
    columns = exif_columns(finished, uploaded_at=uploaded_at)
    if image.taken_source == Image.TimeSource.PERSON:
        for name in ("taken_at_local", "utc_offset_minutes", "taken_at", "taken_source", "sort_at"):
            del columns[name]
    else:
        columns = clocks.correct(columns, image)
    if image.gps_source in {Image.GpsSource.PERSON, Image.GpsSource.REMOVED}:
        for name in ("latitude", "longitude", "altitude", "direction", "gps_at", "gps_source"):
            del columns[name]
    if image.is_place_removed:
        columns["exif"] = location.dump_without_location(columns["exif"])
    return columns


def exif_columns(finished: Finished, *, uploaded_at: datetime) -> dict[str, Any]:
    read = finished.metadata
    taken = read.taken_at or (
        # No offset: the camera's clock, read as UTC, still sorts the evening right.
        read.datetime_original.replace(tzinfo=UTC) if read.datetime_original else None
    )
    gps = read.gps
    return {
        "content_type": finished.header.format.content_type,
        "byte_size": finished.byte_size,
        "sha256": finished.sha256,
        "width": finished.header.width,
        "height": finished.header.height,
        "taken_at_local": read.datetime_original and read.datetime_original.replace(tzinfo=UTC),
        "utc_offset_minutes": (
            None if read.utc_offset is None else round(read.utc_offset.total_seconds() / 60)
        ),
        "taken_at": read.taken_at,
        "taken_source": Image.TimeSource.EXIF if taken else "",
        "sort_at": taken or uploaded_at,
        "latitude": gps and gps.lat,
        "longitude": gps and gps.lon,
        "altitude": gps and gps.altitude,
        "direction": gps and gps.direction,
        "gps_at": gps and gps.datetime,
        "gps_source": Image.GpsSource.EXIF if gps else "",
        **{name: getattr(read, name) for name in exif_fields.NAMES},
        **{name: getattr(read, name) or "" for name in exif_fields.TEXT_NAMES},
        "exif": read.raw,
        **asdict(finished.looks),
        "updated_at": Now(),
    }


def variant_rows(version: object_keys.Version, renderings: Iterable[Rendered]) -> list[Variant]:
    """The rows of these renderings of a version; unsaved."""
    return [
        Variant(
            image_id=version.image_id,
            version=version.number,
            name=rendered.name,
            key=version.variant(rendered.name),
            width=rendered.width,
            height=rendered.height,
            byte_size=rendered.byte_size,
            content_type=rendered.content_type,
        )
        for rendered in renderings
    ]
