"""Who calls, and what their credential lets them do: an API key may allow less than its owner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bandpics.users.models import ApiKey, Scope, User

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest
    from rest_framework.request import Request

ALL_SCOPES = frozenset(Scope.values)


@dataclass(frozen=True)
class Caller:
    """A signed-in person, by whatever credential.

    `group_ids` is None for all groups the person may see, or the few a key is restricted to.
    """

    user: User
    scopes: frozenset[str] = ALL_SCOPES
    group_ids: frozenset[UUID] | None = None


def caller_of(request: Request | HttpRequest) -> Caller:
    """Of a request that a permission class has let in as a signed-in person."""
    assert isinstance(request.user, User)  # noqa: S101 - for the type checker
    key = getattr(request, "auth", None)
    if isinstance(key, ApiKey):
        return Caller(
            request.user,
            scopes=frozenset(key.scopes),
            group_ids=frozenset(key.group_ids) if key.group_ids else None,
        )
    return Caller(request.user)
