"""The numbers of some groups: photos, bytes, work, people. Those of few photos are counted anew for
each request; those of many are kept, and a few minutes old (images.listing.numbers)."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db.models import Count, Min
from django.db.models.functions import Coalesce
from django.utils import timezone

from images.listing import numbers, service
from images.listing.numbers import Kept
from images.models import Image, Upload
from images.models.upload import MOVED_AT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from groups.models import GroupQuerySet
    from images.listing.numbers import Numbers

SMALL = 2000  # photos, those that failed included
DAYS = numbers.DAYS
TOP = 10
TOP_UPLOADERS = 20


@dataclass(frozen=True)
class Work:
    """What was made of photos on request."""

    done: int
    waiting: int
    failed: int
    failures: dict[str, int]  # by reason
    bytes: int
    average_ms: float | None


@dataclass(frozen=True)
class Captions(Work):
    """Captions that a model wrote; the average time includes the wait."""

    asked: int  # of the provider, whatever came of it
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True)
class Stats:
    groups: int
    photos: int  # those with a finished version; without the trash
    trashed: int
    statuses: dict[str, int]  # of each photo's newest upload; without the trash
    failures: dict[str, int]  # of uploads, by reason
    average_ms: float | None  # of processing one photo
    p95_ms: float | None
    waiting: int
    oldest_seconds: int | None  # since the oldest that waits arrived
    original_bytes: int  # what is stored, the trash included
    variant_bytes: int
    archive_bytes: int  # with those that are to be built
    transforms: Work
    captions: Captions
    formats: list[dict[str, Any]]  # format, count
    cameras: list[dict[str, Any]]  # make, model, count
    uploaders: list[dict[str, Any]]  # name, count, bytes
    unnamed_photos: int  # of uploaders without a name
    unnamed_bytes: int
    sizes: list[dict[str, Any]]  # below (megabytes, or None), count
    uploads_per_day: list[dict[str, Any]]  # date, count
    broker: int | None  # messages that wait in Redis
    counted_at: datetime
    uncounted_groups: int  # that are new and large, and counted within a minute


def of(groups: GroupQuerySet) -> Stats:
    """Reads 2000 photos at most: beyond that, what is kept of each group."""
    found = counted(groups)
    known = Counter[str](found.numbers.get("totals", {}))
    return Stats(
        groups=groups.count(),
        photos=known["photos"],
        trashed=known["trashed"],
        original_bytes=known["original_bytes"],
        variant_bytes=known["variant_bytes"],
        archive_bytes=known["archive_bytes"],
        unnamed_photos=known["unnamed_photos"],
        unnamed_bytes=known["unnamed_bytes"],
        transforms=Work(**_work(found.numbers, "transform")),
        captions=Captions(
            **_work(found.numbers, "caption"),
            asked=known["captions_asked"],
            input_tokens=known["caption_input_tokens"],
            output_tokens=known["caption_output_tokens"],
        ),
        broker=_broker_length(),
        counted_at=found.counted_at,
        uncounted_groups=found.uncounted,
        **_lists(found.numbers),
        **_processing(found.numbers),
        **_queue(_ids(groups)),
    )


def counted(groups: GroupQuerySet, *, parts: Iterable[str] | None = None) -> Kept:
    """Returns the numbers of these groups, or some parts of them."""
    images = Image.objects.filter(group__in=_ids(groups)).order_by()
    if images[: SMALL + 1].count() > SMALL:
        return numbers.kept(_ids(groups), parts=parts)
    # A list: of a subquery Postgres expects groups of average size, and reads whole tables.
    group_ids = list(groups.order_by().values_list("pk", flat=True))
    return Kept(numbers.count(group_ids), counted_at=timezone.now(), uncounted=0)


def _ids(groups: GroupQuerySet) -> Any:
    return groups.order_by().values("pk")


def _lists(known: Numbers) -> dict[str, Any]:
    formats = numbers.most_frequent(known.get("formats", Counter()), TOP)
    cameras = numbers.most_frequent(known.get("cameras", Counter()), TOP)
    uploaders = numbers.most_frequent(known.get("uploaders", Counter()), TOP_UPLOADERS)
    byte_counts = known.get("uploader_bytes", Counter())
    sizes = known.get("sizes", Counter())
    named = [(name, *json.loads(name), count) for name, count in cameras]
    return {
        "formats": [{"format": name, "count": count} for name, count in formats],
        "cameras": [{"make": make, "model": model, "count": n} for _, make, model, n in named],
        "uploaders": [
            {"name": name, "count": count, "bytes": byte_counts[name]} for name, count in uploaders
        ],
        "sizes": [
            {"below": below or None, "count": sizes[str(below)]} for below in (*numbers.SIZES, 0)
        ],
        "statuses": {str(status): known["statuses"][status] for status in Upload.Status.values}
        if "statuses" in known
        else dict.fromkeys(Upload.Status.values, 0),
        "failures": dict(known.get("failures", {})),
        "uploads_per_day": per_day(known),
    }


def _work(known: Numbers, kind: str) -> dict[str, Any]:
    totals, states = known.get("totals", Counter()), known.get(f"{kind}s", Counter())
    timed = totals[f"{kind}s_timed"]
    return {
        "done": states["done"],
        "failed": states["failed"],
        "waiting": states.total() - states["done"] - states["failed"],
        "failures": dict(known.get(f"{kind}_failures", {})),
        "bytes": totals[f"{kind}_bytes"],
        "average_ms": totals[f"{kind}_ms"] / timed if timed else None,
    }


def _processing(known: Numbers) -> dict[str, Any]:
    times = known.get("processing", Counter())
    if not times.total():
        return {"average_ms": None, "p95_ms": None}
    together = known["totals"]["processing_ms"]
    return {"average_ms": together / times.total(), "p95_ms": percentile(times, 0.95)}


def percentile(times: Counter[str], share: float) -> float:
    """Returns the value that this share does not exceed, interpolated as Postgres does."""
    place = share * (times.total() - 1)
    passed, lower = 0, None
    for value, number in sorted((int(value), number) for value, number in times.items()):
        if lower is not None:
            return lower + (value - lower) * (place - int(place))
        passed += number
        if place <= passed - 1:
            return float(value)
        if place < passed:
            lower = value
    return float(lower or 0)


def _queue(group_ids: Any) -> dict[str, Any]:
    """Counts what waits now; an index has those alone."""
    queued = Upload.objects.filter(status=Upload.Status.QUEUED, image__group__in=group_ids)
    # Not `queued_at`, which the sweeper moves.
    found = queued.order_by().aggregate(
        waiting=Count("pk"), oldest=Min(Coalesce(MOVED_AT, "created_at"))
    )
    oldest = found["oldest"]
    seconds = max(0, round((timezone.now() - oldest).total_seconds())) if oldest else None
    return {"waiting": found["waiting"], "oldest_seconds": seconds}


def per_day(known: Numbers) -> list[dict[str, Any]]:
    """Returns the uploads of the last 30 days in UTC, today included; days without any, too."""
    counted = known.get("days", Counter())
    today = datetime.now(UTC).date()
    days = [today - timedelta(days=ago) for ago in reversed(range(DAYS))]
    return [{"date": day, "count": counted[str(day)]} for day in days]


def _broker_length() -> int | None:
    """Messages that wait in Redis, whosever photos they are about. None if it does not say."""
    messages = service.broker_messages()
    return None if messages is None else messages[settings.CELERY_TASK_DEFAULT_QUEUE]
