"""The audit trail as owners and operators read it: which events they see, and who did what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db.models import Q

from bandpics.audit.models import AuditEvent
from bandpics.users.models import User
from groups.models import Group, Membership, Team, is_admin
from invitations.models import Invitation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import QuerySet

    from bandpics.users.access import Access

VIEW_PERMISSION = "audit.view_auditevent"


@dataclass(frozen=True)
class Line:
    """An event, and the names of those it is about, as far as they still exist."""

    event: AuditEvent
    by: str  # empty: the server, somebody who is gone, or whom the team does not know
    group: str
    member: str


def visible_to(access: Access) -> QuerySet[AuditEvent]:
    """Returns the events of the teams that the person owns, and those of their own account.

    Those who run the server see all; a key for some groups sees the events of these.
    """
    events = AuditEvent.objects.all()
    if is_admin(access, permission=VIEW_PERMISSION):
        return events
    if access.group_ids is not None:
        owned = Group.objects.owned_by(access).values_list("pk", flat=True)
        return events.filter(group_id__in=list(owned))
    owner = Membership.Role.OWNER
    teams = Team.objects.filter(memberships__user=access.user, memberships__role=owner)
    own = Q(team_id=None, user_id=access.user.pk)
    return events.filter(own | Q(team_id__in=list(teams.values_list("pk", flat=True))))


def lines(events: Sequence[AuditEvent]) -> list[Line]:
    """Looks up the names for these events, in five queries. Of accounts those in the team, and of
    those who run the server: others could call themselves as they like."""
    ids = [each.user_id for each in events] + [_member(each) for each in events]
    users = _names(User, ids)
    known = _known_to_team(events)
    guests = _names(Invitation, [each.invitation_id for each in events])
    groups = _names(Group, [each.group_id for each in events])
    return [
        Line(
            event,
            by=(users.get(event.user_id) or "")
            if (event.team_id, event.user_id) in known
            else (guests.get(event.invitation_id) or ""),
            group=groups.get(event.group_id, ""),
            member=users.get(_member(event), ""),
        )
        for event in events
    ]


def _known_to_team(events: Sequence[AuditEvent]) -> set[tuple[Any, Any]]:
    """Returns (team, user) of the events whose account the team knows; of no team, all."""
    users = {event.user_id for event in events if event.user_id is not None}
    rows = Membership.objects.filter(user__in=users)
    members = set(rows.values_list("team_id", "user_id"))
    staff = set(User.objects.filter(pk__in=users, is_staff=True).values_list("pk", flat=True))
    pairs = {(event.team_id, event.user_id) for event in events}
    return {pair for pair in pairs if pair[0] is None or pair[1] in staff or pair in members}


def _names(model: type[Any], keys: list[Any]) -> dict[Any, str]:
    found = model.objects.filter(pk__in={key for key in keys if key is not None})
    return {row.pk: row.name or getattr(row, "email", "") for row in found}


def _member(event: AuditEvent) -> Any:
    return event.details.get("member")
