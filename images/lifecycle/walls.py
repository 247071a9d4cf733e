"""Makes, changes and ends the walls of a group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models.functions import Now

from bandpics.audit import trail
from bandpics.audit.models import Action
from groups.models import Group
from images.models import Wall

if TYPE_CHECKING:
    from bandpics.users.models import User
    from invitations.models import Invitation

MAX_WALLS = 20  # of one group, that nobody has ended


class TooMany(Exception):
    """The group has MAX_WALLS walls already."""


@transaction.atomic
def make(group: Group, *, name: str, invitation: Invitation | None, by: User) -> Wall:
    """Creates a wall. Raises TooMany."""
    Group.objects.select_for_update().get(pk=group.pk)  # those who make one at once take turns
    if Wall.objects.of_group(group).count() >= MAX_WALLS:
        raise TooMany
    wall = Wall.objects.create(group=group, name=name, invitation=invitation, created_by=by)
    _record(Action.WALL_CREATED, wall)
    return wall


def change(wall: Wall, *, name: str, invitation: Invitation | None) -> bool:
    """Changes name and code; a screen that shows the wall follows. False if it has ended."""
    rows = Wall.objects.filter(pk=wall.pk, revoked_at=None)
    return bool(rows.update(name=name, invitation=invitation))


@transaction.atomic
def end(wall: Wall) -> bool:
    """Ends a wall for good: its link is dead from now on. False if it has ended before."""
    is_ended = bool(Wall.objects.filter(pk=wall.pk, revoked_at=None).update(revoked_at=Now()))
    if is_ended:
        _record(Action.WALL_ENDED, wall)
    return is_ended


def _record(action: Action, wall: Wall) -> None:
    group = wall.group
    trail.record(action, team_id=group.team_id, group_id=group.pk, objects=[wall.pk])
