"""gunicorn's configuration: its own messages go the way of all others, and its main process
imports the application for the workers and answers for their metrics."""

from __future__ import annotations

import gc
import logging.config
import os
from typing import Any

from gunicorn import glogging

from bandpics.telemetry import logs, metrics


class Logger(glogging.Logger):
    """gunicorn's logger without handlers of its own."""

    def setup(self, cfg: Any) -> None:
        self.cfg = cfg
        self._access_log_enabled = False  # bandpics.middleware.request_log writes that line
        # Settings refuse a wrong value, in the workers.
        level = os.environ.get("LOG_LEVEL", "")
        style = os.environ.get("LOG_FORMAT", "")
        known = level if level in {"DEBUG", "INFO", "WARNING", "ERROR"} else "INFO"
        logging.config.dictConfig(logs.configuration(level=known, style=style))
        self.loglevel = logging.getLevelName(known)
        self.error_log.propagate = True


REFUSED = metrics.Counter(
    "bandpics_refused_total",
    "Requests that the server ended unread: malformed, too late (408), too many at once (503), …",
    "status",
    known=[{"status": "408"}, {"status": "503"}],
)
logger_class = Logger
# The application is imported once, and its memory shared by all processes that serve.
preload_app = True
metrics.prepare()


# Python looks for cycles each 700 new objects: several times in each request, which leaves few.
COLLECTED_AFTER = (20_000, 20, 20)


def pre_fork(_server: Any, _worker: Any) -> None:
    """Exempts what is imported from the garbage collector, which would write to all of it, and so
    copy it for each process."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTED_AFTER)


def when_ready(_server: Any) -> None:
    metrics.serve()


def child_exit(_server: Any, worker: Any) -> None:
    metrics.forget_process(worker.pid)
