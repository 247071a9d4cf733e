"""Adds up the numbers of photos that triggers write (images.models.PhotoCount), and counts anew
what else is kept of groups that changed (images.models.GroupNumbers)."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from django.db import connection
from django.db.models import F
from django.db.models.functions import Now

from groups.models import Group
from images.listing import numbers
from images.models import GroupNumbers, Image, PhotoCount, Upload

if TYPE_CHECKING:
    from uuid import UUID

BATCH = 10_000  # changes of one statement
BATCHES_PER_SWEEP = 20
SECONDS_PER_SWEEP = 2.0  # a group that was begun is finished
DUE_AT_ONCE = 50  # to find the next one takes as long as counting a small group

# One statement: who reads meanwhile sees either the changes or their sum.
_ADD_UP: Final = f"""
    WITH taken AS (
        DELETE FROM {PhotoCount._meta.db_table} WHERE id IN (
            SELECT id FROM {PhotoCount._meta.db_table} WHERE is_change ORDER BY id LIMIT %s
            FOR UPDATE SKIP LOCKED
        )
        RETURNING group_id, facet, value, is_approved, count
    ), added AS (
        INSERT INTO {PhotoCount._meta.db_table} AS known
            (group_id, facet, value, is_approved, count, is_change)
        SELECT group_id, facet, value, is_approved, sum(count), false
        FROM taken GROUP BY group_id, facet, value, is_approved
        ORDER BY group_id, facet, value, is_approved
        ON CONFLICT (group_id, facet, value, is_approved) WHERE NOT is_change
        DO UPDATE SET count = known.count + excluded.count
    ), changed AS (
        INSERT INTO {GroupNumbers._meta.db_table} (group_id, numbers, took, changed_at)
        SELECT DISTINCT group_id, '{{}}'::jsonb, interval '0', statement_timestamp()
        FROM taken ORDER BY group_id
        ON CONFLICT (group_id) DO UPDATE SET changed_at = excluded.changed_at
    )
    SELECT count(*) FROM taken
"""  # noqa: S608 - all of it is ours

# Ten seconds later than the moment that an upload carries, its transaction has ended.
_NOTICE_UPLOADS: Final = f"""
    INSERT INTO {GroupNumbers._meta.db_table} AS known (group_id, numbers, took, changed_at)
    SELECT image.group_id, '{{}}'::jsonb, interval '0',
        max(greatest(upload.arrived_at, upload.finished_at)) + interval '10 seconds'
    FROM {Upload._meta.db_table} upload
    JOIN {Image._meta.db_table} image ON image.id = upload.image_id
    WHERE greatest(upload.arrived_at, upload.finished_at)
        >= statement_timestamp() - interval '2 minutes'
    GROUP BY image.group_id ORDER BY image.group_id
    ON CONFLICT (group_id) DO UPDATE SET changed_at = excluded.changed_at
    WHERE known.changed_at < excluded.changed_at
"""  # noqa: S608 - all of it is ours


def add_up() -> int:
    """Adds up changes, the oldest first, and forgets numbers that have become nothing. Returns how
    many changes there were. Safe to call twice at once."""
    total = 0
    with connection.cursor() as cursor:
        for _ in range(BATCHES_PER_SWEEP):
            cursor.execute(_ADD_UP, [BATCH])
            (count,) = cursor.fetchone() or (0,)
            total += count
            if count < BATCH:
                break
    if total:
        PhotoCount.objects.filter(is_change=False, count=0).delete()
    return total


def recount() -> int:
    """Counts groups that changed, for a few seconds at most. Returns how many there were.

    What fails is tried again after the others. Safe to call twice at once.
    """
    _notice_uploads()
    end, counted = time.monotonic() + SECONDS_PER_SWEEP, 0
    while due := GroupNumbers.objects.due().values_list("pk", flat=True)[:DUE_AT_ONCE]:
        for group_id in due:
            if time.monotonic() >= end:
                return counted
            recount_group(group_id)
            counted += 1
    return counted


def recount_group(group_id: UUID) -> None:
    """Counts one group, or forgets its numbers if it is gone."""
    row = GroupNumbers.objects.filter(pk=group_id)
    if not Group.objects.filter(pk=group_id).exists():
        row.delete()
        return
    row.update(tried_at=Now())
    started = time.perf_counter()
    try:
        found = numbers.count([group_id])
    finally:
        row.update(took=timedelta(seconds=time.perf_counter() - started))
    row.update(numbers=found, counted_at=F("tried_at"))


def _notice_uploads() -> None:
    """Notes the groups of uploads that have just arrived or ended: some bring no photo."""
    with connection.cursor() as cursor:
        cursor.execute(_NOTICE_UPLOADS)
