"""Orders the ZIP that a host wished for when they closed a group."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.utils import timezone, translation

from groups.models import Group
from images.access import MemberAccess
from images.archives import ordering
from images.models import ClosingArchive

if TYPE_CHECKING:
    from bandpics.users.models import User

# Time for what was started before the group closed.
WAIT = timedelta(minutes=10)
# A ZIP that cannot be ordered by then (see ordering.order) is not tried again.
LONGEST_WAIT = timedelta(days=1)
BATCH = 100


def wish(group: Group, user: User, *, language: str) -> None:
    """Remembers who gets a ZIP once the group has closed. Safe to call twice."""
    ClosingArchive.objects.update_or_create(
        group=group, defaults={"user": user, "language": language}
    )


def withdraw(group: Group) -> None:
    ClosingArchive.objects.filter(group=group).delete()


def is_wished(group: Group) -> bool:
    return ClosingArchive.objects.filter(group=group).exists()


def order_due() -> None:
    """Orders the ZIPs of groups that have closed. Safe to call twice: who orders the same shares
    it."""
    due = ClosingArchive.objects.filter(group__closes_at__lte=timezone.now() - WAIT)
    for row in due.select_related("group__team", "user").order_by("group__closes_at")[:BATCH]:
        if _is_done(row):
            ClosingArchive.objects.filter(pk=row.pk, user=row.user_id).delete()


def _is_done(row: ClosingArchive) -> bool:
    """Orders the ZIP; False if it is to be tried again."""
    access, closes_at = MemberAccess(row.user), row.group.closes_at
    is_member = Group.objects.visible_to(access).filter(pk=row.group_id).exists()
    if not is_member or not row.user.is_active:
        return True
    try:
        with translation.override(row.language):
            ordering.order(row.group, access=access, wants_mail=True)
    except ordering.NothingToDownload:
        return True
    except (ordering.QuotaExceeded, ordering.TooManyWaiting):
        return closes_at is None or closes_at < timezone.now() - LONGEST_WAIT
    return True
