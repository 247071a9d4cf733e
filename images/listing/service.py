"""The numbers of the whole service, as those who run it see them: what waits and for how long, how
long photos take, what failed, and how much is stored.

Each function asks the database once or twice, by indexes that hold what waits or failed alone, and
gives up after SECONDS: it then returns None.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import redis
from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.db.models import Count, F, Min, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone
from psycopg.errors import QueryCanceled

from bandpics.audit.models import AuditEvent, AuditOutbox
from groups.models import Group
from images.listing import numbers
from images.models import Archive, GeneratedCaption, PendingDeletion, Transform, Upload
from images.models.upload import MOVED_AT
from images.uploads.queue import Priority
from invitations.models import OutgoingMail

if TYPE_CHECKING:
    from collections.abc import Callable

Parameters = ParamSpec("Parameters")
Answer = TypeVar("Answer")

SECONDS = 2.0
BROKER_SECONDS = 1.0
LATEST = 2000  # uploads whose times are told
FAILURE_DAYS = 7
QUEUES = ("images", "transforms", "captions", "archives")
# Of kombu's Redis transport: the list of each priority but the first has its number in its name.
PRIORITY_SEPARATOR = "\x06\x16"


@dataclass(frozen=True)
class Waiting:
    """What one queue or outbox holds."""

    name: str
    waiting: int
    at_work: int  # a process has it
    oldest_seconds: int | None  # since the oldest that waits came


@dataclass(frozen=True)
class Times:
    """How long processing took, in milliseconds, of photos of one format."""

    format: str
    count: int
    median_ms: float
    p95_ms: float


def in_time(count: Callable[Parameters, Answer]) -> Callable[Parameters, Answer | None]:
    """Makes a function return None where Postgres takes longer than SECONDS for a statement."""

    @wraps(count)
    def limited(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Answer | None:
        is_nested = connection.in_atomic_block
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = {round(SECONDS * 1000)}")
                answer = count(*args, **kwargs)
                if is_nested:  # or else the commit ends it
                    cursor.execute("SET LOCAL statement_timeout TO DEFAULT")
                return answer
        except OperationalError as error:
            if isinstance(error.__cause__, QueryCanceled):
                return None
            raise

    return limited


@in_time
def queues() -> list[Waiting]:
    """Returns the queues of the workers, as the rows say, whatever the broker lost."""
    found = [_of_uploads()]
    by_queue: tuple[Any, ...] = (
        Transform.objects.filter(state__in=["queued", "rendering"]),
        GeneratedCaption.objects.filter(state__in=["queued", "asking"]),
        Archive.objects.filter(state__in=["queued", "building"]),
    )
    for name, rows in zip(QUEUES[1:], by_queue, strict=True):
        found.append(_waiting(name, rows, Q(state="queued"), F("created_at")))
    return found


@in_time
def outboxes() -> list[Waiting]:
    """Returns the objects that are to be deleted, the mails that are to be sent, and with
    LOGS_BUCKET the events of the audit trail that are to be shipped."""
    mails: Any = OutgoingMail.objects.filter(state__in=["queued", "sending"])
    deletions = PendingDeletion.objects.order_by("pk").values_list("recorded_at", flat=True)
    return [
        Waiting("deletions", deletions.count(), 0, _seconds_since(deletions.first())),
        _waiting("mails", mails, Q(state="queued"), F("created_at")),
        *([_of_audit()] if settings.LOGS_BUCKET else []),
    ]


@in_time
def processing_times() -> list[Times]:
    """Returns the times of the latest photos that were processed, by format, the most first."""
    latest = """
        SELECT coalesce(nullif(split_part(image.content_type, '/', 2), ''), 'unknown'), count(*),
            percentile_cont(0.5) WITHIN GROUP (ORDER BY latest.processing_ms),
            percentile_cont(0.95) WITHIN GROUP (ORDER BY latest.processing_ms)
        FROM (
            SELECT image_id, processing_ms, status FROM images_upload
            WHERE greatest(arrived_at, finished_at) IS NOT NULL
            ORDER BY greatest(arrived_at, finished_at) DESC LIMIT %s
        ) latest
        JOIN images_image image ON image.id = latest.image_id
        WHERE latest.status = 'done' AND latest.processing_ms IS NOT NULL
        GROUP BY 1 ORDER BY 2 DESC, 1
    """
    with connection.cursor() as cursor:
        cursor.execute(latest, [LATEST])
        return [Times(*row) for row in cursor.fetchall()]


@in_time
def failures(days: int = FAILURE_DAYS) -> dict[str, dict[str, int]]:
    """Returns what failed in the last days, by queue and reason."""
    since = timezone.now() - timedelta(days=days)
    uploads = Upload.objects.filter(status=Upload.Status.FAILED, finished_at__gte=since)
    by_queue: tuple[Any, ...] = (
        uploads,
        Transform.objects.filter(state="failed", created_at__gte=since),
        GeneratedCaption.objects.filter(state="failed", created_at__gte=since),
        Archive.objects.filter(state="failed", created_at__gte=since),
    )
    return {
        name: dict(rows.order_by("failure").values_list("failure").annotate(Count("pk")))
        for name, rows in zip(QUEUES, by_queue, strict=True)
    }


@in_time
def stored_bytes() -> dict[str, int]:
    """Returns the bytes in the bucket by kind, also of groups in the trash.

    They are what the sweeper keeps of each group, and some minutes old."""
    found = numbers.kept(Group.objects.order_by().values("pk"), parts=("totals",))
    totals: dict[str, int] = found.numbers.get("totals", Counter())
    kinds = ("original", "variant", "transform", "archive")
    return {f"{kind}s": totals.get(f"{kind}_bytes", 0) for kind in kinds}


def broker_messages() -> dict[str, int] | None:
    """Counts the messages that wait in Redis, by queue. None if Redis does not say, or is not the
    broker."""
    if not settings.BROKER_URL.startswith(("redis", "unix")):
        return None
    lists = [(name, _list_of(name, priority)) for name in QUEUES for priority in Priority]
    client = redis.Redis.from_url(
        settings.BROKER_URL, socket_connect_timeout=BROKER_SECONDS, socket_timeout=BROKER_SECONDS
    )
    try:
        with client.pipeline(transaction=False) as pipeline:
            for _, key in lists:
                pipeline.llen(key)
            lengths = pipeline.execute()
    except redis.RedisError:
        return None
    finally:
        client.close()
    messages = dict.fromkeys(QUEUES, 0)
    for (name, _), length in zip(lists, lengths, strict=True):
        messages[name] += int(length)
    return messages


def _list_of(queue: str, priority: Priority) -> str:
    return f"{queue}{PRIORITY_SEPARATOR}{priority.value}" if priority else queue


def _of_uploads() -> Waiting:
    # Not `queued_at`, which the sweeper moves. Apart: each status has an index of its own.
    since = Coalesce(MOVED_AT, "created_at")
    queued = Upload.objects.filter(status=Upload.Status.QUEUED)
    found = _waiting(QUEUES[0], queued, Q(status="queued"), since)
    at_work = Upload.objects.filter(status=Upload.Status.PROCESSING).count()
    return replace(found, at_work=at_work)


def _of_audit() -> Waiting:
    waiting = AuditOutbox.objects.order_by("event_id")  # their ids begin with the time
    oldest = AuditEvent.objects.filter(pk__in=waiting.values("event_id")[:1]).values_list("at")
    since = oldest.first()
    return Waiting("audit", waiting.count(), 0, _seconds_since(since[0] if since else None))


def _waiting(name: str, rows: QuerySet[Any], is_waiting: Q, since: Any) -> Waiting:
    found = rows.order_by().aggregate(
        number=Count("pk"),
        waiting=Count("pk", filter=is_waiting),
        oldest=Min(since, filter=is_waiting),
    )
    at_work = found["number"] - found["waiting"]
    return Waiting(name, found["waiting"], at_work, _seconds_since(found["oldest"]))


def _seconds_since(moment: datetime | None) -> int | None:
    if moment is None:
        return None
    return max(0, round((timezone.now() - moment).total_seconds()))
