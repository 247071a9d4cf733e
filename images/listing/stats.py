"""Counts photos, bytes and work of some groups. Nothing is kept: each request counts anew."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import redis
from django.conf import settings
from django.db.models import Aggregate, Avg, Count, Exists, FloatField, OuterRef, Q, Sum
from django.db.models.functions import TruncDate

from images.models import Archive, Image, Transform, Upload, Variant

if TYPE_CHECKING:
    from groups.models import GroupQuerySet

logger = logging.getLogger(__name__)

DAYS = 30
TOP = 10
BROKER_SECONDS = 1.0


class Percentile95(Aggregate):
    """The value that 95 of 100 do not exceed, interpolated."""

    function = "percentile_cont"
    template = "%(function)s(0.95) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = FloatField()


@dataclass(frozen=True)
class Stats:
    groups: int
    photos: int  # those with a finished version; without the trash
    trashed: int
    statuses: dict[str, int]  # of each photo's newest upload; without the trash
    average_ms: float | None  # of processing one photo
    p95_ms: float | None
    waiting: int
    original_bytes: int  # what is stored, the trash included
    variant_bytes: int
    archive_bytes: int  # with those that are to be built
    transforms: int  # that are done
    transform_bytes: int
    formats: list[dict[str, Any]]  # format, count
    cameras: list[dict[str, Any]]  # make, model, count
    uploads_per_day: list[dict[str, Any]]  # date, count
    broker: int | None  # messages that wait in Redis


def of(groups: GroupQuerySet) -> Stats:
    """Eight queries, whatever there is."""
    images = Image.objects.filter(group__in=groups.order_by().values("pk"))
    uploads = Upload.objects.filter(image__in=images.values("pk"))
    kept = images.kept()
    # One pass, over an index alone: there are few kinds of photos.
    kinds: Any = list(
        images.order_by()
        .values("content_type", "camera_make", "camera_model")
        .annotate(
            photos=Count("group_id", filter=Q(version__gt=0, trashed_at=None)),
            trashed=Count("group_id", filter=Q(trashed_at__isnull=False)),
            bytes=Sum("byte_size", filter=Q(version__gt=0, original_dropped_at=None), default=0),
        )
    )
    done = Q(status=Upload.Status.DONE)
    work: dict[str, Any] = uploads.aggregate(
        average=Avg("processing_ms", filter=done),
        p95=Percentile95("processing_ms", filter=done),
        waiting=Count("pk", filter=Q(status=Upload.Status.QUEUED)),
    )
    variants = Variant.objects.filter(image__in=images.values("pk"))
    return Stats(
        groups=groups.count(),
        photos=sum(kind["photos"] for kind in kinds),
        trashed=sum(kind["trashed"] for kind in kinds),
        statuses=_statuses(kept),
        average_ms=work["average"],
        p95_ms=work["p95"],
        waiting=work["waiting"],
        original_bytes=int(sum(kind["bytes"] for kind in kinds)),
        variant_bytes=variants.aggregate(bytes=Sum("byte_size", default=0))["bytes"],
        archive_bytes=Archive.objects.on_disk()
        .filter(group__in=groups.order_by().values("pk"))
        .aggregate(bytes=Sum("total_bytes", default=0))["bytes"],
        **_transforms(groups),
        formats=[
            {"format": content_type.partition("/")[2], "count": count}
            for (content_type,), count in _most_frequent(kinds, "content_type")
        ],
        cameras=[
            {"make": make, "model": model, "count": count}
            for (make, model), count in _most_frequent(kinds, "camera_make", "camera_model")
        ],
        uploads_per_day=_per_day(uploads.exclude(status=Upload.Status.DISCARDED)),
        broker=broker_length(),
    )


def _transforms(groups: GroupQuerySet) -> dict[str, int]:
    rows = Transform.objects.done().filter(group_id__in=groups.order_by().values("pk"))
    return rows.aggregate(transforms=Count("pk"), transform_bytes=Sum("byte_size", default=0))


def _statuses(images: Any) -> dict[str, int]:
    shown = Upload.objects.shown()
    # More than 1, as every newer one is: replacements are few and have an index of their own.
    newer = shown.filter(version__gt=1).filter(
        image=OuterRef("image"), version__gt=OuterRef("version")
    )
    newest = shown.filter(~Exists(newer), image__in=images.values("pk"))
    counted = dict(newest.order_by().values_list("status").annotate(Count("pk")))
    return {str(status): counted.get(status, 0) for status in Upload.Status.values}


def _most_frequent(kinds: list[dict[str, Any]], *columns: str) -> list[tuple[Any, int]]:
    """Each combination that says something and how often it occurs, the most frequent first."""
    counts: Counter[tuple[str, ...]] = Counter()
    for kind in kinds:
        counts[tuple(kind[column] for column in columns)] += kind["photos"]
    told = [(values, count) for values, count in counts.items() if count and any(values)]
    return sorted(told, key=lambda found: (-found[1], found[0]))[:TOP]


def _per_day(uploads: Any) -> list[dict[str, Any]]:
    """The last 30 days in UTC, today included; days without any, too."""
    today = datetime.now(UTC).date()
    days = [today - timedelta(days=ago) for ago in reversed(range(DAYS))]
    first = datetime(days[0].year, days[0].month, days[0].day, tzinfo=UTC)
    recent = uploads.filter(created_at__gte=first).order_by()
    counted = dict(
        recent.annotate(day=TruncDate("created_at", tzinfo=UTC))
        .values_list("day")
        .annotate(Count("pk"))
    )
    return [{"date": day, "count": counted.get(day, 0)} for day in days]


def broker_length() -> int | None:
    """Messages that wait in Redis, whosever photos they are about. None if it does not say."""
    if not settings.BROKER_URL.startswith(("redis", "unix")):
        return None
    client = redis.Redis.from_url(
        settings.BROKER_URL, socket_connect_timeout=BROKER_SECONDS, socket_timeout=BROKER_SECONDS
    )
    try:
        return int(client.llen(settings.CELERY_TASK_DEFAULT_QUEUE))
    except redis.RedisError as error:
        logger.info("Redis does not say how many messages wait: %s", error)
        return None
    finally:
        client.close()
