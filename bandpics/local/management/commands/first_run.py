"""Give an empty database an admin and a link to try; say as JSON what there is."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils import timezone

from bandpics.users import api_keys
from bandpics.users.models import Scope, User
from groups.models import Group, Membership, Team
from invitations.models import Invitation
from invitations.tokens import TokenLost

ADMIN_EMAIL = "admin@example.org"
DEMO_LIFETIME = timedelta(days=365)


class Command(BaseCommand):
    help = (
        "Make the first admin (with ADMIN_PASSWORD and ADMIN_API_KEY) and a demo link. "
        "Safe to call twice."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        password, api_key = os.environ["ADMIN_PASSWORD"], _as_key(os.environ["ADMIN_API_KEY"])
        is_first = not User.objects.exists()
        if is_first:
            _make_demo(password, api_key)
        admin = User.objects.filter(email=ADMIN_EMAIL).first()
        self.stdout.write(
            json.dumps(
                {
                    "is_first": is_first,
                    "upload_link": _shared_link(),
                    "admin_email": admin.email if admin else None,
                    # Empty once somebody has chosen another one.
                    "admin_password": password if admin and admin.check_password(password) else "",
                    # Empty once it was revoked, or if the first start made none yet.
                    "admin_api_key": api_key if api_keys.find(api_key) else "",
                }
            )
        )


@transaction.atomic
def _make_demo(password: str, api_key: str) -> None:
    admin = User.objects.create_superuser(email=ADMIN_EMAIL, password=password)
    api_keys.issue(admin, name="First start", scopes=Scope.values, key=api_key)
    team = Team.objects.create(name="The Demo Band")
    Membership.objects.create(team=team, user=admin, role=Membership.Role.OWNER)
    group = Group.objects.create(
        team=team,
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
        expires_at=timezone.now() + DEMO_LIFETIME,
    )


def _as_key(secret: str) -> str:
    """An agreed secret as an API key: eight characters to find it by, a dot, the rest."""
    return f"{secret[:8]}.{secret[8:]}"


def _shared_link() -> str | None:
    """The oldest link that everybody may use, if one is open."""
    shared = Invitation.objects.open().filter(kind=Invitation.Kind.SHARED)
    for invitation in shared.order_by("created_at")[:10]:
        try:
            return invitation.upload_link
        except TokenLost:
            continue
    return None
