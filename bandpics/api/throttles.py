"""Throttles: how many requests each credential may send, and what wrong ones cost."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from django.db.models import Model
from rest_framework.exceptions import Throttled
from rest_framework.throttling import BaseThrottle

from bandpics import limits
from bandpics.users.models import ApiKey, User

if TYPE_CHECKING:
    from django.http import HttpRequest
    from rest_framework.request import Request
    from rest_framework.views import APIView

DEVICE_HEADER = "Bandpics-Device"


class CredentialLimit(BaseThrottle):
    """Each key, person or invitation for itself; those without any, by their address.

    A valid credential is never limited by its address: 300 guests share one.
    """

    def __init__(self) -> None:
        self.seconds = 0

    def allow_request(self, request: Request, view: APIView) -> bool:
        self.seconds = limits.consume(*throttle_keys(request))
        return not self.seconds

    def wait(self) -> float:
        return self.seconds


def guessed_wrong(request: HttpRequest | Request) -> None:
    """Count a credential that nobody has. Raises Throttled once there were too many.

    Call it after the look-up failed, so that those who hold a right one are never in the way.
    """
    if seconds := limits.consume(("guess", limits.address_of(request))):
        raise Throttled(wait=seconds)


def throttle_keys(request: Request) -> list[limits.ThrottleKey]:
    """Whose request this is, for the counters; the last one is the narrowest."""
    if isinstance(request.auth, ApiKey):
        return [("key", request.auth.prefix)]
    if isinstance(request.user, User):
        return [("user", str(request.user.pk))]
    if isinstance(request.auth, Model):  # an invitation, of an app above this one
        link = f"{type(request.auth).__name__} {request.auth.pk}"
        device = hashlib.sha256(request.headers.get(DEVICE_HEADER, "").encode()).hexdigest()
        return [("invitation", link), ("device", f"{link} {device}")]
    return [("address", limits.address_of(request))]
