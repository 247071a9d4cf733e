"""Responses to errors outside of views: problems below /api/, pages elsewhere."""

from __future__ import annotations

import sys
from functools import wraps
from typing import TYPE_CHECKING, Any

from django.contrib.auth.decorators import login_required
from django.db import InterfaceError, OperationalError
from django.http import HttpResponse, JsonResponse
from django.urls import Resolver404, resolve
from django.views import csrf, defaults
from rest_framework import exceptions

from bandpics import disk
from bandpics.api import problems
from bandpics.api.authentication import CsrfFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_api(request):
        known = problems.known(exception)
        if not isinstance(known, exceptions.APIException):
            known = exceptions.ParseError("The request could not be understood.")
        return problem_response(known)
    return defaults.bad_request(request, exception)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_api(request):
        return problem_response(exceptions.PermissionDenied())
    return defaults.permission_denied(request, exception)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    if is_api(request):
        return problem_response(CsrfFailed(reason))
    return csrf.csrf_failure(request, reason)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_api(request) or is_program(request):
        return problem_response(exceptions.NotFound("There is nothing at this address."))
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Responds 500, or 503 if the database is away, or 507 if the disk is full."""
    error = sys.exception()
    exc: problems.Problem = problems.ServerError()
    if isinstance(error, OperationalError | InterfaceError):
        exc = problems.Unavailable()
    elif disk.is_full(error):
        exc = problems.DiskFull()
    response = problem_response(exc) if is_api(request) else defaults.server_error(request)
    response.status_code = exc.status_code
    if exc.retry_after_seconds:
        response["Retry-After"] = str(exc.retry_after_seconds)
    return response


def is_api(request: HttpRequest) -> bool:
    return request.path_info.startswith("/api/")


def is_program(request: HttpRequest) -> bool:
    """Whether the client asks for JSON or sends a credential that browsers do not send."""
    accepted = request.headers.get("Accept", "")
    return "html" not in accepted and ("json" in accepted or "Authorization" in request.headers)


def page_for_members(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Sends people to the sign-in page, and programs to the API."""
    page = login_required(view)

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if is_program(request):
            path = _api_path(request.path_info) if kwargs else "/api/v1/groups/"
            detail = f"This is a page for people. For programs there is {path}."
            return problem_response(exceptions.NotFound(detail))
        return page(request, *args, **kwargs)

    return wrapped


def _api_path(path: str) -> str:
    """Returns the address of the API for what a page shows, or its root."""
    try:
        resolve(f"/api/v1{path}")
    except Resolver404:
        return "/api/v1/"
    return f"/api/v1{path}"


def problem_response(exc: exceptions.APIException) -> HttpResponse:
    body: dict[str, Any] = problems.problem(exc)
    return JsonResponse(body, status=exc.status_code, content_type=problems.CONTENT_TYPE)
