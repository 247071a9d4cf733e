"""Days and hours of an event: the clock on the wall there, in the time zone of the group."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date, tzinfo

    from images.models import Image

_SPAN = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d))?)?)?", re.ASCII)
# What addresses can name. Photos whose camera says otherwise count to the first or last of them.
FIRST_YEAR, LAST_YEAR = 1900, 2899
# Photos of one day on a page, from which on its hours are told apart.
MANY_A_DAY = 24


@dataclass(frozen=True)
class Span:
    """A year, month, day or hour: `2026`, `2026-06`, `2026-06-21` or `2026-06-21T21`."""

    text: str
    first: datetime  # on the clock on the wall, as the next; it has no time zone
    after: datetime
    zone: tzinfo

    @classmethod
    def parse(cls, text: str, zone: tzinfo) -> Self:
        """Raises ValueError."""
        found = _SPAN.fullmatch(text)
        if found is None:
            raise ValueError(text)
        year, month, day, hour = (None if part is None else int(part) for part in found.groups())
        if year is None or not FIRST_YEAR <= year <= LAST_YEAR:
            raise ValueError(text)
        first = datetime(year, month or 1, day or 1, hour or 0)  # noqa: DTZ001 - a wall has no zone
        if hour is not None:
            after = first + timedelta(hours=1)
        elif day is not None:
            after = first + timedelta(days=1)
        elif month is not None:
            after = (first + timedelta(days=31)).replace(day=1)
        else:
            after = first.replace(year=year + 1)
        return cls(text, first, after, zone)

    @property
    def start(self) -> datetime:
        """The first moment of it."""
        return self.first.replace(tzinfo=self.zone).astimezone(UTC)

    @property
    def end(self) -> datetime:
        """The first moment that is later."""
        return self.after.replace(tzinfo=self.zone).astimezone(UTC)

    @property
    def is_hour(self) -> bool:
        return "T" in self.text


def on_the_wall(moment: datetime, zone: tzinfo) -> datetime:
    """Returns what a clock there shows at that moment, without a time zone."""
    try:
        return moment.astimezone(zone).replace(tzinfo=None)
    except OverflowError:  # a camera that says the year 1
        return moment.replace(tzinfo=None)


@dataclass(frozen=True)
class Hour:
    """Photos of one hour that follow each other. Without `at` nobody is told the hour."""

    at: datetime | None
    photos: list[Image]


@dataclass(frozen=True)
class Day:
    date: date
    hours: list[Hour]


def set_shown_at(photos: Iterable[Image], zone: tzinfo, *, by_upload: bool = False) -> None:
    """Gives each photo its `shown_at`: what the clock on the wall said when it was taken, or else
    when it was sent."""
    for image in photos:
        image.shown_at = _shown_at(image, zone, by_upload)


def _shown_at(image: Image, zone: tzinfo, by_upload: bool) -> datetime:
    if by_upload:
        return on_the_wall(image.created_at, zone)
    if image.taken_at is None and image.taken_at_local is not None:
        return image.taken_at_local.replace(tzinfo=None)  # the camera's own clock
    return on_the_wall(image.sort_at, zone)


def days_of(photos: Iterable[Image]) -> list[Day]:
    """Returns the photos, in their order, by day, and a day with many of them by hour. Needs
    set_shown_at(); without it, the days are the cameras' own."""
    days = groupby(photos, lambda image: _clock(image).date())
    return [Day(day, _hours(list(found))) for day, found in days]


def _clock(image: Image) -> datetime:
    return getattr(image, "shown_at", None) or image.taken_at_local or image.sort_at


def _hours(photos: list[Image]) -> list[Hour]:
    if len(photos) < MANY_A_DAY:
        return [Hour(None, photos)]

    def hour(image: Image) -> datetime:
        return _clock(image).replace(minute=0, second=0, microsecond=0)

    hours = [Hour(at, list(found)) for at, found in groupby(photos, hour)]
    return hours if len(hours) > 1 else [Hour(None, photos)]
