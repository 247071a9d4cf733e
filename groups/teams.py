"""Who is in a team and as what. Somebody always owns it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from groups.models import Group, Membership, Team

if TYPE_CHECKING:
    from bandpics.users.models import User


class LastOwner(Exception):
    """Nobody would own the team any more."""


class PersonalTeam(Exception):
    """It is one person's own: nobody joins it, and it goes when they go."""


class OtherRole(Exception):
    """The person is in the team already, as something else."""


class TeamNotEmpty(Exception):
    """There are groups in it, or in its trash, perhaps with everybody's photos."""


@transaction.atomic
def start(*, name: str, owner: User) -> Team:
    team = Team.objects.create(name=name)
    Membership.objects.create(team=team, user=owner, role=Membership.Role.OWNER)
    return team


def add(team: Team, user: User, *, role: str) -> tuple[Membership, bool]:
    """The person's membership, and whether it is new. Safe to call twice.

    Raises PersonalTeam; OtherRole, rather than promote or demote by the way.
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
    """False if the person left meanwhile. Raises LastOwner."""
    if role != Membership.Role.OWNER:
        _keep_an_owner_besides(membership)
    return bool(Membership.objects.filter(pk=membership.pk).update(role=role))


@transaction.atomic
def remove(membership: Membership) -> None:
    """Safe to call twice. Raises LastOwner."""
    _keep_an_owner_besides(membership)
    Membership.objects.filter(pk=membership.pk).delete()


def _keep_an_owner_besides(membership: Membership) -> None:
    # The lock lines up owners who leave at the same time, so that the second sees the first gone.
    Team.objects.select_for_update(no_key=True).filter(pk=membership.team_id).first()
    owners = Membership.objects.filter(team=membership.team_id, role=Membership.Role.OWNER)
    if list(owners.values_list("pk", flat=True)) == [membership.pk]:
        raise LastOwner


@transaction.atomic
def delete(team: Team) -> None:
    """Raises PersonalTeam; TeamNotEmpty, so that one call never takes all photos of a band."""
    if team.is_personal:
        raise PersonalTeam("A personal team stays as long as its person.")
    # Whoever makes a group just now waits for this lock, and then finds no team.
    Team.objects.select_for_update().filter(pk=team.pk).first()
    if Group.objects.filter(team=team).exists():
        raise TeamNotEmpty
    Team.objects.filter(pk=team.pk).delete()
