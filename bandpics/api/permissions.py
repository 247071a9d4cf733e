"""Who may call at all; what they may see is decided by the querysets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView


class HasCredential(BasePermission):
    """Signed in, or holding an invitation."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return bool(request.auth) or request.user.is_authenticated
