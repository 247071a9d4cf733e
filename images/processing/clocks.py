"""Applies the corrections of cameras whose clocks were wrong to the times that photos carry."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from bandpics.moments import YEARS
from images.models import ClockCorrection, Image

if TYPE_CHECKING:
    from datetime import datetime

TIMES = ("taken_at_local", "taken_at", "sort_at")
CAMERA = ("camera_make", "camera_model")


def correct(columns: dict[str, Any], image: Image) -> dict[str, Any]:
    """Returns the columns of a file with its times corrected, once. Needs locks.share_clocks()."""
    if columns.get("taken_source") != Image.TimeSource.EXIF:
        return columns | {"clock_shift_minutes": 0}
    camera = {name: columns[name] for name in CAMERA}
    found = ClockCorrection.objects.filter(
        image.uploader_key.condition(), group=image.group_id, undone_at=None, **camera
    ).first()
    if found is not None:
        minutes = found.shift_minutes
    elif all(getattr(image, name) == value for name, value in camera.items()):
        minutes = image.clock_shift_minutes  # of the group that it was moved from
    else:
        minutes = 0
    shifted = {name: _shifted(columns[name], minutes) for name in TIMES}
    if any(shifted[name] is None and columns[name] is not None for name in TIMES):
        return columns | {"clock_shift_minutes": 0}
    return columns | shifted | {"clock_shift_minutes": minutes}


def _shifted(moment: datetime | None, minutes: int) -> datetime | None:
    """The moment by another clock; None if that is in no year in which evenings lie."""
    try:
        shifted = moment and moment + timedelta(minutes=minutes)
    except OverflowError:
        return None
    return shifted if shifted is None or minutes == 0 or shifted.year in YEARS else None
