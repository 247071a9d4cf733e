"""How lines of logs look: JSON, one object for each, or plain text to read in a terminal.

Whatever logs goes through here: our own modules, Django, Celery and gunicorn.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog
from structlog.stdlib import ProcessorFormatter

from bandpics.telemetry import metrics, scrubber

if TYPE_CHECKING:
    from structlog.typing import EventDict

JSON, PLAIN = "json", "plain"

# What no line shows (Python's "Logging HOWTO", "Optimization").
logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False

# What a record may say beside its message. Libraries add requests, bodies and arguments of tasks,
# which hold tokens and e-mail addresses: nothing of that is shown.
FACTS = (
    *("method", "route", "status", "duration_ms", "credential", "prefix", "network", "problem"),
    *("request_id", "message_id", "task_id", "task", "state", "user_id"),
    *("team_id", "group_id", "invitation_id", "wall_id", "archive_id"),
    *("upload_id", "image_id", "version", "step", "reason", "attempt", "format", "byte_size"),
    *("width", "height", "elapsed_ms", "duplicate_of", "variants", "part", "operation"),
)

# Loggers that say less than others. Some would write signatures, SQL with its parameters or the
# arguments of tasks at DEBUG, others a line for each task where our own line says more.
LEAST_LEVELS = {
    **dict.fromkeys(
        [
            *("amqp", "asyncio", "boto3", "botocore", "google_genai", "httpcore", "httpx"),
            *("httpx2", "kombu", "openai", "PIL", "psycopg", "s3transfer", "urllib3"),
            *("celery.app.trace", "celery.beat", "celery.worker.strategy"),
        ],
        logging.WARNING,
    ),
    **dict.fromkeys(
        [
            *("celery.concurrency", "celery.pool", "celery.utils", "celery.worker"),
            *("django.db.backends", "django.template", "django.utils.autoreload"),
            *("gunicorn.error", "multiprocessing", "redis"),
        ],
        logging.INFO,
    ),
}


def configuration(*, level: str, style: str) -> dict[str, Any]:
    """Returns what `logging.config.dictConfig` takes."""
    least = logging.getLevelNamesMapping()[level]
    quiet = {
        name: {"level": logging.getLevelName(max(least, number))}
        for name, number in LEAST_LEVELS.items()
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {
            "requests": {"()": "bandpics.telemetry.logs.SaidByRequestLine"},
            "errors": {"()": "bandpics.telemetry.logs.CountsErrors"},
        },
        "formatters": {"line": {"()": "bandpics.telemetry.logs.formatter", "style": style}},
        "handlers": {
            "console": {
                "class": "logging.StreamHandler",
                "formatter": "line",
                "filters": ["requests", "errors"],
            }
        },
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            **quiet,
            "django.server": {"handlers": ["console"], "propagate": False},
        },
    }


def formatter(style: str) -> logging.Formatter:
    return ProcessorFormatter(
        foreign_pre_chain=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.ExtraAdder(allow=FACTS),
        ],
        processors=[
            structlog.processors.format_exc_info,
            _scrubbed,  # before JSON escapes letters: a hidden half of an escape is no JSON
            _with_origin,  # nothing to hide: its time and logger would be searched for each line
            ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer() if style == JSON else _plain,
        ],
    )


class SaidByRequestLine(logging.Filter):
    """Leaves out what Django says of a 4xx: the line of that request says more. What it says of a
    5xx is kept without its path, which may hold a token."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name == "gunicorn.error":
            _without_address(record)
        if not hasattr(record, "request") or not record.name.startswith("django."):
            return True
        if getattr(record, "status_code", 500) < 500:
            return False
        record.msg, record.args = "A request failed", ()
        return True


def _without_address(record: logging.LogRecord) -> None:
    """Takes the address out of what gunicorn says of a request that never reached Django."""
    said = str(record.msg)
    if said.startswith("Error handling request"):
        record.msg, record.args = "A request could not be handled", ()
    elif said.startswith("Invalid request"):  # of somebody who tries things out
        record.msg, record.args = "A request was malformed", ()
        record.levelno, record.levelname = logging.INFO, "INFO"


ERROR_LINES = metrics.Counter(
    "bandpics_error_lines_total", "Lines of level ERROR and above in the logs."
)


class CountsErrors(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno >= logging.ERROR:
            ERROR_LINES.inc()
        return True


def _with_origin(_logger: Any, _method: str, line: EventDict) -> EventDict:
    record: logging.LogRecord = line["_record"]
    origin = {
        "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
    }
    return {**origin, **line}


def _plain(_logger: Any, _method: str, line: EventDict) -> str:
    """As a person reads it: `2026-11-22T03:40:00.123+00:00 INFO images.journey done image_id=…`."""
    traceback = line.pop("exception", None)
    words = [line.pop("timestamp"), line.pop("level").upper(), line.pop("logger")]
    words += [str(line.pop("event")), *(f"{name}={value}" for name, value in line.items())]
    text = " ".join(words)
    return f"{text}\n{traceback}" if traceback else text


def _scrubbed(_logger: Any, _method: str, line: EventDict) -> EventDict:
    return {
        name: scrubber.hide(fact) if isinstance(fact, str) else fact for name, fact in line.items()
    }
