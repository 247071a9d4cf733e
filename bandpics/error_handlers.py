"""What is answered where no view of ours did: problems below /api/, pages elsewhere."""

from __future__ import annotations

import sys
from functools import wraps
from typing import TYPE_CHECKING, Any

from django.contrib.auth.decorators import login_required
from django.db import InterfaceError, OperationalError
from django.http import HttpResponse, JsonResponse
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
        return answer(exceptions.ParseError("The request could not be understood."))
    return defaults.bad_request(request, exception)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_api(request):
        return answer(exceptions.PermissionDenied())
    return defaults.permission_denied(request, exception)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    if is_api(request):
        return answer(CsrfFailed(reason))
    return csrf.csrf_failure(request, reason)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_api(request) or is_program(request):
        return answer(exceptions.NotFound("There is nothing at this address."))
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """500; 503 or 507, and worth another try, while the database is away or the disk full."""
    error = sys.exception()
    exc: problems.Problem = problems.ServerError()
    if isinstance(error, OperationalError | InterfaceError):
        exc = problems.Unavailable()
    elif disk.is_full(error):
        exc = problems.DiskFull()
    said = answer(exc) if is_api(request) else defaults.server_error(request)
    said.status_code = exc.status_code
    if exc.retry_after_seconds:
        said["Retry-After"] = str(exc.retry_after_seconds)
    return said


def is_api(request: HttpRequest) -> bool:
    return request.path_info.startswith("/api/")


def is_program(request: HttpRequest) -> bool:
    """Whether it asks for JSON, or with a credential that no browser sends of its own accord."""
    accepted = request.headers.get("Accept", "")
    return "html" not in accepted and ("json" in accepted or "Authorization" in request.headers)


def page_for_members(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """People sign in first; programs, which would get the sign-in page, are told of the API."""
    page = login_required(view)

    @wraps(view)
    def answered(request: HttpRequest, *args: Any, **ids: Any) -> HttpResponse:
        if is_program(request):
            there = request.path_info if ids else "/groups/"
            why = f"This is a page for people. For programs there is /api/v1{there}."
            return answer(exceptions.NotFound(why))
        return page(request, *args, **ids)

    return answered


def answer(exc: exceptions.APIException) -> HttpResponse:
    body: dict[str, Any] = problems.problem(exc)
    return JsonResponse(body, status=exc.status_code, content_type=problems.CONTENT_TYPE)
