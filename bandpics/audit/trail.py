"""Records what people do, in the transaction that does it.

An event of a request tells by itself who asked, by which credential and from where; see
`bandpics.middleware.current_request`. Outside of requests the server did it.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from bandpics import limits
from bandpics.audit.models import MOST_OBJECTS, AuditEvent, Credential

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import timedelta
    from uuid import UUID

    from django.http import HttpRequest

    from bandpics.audit.models import Action

current_request: ContextVar[HttpRequest | None] = ContextVar("current_request", default=None)


def record(
    action: Action,
    *,
    team_id: UUID | None = None,
    group_id: UUID | None = None,
    objects: Collection[UUID] = (),
    user_id: int | None = None,
    invitation_id: UUID | None = None,
    details: dict[str, Any] | None = None,
    once_in: timedelta | None = None,
) -> None:
    """Records one act on these objects; with `once_in`, unless the same person did the same with
    them so short a time ago.

    `user_id` or `invitation_id` says who it was where the request cannot: while somebody signs in,
    or on a page that found the invitation itself. `details` holds numbers, ids and names of fields;
    never a text that somebody wrote.
    """
    by = _by_request(current_request.get())
    if user_id is not None:
        by["user_id"] = user_id
    if invitation_id is not None:
        by |= {"invitation_id": invitation_id, "credential": Credential.INVITATION}
    if once_in is not None and _was_recorded(action, team_id, objects, by, once_in):
        return
    details = dict(details or {})
    if len(objects) > 1:
        details["count"] = len(objects)
    AuditEvent.objects.create(
        action=action,
        team_id=team_id,
        group_id=group_id,
        object_ids=list(objects)[:MOST_OBJECTS],
        details=details,
        **by,
    )


def _was_recorded(
    action: Action,
    team_id: UUID | None,
    objects: Collection[UUID],
    by: dict[str, Any],
    once_in: timedelta,
) -> bool:
    same = {name: by.get(name) for name in ("user_id", "invitation_id")}
    rows = AuditEvent.objects.filter(team_id=team_id, action=action, **same)
    recent = rows.filter(at__gt=timezone.now() - once_in, object_ids=list(objects))
    return recent.exists()


def _by_request(request: HttpRequest | None) -> dict[str, Any]:
    """Returns the columns that say who asks."""
    if request is None:
        return {"credential": Credential.SERVER}
    user: Any = getattr(request, "user", None)
    auth: Any = getattr(request, "auth", None)
    columns: dict[str, Any] = {
        "address": limits.address_of(request),
        "request_id": getattr(request, "request_id", ""),
        "credential": Credential.NONE,
    }
    if user is not None and user.is_authenticated:
        columns |= {"user_id": user.pk, "credential": Credential.SESSION}
        if hasattr(auth, "hashed_key"):
            columns |= {"credential": Credential.API_KEY, "key_prefix": auth.prefix}
        elif auth is not None:
            columns["credential"] = Credential.TOKEN
    elif auth is not None:
        columns |= {"invitation_id": auth.pk, "credential": Credential.INVITATION}
    return columns
