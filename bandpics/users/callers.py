"""Who calls, and what their credential lets them do: an API key may allow less than its owner."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bandpics.users.models import ApiKey, Scope, User

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest
    from rest_framework.request import Request

ALL_SCOPES = frozenset(Scope.values)
END_OF_TIME = int(datetime.max.replace(tzinfo=UTC).timestamp()) - 1


@dataclass(frozen=True)
class Caller:
    """A signed-in person, by whatever credential.

    `group_ids` is None for all groups the person may see, or the few a key is restricted to.
    `expires_at` is when the credential ends by itself; None for a session, which goes on while
    it is used.
    """

    user: User
    scopes: frozenset[str] = ALL_SCOPES
    group_ids: frozenset[UUID] | None = None
    expires_at: datetime | None = None


def caller_of(request: Request | HttpRequest) -> Caller:
    """Of a request that a permission class has let in as a signed-in person."""
    assert isinstance(request.user, User)  # noqa: S101 - for the type checker
    credential: Any = getattr(request, "auth", None)
    if credential is None:
        return Caller(request.user)
    if isinstance(credential, ApiKey):
        return Caller(
            request.user,
            scopes=frozenset(credential.scopes),
            group_ids=frozenset(credential.group_ids) if credential.group_ids else None,
            expires_at=credential.expiry_date,
        )
    # A JWT: ours, or the verified claims of another issuer's (RFC 7519, 4.1.4).
    ends = min(int(credential["exp"]), END_OF_TIME)
    return Caller(request.user, expires_at=datetime.fromtimestamp(ends, UTC))
