"""Deleting a group: into the trash with its photos and links, back out of it, and for good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from groups.models import Group

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models.expressions import CombinedExpression

    from groups.models import GroupQuerySet


def put(group: Group, *, expected: dict[str, Any] | None = None) -> bool:
    """Hides the group from everybody and stops its links. True if this call made the move.

    Nothing of it ends: what was under way arrives, and is back with the group.
    """
    return _move(Group.objects.kept().filter(pk=group.pk, **(expected or {})), to=Now())


def restore(group: Group) -> bool:
    """True if this call made the move; False if it is not in the trash, or was for too long."""
    return _move(Group.objects.filter(pk=group.pk, trashed_at__gte=end_of_lifetime()), to=None)


def _move(rows: GroupQuerySet, *, to: Any) -> bool:
    with transaction.atomic():
        group = rows.select_for_update().first()
        if group is None:
            return False
        Group.objects.filter(pk=group.pk).update(trashed_at=to, updated_at=Now())
        # Lists of what changed since then are how others learn that its photos went, or are back.
        group.images.update(updated_at=Now())
        return True


def end_of_lifetime() -> CombinedExpression:
    """What was trashed before then can no longer be restored."""
    return Now() - settings.TRASH_LIFETIME


def overdue() -> GroupQuerySet:
    """Groups whose time in the trash is over."""
    return Group.objects.filter(trashed_at__lt=end_of_lifetime())


def purge(group_id: UUID) -> bool:
    """Deletes the rows of an overdue group that has no photo left, and its links. Safe to call
    twice. True if it is gone by this call."""
    with transaction.atomic():
        group = overdue().select_for_update().filter(pk=group_id).first()
        if group is None or group.images.exists():
            return False
        group.delete()
        return True
