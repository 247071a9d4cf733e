"""The dates of a group to jump to: years, months, days or hours, each with its number of photos."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

# Each level, what its dates have in common, and how many letters of 2026-06-21T21 name one.
LEVELS: Final = {
    "year": (attrgetter("year"), 4),
    "month": (attrgetter("year", "month"), 7),
    "day": (attrgetter("year", "month", "day"), 10),
    "hour": (attrgetter("year", "month", "day", "hour"), 13),
}
FEW = 40  # dates of the next level that are shown under all of this one
MOST = 60  # of the highest level: a camera may say any year


@dataclass(frozen=True)
class Date:
    """A date of one level with its photos, and perhaps those of the next level within it."""

    level: str
    at: datetime
    count: int
    is_here: bool  # the page shows photos of it
    within: list[Date] = field(default_factory=list)

    @property
    def text(self) -> str:
        """How an address names it: see event_time.Span."""
        return self.at.isoformat(timespec="hours")[: LEVELS[self.level][1]]


def dates_of(hours: Iterable[tuple[datetime, int]], *, here: datetime | None) -> list[Date]:
    """Returns the dates of these hours in their order; none, if there is only one hour.

    The highest level is the first that tells them apart. A date has its parts with it where the
    page is, or where all parts are few.
    """
    rows = list(hours)
    for level in LEVELS:
        dates = grouped(rows, level)
        if len(dates) > 1:
            return _tree(dates[:MOST], level, here)
    return []


Grouped = list[tuple["datetime", list[tuple["datetime", int]]]]


def grouped(rows: list[tuple[datetime, int]], level: str) -> Grouped:
    of_level = LEVELS[level][0]
    parts = groupby(rows, lambda row: of_level(row[0]))
    return [(found[0][0], found) for found in (list(each) for _, each in parts)]


def _tree(dates: Grouped, level: str, here: datetime | None) -> list[Date]:
    names = list(LEVELS)
    below = names[names.index(level) + 1] if level != "hour" else None
    of_level = LEVELS[level][0]
    # Looked at only where they may be few, because a group may have photos of each hour of years.
    count = sum(len(rows) for _, rows in dates)
    inner = [
        grouped(rows, below) if below and (count <= 24 * FEW or _is(here, at, of_level)) else []
        for at, rows in dates
    ]
    are_few = sum(map(len, inner)) <= FEW
    tree = []
    for (at, rows), parts in zip(dates, inner, strict=True):
        is_here = _is(here, at, of_level)
        within = []
        if below and len(parts) > 1 and (is_here or are_few):
            within = _tree(parts, below, here if is_here else None)
        tree.append(Date(level, at, sum(count for _, count in rows), is_here, within))
    return tree


def _is(here: datetime | None, at: datetime, of_level: Callable[[datetime], object]) -> bool:
    return here is not None and of_level(at) == of_level(here)
