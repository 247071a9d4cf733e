"""Reports errors to Sentry, or what speaks its protocol, if SENTRY_DSN is set.

Each line of level ERROR becomes an event. An event is made anew of known parts: requests, bodies,
headers, local variables and breadcrumbs stay here.
"""

from __future__ import annotations

import functools
import logging
import os
from typing import TYPE_CHECKING, Any

from bandpics.telemetry import context, scrubber
from bandpics.telemetry.packages import NotInstalled

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

KEPT = ("event_id", "timestamp", "level", "logger", "platform", "environment", "release", "sdk")
KEPT_OF_FRAMES = ("filename", "function", "module", "lineno", "in_app")


@functools.cache
def start() -> None:
    """Reports errors from now on, if the environment says where to. Raises NotInstalled."""
    if not (dsn := os.environ.get("SENTRY_DSN")):
        return
    try:
        import sentry_sdk
        from sentry_sdk.integrations.dedupe import DedupeIntegration
        from sentry_sdk.integrations.logging import LoggingIntegration
    except ImportError:
        raise NotInstalled("SENTRY_DSN", "sentry-sdk") from None
    sentry_sdk.init(
        dsn,
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[
            LoggingIntegration(level=None, event_level=logging.ERROR),
            DedupeIntegration(),
        ],
        environment=os.environ.get("SENTRY_ENVIRONMENT") or None,
        send_default_pii=False,
        include_local_variables=False,
        include_source_context=False,
        max_breadcrumbs=0,
        before_send=reduced,
    )


def reduced(event: Event, _hint: Hint) -> Event | None:
    """Returns an event with what happened, where in our code, and the ids of the line."""
    given: dict[str, Any] = dict(event)
    made: dict[str, Any] = {name: given[name] for name in KEPT if name in given}
    made["message"] = scrubber.hide(_message(given))
    made["tags"] = {name: str(fact)[:200] for name, fact in context.known().items()}
    values = (given.get("exception") or {}).get("values") or []
    if values:
        made["exception"] = {"values": [_exception(value) for value in values]}
    return made  # type: ignore[return-value]  # a part of an Event


def _message(event: dict[str, Any]) -> str:
    """The words of the line as they stand in the code: its arguments may be anything."""
    entry = event.get("logentry") or {}
    return str(entry.get("message") or event.get("message") or "")


def _exception(value: dict[str, Any]) -> dict[str, Any]:
    frames = (value.get("stacktrace") or {}).get("frames") or []
    return {
        "type": value.get("type"),
        "module": value.get("module"),
        "value": scrubber.hide(str(value.get("value") or "")),
        "stacktrace": {
            "frames": [
                {name: frame[name] for name in KEPT_OF_FRAMES if name in frame} for frame in frames
            ]
        },
    }
