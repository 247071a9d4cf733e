"""What the photos of a group are, in numbers: by hour, by uploader, by camera.

To count costs time that grows with the group. So a small group is counted for each page, and the
numbers of a large one are kept for a while: as long as that counting takes a two-hundredth of it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.core.cache import cache
from django.db.models import Count, Min, Q, Value
from django.db.models.functions import Greatest, Least, TruncHour, Upper

from images.listing.event_time import FIRST_YEAR, LAST_YEAR
from images.models import Image

if TYPE_CHECKING:
    from groups.models import Group
    from images.models import ImageQuerySet

SMALL = 2000  # photos that are counted for each page
SHARE = 200  # the numbers of a large group are kept so many times as long as it took to count
SHORTEST = 10.0  # seconds, at least
MOST_NAMES = 200  # uploaders, and cameras, that are told apart
KEPT = timedelta(hours=1)
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
        return time.time() < self.counted_at + max(SHORTEST, SHARE * self.took)


def of(group: Group, *, approved_only: bool = False) -> Overview:
    """Returns the numbers of all finished photos, or of those that guests see. Those of a large
    group may be some minutes old."""
    key = f"overview:{group.pk}:{group.time_zone}:{approved_only}"
    known: Overview | None = cache.get(key)
    # When they are no longer fresh, one request counts, and the others show what is known.
    if known is not None and (known.is_fresh or not cache.add(f"{key}:counting", 1, timeout=60)):
        return known
    ready = Image.objects.in_group(group).ready().order_by()
    overview = _count(ready.filter(APPROVED) if approved_only else ready, group)
    if overview.total > SMALL:
        cache.set(key, overview, timeout=KEPT.total_seconds())
    cache.delete(f"{key}:counting")
    return overview


def _count(photos: ImageQuerySet, group: Group) -> Overview:
    started = time.perf_counter()
    hours = tuple(_hours(photos, group))
    uploaders = _most(photos.exclude(uploader_name=""), Upper("uploader_name"), "uploader_name")
    cameras = _most(photos.exclude(camera_model=""), Upper("camera_model"), "camera_model")
    return Overview(
        hours,
        uploaders,
        cameras,
        total=sum(count for _, count in hours),
        counted_at=time.time(),
        took=time.perf_counter() - started,
    )


def _hours(photos: ImageQuerySet, group: Group) -> Any:
    # Kept within the years that a time zone can shift.
    moment = Least(Greatest("sort_at", Value(_EARLIEST)), Value(_LATEST))
    counted = photos.values(hour=TruncHour(moment, tzinfo=group.zone)).annotate(count=Count("pk"))
    for row in counted.order_by("-hour").values_list("hour", "count"):
        yield row[0].replace(tzinfo=None), row[1]


def _most(photos: ImageQuerySet, key: Upper, column: str) -> tuple[tuple[str, int], ...]:
    """The most frequent values, in one spelling each."""
    counted = photos.values(spelled=key).annotate(name=Min(column), count=Count("pk"))
    return tuple(counted.order_by("-count", "name").values_list("name", "count")[:MOST_NAMES])
