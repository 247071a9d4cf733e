"""Errors as RFC 9457 problem details: `application/problem+json` with a stable `type`."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.utils.serializer_helpers import ReturnDict

from bandpics import disk
from bandpics.telemetry import context

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from django.utils.functional import _StrOrPromise

CONTENT_TYPE = "application/problem+json"
# What an answer repeats of a wrong request.
MAX_ERRORS = 20
MAX_ERRORS_BYTES = 8 * 1024
MAX_TEXT = 500
logger = logging.getLogger(__name__)


class Problem(exceptions.APIException):
    """An error of the API. Its class says all that is the same each time it is answered.

    `members` are more JSON fields of one answer.
    """

    slug: ClassVar[str]  # the type is /problems/<slug>/
    title: _StrOrPromise  # short
    default_detail: _StrOrPromise = ""  # what to do about it; empty: the title
    explanation: ClassVar[str] = ""  # of the page behind the type; empty: title and detail
    retry_after_seconds: ClassVar[int | None] = None

    def __init__(self, detail: _StrOrPromise | None = None, **members: Any) -> None:
        super().__init__(detail or self.default_detail or f"{self.title}.", code=self.slug)
        self.members = members

    def __init_subclass__(cls) -> None:
        if "slug" in vars(cls):
            said = (cls.title, cls.default_detail)
            EXPLANATIONS[cls.slug] = vars(cls).get("explanation") or format_lazy("{}. {}", *said)


# What the pages of problems say, by slug.
EXPLANATIONS: dict[str, _StrOrPromise] = {}
# What is answered where a view lets an exception of the domain pass.
Answer = Callable[[Any], exceptions.APIException]
_BY_EXCEPTION: dict[type[Exception], Answer] = {}


def answer(by_exception: Mapping[type[Exception], Answer]) -> None:
    """Registers which problem is answered for which exception, derived ones included."""
    _BY_EXCEPTION.update(by_exception)


def wrong(field: str, why: str, code: str = "invalid") -> exceptions.ValidationError:
    """The error of one field."""
    return exceptions.ValidationError({field: [why]}, code=code)


# What Django REST framework raises itself: slug, title and explanation (or empty) by status.
_BY_STATUS: dict[int, tuple[str, _StrOrPromise, str]] = {
    400: (
        "invalid",
        _("The request is not valid"),
        "Some fields are missing or wrong. `errors` names the first 20 by a JSON pointer each, "
        "then how many more there are.",
    ),
    401: (
        "not-authenticated",
        _("Please sign in"),
        "Send `Authorization:` with `Bearer <token>`, `Api-Key <key>` or, as a guest, "
        "`Invitation <token>`.",
    ),
    403: ("permission-denied", _("You may not do this"), "You are known, but may not do this."),
    404: ("not-found", _("There is nothing here, or nothing you may see"), ""),
    405: ("method-not-allowed", _("This address does not take this method"), ""),
    406: (
        "not-acceptable",
        _("This address cannot answer in the type you accept"),
        "This address answers JSON; accept that.",
    ),
    415: (
        "unsupported-media-type",
        _("This address does not take this type of body"),
        "Send JSON, with `Content-Type: application/json`.",
    ),
    429: ("too-many-requests", _("Too many requests; wait a moment"), "See `Retry-After`."),
}
EXPLANATIONS.update({slug: why or title for slug, title, why in _BY_STATUS.values()})


class Conflict(Problem):
    status_code = status.HTTP_409_CONFLICT
    slug = "conflict"
    title: _StrOrPromise = _("This does not fit the present state")
    explanation = "What you asked does not fit the present state of the thing. Read it again."


class NotThere(Problem):
    status_code = status.HTTP_404_NOT_FOUND
    slug, title, explanation = _BY_STATUS[404]


class Forbidden(Problem):
    status_code = status.HTTP_403_FORBIDDEN
    slug, title, explanation = _BY_STATUS[403]


class ServerError(Problem):
    status_code = status.HTTP_500_INTERNAL_SERVER_ERROR
    slug = "internal-error"
    title: _StrOrPromise = _("Something broke on our side")
    explanation = "Something broke on our side. Nothing that arrived is lost; try again."


class Unavailable(Problem):
    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    slug = "unavailable"
    title: _StrOrPromise = _("A service we need does not answer; try again soon")
    explanation = "A service behind this one does not answer. Nothing is lost; try again."
    retry_after_seconds = 5


class DiskFull(Problem):
    """RFC 4918, section 11.5: the server cannot store what the request needs, for now."""

    status_code = status.HTTP_507_INSUFFICIENT_STORAGE
    slug = "disk-full"
    title: _StrOrPromise = _("Our disk is full. Nothing is lost; try again later")
    explanation = (
        "The disk where this server keeps a form while it passes it on has no room left. Nothing "
        "of it was taken: send it again later, or announce the photos at `/api/v1/uploads/` and "
        "send them straight to storage, which needs no room here."
    )
    retry_after_seconds = 60


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's hook. None for what is not an API error: Django's own 500 handling takes it."""
    exc = known(exc)
    if not isinstance(exc, exceptions.APIException):
        return None
    headers = {}
    if header := getattr(exc, "challenge", None) or getattr(exc, "auth_header", None):
        headers["WWW-Authenticate"] = header
    wait = getattr(exc, "wait", None) or getattr(exc, "retry_after_seconds", None)
    if wait:
        headers["Retry-After"] = str(int(wait))
    body, serializer = problem(exc), getattr(exc.detail, "serializer", None)
    if serializer is not None:  # the browsable page shows each error at its field
        body = ReturnDict(body, serializer=serializer)
    response = Response(body, status=exc.status_code, headers=headers)
    response.exception = True
    renderer = getattr(context.get("request"), "accepted_renderer", None)
    if renderer is None or renderer.format == "json":
        response.content_type = CONTENT_TYPE
    return response


