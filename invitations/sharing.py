"""The shared link that the page of a group offers to hand out."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from bandpics.audit import trail
from bandpics.audit.models import Action
from bandpics.moments import YEARS
from groups.models import Group
from invitations import links
from invitations.models import Invitation, InvitationQuerySet, ShortAddress
from invitations.tokens import TokenLost

if TYPE_CHECKING:
    from bandpics.users.access import Access

# Longer than other links: whoever makes a group prints its link for an evening to come.
LIFETIME = timedelta(days=30)
# Pages show it in any time zone, and with more days added to it.
LATEST = datetime(YEARS.stop - 1, 1, 1, tzinfo=UTC)
LOOKED_AT = 100  # of one group, the oldest; nobody hands out more shared links
IN_ORDER = [Invitation.State.OPEN, Invitation.State.EXHAUSTED, Invitation.State.EXPIRED]


def link_of(group: Group, access: Access) -> Invitation | None:
    """Returns the shared link of the group that this member may hand out.

    An open one with a short address is preferred, then the oldest open one, because it may be
    printed already. Without an open one, it is one that has expired. Members see their own.
    """
    rows = links_of(group, access).order_by("created_at")
    return min(rows[:LOOKED_AT], key=_rank, default=None)


def links_of(group: Group, access: Access) -> InvitationQuerySet:
    """Returns the shared links of the group that this member may hand out, expired ones too."""
    rows = _shared(group).with_link_for(access)
    return rows.select_related("short_address", "group")


def has_others(group: Group) -> bool:
    """Returns whether the group has an open shared link, whoever made it."""
    return _shared(group).open().exists()


def short_address_of(invitation: Invitation) -> ShortAddress | None:
    """Returns the word that a host chose for the link, if one did."""
    found: ShortAddress | None = getattr(invitation, "short_address", None)
    return found


def until(group: Group) -> datetime:
    """Returns when a new link of the group ends: LIFETIME from today, from the event's date or
    from the end of the evening, whichever is latest."""
    begins = [timezone.now(), group.closes_at]
    if group.event_date is not None:
        begins.append(datetime.combine(group.event_date, time.max, UTC))
    latest = max(moment for moment in begins if moment is not None)
    return min(latest, LATEST - LIFETIME) + LIFETIME


def make(group: Group, access: Access) -> Invitation:
    """Creates a shared link. The caller knows that the member may add photos to the group."""
    invitation, _ = links.invite(
        group,
        kind=Invitation.Kind.SHARED,
        by=access.user,
        is_owner=False,
        expires_at=until(group),
    )
    return invitation


@transaction.atomic
def make_unless_open(group: Group, access: Access) -> Invitation:
    """Creates a shared link unless the member has an open one. Safe to call twice at once."""
    Group.objects.select_for_update().get(pk=group.pk)
    found = link_of(group, access)
    if found is not None and found.state == Invitation.State.OPEN:
        return found
    return make(group, access)


@transaction.atomic
def open_again(invitation: Invitation) -> None:
    """Extends a link that has expired, so that cards which were printed work again. One that
    somebody else extended or withdrew meanwhile stays as it is."""
    rows = Invitation.objects.filter(
        pk=invitation.pk, revoked_at=None, expires_at=invitation.expires_at
    )
    group = invitation.group
    if rows.filter(expires_at__lte=timezone.now()).update(
        expires_at=until(group), updated_at=timezone.now()
    ):
        trail.record(
            Action.INVITATION_CHANGED,
            team_id=group.team_id,
            group_id=group.pk,
            objects=[invitation.pk],
            details={"fields": ["expires_at"]},
        )


def renew(invitation: Invitation) -> None:
    """Gives a link whose secret was lost another one, which ends the old one. A link that can be
    shown stays as it is. Raises links.Revoked."""
    try:
        invitation.token  # noqa: B018 - it is made anew each time
    except TokenLost:
        links.rotate(invitation)


def _shared(group: Group) -> InvitationQuerySet:
    rows = Invitation.objects.filter(group=group, kind=Invitation.Kind.SHARED)
    return rows.filter(revoked_at=None)


def _rank(invitation: Invitation) -> tuple[int, bool]:
    has_no_word = short_address_of(invitation) is None
    return IN_ORDER.index(invitation.state), has_no_word


def short_link(word: str) -> str:
    """The address by which people type their way to a link."""
    return f"{settings.PUBLIC_URL}/j/{word}/"
