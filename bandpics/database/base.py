"""The connection of Django's backend; DATABASES names the folder as ENGINE.

With CONN_HEALTH_CHECKS Django asks `SELECT 1` before the first statement of each request: for a
list of photos, one statement of four. Here the socket is looked at, which costs next to nothing: a
Postgres that has ended the connection has said so there. One that has vanished without a word,
as only a lost machine does, is still found by the statement, once in ASKED_EVERY_SECONDS. No
setting does this: without CONN_HEALTH_CHECKS nobody asks, and the pool's check is a statement, too.
"""

from __future__ import annotations

import select
import time
from typing import Any

from django.db.backends.postgresql import base
from psycopg.pq import TransactionStatus

ASKED_EVERY_SECONDS = 5.0


class DatabaseWrapper(base.DatabaseWrapper):
    _asked_at = 0.0

    def connect(self) -> None:
        super().connect()
        self._asked_at = time.monotonic()

    def is_usable(self) -> bool:
        now = time.monotonic()
        if now < self._asked_at + ASKED_EVERY_SECONDS and _is_quiet(self.connection):
            return True
        self._asked_at = now
        return bool(super().is_usable())


def _is_quiet(connection: Any) -> bool:
    """Whether Postgres has sent nothing unasked, such as the end of the connection, and owes us
    nothing: a statement may have been left by an exception while it ran, or a transaction open."""
    if connection is None or connection.pgconn.transaction_status != TransactionStatus.IDLE:
        return False
    poll = select.poll()  # takes file descriptors of any number, which select() does not
    poll.register(connection.pgconn.socket, select.POLLIN)
    return not poll.poll(0)
