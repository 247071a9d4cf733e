"""Applies the corrections of cameras whose clocks were wrong to the times that photos carry."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from bandpics.lookups import Lookup
from bandpics.moments import YEARS
from images.models import ClockCorrection, Image

if TYPE_CHECKING:
    from datetime import datetime

TIMES = ("taken_at_local", "taken_at", "sort_at")
CAMERA = ("camera_make", "camera_model")


def correct(columns: dict[str, Any], image: Image) -> dict[str, Any]:
    """Returns the columns of a file with its times corrected, once. Needs
    locks.sharing_clocks()."""
    if columns.get("taken_source") != Image.TimeSource.EXIF:
        return columns | {"clock_shift_minutes": 0}
    camera = {name: columns[name] for name in CAMERA}
    found = _MINUTES.first(group_id=image.group_id, **image.uploader_key.columns, **camera)
    if found is not None:
        (minutes,) = found
    elif all(getattr(image, name) == value for name, value in camera.items()):
        minutes = image.clock_shift_minutes  # of the group that it was moved from
    else:
        minutes = 0
    shifted = {name: _shifted(columns[name], minutes) for name in TIMES}
    if any(shifted[name] is None and columns[name] is not None for name in TIMES):
        return columns | {"clock_shift_minutes": 0}
    return columns | shifted | {"clock_shift_minutes": minutes}


_MINUTES = Lookup(
    lambda group_id, **columns: (
        ClockCorrection.objects.filter(group=group_id, undone_at=None, **columns)
        .order_by()
        .values_list("shift_minutes")
    ),
    group_id=UUID(int=1_618_033_988),
    uploader_kind="a kind",
    uploader_id="an id",
    device_hash="a device",
    camera_make="a make",
    camera_model="a model",
)


def _shifted(moment: datetime | None, minutes: int) -> datetime | None:
    """The moment by another clock; None if that is in no year in which evenings lie."""
    try:
        shifted = moment and moment + timedelta(minutes=minutes)
    except OverflowError:
        return None
    return shifted if shifted is None or minutes == 0 or shifted.year in YEARS else None
