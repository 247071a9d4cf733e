"""The person whom a guest can ask about a link."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from django.utils.translation import gettext as _

if TYPE_CHECKING:
    from bandpics.users.models import User
    from invitations.models import Invitation


def contact_of(invitation: Invitation) -> User | None:
    """Returns who made the link, if that person is still in the team."""
    contact = invitation.created_by
    if contact is None or not contact.is_active:
        return None
    memberships = invitation.group.team.memberships
    return contact if memberships.filter(user=contact).exists() else None


def mail_address(invitation: Invitation, contact: User | None) -> str:
    """Returns a `mailto:` link (RFC 6068) with a subject, or nothing without a contact.

    It holds an e-mail address: show it to holders of the link only.
    """
    if contact is None or not contact.email:
        return ""
    subject = _("My link for photos of {group}").format(group=invitation.group.name)
    query = urlencode({"subject": subject}, quote_via=quote)
    return f"mailto:{quote(contact.email, safe='@')}?{query}"
