"""When guests opened their link, were last there, and said that they have no photos.

What is sent is recorded by the UPDATE that takes its place in the quota (images/uploads/quota.py).
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models import Q
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from invitations.models import Invitation

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser
    from django.db.models import QuerySet

    from bandpics.users.models import User

# A link of 300 guests is not written to for each of them.
EVERY = timedelta(minutes=1)


def record_opening(invitation: Invitation) -> None:
    """Records that a page of the link ran its script: what previews of chats do not do."""
    if invitation.opened_at is None or _is_due(invitation):
        _due(invitation, or_if=Q(opened_at=None)).update(
            opened_at=Coalesce("opened_at", Now()), last_seen_at=Now()
        )


def record(invitation: Invitation | None) -> None:
    """Records that a guest did something; no more than once a minute. Without one, does nothing."""
    if invitation is not None and _is_due(invitation):
        _due(invitation).update(last_seen_at=Now())


def decline(invitation: Invitation) -> None:
    """Records that the person has no photos. Safe to call twice."""
    rows = Invitation.objects.filter(pk=invitation.pk, kind=Invitation.Kind.PERSONAL)
    rows.update(declined_at=Coalesce("declined_at", Now()), last_seen_at=Now())


def take_back(invitation: Invitation) -> None:
    """Forgets that they declined. Safe to call twice."""
    Invitation.objects.filter(pk=invitation.pk).update(declined_at=None, last_seen_at=Now())


def is_of_a_guest(invitation: Invitation, user: User | AnonymousUser) -> bool:
    """Whether somebody who opens the link is a guest: members of the team only look at it."""
    if not user.is_authenticated:
        return True
    return not invitation.group.team.memberships.filter(user=user).exists()


def _is_due(invitation: Invitation) -> bool:
    seen_at = invitation.last_seen_at
    return seen_at is None or seen_at < timezone.now() - EVERY


def _due(invitation: Invitation, *, or_if: Q | None = None) -> QuerySet[Invitation]:
    """Of guests who do something at the same moment, the first writes."""
    due = Q(last_seen_at=None) | Q(last_seen_at__lt=Now() - EVERY)
    return Invitation.objects.filter(due if or_if is None else due | or_if, pk=invitation.pk)
