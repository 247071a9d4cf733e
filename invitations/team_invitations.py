"""Invites people to a team by e-mail: makes, renews and withdraws the links, and accepts them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from bandpics.audit import trail
from bandpics.audit.models import Action
from bandpics.users.models import User
from groups import teams
from groups.models import Membership
from invitations import outbox, tokens
from invitations.models import OutgoingMail, TeamInvitation, default_expiry

if TYPE_CHECKING:
    from uuid import UUID

    from groups.models import Team

OPEN_MAX = 100


class AlreadyMember(Exception):
    """The person is in the team, perhaps in another role."""


class TooMany(Exception):
    """The team has as many open invitations as it may have."""


class Unusable(Exception):
    """The link was withdrawn or replaced, or somebody cut a piece off."""


class Expired(Exception):
    """The link's time is over."""


class Used(Exception):
    """Somebody has joined by this link; it is good for one person."""


@transaction.atomic
def invite(team: Team, *, email: str, role: str, by: User, language: str) -> TeamInvitation:
    """Invites somebody, or the same person again, and queues the mail.

    An open invitation of the same address keeps its link; its role and time are renewed.
    Raises teams.PersonalTeam, AlreadyMember, TooMany, outbox.TooMany.
    """
    if teams.lock(team).is_personal:
        raise teams.PersonalTeam("A personal team has no other members.")
    members = User.objects.with_email(email).filter(memberships__team=team)
    if members.exists():
        raise AlreadyMember
    rows = TeamInvitation.objects.open_of(team)
    invitation = rows.to_address(email).first()
    if invitation is None:
        if rows.count() >= OPEN_MAX:
            raise TooMany
        invitation = TeamInvitation(team=team, email=email)
    invitation.role, invitation.created_by = role, by
    invitation.expires_at = default_expiry()
    invitation.save()
    _record(Action.MEMBER_INVITED, team, invitation.pk, role=role)
    outbox.enqueue(OutgoingMail.Kind.TEAM_INVITATION, [invitation], sender=by, language=language)
    return invitation


@transaction.atomic
def rotate(team: Team, invitation_id: UUID) -> TeamInvitation | None:
    """Replaces the link, which lasts as long as a new one; the old one ends at once.

    Returns None if the invitation was withdrawn or accepted meanwhile.
    """
    rows = TeamInvitation.objects.open_of(team).select_for_update()
    invitation = rows.filter(pk=invitation_id).first()
    if invitation is not None:
        invitation.new_secret()
        invitation.expires_at = default_expiry()
        invitation.save()
        _record(Action.INVITATION_ROTATED, team, invitation.pk)
    return invitation


@transaction.atomic
def withdraw(team: Team, invitation_id: UUID) -> bool:
    """Ends an open invitation. Safe to call twice; True if this call ended it."""
    rows = TeamInvitation.objects.open_of(team).filter(pk=invitation_id)
    is_ended = bool(rows.delete()[0])
    if is_ended:
        _record(Action.MEMBER_UNINVITED, team, invitation_id)
    return is_ended


def _record(action: Action, team: Team, invitation_id: UUID, **details: str) -> None:
    trail.record(action, team_id=team.pk, objects=[invitation_id], details=details)


def find(token: str) -> TeamInvitation:
    """Returns the invitation of a link. Raises Unusable, Expired, Used."""
    rows = TeamInvitation.objects.select_related("team", "created_by")
    return _usable(rows.filter(digest=tokens.digest(token)).first())


@transaction.atomic
def accept(token: str, user: User) -> Membership:
    """Lets the user join the team. Raises Unusable, Expired, Used, AlreadyMember.

    The link is the secret: it lets in whoever holds it, by the account they choose.
    """
    team = find(token).team
    teams.lock(team)
    rows = TeamInvitation.objects.select_for_update(of=("self",)).select_related("team")
    # Once more: another request may have accepted it meanwhile.
    invitation = _usable(rows.filter(digest=tokens.digest(token)).first())
    if Membership.objects.filter(team=team, user=user).exists():
        raise AlreadyMember
    membership, _ = teams.add(team, user, role=invitation.role)
    TeamInvitation.objects.filter(pk=invitation.pk).update(accepted_at=Now())
    return membership


def _usable(invitation: TeamInvitation | None) -> TeamInvitation:
    if invitation is None or invitation.team.is_personal:
        raise Unusable
    if invitation.accepted_at is not None:
        raise Used
    if invitation.expires_at <= timezone.now():
        raise Expired
    return invitation
