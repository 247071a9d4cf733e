"""Ends a worker, or one of its child processes, that hangs without Celery noticing.

Celery keeps the time limits of running tasks as timers of its event loop, and drops all timers
when it loses the broker (celery 5.6.3, worker/loops.py): a task that hangs at that moment would
occupy its child process for ever. So each child sets a limit itself, by a C thread that a busy
decoder cannot delay. And a worker whose event loop has stopped, though the broker answers, ends
itself; Docker, systemd or `manage.py up` starts it again.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import billiard
from celery import bootsteps, signals
from kombu.exceptions import ChannelError, OperationalError

if TYPE_CHECKING:
    from celery import Celery, Task

logger = logging.getLogger(__name__)

# After Celery's hard limit, whose end of a task is logged better.
GRACE_SECONDS = 5.0
TICK_SECONDS = 1.0
CHECK_SECONDS = 2.0
# Longer than kombu's longest pause between two attempts to connect (30 s).
SILENCE_SECONDS = 45.0


def guard(app: Celery) -> None:
    """Watches the workers of this application and their child processes."""
    signals.task_prerun.connect(_limit_child, dispatch_uid="limit-child")
    signals.task_postrun.connect(_free_child, dispatch_uid="free-child")
    app.steps["consumer"].add(Watched)


def _limit_child(*, task: Task[..., Any], **_: Any) -> None:
    seconds = task.time_limit or task.app.conf.task_time_limit
    # An eager task runs in the process of its caller.
    if seconds and not task.request.is_eager:
        faulthandler.dump_traceback_later(
            seconds + GRACE_SECONDS, exit=True, file=sys.__stderr__ or sys.stderr
        )


def _free_child(*, task: Task[..., Any], **_: Any) -> None:
    if not task.request.is_eager:
        faulthandler.cancel_dump_traceback_later()


class Watched(bootsteps.StartStopStep):
    """Lets the consumer's event loop set a flag, and a thread check it."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **more: Any) -> None:
        super().__init__(consumer, **more)
        self._ticked = threading.Event()
        self._is_stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._timer: Any = None

    def start(self, consumer: Any) -> None:
        """Starts the timer; again after every loss of the broker, which drops timers."""
        self._timer = consumer.timer.call_repeatedly(TICK_SECONDS, self._ticked.set)
        if self._thread is None:
            # A worker that is stopping waits for its children, and its timers do not run.
            signals.worker_shutting_down.connect(self._finish)
            self._thread = threading.Thread(
                target=self._watch, args=[consumer.app], name="watchdog", daemon=True
            )
            self._thread.start()

    def stop(self, _consumer: Any) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _finish(self, **_: Any) -> None:
        self._is_stopping.set()

    def _watch(self, app: Celery) -> None:
        silent_seconds = 0.0
        while not self._is_stopping.wait(CHECK_SECONDS):
            is_alive = self._ticked.is_set()
            self._ticked.clear()
            # Without a broker there is nothing to consume, and restarting would not help.
            if is_alive or not _broker_answers(app):
                silent_seconds = 0.0
                _leave_sign()
                continue
            silent_seconds += CHECK_SECONDS
            if silent_seconds >= SILENCE_SECONDS:
                _end(silent_seconds)


def _leave_sign() -> None:
    """Touches a file by which bandpics/probe.py sees that this worker is well: asking the worker
    itself would cost a process that loads all of the application."""
    if path := os.environ.get("WORKER_HEARTBEAT_FILE"):
        with suppress(OSError):  # the disk is full; then nothing depends on a probe
            Path(path).touch()


def _broker_answers(app: Celery) -> bool:
    with suppress(OperationalError, ChannelError, OSError), app.connection_for_read() as broker:
        broker.ensure_connection(max_retries=1)
        return True
    return False


def _end(silent_seconds: float) -> None:
    logger.critical(
        "worker-silent: the broker answers, this worker has not for %.0f s; ending it",
        silent_seconds,
    )
    faulthandler.dump_traceback(file=sys.__stderr__ or sys.stderr)
    for child in billiard.active_children():
        if child.pid:
            with suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGKILL)
    os._exit(1)
