"""Permissions: who may call a view at all. Querysets decide what they see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework.permissions import SAFE_METHODS, BasePermission

from bandpics.users.models import Scope, User

if TYPE_CHECKING:
    from rest_framework.request import Request


class HasScope(BasePermission):
    """Signed in with a credential that is good for this, or holding an invitation.

    A view says what changing needs by `write_scope` (default: upload), and reading by
    `read_scope` (default: read).
    Invitations are no users; the views decide what they may do.
    """

    message = "This API key was not given the scope that this needs."

    def has_permission(self, request: Request, view: Any) -> bool:
        if not isinstance(request.user, User):
            return bool(request.auth)
        if request.method in SAFE_METHODS:
            wanted = getattr(view, "read_scope", Scope.READ)
        else:
            wanted = getattr(view, "write_scope", Scope.UPLOAD)
        return wanted in view.access.scopes
