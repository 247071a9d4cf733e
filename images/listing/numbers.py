"""Counts the photos of groups, what came of their uploads, and what was made of them.

Numbers are sums by name, so that those of many groups can be added. Those of a group that has many
photos are kept (images.models.GroupNumbers); the sweeper counts them anew once something changed.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.db.models import (
    Case,
    Count,
    DurationField,
    Exists,
    ExpressionWrapper,
    F,
    Func,
    IntegerField,
    Min,
    OuterRef,
    Q,
    Sum,
    Value,
    When,
)
from django.db.models.functions import TruncDate
from django.utils import timezone

from images.models import (
    Archive,
    CaptionUsage,
    GeneratedCaption,
    GroupNumbers,
    Image,
    Transform,
    Upload,
    Variant,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

Numbers = dict[str, Counter[str]]

DAYS = 30
MOST_NAMES = 500  # uploaders, and cameras, that are kept of one group
MEGABYTE = 1_000_000
SIZES = (1, 2, 4, 8, 16, 32)  # photos are smaller than so many megabytes


class TwoDigits(Func):
    """A number rounded to two digits, so that a million durations are a few hundred values."""

    template = (
        "round(%(expressions)s::numeric, 1 - floor(log(greatest(%(expressions)s, 1)))::int)::int"
    )
    output_field = IntegerField()


@dataclass(frozen=True)
class Kept:
    """The numbers that are kept of some groups."""

    numbers: Numbers
    counted_at: datetime  # all that happened until then is counted
    uncounted: int  # groups that are new, and in no number yet


def count(group_ids: Any) -> Numbers:
    """Counts now: eleven queries that read every photo of these groups."""
    images = Image.objects.filter(group__in=group_ids).order_by()
    uploads = Upload.objects.filter(image__in=images.values("pk")).order_by()
    totals: Counter[str] = Counter()
    numbers: Numbers = {"totals": totals}
    _add_kinds(images, numbers)
    _add_uploaders(images, numbers)
    _add_uploads(uploads, numbers)
    numbers["statuses"] = _statuses(images)
    _add_transforms(group_ids, numbers)
    _add_captions(images, group_ids, numbers)
    variants = Variant.objects.filter(image__in=images.values("pk")).order_by()
    totals["variant_bytes"] = variants.aggregate(bytes=Sum("byte_size", default=0))["bytes"]
    archives = Archive.objects.on_disk().filter(group__in=group_ids)
    totals["archive_bytes"] = archives.aggregate(bytes=Sum("total_bytes", default=0))["bytes"]
    return numbers


def kept(group_ids: Any, *, parts: Iterable[str] | None = None) -> Kept:
    """Returns the sum of what is kept of these groups, or of some parts of it, and how old the
    oldest of it is. Postgres adds up: there may be very many groups."""
    rows: Any = GroupNumbers.objects.filter(group_id__in=group_ids)
    oldest = rows.aggregate(
        # What has not changed since is as good as new.
        at=Min("counted_at", filter=Q(changed_at__gte=F("counted_at"))),
        uncounted=Count("pk", filter=Q(counted_at=None)),
    )
    return Kept(
        _sums(rows.exclude(counted_at=None), parts),
        counted_at=oldest["at"] or timezone.now(),
        uncounted=oldest["uncounted"],
    )


def _sums(rows: Any, parts: Iterable[str] | None) -> Numbers:
    """Adds up numbers of the same name."""
    sql, params = rows.order_by().values("numbers").query.sql_with_params()
    wanted = None if parts is None else list(parts)
    sums: Numbers = {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT part.key, one.key, sum(one.value::bigint)::bigint"  # noqa: S608 - ours
            f" FROM ({sql}) rows, jsonb_each(rows.numbers) part, jsonb_each_text(part.value) one"
            " WHERE %s::text[] IS NULL OR part.key = ANY(%s::text[]) GROUP BY 1, 2",
            [*params, wanted, wanted],
        )
        for part, name, number in cursor.fetchall():
            sums.setdefault(part, Counter())[name] = number
    return sums


def most_frequent(counts: Counter[str], limit: int) -> list[tuple[str, int]]:
    """Returns the most frequent first, and of those as frequent the first by name."""
    told = [(name, number) for name, number in counts.items() if number > 0]
    return sorted(told, key=lambda found: (-found[1], found[0]))[:limit]


def _add_kinds(images: Any, numbers: Numbers) -> None:
    """One pass, over an index alone: there are few kinds of photos."""
    formats, cameras, totals = Counter[str](), Counter[str](), numbers["totals"]
    kinds: Any = images.values("content_type", "camera_make", "camera_model").annotate(
        photos=Count("group_id", filter=Q(version__gt=0, trashed_at=None)),
        trashed=Count("group_id", filter=Q(trashed_at__isnull=False)),
        bytes=Sum("byte_size", filter=Q(version__gt=0, original_dropped_at=None), default=0),
    )
    for kind in kinds:
        totals["photos"] += kind["photos"]
        totals["trashed"] += kind["trashed"]
        totals["original_bytes"] += int(kind["bytes"])
        if kind["content_type"]:
            formats[kind["content_type"].partition("/")[2]] += kind["photos"]
        if kind["camera_make"] or kind["camera_model"]:
            cameras[json.dumps([kind["camera_make"], kind["camera_model"]])] += kind["photos"]
    numbers["formats"] = formats
    numbers["cameras"] = Counter(dict(most_frequent(cameras, MOST_NAMES)))


def _add_uploaders(images: Any, numbers: Numbers) -> None:
    photos, sizes, byte_counts = Counter[str](), Counter[str](), Counter[str]()
    below = [When(byte_size__lt=size * MEGABYTE, then=Value(size)) for size in SIZES]
    size = Case(*below, default=Value(0), output_field=IntegerField())
    rows = images.kept().filter(version__gt=0).annotate(size=size)
    found = rows.values_list("uploader_name", "size").annotate(
        number=Count("pk"), byte_count=Sum("byte_size", default=0)
    )
    for name, below_megabytes, number, byte_count in found:
        sizes[str(below_megabytes)] += number
        if name:
            photos[name] += number
            byte_counts[name] += int(byte_count)
        else:
            numbers["totals"]["unnamed_photos"] += number
            numbers["totals"]["unnamed_bytes"] += int(byte_count)
    named = dict(most_frequent(photos, MOST_NAMES))
    numbers["uploaders"] = Counter(named)
    numbers["uploader_bytes"] = Counter({name: byte_counts[name] for name in named})
    numbers["sizes"] = sizes


def _add_uploads(uploads: Any, numbers: Numbers) -> None:
    done = uploads.filter(status=Upload.Status.DONE, processing_ms__isnull=False)
    by_time = done.annotate(ms=TwoDigits("processing_ms")).values_list("ms")
    times = Counter[str]()
    for milliseconds, number, together in by_time.annotate(Count("pk"), Sum("processing_ms")):
        times[str(milliseconds)] += number
        numbers["totals"]["processing_ms"] += int(together)
    numbers["processing"] = times
    failed = uploads.filter(status=Upload.Status.FAILED)
    numbers["failures"] = Counter(dict(failed.values_list("failure").annotate(Count("pk"))))
    since = datetime.now(UTC) - timedelta(days=DAYS)
    recent = uploads.exclude(status=Upload.Status.DISCARDED).filter(created_at__gte=since)
    days = recent.annotate(day=TruncDate("created_at", tzinfo=UTC)).values_list("day")
    numbers["days"] = Counter({str(day): number for day, number in days.annotate(Count("pk"))})


def _statuses(images: Any) -> Counter[str]:
    """The state of each photo's newest upload; without the trash."""
    shown = Upload.objects.shown()
    # More than 1, as every newer one is: replacements are few and have an index of their own.
    newer = shown.filter(version__gt=1).filter(
        image=OuterRef("image"), version__gt=OuterRef("version")
    )
    newest = shown.filter(~Exists(newer), image__in=images.kept().values("pk"))
    return Counter(dict(newest.order_by().values_list("status").annotate(Count("pk"))))


