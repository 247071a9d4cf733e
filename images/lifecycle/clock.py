"""Corrects the times of photos whose camera's clock was wrong, by uploader and camera.

A correction shifts what the camera wrote, also of photos that arrive later. Times that a person has
set stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import transaction
from django.db.models import (
    CharField,
    Count,
    DateTimeField,
    DurationField,
    ExpressionWrapper,
    F,
    Max,
    Min,
    Q,
    Value,
)
from django.db.models.functions import Cast, Now

from bandpics.moments import YEARS
from images import history
from images.models import UPLOADER_COLUMNS, ClockCorrection, Image, PhotoChange, locks
from images.processing.clocks import CAMERA, TIMES

if TYPE_CHECKING:
    from bandpics.users.models import User
    from groups.models import Group
    from images.models import ImageQuerySet

AT_MOST_MINUTES = 366 * 24 * 60 * 30  # a clock that was never set says 1970 or 2000
CAMERAS_AT_MOST = 200
COLUMNS = (*UPLOADER_COLUMNS, *CAMERA)
FIRST, LAST = (datetime(year, 1, 1, tzinfo=UTC) for year in (YEARS.start, YEARS.stop))


class NoTime(Exception):
    """The photo does not say when it was taken, or a person has said it."""


class OutOfRange(Exception):
    """The shift would bring a photo to a year in which no evening lies."""


@dataclass(frozen=True)
class Camera:
    """One camera of one uploader, and the times of its photos in a group."""

    sample: UUID
    uploader_name: str
    camera_make: str
    camera_model: str
    first: datetime
    last: datetime
    count: int
    correction: ClockCorrection | None


def photos_of(image: Image) -> ImageQuerySet:
    """Returns the photos of the same uploader and camera that tell their time, also those in the
    trash."""
    same = {name: getattr(image, name) for name in COLUMNS}
    return Image.objects.filter(
        group=image.group_id, taken_source=Image.TimeSource.EXIF, version__gt=0, **same
    )


def cameras(group: Group) -> list[Camera]:
    """Returns the cameras of a group, those with most photos first: two queries."""
    told = Image.objects.in_group(group).ready().filter(taken_source=Image.TimeSource.EXIF)
    rows = (
        told.order_by()
        .values(*COLUMNS)
        .annotate(
            name=Max("uploader_name"),
            first=Min("taken_at_local"),
            last=Max("taken_at_local"),
            count=Count("pk"),
            sample=Min(Cast("id", CharField())),  # Postgres has no least UUID
        )
    )
    active = {
        tuple(getattr(row, name) for name in COLUMNS): row
        for row in ClockCorrection.objects.filter(group=group, undone_at=None)
    }
    return [
        Camera(
            UUID(row["sample"]),
            row["name"],
            row["camera_make"],
            row["camera_model"],
            row["first"],
            row["last"],
            row["count"],
            active.get(tuple(row[name] for name in COLUMNS)),
        )
        for row in rows.order_by("-count", *COLUMNS)[:CAMERAS_AT_MOST]
    ]


@transaction.atomic
def correct(image: Image, minutes: int, *, by: User | None) -> ClockCorrection:
    """Says by how many minutes the clock of this photo's camera was wrong, all in all: it takes the
    place of an earlier correction. Raises NoTime, OutOfRange."""
    if image.taken_source != Image.TimeSource.EXIF or not image.version:
        raise NoTime
    locks.hold_clocks(image.group_id)
    same = {name: getattr(image, name) for name in COLUMNS}
    former = ClockCorrection.objects.filter(group=image.group_id, undone_at=None, **same)
    former.update(undone_at=Now())
    made: ClockCorrection = ClockCorrection.objects.create(
        group_id=image.group_id, shift_minutes=minutes, created_by=by, **same
    )
    _shift(photos_of(image), minutes, by=by)
    return made


@transaction.atomic
def undo(correction: ClockCorrection, *, by: User | None) -> bool:
    """Takes a correction back. False if it was undone or replaced before."""
    locks.hold_clocks(correction.group_id)
    rows = ClockCorrection.objects.filter(pk=correction.pk, undone_at=None)
    if not rows.update(undone_at=Now()):
        return False
    same = {name: getattr(correction, name) for name in COLUMNS}
    photos = Image.objects.filter(group=correction.group_id, version__gt=0, **same)
    _shift(photos.filter(taken_source=Image.TimeSource.EXIF), 0, by=by)
    return True


def _shift(photos: ImageQuerySet, minutes: int, *, by: User | None) -> None:
    """Brings photos to this shift in one statement, whatever theirs was before.

    Raises OutOfRange.
    """
    photos = photos.exclude(clock_shift_minutes=minutes)
    changed = list(photos.order_by("pk").select_for_update().only("uploader_name"))
    rows = Image.objects.filter(pk__in=[photo.pk for photo in changed])
    by_minutes = Value(minutes) - F("clock_shift_minutes")
    change = ExpressionWrapper(
        by_minutes * Value(timedelta(minutes=1)), output_field=DurationField()
    )
    columns: dict[str, Any] = {
        name: ExpressionWrapper(F(name) + change, output_field=DateTimeField()) for name in TIMES
    }
    rows.update(**columns, clock_shift_minutes=minutes, updated_at=Now())
    if rows.filter(Q(sort_at__lt=FIRST) | Q(sort_at__gte=LAST)).exists():
        raise OutOfRange
    history.record(changed, PhotoChange.Kind.CLOCK, by=by, details={"minutes": minutes})
