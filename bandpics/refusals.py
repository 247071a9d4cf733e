"""What the web server itself answers, before Django: to a request that is malformed, too long, too
late, or one too many. Each leaves a line in the log like all other requests, and names its id.

Who opens a page while too many do gets one that opens it again by itself.
"""

from __future__ import annotations

import json
import logging
import random
import time
from contextlib import suppress
from functools import cache
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import trans_real
from gunicorn.http import errors

from bandpics.middleware import request_log
from bandpics.telemetry import context, metrics
from bandpics.telemetry.web_server import REFUSED

logger = logging.getLogger(__name__)

# By status: what is wrong, and what to do.
REASONS = {
    400: ("Bad Request", "The request cannot be read: it is no HTTP/1.1."),
    403: ("Forbidden", "This proxy may not speak for others."),
    408: ("Request Timeout", "The request took too long to arrive. Send it again."),
    414: ("URI Too Long", "The address is longer than 8190 bytes. Ask for less at once."),
    417: ("Expectation Failed", "The request expects what this server does not do."),
    431: ("Request Header Fields Too Large", "The headers are too many or too long."),
    501: ("Not Implemented", "This server does not know that transfer coding."),
    503: ("Service Unavailable", "Too many ask at once. Try again in some seconds."),
}
# When those who get a 503 ask again: a crowd must not return at once.
BUSY_SECONDS = (5, 15)
STATUSES: dict[type[Exception], int] = {
    errors.LimitRequestLine: 414,
    errors.LimitRequestHeaders: 431,
    errors.ExpectationFailed: 417,
    errors.UnsupportedTransferCoding: 501,
    errors.ForbiddenProxyRequest: 403,
}
# Errors of this server, or of what it runs.
OURS = (
    errors.ConfigurationProblem,
    errors.InvalidResponseHeader,
    errors.InvalidResponseHeaderName,
)


def status_of(error: BaseException) -> int | None:
    """Returns the status for a request that gunicorn cannot read; None for an error of ours."""
    if not isinstance(error, errors.ParseException) or isinstance(error, OURS):
        return None
    return next((code for kind, code in STATUSES.items() if isinstance(error, kind)), 400)


def refuse(status: int, *, request: Any, client: Any, began_at: float) -> bytes:
    """Logs and counts that a request was refused; returns the answer.

    `request` is gunicorn's, or None where its head was not read; `began_at` is of time.monotonic().
    """
    method = getattr(request, "method", None)
    headers = dict(request.headers) if request else {}
    request_id = context.accepted(headers.get(context.REQUEST_ID_HEADER.upper(), ""))
    REFUSED.inc(status=str(status))
    facts = {
        "request_id": request_id,
        "network": request_log.network_of(client[0]) if isinstance(client, tuple) else "",
        "route": metrics.OTHER,
        "status": status,
        "duration_ms": round((time.monotonic() - began_at) * 1000, 1),
    }
    if method in request_log.METHODS:
        facts["method"] = method
    logger.info("request", extra=facts)
    title, detail = REASONS[status]
    more, body = ["Content-Type: application/problem+json"], b""
    if status == 503:
        seconds = random.randint(*BUSY_SECONDS)  # noqa: S311 - no secret
        more.append(f"Retry-After: {seconds}")
    if status == 503 and method == "GET" and "text/html" in headers.get("ACCEPT", ""):
        more[0] = "Content-Type: text/html; charset=utf-8"
        more.append(f"Refresh: {seconds}")
        body = _busy_page(_language(headers.get("ACCEPT-LANGUAGE", "")))
    elif method != "HEAD":
        problem = {"title": title, "status": status, "detail": detail, "request_id": request_id}
        body = json.dumps(problem).encode()
    head = [
        f"HTTP/1.1 {status} {title}",
        "Connection: close",
        *more,
        f"{context.REQUEST_ID_HEADER}: {request_id}",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


@cache
def _busy_page(language: str) -> bytes:
    with translation.override(language):
        return render_to_string("busy.html").encode()


def _language(accepted: str) -> str:
    """Returns that of our languages which a browser prefers."""
    for code, _ in trans_real.parse_accept_lang_header(accepted):
        with suppress(LookupError):
            return translation.get_supported_language_variant(code)
    return settings.LANGUAGE_CODE
