"""The admin and the shared link of a new local stack."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from bandpics.users import api_keys
from bandpics.users.models import Scope, User
from groups import teams
from groups.models import Group
from invitations.models import Invitation
from invitations.tokens import TokenLost

ADMIN_EMAIL = "admin@example.org"
LINK_LIFETIME = timedelta(days=365)


def prepare() -> dict[str, Any]:
    """Fills an empty database; returns what the welcome text and stack.json need to know.

    ADMIN_PASSWORD and ADMIN_API_KEY are random secrets of this stack. Safe to call twice.
    """
    password, secret = os.environ["ADMIN_PASSWORD"], os.environ["ADMIN_API_KEY"]
    api_key = f"{secret[:8]}.{secret[8:]}"  # prefix, a dot, the rest
    is_first = not User.objects.exists()
    if is_first:
        _create(password, api_key)
    admin = User.objects.filter(email=ADMIN_EMAIL).first()
    return {
        "is_first": is_first,
        "upload_link": _shared_link(),
        "admin_email": admin.email if admin else None,
        # Empty once somebody has changed it.
        "admin_password": password if admin and admin.check_password(password) else "",
        # Empty once it was revoked.
        "admin_api_key": api_key if api_keys.find(api_key) else "",
    }


@transaction.atomic
def _create(password: str, api_key: str) -> None:
    admin = User.objects.create_superuser(email=ADMIN_EMAIL, password=password)
    api_keys.issue(admin, name="First start", scopes=Scope.values, key=api_key)
    group = Group.objects.create(
        team=teams.start(name="The Demo Band", owner=admin),
        name="Summer concert",
        description="Made by the first start, to try things out.",
        event_name="Summer concert",
        event_date=timezone.localdate(),
        venue="The old bandstand",
    )
    Invitation.objects.create(
        group=group,
        kind=Invitation.Kind.SHARED,
        name="Demo link",
        created_by=admin,
        expires_at=timezone.now() + LINK_LIFETIME,
    )


def _shared_link() -> str | None:
    """Returns the oldest open shared link."""
    shared = Invitation.objects.open().filter(kind=Invitation.Kind.SHARED)
    for invitation in shared.order_by("created_at")[:10]:
        try:
            return invitation.upload_link
        except TokenLost:
            continue
    return None
