"""The worker's application for tests that cause faults: `celery -A images.tests.short_timeouts`.

Everything is the real thing but its patience, a tenth of what production has, and its decoder,
which does to certain files what a broken one may do to any. SIGWINCH stops the worker's loop.
"""

from __future__ import annotations

import ctypes
import signal
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import django
from celery import signals
from django.conf import settings

settings.CELERY_TASK_SOFT_TIME_LIMIT, settings.CELERY_TASK_TIME_LIMIT = 4, 6
_postgres = settings.DATABASES["default"]["OPTIONS"]
_postgres["options"] = f"{_postgres.get('options', '')} -c idle_in_transaction_session_timeout=3s"
django.setup()

from bandpics import connections, fencing, watchdog  # noqa: E402 - tasks need the settings
from bandpics.celery import app  # noqa: E402
from images import tasks  # noqa: E402
from images.lifecycle import sweeper  # noqa: E402
from images.photofile import rendering  # noqa: E402
from images.processing import claims, leases  # noqa: E402
from images.reconcile import compare  # noqa: E402
from images.storage import client  # noqa: E402
from images.transforms import expiry  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

    from images.photofile.rendering import Header

__all__ = ["app"]

connections.LOCK_SECONDS = 1.0
fencing.FROZEN_SECONDS, fencing.BEAT_SECONDS = 3.0, 0.5
watchdog.GRACE_SECONDS = 2.0
watchdog.TICK_SECONDS, watchdog.CHECK_SECONDS, watchdog.SILENCE_SECONDS = 0.25, 0.5, 4.0
claims.LEASE = leases.LEASE = timedelta(seconds=3)
claims.LEASE_RENEWAL_SECONDS = 1.0
sweeper.QUEUED_BEFORE_ENQUEUING = expiry.QUEUED_BEFORE_ENQUEUING = timedelta(seconds=3)
sweeper.BATCH = 20
compare.GRACE = timedelta(0)
client.CONFIG |= {"connect_timeout": 1, "read_timeout": 1.5}
client.LONG_SECONDS = client.PAUSE_SECONDS = 1.0
tasks.MAX_BACKOFF_SECONDS = 2
app.conf.beat_schedule["sweep"]["schedule"] = 1.0
app.conf.beat_schedule["clean-quarantine"]["schedule"] = 2.0


def _never_end() -> None:
    """As a decoder in C that holds on: no exception reaches it, only the hard limit."""
    while True:
        try:
            time.sleep(60)
        except Exception:  # noqa: BLE001, S112 - that is the point
            continue


# By what stands behind the picture: see chaos.poisonous().
_FAULTS = {
    b"<test:segfault>": lambda: ctypes.string_at(0),
    b"<test:out-of-memory>": lambda: bytearray(1 << 60),
    b"<test:hang>": lambda: time.sleep(60),
    b"<test:slow>": lambda: time.sleep(1),
    b"<test:never-end>": _never_end,
}
_inspect = rendering.inspect


def _inspect_or_break(path: Path) -> Header:
    tail = path.read_bytes()[-64:]
    for mark, fault in _FAULTS.items():
        if mark in tail:
            fault()
    return _inspect(path)


rendering.inspect = _inspect_or_break


@signals.worker_ready.connect
def _listen(**_: Any) -> None:
    signal.signal(signal.SIGWINCH, lambda *_: time.sleep(600))