def known(exc: Exception) -> Exception:
    """The API error that says what happened; the same where it is none."""
    if isinstance(exc, exceptions.APIException):
        return exc
    if isinstance(exc, Http404):
        return exceptions.NotFound()
    if isinstance(exc, DjangoPermissionDenied):
        return exceptions.PermissionDenied()
    if isinstance(exc, OperationalError | InterfaceError):
        logger.error("The database does not answer: %s", exc)
        return Unavailable(_("The database does not answer. Nothing is lost; try again soon."))
    if disk.is_full(exc):
        logger.error("disk-full: no room for a form: %s", exc)
        return DiskFull()
    for kind in type(exc).__mro__:
        if kind in _BY_EXCEPTION:
            return _BY_EXCEPTION[kind](exc)
    return exc


def problem(exc: exceptions.APIException) -> dict[str, Any]:
    """The JSON members of RFC 9457, section 3, plus `errors` with a JSON pointer each."""
    members: dict[str, Any] = {}
    if isinstance(exc, Problem):
        slug, title, members = exc.slug, exc.title, exc.members
    elif exc.status_code in _BY_STATUS:
        slug, title, _why = _BY_STATUS[exc.status_code]
    else:
        slug, title = "error", _("Something went wrong")
    answer: dict[str, Any] = {
        "type": f"/problems/{slug}/",
        "title": str(title),
        "status": exc.status_code,
    }
    if isinstance(exc, exceptions.ValidationError):
        errors = _first_of(_pointers(exc.detail))
        answer["detail"] = errors[0]["detail"] if errors else str(title)
        answer["errors"] = errors
    else:
        answer["detail"] = _sayable(str(exc.detail))
    context.say(problem=slug)
    if (request_id := context.request_id()) is not None:
        answer["request_id"] = request_id
    return answer | members


def errors_at(found: Mapping[str, tuple[str, _StrOrPromise]]) -> list[dict[str, str]]:
    """The first of these errors, {pointer: (code, detail)}, as `errors` of a problem."""
    return _first_of(
        {"pointer": pointer, "code": code, "detail": _sayable(str(detail))}
        for pointer, (code, detail) in found.items()
    )


def _first_of(found: Iterator[dict[str, str]]) -> list[dict[str, str]]:
    """At most MAX_ERRORS, fewer if they are long, and one that says how many more there are."""
    errors = list(itertools.islice(found, MAX_ERRORS))
    more = sum(1 for _ in found)
    while len(json.dumps(errors)) > MAX_ERRORS_BYTES:
        errors.pop()
        more += 1
    if more:
        errors.append({"pointer": "#", "code": "more", "detail": f"And {more} more."})
    return errors


def _pointers(detail: Any, pointer: str = "#") -> Any:
    """Each error of a nested DRF detail with its RFC 6901 pointer."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            here = pointer if name == "non_field_errors" else f"{pointer}/{_escape(str(name))}"
            yield from _pointers(inner, here)
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            nested = isinstance(inner, dict | list)
            yield from _pointers(inner, f"{pointer}/{index}" if nested else pointer)
    else:
        yield {
            "pointer": pointer,
            "code": getattr(detail, "code", "invalid"),
            "detail": _sayable(str(detail)),
        }


def _escape(token: str) -> str:
    return _sayable(token.replace("~", "~0").replace("/", "~1"))


def _sayable(text: str) -> str:
    """Some errors repeat what they refuse: a megabyte, or half a character, which is no UTF-8."""
    text = text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…"
    return text.encode(errors="replace").decode()
