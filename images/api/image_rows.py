"""Photos of a list as JSON, straight from rows: the same JSON as ImageSerializer's, built without
models and serializers, which cost several times as much for a page of fifty."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from images.api.image_json import local_time, utc_offset
from images.media.storage import photo_storage
from images.models import Variant

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from images.models import ImageQuerySet

# Everything the JSON shows or a list is sorted by. Not `exif`: the dump is for one photo alone.
COLUMNS = (
    *("id", "group_id", "version", "status", "failure", "original_filename", "content_type"),
    *("byte_size", "sha256", "width", "height", "description", "uploader_name"),
    *("taken_at", "taken_at_local", "utc_offset_minutes", "sort_at"),
    *("latitude", "longitude", "altitude", "direction", "gps_at"),
    *("camera_make", "camera_model", "lens_model", "software", "iso", "focal_length"),
    *("aperture", "exposure_time", "flash", "metering_mode", "exposure_program"),
    *("white_balance", "saturation", "sharpness", "contrast", "orientation"),
    *("x_resolution", "y_resolution", "exif_version"),
    *("created_at", "updated_at", "processed_at", "processing_ms"),
)


def of(images: ImageQuerySet) -> list[Any]:
    """The rows, with their columns as attributes. One query."""
    return list(images.with_status().values_list(*COLUMNS, named=True))


def as_json(rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Two lists of the same rows never differ in their keys. One query: the variants."""
    variants = _variants({row.id: row.version for row in rows})
    return [_row_json(row, variants[row.id]) for row in rows]


def _variants(version_of: dict[UUID, int]) -> dict[UUID, dict[str, Any]]:
    """Of each photo's current version, signed."""
    columns = ("image_id", "version", "name", "key", "content_type", "width", "height")
    found = Variant.objects.filter(image__in=version_of).order_by("width").values_list(*columns)
    sign = photo_storage().presign_get
    signed: dict[UUID, dict[str, Any]] = defaultdict(dict)
    for image_id, version, name, key, content_type, width, height in found:
        if version == version_of[image_id]:
            url = sign(key, content_type=content_type)
            signed[image_id][name] = {"url": url, "width": width, "height": height}
    return signed


def _row_json(row: Any, variants: dict[str, Any]) -> dict[str, Any]:
    taken_at_local, offset = local_time(row), utc_offset(row)
    uploaded_at = _utc(row.created_at)
    return {
        "id": str(row.id),
        "group": str(row.group_id),
        "status": row.status,
        "failure": row.failure or None,
        "original_filename": row.original_filename,
        "format": row.content_type.partition("/")[2] or None,
        "content_type": row.content_type or None,
        "byte_size": row.byte_size,
        "sha256": row.sha256 or None,
        "width": row.width,
        "height": row.height,
        "description": row.description,
        "taken_at": _utc(row.taken_at),
        "taken_at_local": taken_at_local,
        "utc_offset": offset,
        "uploader": row.uploader_name,
        "exif": {
            "camera_make": row.camera_make or None,
            "camera_model": row.camera_model or None,
            "lens_model": row.lens_model or None,
            "software": row.software or None,
            "datetime_original": taken_at_local,
            "offset_time": offset,
            "iso": row.iso,
            "focal_length": row.focal_length,
            "aperture": row.aperture,
            "exposure_time": row.exposure_time,
            "flash": row.flash,
            "metering_mode": row.metering_mode,
            "exposure_program": row.exposure_program,
            "white_balance": row.white_balance,
            "saturation": row.saturation,
            "sharpness": row.sharpness,
            "contrast": row.contrast,
            "orientation": row.orientation,
            "x_resolution": row.x_resolution,
            "y_resolution": row.y_resolution,
            "exif_version": row.exif_version or None,
            "gps": _gps(row),
        },
        "variants": variants,
        "created_at": uploaded_at,
        "uploaded_at": uploaded_at,
        "processed_at": _utc(row.processed_at),
        "processing_ms": row.processing_ms,
    }


def _gps(row: Any) -> dict[str, Any] | None:
    if row.latitude is None:
        return None
    return {
        "lat": row.latitude,
        "lon": row.longitude,
        "altitude": row.altitude,
        "direction": row.direction,
        "datetime": _utc(row.gps_at),
    }


def _utc(moment: datetime | None) -> str | None:
    """As DRF writes it. The connection's time zone is UTC, so all moments are."""
    return None if moment is None else moment.isoformat().removesuffix("+00:00") + "Z"
