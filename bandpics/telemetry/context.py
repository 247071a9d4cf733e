"""Remembers what each line of a request, or of a task, says: who asks, and by which request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from structlog import contextvars

from bandpics.ids import new_id

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

# The request's header, and the answer's.
REQUEST_ID_HEADER = "X-Request-Id"
_ACCEPTABLE = re.compile(r"[A-Za-z0-9._-]{1,40}")


def accepted(sent: str) -> str:
    """Returns the request id that a client or proxy sent, or a new one if it may hold more than
    an id."""
    return sent if _ACCEPTABLE.fullmatch(sent) else new_id().hex


def request_id() -> str | None:
    found: str | None = contextvars.get_contextvars().get("request_id")
    return found


def known() -> dict[str, Any]:
    """Returns all that was said of the request or task of this thread."""
    return contextvars.get_contextvars()


def say(**facts: Any) -> None:
    """Adds facts to every line of this request or task from now on. UUIDs become texts."""
    contextvars.bind_contextvars(**{name: _plain(fact) for name, fact in facts.items()})


def saying(**facts: Any) -> AbstractContextManager[None]:
    """Adds facts to every line within the block."""
    return contextvars.bound_contextvars(**{name: _plain(fact) for name, fact in facts.items()})


def forget() -> None:
    """Begins another request or task in this thread."""
    contextvars.clear_contextvars()


def _plain(fact: Any) -> Any:
    return fact if isinstance(fact, str | int | float | None) else str(fact)
