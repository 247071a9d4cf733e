"""Lets one process at a time do something, by advisory locks of Postgres."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.db import connection

from bandpics import fencing

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


class Held(set[int]):
    """The numbers of the advisory locks that this session holds. Whoever releases them by a
    statement of its own sets `is_released`."""

    is_released = False


@contextmanager
def alone(number: int) -> Iterator[bool]:
    """Holds a Postgres advisory lock of this session, if it is free."""
    with held([number]) as found:
        yield bool(found)


@contextmanager
def held(numbers: Collection[int]) -> Iterator[Held]:
    """Holds those of these advisory locks that are free."""
    with fencing.killed_if_frozen(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT number, pg_try_advisory_lock(number) FROM unnest(%s::bigint[]) number",
            [sorted(numbers)],
        )
        found = Held(number for number, is_held in cursor.fetchall() if is_held)
        try:
            yield found
        finally:
            if found and not found.is_released:
                unlock = "SELECT pg_advisory_unlock(number) FROM unnest(%s::bigint[]) number"
                cursor.execute(unlock, [list(found)])
