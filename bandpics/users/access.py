"""Finds who asks, by which credential, and what it is good for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from bandpics.users.models import ApiKey, Scope, User

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest
    from rest_framework.request import Request

ALL_SCOPES = frozenset(Scope.values)
END_OF_TIME = int(datetime.max.replace(tzinfo=UTC).timestamp()) - 1


@dataclass(frozen=True)
class Access:
    """A signed-in person, and what their credential lets them do: an API key may allow less.

    `group_ids` is None for all groups the person may see, or the few a key is restricted to.
    `expires_at` is when the credential ends by itself; None for a session, which goes on while
    it is used.
    """

    user: User
    scopes: frozenset[str] = ALL_SCOPES
    group_ids: frozenset[UUID] | None = None
    expires_at: datetime | None = None

    @classmethod
    def of(cls, request: Request | HttpRequest) -> Self:
        """The access of a request that was let in as a signed-in person's."""
        assert isinstance(request.user, User)  # noqa: S101 - for the type checker
        credential: Any = getattr(request, "auth", None)
        if credential is None:
            return cls(request.user)
        if isinstance(credential, ApiKey):
            return cls(
                request.user,
                scopes=frozenset(credential.scopes),
                group_ids=frozenset(credential.group_ids) if credential.group_ids else None,
                expires_at=credential.expiry_date,
            )
        # A JWT: ours, or the verified claims of another issuer's (RFC 7519, 4.1.4).
        ends = min(int(credential["exp"]), END_OF_TIME)
        return cls(request.user, expires_at=datetime.fromtimestamp(ends, UTC))
