"""Counts the photos of a group by the hour in which they were taken: the bars of its histogram.

Where photos are from more hours than anybody reads, they are counted by day, month or year.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django.db.models import Count, DateTimeField, Func, Value

from images.listing.filters import TAKEN
from images.models import Image

if TYPE_CHECKING:
    from collections.abc import Callable

    from groups.models import Group

MAX_BARS = 96  # four days of hours
UNITS = ("hour", "day", "month", "year")


@dataclass(frozen=True)
class Bar:
    """The photos taken within one hour, day, month or year."""

    starts_at: datetime  # in the group's time zone
    ends_at: datetime
    count: int


@dataclass(frozen=True)
class Histogram:
    unit: str
    bars: list[Bar]  # only those with photos, the earliest first
    undated: int  # photos that do not say when they were taken

    @property
    def dated(self) -> int:
        return sum(bar.count for bar in self.bars)

    @property
    def busiest(self) -> Bar | None:
        """The first bar with the most photos."""
        return max(self.bars, key=lambda bar: bar.count, default=None)


def of(group: Group) -> Histogram:
    """Makes at most four queries, whatever there is."""
    zone = ZoneInfo(group.time_zone)
    for unit in UNITS:
        counts, undated = _counts(group, unit)
        if len(counts) <= MAX_BARS:
            break
    latest = sorted(counts)[-MAX_BARS:]
    bars = [Bar(at.astimezone(zone), _end(at, unit, zone), counts[at]) for at in latest]
    return Histogram(unit, bars, undated)


def local(moment: datetime, group: Group) -> datetime:
    """Returns the moment as clocks showed it where the group was."""
    return moment.astimezone(ZoneInfo(group.time_zone))


def utc(moment: datetime) -> str:
    """Returns the moment as the filters of a list take it: 2026-06-21T18:00Z."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M}Z"


def _counts(group: Group, unit: str) -> tuple[dict[datetime, int], int]:
    """Returns the photos by the start of their hour (or other unit), of one more of these than are
    shown, and those without a time."""
    start = Func(
        *(Value(unit), TAKEN, Value(group.time_zone)),
        function="date_trunc",
        output_field=DateTimeField(),
    )
    ready: Any = Image.objects.in_group(group).ready().order_by()
    counted = ready.values(start=start).annotate(photos=Count("group_id"))
    # The latest are kept, should years be too many; those without a time come before them.
    rows = counted.order_by("-start").values_list("start", "photos")
    counts = dict(rows[: MAX_BARS + 2])
    undated = counts.pop(None, 0)
    return counts, undated


def _end(start: datetime, unit: str, zone: ZoneInfo) -> datetime:
    """When the unit ends that starts then. Days are as long as clocks make them."""
    if unit == "hour":
        return (start.astimezone(UTC) + timedelta(hours=1)).astimezone(zone)
    return _NEXT[unit](start.astimezone(zone).replace(fold=0))


_NEXT: dict[str, Callable[[datetime], datetime]] = {
    "day": lambda at: at + timedelta(days=1),  # on the clock, which sets the offset anew
    "month": lambda at: (at + timedelta(days=32)).replace(day=1),
    "year": lambda at: at.replace(year=at.year + 1),
}
