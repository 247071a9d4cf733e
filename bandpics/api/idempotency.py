"""`Idempotency-Key`: a creating call that is sent twice is done once.

One line over a `post`, below `@extend_schema`:

    @idempotent()                                    # the answer is stored and given again
    @idempotent(remember=_ids, again=_tickets)       # it holds secrets or signed URLs: only what
                                                     # `remember(data)` returns is stored, and
                                                     # `again(view, request, stored)` answers

Only successes are remembered: what was refused has changed nothing and may be tried again.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar, cast

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import salted_hmac
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response

from bandpics.api import throttles
from bandpics.api.problems import Conflict, Problem
from bandpics.users.models import IdempotencyRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from rest_framework.request import Request
    from rest_framework.views import APIView

KEY_PATTERN = r"[!-~]{1,255}"
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "pattern": f"^{KEY_PATTERN}$"},
    OpenApiParameter.HEADER,
    description="For 24 hours, the same call with the same key is done only once.",
)
# A process that died in the middle holds its key for so long.
IN_FLIGHT_AT_MOST = timedelta(minutes=5)
KEPT_HEADERS = ("ETag", "Location")
_SECRETS = ('"api_key":"', '"token":"', '"upload_link":"', '"access":"', "X-Amz-Signature=")


class InFlight(Conflict):
    slug = "idempotency-in-flight"
    title = "The first call with this Idempotency-Key is still being worked on"
    explanation = "Wait as long as `Retry-After` says, then repeat this call."
    retry_after_seconds = 1


class Mismatch(Problem):
    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    slug = "idempotency-mismatch"
    title = "This Idempotency-Key was used for something else"
    default_detail = "The body differs from that of the first call. Use another key."


class KeyInvalid(Problem):
    status_code = status.HTTP_400_BAD_REQUEST
    slug = "idempotency-key-invalid"
    title = "This Idempotency-Key cannot be used"
    default_detail = "It has 1 to 255 visible ASCII characters, a UUID for example."


Post = TypeVar("Post", bound="Callable[..., Response]")


def idempotent(
    *,
    remember: Callable[[Any], Any] | None = None,
    again: Callable[[APIView, Request, Any], Any] | None = None,
) -> Callable[[Post], Post]:
    def decorate(post: Post) -> Post:
        @functools.wraps(post)
        def wrapped(view: APIView, request: Request, **kwargs: Any) -> Response:
            key = request.headers.get(IDEMPOTENCY_KEY.name)
            if key is None:
                return post(view, request, **kwargs)
            if not re.fullmatch(KEY_PATTERN, key):
                raise KeyInvalid
            record, is_first = _claim(request, key)
            if not is_first:
                return _repeat(record, view, request, again)
            is_kept = False
            try:
                response = post(view, request, **kwargs)
                if response.status_code < status.HTTP_300_MULTIPLE_CHOICES:
                    _keep(record, response, remember)
                    is_kept = True
            finally:
                if not is_kept:
                    record.delete()
            return response

        return cast("Post", extend_schema(parameters=[IDEMPOTENCY_KEY])(wrapped))

    return decorate


def forget_expired() -> int:
    """Remove records nobody can repeat any more; how many. For the sweeper."""
    old = timezone.now() - settings.IDEMPOTENCY_LIFETIME
    return IdempotencyRecord.objects.filter(created_at__lt=old).delete()[0]


def _claim(request: Request, key: str) -> tuple[IdempotencyRecord, bool]:
    """The record of this key, and whether this call is the first. Raises Mismatch, InFlight."""
    now = timezone.now()
    place = {
        "credential": " ".join(throttles.throttle_keys(request)[-1]),
        "route": f"{request.method} {request.path}"[:200],
        "key_digest": hashlib.sha256(key.encode()).hexdigest(),
    }
    expired = Q(created_at__lt=now - settings.IDEMPOTENCY_LIFETIME)
    stuck = Q(status=None, created_at__lt=now - IN_FLIGHT_AT_MOST)
    IdempotencyRecord.objects.filter(expired | stuck, **place).delete()
    digest = _digest(request.data)
    record, is_first = IdempotencyRecord.objects.get_or_create(
        **place, defaults={"body_digest": digest}
    )
    if not is_first:
        if record.body_digest != digest:
            raise Mismatch
        if record.status is None:
            raise InFlight
    return record, is_first


def _repeat(
    record: IdempotencyRecord,
    view: APIView,
    request: Request,
    again: Callable[[APIView, Request, Any], Any] | None,
) -> Response:
    stored: Any = record.answer
    data = again(view, request, stored["data"]) if again else stored["data"]
    headers = {**stored["headers"], "Idempotent-Replayed": "true"}
    return Response(data, status=record.status, headers=headers)


def _keep(
    record: IdempotencyRecord, response: Response, remember: Callable[[Any], Any] | None
) -> None:
    data = remember(response.data) if remember else response.data
    text = JSONRenderer().render(data) or b"null"
    if any(secret.encode() in text for secret in _SECRETS):
        raise AssertionError("This answer holds secrets: give @idempotent a remember and an again.")
    headers = {name: response[name] for name in KEPT_HEADERS if name in response}
    IdempotencyRecord.objects.filter(pk=record.pk).update(
        status=response.status_code, answer={"data": json.loads(text), "headers": headers}
    )


def _digest(data: Any) -> str:
    """Returns a keyed digest of the body, files included. It is keyed because a body may hold a
    password."""
    return salted_hmac(
        "bandpics.idempotency", json.dumps(_plain(data), sort_keys=True), algorithm="sha256"
    ).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, UploadedFile):
        digest = hashlib.sha256()
        for chunk in value.chunks():
            digest.update(chunk)
        value.seek(0)
        return [value.name, value.content_type, value.size, digest.hexdigest()]
    if hasattr(value, "lists"):  # a form
        return {name: [_plain(each) for each in values] for name, values in value.lists()}
    return value