def _add_transforms(group_ids: Any, numbers: Numbers) -> None:
    states, failures, totals = Counter[str](), Counter[str](), numbers["totals"]
    rows = Transform.objects.filter(group_id__in=group_ids).order_by()
    found = rows.values_list("state", "failure").annotate(
        number=Count("pk"),
        byte_count=Sum("byte_size", default=0, filter=Q(state="done")),
        milliseconds=Sum("rendering_ms", default=0),
        timed=Count("rendering_ms"),
    )
    for state, failure, number, byte_count, milliseconds, timed in found:
        states[state] += number
        totals["transform_bytes"] += int(byte_count)
        totals["transform_ms"] += int(milliseconds)
        totals["transforms_timed"] += timed
        if state == "failed":
            failures[failure] += number
    numbers["transforms"], numbers["transform_failures"] = states, failures


def _add_captions(images: Any, group_ids: Any, numbers: Numbers) -> None:
    states, failures, totals = Counter[str](), Counter[str](), numbers["totals"]
    rows = GeneratedCaption.objects.filter(image__in=images.values("pk")).order_by()
    took = ExpressionWrapper(F("done_at") - F("created_at"), output_field=DurationField())
    found = rows.values_list("state", "failure").annotate(
        number=Count("pk"),
        together=Sum(took, filter=Q(state="done")),
        timed=Count("done_at", filter=Q(state="done")),
    )
    for state, failure, number, together, timed in found:
        states[state] += number
        totals["caption_ms"] += round(together.total_seconds() * 1000) if together else 0
        totals["captions_timed"] += timed
        if state == "failed":
            failures[failure] += number
    numbers["captions"], numbers["caption_failures"] = states, failures
    usage = CaptionUsage.objects.filter(group__in=group_ids).order_by()
    spent = usage.aggregate(
        captions_asked=Sum("asked", default=0),
        caption_input_tokens=Sum("input_tokens", default=0),
        caption_output_tokens=Sum("output_tokens", default=0),
    )
    totals.update({name: int(number) for name, number in spent.items()})
