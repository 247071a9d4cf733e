"""Advisory locks: one process at a time moves, edits or removes the objects of a photo.

Rows alone decide what is true. The lock keeps two processes from removing each other's copies, and
nobody waits for it. Postgres releases it when the session ends, and a process that is frozen while
it holds it is killed (bandpics.fencing), so what it was about to write is never written.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.db import connection
from django.db.models import Func, TextField, Value

from bandpics.advisory_lock import Held, alone, held

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from images.models.image import ImageQuerySet

__all__ = ["Busy", "Held", "alone", "clocks_of", "hold_clocks", "objects_of", "sharing_clocks"]


class Busy(Exception):
    """Another process is changing the objects of this photo."""


@contextmanager
def objects_of(*image_ids: UUID) -> Iterator[Held]:
    """Holds the locks of the objects of these photos. Raises Busy if one is held elsewhere."""
    # 63 bits of the id, most of them random.
    numbers = {image_id.int & (2**63 - 1) for image_id in image_ids}
    with held(numbers) as found:
        if found != numbers:
            raise Busy
        yield found


# The clocks of the cameras of a group: workers share this lock while they finish a photo, and who
# corrects a clock holds it alone, until their transaction ends.
_CLOCKS = 0x636C6F63


def hold_clocks(group_id: UUID) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_CLOCKS, clocks_of(group_id)])


def sharing_clocks(
    photo: ImageQuerySet, *, clocks: int, releasing: int | None = None
) -> ImageQuerySet:
    """Adds calls to the query of a photo's row: they release the lock `releasing`, then share the
    clocks of its group (`clocks_of`) until the transaction ends.

    Postgres calls both functions where it finds the row, before it locks and rereads that: what is
    read is what who held the clocks has left.
    """
    if releasing is not None:
        photo = photo.annotate(released=_call("pg_advisory_unlock", releasing))
    return photo.annotate(shared=_call("pg_advisory_xact_lock_shared", _CLOCKS, clocks))


def clocks_of(group_id: UUID) -> int:
    return group_id.int & 0x7FFFFFFF


def _call(function: str, *numbers: int) -> Func:
    return Func(*map(Value, numbers), function=function, output_field=TextField())
