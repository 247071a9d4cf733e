"""Receives the store's events by webhook."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.utils.crypto import constant_time_compare
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema, inline_serializer
from rest_framework import exceptions, serializers, status
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework.views import APIView

from bandpics.api import throttles
from bandpics.api.authentication import CredentialInvalid
from bandpics.api.parsers import BodyTooLarge
from bandpics.api.problems import Problem, Unavailable
from images.storage.objects import StorageUnavailable
from images.storage_events import events

if TYPE_CHECKING:
    from django.http import HttpRequest
    from rest_framework.request import Request

REPLAY_SECONDS = 5 * 60
_ENCODED = "whsec_"


class SwitchedOff(Problem):
    status_code = status.HTTP_404_NOT_FOUND
    slug = "storage-events-off"
    title = "This server takes no storage events by webhook"
    explanation = (
        "Whoever runs this server has not set STORAGE_EVENTS_SECRET, so that no store can send "
        "events here. The sweeper finds what arrived by itself."
    )


class StoreAuthentication(BaseAuthentication):
    """Checks a signature of the body, as https://www.standardwebhooks.com says, no older than five
    minutes; or, of stores that can only send a token, the secret itself as a bearer."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, str] | None:
        if request.method != "POST":
            return None  # 405, whoever asks
        if not settings.STORAGE_EVENTS_SECRET:
            raise SwitchedOff
        if int(request.META.get("CONTENT_LENGTH") or 0) > events.MAX_BYTES:
            raise BodyTooLarge(f"This address takes JSON of up to {events.MAX_BYTES} bytes.")
        authorization = get_authorization_header(request).decode("latin-1")
        if "webhook-signature" in request.headers:
            is_known = _is_signed(request)
        elif authorization:
            scheme, _, token = authorization.partition(" ")
            is_known = scheme.lower() == "bearer" and constant_time_compare(
                token.strip(), _secret()
            )
        else:
            raise exceptions.NotAuthenticated
        if not is_known:
            throttles.guessed_wrong(request)
            raise CredentialInvalid("The signature or token is wrong, or older than five minutes.")
        return AnonymousUser(), "store"

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="Bandpics storage events"'


def _is_signed(request: HttpRequest) -> bool:
    sent_at = request.headers.get("webhook-timestamp", "")
    if not (sent_at.isascii() and sent_at.isdigit() and len(sent_at) < 12):
        return False
    if abs(time.time() - int(sent_at)) > REPLAY_SECONDS:
        return False
    right = signature(request.headers.get("webhook-id", ""), sent_at, request.body)
    # Several, while a secret is being changed; of other versions ("v1a,…") we know nothing.
    signatures = request.headers["webhook-signature"].split()
    return any([constant_time_compare(one, right) for one in signatures])  # noqa: C419 - all, always


def signature(message_id: str, sent_at: str, body: bytes) -> str:
    """`v1,` and the base64 of HMAC-SHA256 over id, seconds since 1970 and body."""
    secret = _secret()
    key = secret.encode()
    if secret.startswith(_ENCODED):
        key = base64.b64decode(secret.removeprefix(_ENCODED))
    signed = f"{message_id}.{sent_at}.".encode() + body
    return f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"


def _secret() -> str:
    return settings.STORAGE_EVENTS_SECRET or ""


_ANSWER = inline_serializer("StorageEventTaken", {"queued": serializers.IntegerField()})
_CREATED = {
    "eventName": "ObjectCreated:Put",
    "s3": {
        "bucket": {"name": "bandpics"},
        "object": {"key": "incoming/01978a5e-0000-7000-8000-000000000000"},
    },
}
_EXAMPLE = OpenApiExample("Amazon S3", {"Records": [_CREATED]}, request_only=True)


class StorageEvents(APIView):
    authentication_classes = [StoreAuthentication]
    permission_classes = [AllowAny]
    throttle_classes = []  # who holds the secret may tell of every photo, from one address

    @extend_schema(
        request={"application/json": OpenApiTypes.OBJECT}, responses=_ANSWER, examples=[_EXAMPLE]
    )
    def post(self, request: Request) -> Response:
        """The store says that objects were created; their uploads are completed. For stores only.

        Takes notifications of Amazon S3 and what speaks like it, also inside an SNS envelope,
        of EventBridge and of R2. Objects nobody announced, and repetitions, change nothing.
        """
        try:
            queued = events.complete_uploads(request.body)
        except events.NotAnEvent as error:
            raise exceptions.ParseError(str(error)) from None
        except StorageUnavailable as error:
            raise Unavailable("The object store does not answer. Send it again.") from error
        return Response({"queued": queued})


class StoreScheme(OpenApiAuthenticationExtension):
    target_class = "images.storage_events.webhook.StoreAuthentication"
    name = "store"

    def get_security_definition(self, auto_schema: object) -> dict[str, Any]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "STORAGE_EVENTS_SECRET; or, instead, the headers `webhook-id`, "
            "`webhook-timestamp` and `webhook-signature` of Standard Webhooks.",
        }
