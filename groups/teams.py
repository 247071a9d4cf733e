"""Members of teams and their roles. Every team keeps an owner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from groups.models import Group, Membership, Team

if TYPE_CHECKING:
    from bandpics.users.models import User


class LastOwner(Exception):
    """The team would have no owner any more."""


class PersonalTeam(Exception):
    """A personal team takes no other member and cannot be deleted."""


class OtherRole(Exception):
    """The user is already in the team, in another role."""


class TeamNotEmpty(Exception):
    """The team has groups, perhaps in the trash."""


@transaction.atomic
def start(*, name: str, owner: User) -> Team:
    team = Team.objects.create(name=name)
    Membership.objects.create(team=team, user=owner, role=Membership.Role.OWNER)
    return team


def add(team: Team, user: User, *, role: str) -> tuple[Membership, bool]:
    """Returns the user's membership, and whether it is new. Safe to call twice.

    Raises PersonalTeam; raises OtherRole instead of changing a role.
    """
    if team.is_personal:
        raise PersonalTeam("A personal team has no other members.")
    membership, is_new = Membership.objects.get_or_create(
        team=team, user=user, defaults={"role": role}
    )
    if membership.role != role:
        raise OtherRole
    return membership, is_new


@transaction.atomic
def change_role(membership: Membership, *, role: str) -> bool:
    """Returns False if the user has left. Raises LastOwner."""
    if role != Membership.Role.OWNER:
        _check_another_owner(membership)
    return bool(Membership.objects.filter(pk=membership.pk).update(role=role))


@transaction.atomic
def remove(membership: Membership) -> None:
    """Removes a member. Safe to call twice. Raises LastOwner."""
    _check_another_owner(membership)
    Membership.objects.filter(pk=membership.pk).delete()


def _check_another_owner(membership: Membership) -> None:
    # The lock makes owners who leave at the same time wait for each other.
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
    Team.objects.filter(pk=team.pk).delete()
