"""Ends a worker, or a child of one, that hangs where Celery would let it hang.

Celery keeps the time limits of running tasks as timers of its event loop, and forgets all timers
when the broker is lost (celery 5.6.3, worker/loops.py): a task that hangs just then would hold its
child for ever. So each child has a limit of its own, kept by a thread in C that no decoder can
hold up. And a worker whose loop stands still, though its broker answers, ends itself: whoever
started it (Docker, systemd, `manage.py up`) starts it again.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import billiard
from celery import bootsteps, signals
from kombu.exceptions import ChannelError, OperationalError

if TYPE_CHECKING:
    from celery import Celery, Task

logger = logging.getLogger(__name__)

# After Celery's own hard limit: its way of ending a task is the one that is logged best.
GRACE_SECONDS = 5.0
TICK_SECONDS = 1.0
LOOK_SECONDS = 2.0
# More than the longest pause of kombu between two tries to connect (30 s), in which it is silent.
SILENCE_SECONDS = 45.0


def guard(app: Celery) -> None:
    """Watch every worker of this application, and every child at a task."""
    signals.task_prerun.connect(_limit_child, dispatch_uid="limit-child")
    signals.task_postrun.connect(_free_child, dispatch_uid="free-child")
    app.steps["consumer"].add(Watched)


def _limit_child(*, task: Task[..., Any], **_: Any) -> None:
    seconds = task.time_limit or task.app.conf.task_time_limit
    # A task that is called, as tests and commands do, shares its process with others.
    if seconds and not task.request.is_eager:
        faulthandler.dump_traceback_later(
            seconds + GRACE_SECONDS, exit=True, file=sys.__stderr__ or sys.stderr
        )


def _free_child(*, task: Task[..., Any], **_: Any) -> None:
    if not task.request.is_eager:
        faulthandler.cancel_dump_traceback_later()


class Watched(bootsteps.StartStopStep):
    """Has the consumer's event loop tick, and a thread listen."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **more: Any) -> None:
        super().__init__(consumer, **more)
        self._ticked = threading.Event()
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None
        self._timer: Any = None

    def start(self, consumer: Any) -> None:
        """Called again after every loss of the broker: its timers are gone by then."""
        self._timer = consumer.timer.call_repeatedly(TICK_SECONDS, self._ticked.set)
        if self._thread is None:
            # A worker that was told to stop waits for its children, and does not tick.
            signals.worker_shutting_down.connect(self._be_over)
            self._thread = threading.Thread(
                target=self._listen, args=[consumer.app], name="watchdog", daemon=True
            )
            self._thread.start()

    def stop(self, _consumer: Any) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _be_over(self, **_: Any) -> None:
        self._is_over.set()

    def _listen(self, app: Celery) -> None:
        silent_seconds = 0.0
        while not self._is_over.wait(LOOK_SECONDS):
            is_alive = self._ticked.is_set()
            self._ticked.clear()
            # While the broker is away there is nothing to consume, and nothing to be mended here.
            if is_alive or not _answers(app):
                silent_seconds = 0.0
                continue
            silent_seconds += LOOK_SECONDS
            if silent_seconds >= SILENCE_SECONDS:
                _end(silent_seconds)


def _answers(app: Celery) -> bool:
    try:
        with app.connection_for_read() as broker:
            broker.ensure_connection(max_retries=1)
    except (OperationalError, ChannelError, OSError):
        return False
    return True


def _end(silent_seconds: float) -> None:
    logger.critical(
        "worker-silent: the broker answers, and this worker has not for %.0f s; ending it",
        silent_seconds,
    )
    faulthandler.dump_traceback(file=sys.__stderr__ or sys.stderr)
    for child in billiard.active_children():
        if child.pid:
            with suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGKILL)
    os._exit(1)
