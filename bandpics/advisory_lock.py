"""Lets one process at a time do something, by an advisory lock of Postgres."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.db import connection

from bandpics import fencing

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def alone(number: int) -> Iterator[bool]:
    """Holds a Postgres advisory lock of this session, if it is free."""
    with fencing.killed_if_frozen(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [number])
        row = cursor.fetchone()
        is_alone = bool(row and row[0])
        try:
            yield is_alone
        finally:
            if is_alone:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [number])
