"""Closes a group: its links take nothing more, after a last call if its host wants one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from groups import editing
from invitations import outbox
from invitations.models import Invitation, OutgoingMail

if TYPE_CHECKING:
    from datetime import datetime

    from bandpics.users.models import User
    from groups.models import Group
    from invitations.models import InvitationQuerySet


@dataclass(frozen=True)
class LastCall:
    """The mail to those who have sent nothing: its language, and the host's own words."""

    language: str
    message: str = ""


def to_call(group: Group) -> InvitationQuerySet:
    """Returns the personal invitations to which a last call would be mailed."""
    return Invitation.objects.filter(group=group).to_remind()


def close(
    group: Group,
    *,
    at: datetime | None,
    by: User,
    expected: datetime | None,
    last_call: LastCall | None = None,
) -> int:
    """Closes the group at a time, or, with None, opens it again. Returns how many last calls were
    queued. `expected` is when it was to close, as the host saw it.

    Uploads that were announced before may still finish. A last call goes out at once; there is none
    for a group that closes at once. Raises editing.ChangedMeanwhile; raises outbox.TooMany, and
    changes nothing, if the host may not send so many mails today.
    """
    with transaction.atomic():
        editing.change(group, {"closes_at": at}, expected={"closes_at": expected})
        if last_call is None or at is None or at <= timezone.now():
            return 0
        # Locked, so that two hosts at once call each guest once.
        called = to_call(group).order_by("pk").select_for_update()
        return outbox.enqueue(
            OutgoingMail.Kind.LAST_CALL,
            list(called),
            sender=by,
            language=last_call.language,
            message=last_call.message,
        )
