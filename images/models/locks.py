"""Advisory locks: one process at a time moves, edits or removes the objects of a photo.

Rows alone decide what is true. The lock keeps two processes from removing each other's copies, and
nobody waits for it. Postgres releases it when the session ends, and a process that is frozen while
it holds it is killed (bandpics.fencing), so what it was about to write is never written.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.db import connection

from bandpics.advisory_lock import alone, held

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

__all__ = ["Busy", "alone", "hold_clocks", "objects_of", "share_clocks"]


class Busy(Exception):
    """Another process is changing the objects of this photo."""


@contextmanager
def objects_of(*image_ids: UUID) -> Iterator[None]:
    """Holds the locks of the objects of these photos. Raises Busy if one is held elsewhere."""
    # 63 bits of the id, most of them random.
    numbers = {image_id.int & (2**63 - 1) for image_id in image_ids}
    with held(numbers) as found:
        if found != numbers:
            raise Busy
        yield


# The clocks of the cameras of a group: workers share this lock while they finish a photo, and who
# corrects a clock holds it alone, until their transaction ends.
_CLOCKS = 0x636C6F63


def share_clocks(group_id: UUID) -> None:
    _lock_clocks("pg_advisory_xact_lock_shared", group_id)


def hold_clocks(group_id: UUID) -> None:
    _lock_clocks("pg_advisory_xact_lock", group_id)


def _lock_clocks(function: str, group_id: UUID) -> None:
    number = group_id.int & 0x7FFFFFFF
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s, %s)", [_CLOCKS, number])
