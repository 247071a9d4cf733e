"""The dates of a group to jump to: years, months, days or hours, each with its number of photos."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

# Each level, and how an address names a date of it.
LEVELS: Final = {"year": "%Y", "month": "%Y-%m", "day": "%Y-%m-%d", "hour": "%Y-%m-%dT%H"}
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
        return _text(self.at, self.level)


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
    parts = groupby(rows, lambda row: _text(row[0], level))
    return [(found[0][0], found) for found in (list(each) for _, each in parts)]


def _tree(dates: Grouped, level: str, here: datetime | None) -> list[Date]:
    names = list(LEVELS)
    below = names[names.index(level) + 1] if level != "hour" else None
    inner = [grouped(rows, below) if below else [] for _, rows in dates]
    are_few = sum(map(len, inner)) <= FEW
    tree = []
    for (at, rows), parts in zip(dates, inner, strict=True):
        is_here = here is not None and _text(at, level) == _text(here, level)
        within = []
        if below and len(parts) > 1 and (is_here or are_few):
            within = _tree(parts, below, here if is_here else None)
        tree.append(Date(level, at, sum(count for _, count in rows), is_here, within))
    return tree


def _text(at: datetime, level: str) -> str:
    # Not strftime() for the year: on some systems it writes 99 for the year 99.
    return f"{at.year:04}{at.strftime(LEVELS[level].removeprefix('%Y'))}"
