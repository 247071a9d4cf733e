"""When a member last looked at a group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from groups.models import GroupVisit

if TYPE_CHECKING:
    from datetime import datetime

    from bandpics.users.models import User
    from groups.models import Group


def last_visit(user: User, group: Group) -> datetime | None:
    """Returns the moment up to which the member has seen the group's photos."""
    rows = GroupVisit.objects.filter(user=user, group=group)
    return rows.values_list("visited_at", flat=True).first()


def record(user: User, group: Group, *, seen_at: datetime) -> None:
    """Remembers a visit, unless a later one is known: of two tabs the newer page counts."""
    visit, is_first = GroupVisit.objects.get_or_create(
        user=user, group=group, defaults={"visited_at": seen_at}
    )
    if not is_first:
        rows = GroupVisit.objects.filter(pk=visit.pk, visited_at__lt=seen_at)
        rows.update(visited_at=seen_at)
