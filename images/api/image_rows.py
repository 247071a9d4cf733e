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

    from images.media.signing import Prepared
    from images.models import ImageQuerySet
    from images.viewers import Place, Viewer

# Everything the JSON shows or a list is sorted by. Not `exif`: the dump is for one photo alone.
COLUMNS = (
    *("id", "group_id", "sender", "uploaded_by_id", "version", "status", "failure"),
    *("original_filename", "content_type", "byte_size", "sha256", "width", "height"),
    *("description", "caption", "moderation", "moderation_reason", "uploader_name"),
    *("taken_at", "taken_at_local", "utc_offset_minutes", "sort_at"),
    *("gps_source", "latitude", "longitude", "altitude", "direction", "gps_at"),
    *("camera_make", "camera_model", "lens_model", "software", "iso", "focal_length"),
    *("aperture", "exposure_time", "flash", "metering_mode", "exposure_program"),
    *("white_balance", "saturation", "sharpness", "contrast", "orientation"),
    *("x_resolution", "y_resolution", "exif_version"),
    *("created_at", "updated_at", "processed_at", "processing_ms"),
    *("original_dropped_at", "trashed_at"),
)


def of(images: ImageQuerySet) -> list[Any]:
    """The rows, with their columns as attributes. One query."""
    return list(images.with_status().values_list(*COLUMNS, named=True))


def as_json(rows: Sequence[Any], *, viewer: Viewer) -> list[dict[str, Any]]:
    """What this viewer may know of each. One query: the variants."""
    variants = _variants({row.id: row.version for row in rows})
    return [_row_json(row, variants[row.id], viewer) for row in rows]


def _variants(version_of: dict[UUID, int]) -> dict[UUID, dict[str, Any]]:
    """Of each photo's current version, signed."""
    columns = ("image_id", "version", "name", "key", "content_type", "width", "height")
    found = Variant.objects.filter(image__in=version_of).order_by("width").values_list(*columns)
    storage = photo_storage()
    prepared: dict[str, Prepared] = {}  # by content type
    signed: dict[UUID, dict[str, Any]] = defaultdict(dict)
    for image_id, version, name, key, content_type, width, height in found:
        if version == version_of[image_id]:
            if content_type not in prepared:
                prepared[content_type] = storage.prepare_get(content_type=content_type)
            url = prepared[content_type].url(key)
            signed[image_id][name] = {"url": url, "width": width, "height": height}
    return signed


def _row_json(row: Any, variants: dict[str, Any], viewer: Viewer) -> dict[str, Any]:
    sees_all = viewer.sees_all_of(row)
    place = viewer.place_of(row)
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
        "caption": row.caption,
        "moderation": row.moderation,
        "moderation_reason": (row.moderation_reason or None) if sees_all else None,
        "taken_at": _utc(row.taken_at),
        "taken_at_local": taken_at_local,
        "utc_offset": offset,
        "uploader": row.uploader_name,
        "gps_source": (row.gps_source or None) if sees_all else None,
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
            "gps": None if place is None else _place_json(place),
        },
        "variants": variants,
        "created_at": uploaded_at,
        "updated_at": _utc(row.updated_at),
        "uploaded_at": uploaded_at,
        "processed_at": _utc(row.processed_at),
        "processing_ms": row.processing_ms,
        "original_dropped_at": _utc(row.original_dropped_at),
        "trashed_at": _utc(row.trashed_at),
    }


def _place_json(place: Place) -> dict[str, Any]:
    return {
        "lat": place.lat,
        "lon": place.lon,
        "altitude": place.altitude,
        "direction": place.direction,
        "datetime": _utc(place.datetime),
    }


def _utc(moment: datetime | None) -> str | None:
    """As DRF writes it. The connection's time zone is UTC, so all moments are."""
    return None if moment is None else moment.isoformat().removesuffix("+00:00") + "Z"
