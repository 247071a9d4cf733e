"""The trash of groups: moves them in and out, and deletes them for good."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from bandpics.audit import trail
from bandpics.audit.models import Action
from groups.models import Group, Licence, Membership, Team

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models.expressions import CombinedExpression

    from groups.models import GroupQuerySet


def put(group: Group, *, expected: dict[str, Any] | None = None) -> bool:
    """Hides the group and stops its links. True if this call moved it.

    Uploads that have started still arrive, and appear if the group is restored.
    """
    rows = Group.objects.kept().filter(pk=group.pk, **(expected or {}))
    return _move(rows, to=Now(), action=Action.GROUP_TRASHED)


def restore(group: Group) -> bool:
    """Restores a group. False if it is not in the trash, or its time there is over."""
    rows = Group.objects.filter(pk=group.pk, trashed_at__gte=end_of_lifetime())
    return _move(rows, to=None, action=Action.GROUP_RESTORED)


@transaction.atomic
def expire(group: Group) -> bool:
    """Ends the time of a group in the trash, so that the next sweep purges it with its photos.

    True if this call did it: nobody can restore the group from then on.
    """
    rows = Group.objects.filter(pk=group.pk, trashed_at__gte=end_of_lifetime())
    is_ended = bool(rows.update(trashed_at=just_overdue(), updated_at=Now()))
    if is_ended:
        trail.record(Action.GROUP_PURGED, team_id=group.team_id, group_id=group.pk)
    return is_ended


def _move(rows: GroupQuerySet, *, to: Any, action: Action) -> bool:
    with transaction.atomic():
        group = rows.select_for_update().first()
        if group is None:
            return False
        Group.objects.filter(pk=group.pk).update(trashed_at=to, updated_at=Now())
        # Mirrors learn from `updated_at` that the photos are gone or back.
        group.images.update(updated_at=Now())
        trail.record(action, team_id=group.team_id, group_id=group.pk)
        return True


def end_of_lifetime() -> CombinedExpression:
    """Returns the time before which trashed groups can no longer be restored."""
    return Now() - settings.TRASH_LIFETIME


def just_overdue() -> CombinedExpression:
    """Returns a time in the trash that is over."""
    return Now() - settings.TRASH_LIFETIME - timedelta(seconds=1)


def overdue() -> GroupQuerySet:
    """Returns groups whose time in the trash is over."""
    return Group.objects.filter(trashed_at__lt=end_of_lifetime())


def purge(group_id: UUID) -> bool:
    """Deletes an overdue group without photos, and its links. True if this call deleted it."""
    with transaction.atomic():
        group = overdue().select_for_update().filter(pk=group_id).first()
        if group is None or group.images.exists():
            return False
        group.delete()
        _delete_abandoned(group.team_id)
        # Photos that were moved to other groups keep what was agreed to for them.
        Licence.objects.filter(group=None, images=None).delete()
        return True


def _delete_abandoned(team_id: UUID) -> None:
    """Deletes the team of a purged group if it has no other group and no member any more."""
    has_members = Exists(Membership.objects.filter(team=OuterRef("pk")))
    has_groups = Exists(Group.objects.filter(team=OuterRef("pk")))
    Team.objects.filter(~has_members, ~has_groups, pk=team_id).delete()
