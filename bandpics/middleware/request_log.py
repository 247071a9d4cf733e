"""Writes one line for each request, and counts it.

The line names the route, never the path, which may hold a token. `X-Request-Id` of the client or
proxy is taken over, answered, and carried on to the tasks that the request queues.
"""

from __future__ import annotations

import functools
import ipaddress
import logging
import time
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.signals import request_finished

from bandpics import limits
from bandpics.telemetry import context, metrics, tracing

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

logger = logging.getLogger(__name__)

REQUESTS = metrics.Counter(
    "bandpics_requests_total", "Requests that were answered.", "route", "method", "status"
)
REQUEST_SECONDS = metrics.Histogram(
    "bandpics_request_seconds", "Time from a whole request to its answer.", "route"
)
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
# Ids of an address's path. Others in it are tokens, or words that people typed.
IDS = ("team_id", "group_id", "image_id", "upload_id", "archive_id", "invitation_id", "wall_id")
STATIC = "static"
# Probes and files: a line only when they fail.
QUIET = {"healthz", "readyz", STATIC}
# What is kept of a client's address: enough to see that many errors come from one place.
NETWORK_BITS = {4: 24, 6: 48}


class RequestLog:
    """The outermost middleware, so that it sees what all others answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started_at = time.perf_counter()
        context.forget()
        request_id = context.accepted(request.headers.get(context.REQUEST_ID_HEADER, ""))
        context.say(request_id=request_id)
        request.request_id = request_id  # type: ignore[attr-defined]  # for those who keep it
        span = tracing.begin("request", parent=request.headers.get("traceparent"))
        response = self._get_response(request)
        response[context.REQUEST_ID_HEADER] = request_id
        if request.method == "HEAD":
            _drop_body(response)
        route = route_of(request)
        _write(request, route, response.status_code, time.perf_counter() - started_at)
        span.rename(f"{request.method} {route}")
        span.end(status=response.status_code)
        return response


def _drop_body(response: Any) -> None:
    """Leaves the headers of an answer to HEAD, whose body gunicorn would drop with a warning."""
    if response.streaming:
        response.streaming_content = ()  # what it would have read is closed with it
    else:
        response.content = b""


def route_of(request: HttpRequest) -> str:
    """Returns the pattern of the address, of which there are as many as there are routes."""
    match = request.resolver_match
    if match is not None:
        return match.route
    is_static = request.path_info.startswith(settings.STATIC_URL)
    return STATIC if is_static else metrics.OTHER


def _write(request: HttpRequest, route: str, status: int, seconds: float) -> None:
    method = request.method if request.method in METHODS else metrics.OTHER
    REQUESTS.inc(route=route, method=method, status=status)
    REQUEST_SECONDS.observe(seconds, route=route)
    is_dull = route in QUIET and status < 400
    level = logging.DEBUG if is_dull else logging.INFO
    if logger.isEnabledFor(level):
        facts = _facts(request)
        facts |= {"method": method, "route": route, "status": status}
        facts["duration_ms"] = round(seconds * 1000, 1)
        logger.log(level, "request", extra=facts)


def _facts(request: HttpRequest) -> dict[str, Any]:
    """Who asks, and about what, as far as the request has found out; it makes no query."""
    match = request.resolver_match
    kwargs = match.kwargs if match is not None else {}
    facts: dict[str, Any] = {name: str(kwargs[name]) for name in IDS if name in kwargs}
    user_id = _user_id(request)
    if user_id is not None:
        facts["user_id"] = user_id
    if "credential" not in context.known():
        facts["credential"] = "none" if user_id is None else "session"
    return facts | {"network": network_of(limits.address_of(request))}


def _user_id(request: HttpRequest) -> int | None:
    # `request.user` would ask the database who it is, and make the answer vary by cookie.
    user = vars(request).get("_cached_user")
    if user is None and "auth" in vars(request):  # set by Django REST framework
        user = request.user
    return getattr(user, "pk", None)


@functools.lru_cache(maxsize=1024)
def network_of(text: str) -> str:
    """Returns the first half of a client's address."""
    try:
        address = ipaddress.ip_interface(text)
    except ValueError:
        return ""
    bits = NETWORK_BITS[address.version]
    return str(ipaddress.ip_network((address.ip, bits), strict=False).network_address)


def _forget(**_: Any) -> None:
    context.forget()


# Once the answer's last byte is sent: parts of it may be made while it is.
request_finished.connect(_forget, dispatch_uid="request-log")
