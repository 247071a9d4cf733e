"""The numbers that the sweeper's worker reads from the database for Prometheus, and no other
process: what waits, for how long, when the last sweep was, and how old the newest backup is."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import connection

from bandpics import health
from bandpics.telemetry.metrics import Reading
from images.listing import service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from images.listing.service import Waiting


def backlog() -> list[Reading]:
    """What waits in queues and outboxes. A queue whose statement took too long is left out."""
    try:
        return [
            *_waiting("queue", service.queues()),
            *_waiting("outbox", service.outboxes()),
            *_broker(),
            *_sweep(),
            *_stored(),
            *_backup(),
        ]
    finally:
        connection.close()  # of this thread, which ends with its answer


def _waiting(kind: str, found: list[Waiting] | None) -> Iterator[Reading]:
    for one in found or []:
        labels = {kind: one.name}
        depth = f"bandpics_{kind}_depth"
        yield Reading(depth, f"What waits in each {kind}.", one.waiting, labels)
        at_work = f"bandpics_{kind}_at_work"
        yield Reading(at_work, f"What a process has, of each {kind}.", one.at_work, labels)
        oldest = f"bandpics_{kind}_oldest_seconds"
        text = f"How long the oldest waits in each {kind}; 0 if none does."
        yield Reading(oldest, text, one.oldest_seconds or 0, labels)


def _broker() -> Iterator[Reading]:
    text = "Messages that wait in Redis, by queue."
    for queue, count in (service.broker_messages() or {}).items():
        yield Reading("bandpics_broker_messages", text, count, {"queue": queue})


def _sweep() -> Iterator[Reading]:
    seconds = health.seconds_since_sweep()
    if seconds is not None:
        text = "Seconds since the sweeper was last at work."
        yield Reading("bandpics_sweep_age_seconds", text, seconds, {})


def _stored() -> Iterator[Reading]:
    text = "Bytes in the bucket, by kind of object; some minutes old."
    for kind, count in (service.stored_bytes() or {}).items():
        yield Reading("bandpics_stored_bytes", text, count, {"kind": kind})


def _backup() -> Iterator[Reading]:
    """The dump that is there, not the one that was to be made. Raises OSError where the folder
    cannot be read, which is counted as unreadable."""
    if settings.BACKUP_DIR is None:
        return
    # Without its end .part, that is, whole.
    dumps = [path.stat() for path in settings.BACKUP_DIR.iterdir() if path.name.endswith(".dump")]
    newest = max((dump.st_mtime for dump in dumps if dump.st_size), default=-math.inf)
    text = "Seconds since the newest dump of the database was finished; +Inf if there is none."
    yield Reading("bandpics_backup_age_seconds", text, time.time() - newest, {})
