"""Whom a guest can ask about their link."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from django.utils.translation import gettext as _

if TYPE_CHECKING:
    from bandpics.users.models import User
    from invitations.models import Invitation


def host_of(invitation: Invitation) -> User | None:
    """Who made the link, as long as they are in the team: whoever left is not to be asked."""
    host = invitation.created_by
    if host is None or not host.is_active:
        return None
    memberships = invitation.group.team.memberships
    return host if memberships.filter(user=host).exists() else None


def mail_address(invitation: Invitation, host: User | None) -> str:
    """A `mailto:` (RFC 6068) that says what it is about. Empty if there is nobody to write to.

    It holds the host's address: only for those whose link proves that they were invited.
    """
    if host is None or not host.email:
        return ""
    subject = _("My link for photos of {group}").format(group=invitation.group.name)
    return (
        f"mailto:{quote(host.email, safe='@')}?{urlencode({'subject': subject}, quote_via=quote)}"
    )
