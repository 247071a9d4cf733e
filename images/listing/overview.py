"""What the photos of a group are, in numbers: by hour, by uploader, by camera.

To count costs time that grows with the group. So a small group is counted for each page, and the
numbers of a large one are kept for a while: as long as that counting takes a two-hundredth of it.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from django.db.models import Count, DateTimeField, Func, Q

from images.listing.event_time import FIRST_YEAR, LAST_YEAR, on_the_wall
from images.models import Image

if TYPE_CHECKING:
    from datetime import tzinfo
    from uuid import UUID

    from groups.models import Group
    from images.models import ImageQuerySet

SMALL = 2000  # photos that are counted for each page
SHARE = 200  # the numbers of a large group are kept so many times as long as it took to count
SHORTEST, LONGEST = 10.0, 600.0  # seconds, at least and at most
MOST_NAMES = 200  # uploaders, and cameras, that are told apart
MOST_READ = 1000  # spellings of them
MOST_GROUPS = 50
_EARLIEST = datetime(FIRST_YEAR, 1, 2, tzinfo=UTC)
_LATEST = datetime(LAST_YEAR, 12, 30, tzinfo=UTC)

APPROVED = Q(moderation=Image.Moderation.APPROVED)


@dataclass(frozen=True)
class Overview:
    """The numbers of the finished photos of a group."""

    hours: tuple[tuple[datetime, int], ...]  # on the clock on the wall, the latest first
    uploaders: tuple[tuple[str, int], ...]  # most photos first
    cameras: tuple[tuple[str, int], ...]  # models
    total: int
    counted_at: float = 0.0
    took: float = 0.0

    @property
    def is_fresh(self) -> bool:
        return time.time() < self.counted_at + min(LONGEST, max(SHORTEST, SHARE * self.took))


def of(group: Group, *, approved_only: bool = False) -> Overview:
    """Returns the numbers of all finished photos, or of those that guests see. Those of a large
    group may be some minutes old."""
    key = (group.pk, group.time_zone, approved_only)
    known = _known.get(key)
    # When they are no longer fresh, one request counts, and the others show what is known.
    if known is not None and (known.is_fresh or key in _counting):
        return known
    _counting.add(key)
    try:
        overview = _count(group, approved_only=approved_only)
    finally:
        _counting.discard(key)
    if approved_only:
        overview = _without_addresses(overview)
    if overview.total > SMALL:
        while len(_known) >= MOST_GROUPS:
            _known.pop(next(iter(_known)), None)
        _known[key] = overview
    else:
        _known.pop(key, None)
    return overview


# Of large groups, in this process: what is in Django's cache would be read anew for each page.
_known: dict[tuple[UUID, str, bool], Overview] = {}
_counting: set[tuple[UUID, str, bool]] = set()


def _without_addresses(overview: Overview) -> Overview:
    """Members without a name are known by their e-mail address, which guests are not told."""
    names = tuple((name, count) for name, count in overview.uploaders if "@" not in name)
    return replace(overview, uploaders=names)


def _count(group: Group, *, approved_only: bool) -> Overview:
    started = time.perf_counter()
    photos = Image.objects.in_group(group).ready().order_by()
    photos = photos.filter(APPROVED) if approved_only else photos
    hours = tuple(_hours(photos, group.zone))
    uploaders = _most(photos, "uploader_name")
    cameras = () if approved_only else _most(photos, "camera_model")
    return Overview(
        hours,
        uploaders,
        cameras,
        total=sum(count for _, count in hours),
        counted_at=time.time(),
        took=time.perf_counter() - started,
    )


def _hours(photos: ImageQuerySet, zone: tzinfo) -> list[tuple[datetime, int]]:
    """Counted by quarters in UTC, which is quick; every time zone begins its hours with one."""
    counted = photos.values(quarter=Quarter("sort_at")).annotate(count=Count("pk"))
    hours: Counter[datetime] = Counter()
    for quarter, count in counted.values_list("quarter", "count"):
        at = on_the_wall(min(max(quarter, _EARLIEST), _LATEST), zone)
        hours[at.replace(minute=0)] += count
    return sorted(hours.items(), reverse=True)


def _most(photos: ImageQuerySet, column: str) -> tuple[tuple[str, int], ...]:
    """The most frequent values, each in its most frequent spelling."""
    counted = photos.exclude(**{column: ""}).values(column).annotate(count=Count("pk"))
    values: dict[str, tuple[str, int]] = {}
    for name, count in counted.order_by("-count", column).values_list(column, "count")[:MOST_READ]:
        first, before = values.get(name.upper(), (name, 0))
        values[name.upper()] = first, before + count
    return tuple(sorted(values.values(), key=lambda value: (-value[1], value[0]))[:MOST_NAMES])


class Quarter(Func):
    """The quarter of an hour that a moment is in."""

    template = "date_bin('15 minutes', %(expressions)s, '2000-01-01 00:00:00+00'::timestamptz)"
    output_field = DateTimeField()
