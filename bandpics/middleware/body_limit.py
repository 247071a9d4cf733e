"""Refuses bodies that are too large or of unknown length before they are read.

Django and DRF read a form and write its files to disk before they call a view, and even before they
know who sent it, because of the CSRF token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.core.handlers.wsgi import WSGIRequest
from django.shortcuts import render
from django.urls import Resolver404, resolve
from django.utils.deprecation import MiddlewareMixin
from rest_framework import status

from bandpics import error_handlers
from bandpics.api.parsers import BodyTooLarge, JsonParser
from bandpics.api.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase

View = TypeVar("View", bound="Callable[..., HttpResponseBase]")


class LengthRequired(Problem):
    status_code = status.HTTP_411_LENGTH_REQUIRED
    slug = "length-required"
    title = "The body does not say how large it is"
    default_detail = "Send a Content-Length, not `Transfer-Encoding: chunked`."
    explanation = (
        "The body comes in chunks and does not say how large it is. Send it with a "
        "`Content-Length`."
    )


class BodyLimit(MiddlewareMixin):
    """Middleware that stands before CsrfViewMiddleware, which reads forms.

    A view may set its limit by `max_body_bytes(request)`; the default is the limit of JSON.
    """

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: Any
    ) -> HttpResponse | None:
        try:
            _refuse_unless_fitting(request, getattr(view, "cls", view))
        except (BodyTooLarge, LengthRequired) as refusal:
            if error_handlers.is_api(request):
                return error_handlers.problem_response(refusal)
            page = {"slug": refusal.slug, "explanation": refusal.explanation}
            return render(request, "problem.html", page, status=refusal.status_code)
        return None


def takes(
    max_body_bytes: Callable[[HttpRequest], int], *, refuses_itself: bool = False
) -> Callable[[View], View]:
    """Sets the limit of a function view, and whether the view itself refuses larger bodies."""

    def mark(view: View) -> View:
        view.max_body_bytes = max_body_bytes  # type: ignore[attr-defined]  # read below
        view.refuses_itself = refuses_itself  # type: ignore[attr-defined]
        return view

    return mark


def is_accepted(environ: dict[str, Any]) -> bool:
    """Whether the web server should receive this body before it calls the view."""
    try:
        request = WSGIRequest(environ)
        request.resolver_match = resolve(request.path_info)
        view = request.resolver_match.func
        return _length(request) <= _max_bytes(request, getattr(view, "cls", view))
    except (Resolver404, LookupError, UnicodeError, SuspiciousOperation):
        return False


def form_max_bytes(_: HttpRequest) -> int:
    """Returns the limit of a page whose form has files."""
    return int(settings.FORM_MAX_BYTES)


def is_form(request: HttpRequest) -> bool:
    return str(request.META.get("CONTENT_TYPE")).startswith("multipart/")


def _refuse_unless_fitting(request: HttpRequest, view: Any) -> None:
    if "CONTENT_LENGTH" not in request.META and "HTTP_TRANSFER_ENCODING" in request.META:
        raise LengthRequired  # Django would treat the body as empty
    limit = _max_bytes(request, view)
    if _length(request) > limit and not getattr(view, "refuses_itself", False):
        raise BodyTooLarge(f"This address takes bodies of up to {limit} bytes.", limit=limit)


def _max_bytes(request: HttpRequest, view: Any) -> int:
    if hasattr(view, "max_body_bytes"):
        return int(view.max_body_bytes(request))
    return JsonParser.max_bytes


def _length(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0  # as Django reads it
