"""What the photos of a group are, in numbers: by hour, by uploader, by camera.

Triggers keep the numbers (images.models.PhotoCount), so that nobody counts a million photos. Those
of a large group are put together once in a few seconds, those of a small one for each page.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import Q, Sum

from images.listing.event_time import FIRST_YEAR, LAST_YEAR, on_the_wall
from images.models import Image, PhotoCount

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import tzinfo
    from uuid import UUID

    from django.db.models import QuerySet

    from groups.models import Group

SMALL = 2000  # photos
SHARE = 200  # the numbers of a large group are kept so many times as long as it took to read them
SHORTEST, LONGEST = 10.0, 600.0  # seconds, at least and at most
MOST_NAMES = 200  # uploaders, and cameras, that are told apart
MOST_READ = 1000  # spellings of them
MOST_GROUPS = 50
_EPOCH, _QUARTER = datetime(1970, 1, 1, tzinfo=UTC), timedelta(minutes=15)
_EARLIEST = datetime(FIRST_YEAR, 1, 2, tzinfo=UTC)
_LATEST = datetime(LAST_YEAR, 12, 30, tzinfo=UTC)

APPROVED = Q(moderation=Image.Moderation.APPROVED)
FEW = 10_000  # photos that are counted one by one


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


def totals(group_ids: Collection[UUID]) -> dict[UUID, int]:
    """Returns how many finished photos these groups have; no entry for those without."""
    rows = PhotoCount.objects.filter(group_id__in=group_ids, facet=PhotoCount.Facet.QUARTER)
    summed = rows.order_by().values("group_id").annotate(photos=Sum("count"))
    return dict(summed.values_list("group_id", "photos"))


def by_moderation(group_id: UUID) -> dict[str, int]:
    """Returns how many finished photos of a group are pending, rejected and approved.

    Few are not approved, mostly, or they wait, or they are rejected: whichever are few are counted,
    and the others are the rest.
    """
    counts = PhotoCount.objects.filter(group_id=group_id, facet=PhotoCount.Facet.QUARTER)
    summed = dict(counts.order_by().values_list("is_approved").annotate(photos=Sum("count")))
    others = summed.get(False, 0)
    ready = Image.objects.ready().filter(group_id=group_id).order_by()
    found: dict[str, int] = {Image.Moderation.APPROVED: summed.get(True, 0)}
    few, many = Image.Moderation.REJECTED, Image.Moderation.PENDING
    if ready.filter(moderation=few)[: FEW + 1].count() > FEW:
        few, many = many, few
    count = ready.filter(moderation=few).count() if others else 0
    return {**found, few: count, many: max(0, others - count)}


# Of large groups, in this process: what is in Django's cache would be read anew for each page.
_known: dict[tuple[UUID, str, bool], Overview] = {}
_counting: set[tuple[UUID, str, bool]] = set()


def _without_addresses(overview: Overview) -> Overview:
    """Members without a name are known by their e-mail address, which guests are not told."""
    names = tuple((name, count) for name, count in overview.uploaders if "@" not in name)
    return replace(overview, uploaders=names)


def _count(group: Group, *, approved_only: bool) -> Overview:
    started = time.perf_counter()
    counts = PhotoCount.objects.filter(group_id=group.pk)
    counts = counts.filter(is_approved=True) if approved_only else counts
    hours = tuple(_hours(counts, group.zone))
    uploaders = _most(counts, PhotoCount.Facet.UPLOADER)
    cameras = () if approved_only else _most(counts, PhotoCount.Facet.CAMERA)
    return Overview(
        hours,
        uploaders,
        cameras,
        total=sum(count for _, count in hours),
        counted_at=time.time(),
        took=time.perf_counter() - started,
    )


def _sums(counts: QuerySet[PhotoCount], facet: PhotoCount.Facet) -> Any:
    """The values of a facet and how many photos have each."""
    rows = counts.filter(facet=facet).order_by().values("value").annotate(photos=Sum("count"))
    return rows.filter(photos__gt=0).values_list("value", "photos")


def _hours(counts: QuerySet[PhotoCount], zone: tzinfo) -> list[tuple[datetime, int]]:
    """Every time zone begins its hours with a quarter of an hour in UTC."""
    hours: Counter[datetime] = Counter()
    for quarter, count in _sums(counts, PhotoCount.Facet.QUARTER):
        moment = _EPOCH + int(quarter) * _QUARTER
        at = on_the_wall(min(max(moment, _EARLIEST), _LATEST), zone)
        hours[at.replace(minute=0)] += count
    return sorted(hours.items(), reverse=True)


def _most(counts: QuerySet[PhotoCount], facet: PhotoCount.Facet) -> tuple[tuple[str, int], ...]:
    """The most frequent values, each in its most frequent spelling."""
    values: dict[str, tuple[str, int]] = {}
    for name, count in _sums(counts, facet).order_by("-photos", "value")[:MOST_READ]:
        first, before = values.get(name.upper(), (name, 0))
        values[name.upper()] = first, before + count
    return tuple(sorted(values.values(), key=lambda value: (-value[1], value[0]))[:MOST_NAMES])
