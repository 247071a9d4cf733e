"""Members of teams and their roles. Every team keeps an owner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from bandpics.audit import trail
from bandpics.audit.models import Action
from groups.models import Group, Membership, Team

if TYPE_CHECKING:
    from bandpics.users.models import User


class LastOwner(Exception):
    """The team would have no owner any more."""


class PersonalTeam(Exception):
    """A personal team takes no other member and cannot be deleted."""


class OtherRole(Exception):
    """The user is already in the team, in another role."""


class NotOwner(Exception):
    """The user does not own the team any more."""


class TeamNotEmpty(Exception):
    """The team has groups, perhaps in the trash."""


@transaction.atomic
def start(*, name: str, owner: User) -> Team:
    team = Team.objects.create(name=name)
    Membership.objects.create(team=team, user=owner, role=Membership.Role.OWNER)
    trail.record(Action.TEAM_CREATED, team_id=team.pk)
    return team


@transaction.atomic
def rename(team: Team, *, name: str, expected: str) -> bool:
    """Returns False if the team is not called `expected` any more."""
    is_renamed = bool(Team.objects.filter(pk=team.pk, name=expected).update(name=name))
    if is_renamed:
        trail.record(Action.TEAM_RENAMED, team_id=team.pk)
    return is_renamed


@transaction.atomic
def open_to_others(team: Team, *, name: str) -> bool:
    """Makes a personal team one that others can join. True if this call did."""
    rows = Team.objects.filter(pk=team.pk, is_personal=True)
    is_opened = bool(rows.update(is_personal=False, name=name))
    if is_opened:
        trail.record(Action.TEAM_OPENED, team_id=team.pk)
    return is_opened


@transaction.atomic
def add(team: Team, user: User, *, role: str) -> tuple[Membership, bool]:
    """Returns the user's membership, and whether it is new. Safe to call twice.

    Raises PersonalTeam; raises OtherRole instead of changing a role.
    """
    team = lock(team)
    if team.is_personal:
        raise PersonalTeam("A personal team has no other members.")
    membership, is_new = Membership.objects.get_or_create(
        team=team, user=user, defaults={"role": role}
    )
    if membership.role != role:
        raise OtherRole
    if is_new:
        _record(Action.MEMBER_ADDED, membership, role=role)
    return membership, is_new


@transaction.atomic
def change_role(membership: Membership, *, role: str, expected: str | None = None) -> bool:
    """Returns False if the user has left, or has not the expected role any more.

    Links by which somebody who is no owner now has asked people to join end. Raises LastOwner.
    """
    if role != Membership.Role.OWNER:
        _check_another_owner(membership)
    rows = Membership.objects.filter(pk=membership.pk)
    if expected is not None:
        rows = rows.filter(role=expected)
    is_changed = bool(rows.update(role=role))
    if is_changed:
        _record(Action.MEMBER_ROLE_CHANGED, membership, role=role)
    if is_changed and role != Membership.Role.OWNER:
        _end_invitations_of(membership)
    return is_changed


@transaction.atomic
def hand_over(mine: Membership, *, to: Membership, leave: bool) -> bool:
    """Makes another member an owner, and me a member or none at all.

    Returns False if the other has left. Raises NotOwner.
    """
    lock(mine.team)
    owners = Membership.objects.filter(role=Membership.Role.OWNER)
    if not owners.filter(pk=mine.pk).exists():
        raise NotOwner
    others = Membership.objects.filter(team=mine.team_id).exclude(pk=mine.pk)
    if not others.filter(pk=to.pk).update(role=Membership.Role.OWNER):
        return False
    _record(Action.MEMBER_ROLE_CHANGED, to, role=Membership.Role.OWNER)
    if leave:
        Membership.objects.filter(pk=mine.pk).delete()
        _record(Action.MEMBER_REMOVED, mine)
    else:
        Membership.objects.filter(pk=mine.pk).update(role=Membership.Role.MEMBER)
        _record(Action.MEMBER_ROLE_CHANGED, mine, role=Membership.Role.MEMBER)
    return True


@transaction.atomic
def remove(membership: Membership) -> None:
    """Removes a member, and the open links by which they have asked people to join. Safe to call
    twice. Raises LastOwner."""
    _check_another_owner(membership)
    if Membership.objects.filter(pk=membership.pk).delete()[0]:
        _record(Action.MEMBER_REMOVED, membership)
    _end_invitations_of(membership)


def _record(action: Action, membership: Membership, **details: str) -> None:
    about = {"member": membership.user_id, **details}
    trail.record(action, team_id=membership.team_id, details=about)


def lock(team: Team) -> Team:
    """Returns the team as it is now, and keeps its members until the transaction ends.

    Owners who leave at the same time wait for each other. Raises Team.DoesNotExist.
    """
    return Team.objects.select_for_update(no_key=True).get(pk=team.pk)


def _end_invitations_of(membership: Membership) -> None:
    """Otherwise whoever was sent away could come back, as an owner, by a link of their own."""
    made = membership.team.invitations.filter(created_by=membership.user_id, accepted_at=None)
    made.delete()


def _check_another_owner(membership: Membership) -> None:
    Team.objects.select_for_update(no_key=True).filter(pk=membership.team_id).first()
    owners = Membership.objects.filter(team=membership.team_id, role=Membership.Role.OWNER)
    if list(owners.values_list("pk", flat=True)) == [membership.pk]:
        raise LastOwner


@transaction.atomic
def delete(team: Team) -> None:
    """Deletes a team without groups. Raises PersonalTeam, TeamNotEmpty."""
    if team.is_personal:
        raise PersonalTeam("A personal team stays as long as its person.")
    # Requests that create a group wait for this lock, and then find no team.
    Team.objects.select_for_update().filter(pk=team.pk).first()
    if Group.objects.filter(team=team).exists():
        raise TeamNotEmpty
    if Team.objects.filter(pk=team.pk).delete()[0]:
        trail.record(Action.TEAM_DELETED, team_id=team.pk)
