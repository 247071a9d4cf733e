"""The columns that say when and where a photo was taken, as a person says it. Reading the file
never changes them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from images.models import Image


@dataclass(frozen=True)
class Taken:
    """When a person says the photo was taken: local time and, if known, its offset from UTC."""

    local: datetime  # naive
    offset: timedelta | None = None


def taken_columns(taken: Taken | None, image: Image | None = None) -> dict[str, Any]:
    """The columns of this time; None clears them, and then needs the photo."""
    local = at = minutes = None
    if taken is not None:
        local = taken.local.replace(tzinfo=UTC)
        if taken.offset is not None:
            at, minutes = local - taken.offset, round(taken.offset.total_seconds() / 60)
    return {
        "taken_at_local": local,
        "utc_offset_minutes": minutes,
        "taken_at": at,
        "sort_at": at or local or (image and image.created_at),
        "taken_source": Image.TimeSource.PERSON,
    }


def place_columns(place: tuple[float, float] | None) -> dict[str, Any]:
    """The columns of this latitude and longitude; None clears them, and only them."""
    latitude, longitude = place or (None, None)
    return {
        "latitude": latitude,
        "longitude": longitude,
        "altitude": None,
        "direction": None,
        "gps_at": None,
        "gps_source": Image.GpsSource.PERSON,
    }
