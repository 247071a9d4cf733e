"""Adds up the numbers of photos that triggers write: see images.models.PhotoCount."""

from __future__ import annotations

from typing import Final

from django.db import connection

from images.models import PhotoCount

BATCH = 10_000  # changes of one statement
BATCHES_PER_SWEEP = 20

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
    )
    SELECT count(*) FROM taken
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
