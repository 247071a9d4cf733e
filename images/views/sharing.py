"""The share card of a group's page: the upload link to copy, scan, mail and print."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from django.contrib import messages
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from images.views.desk import MEMBER, Desk, desk_page
from invitations import links, qr, sharing
from invitations.tokens import TokenLost

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.utils.safestring import SafeString

    from groups.models import Group
    from invitations.models import Invitation


@dataclass(frozen=True)
class ShareCard:
    """What a member can hand out. Without an address there is a reason, and a way to get one."""

    group: Group
    invitation: Invitation | None
    address: str = ""  # to copy and to scan: the short one, if there is one
    short_address: str = ""  # without https://, to read aloud
    has_pin: bool = False
    is_lost: bool = False
    has_others: bool = False

    @property
    def is_expired(self) -> bool:
        return self.invitation is not None and self.invitation.is_expired

    @property
    def is_full(self) -> bool:
        return self.invitation is not None and self.invitation.is_exhausted

    @property
    def title(self) -> str:
        return _("Your photos of {group}").format(group=self.group.name)

    @property
    def text(self) -> str:
        return _("Please add your photos of {group} here:").format(group=self.group.name)

    @property
    def mail(self) -> str:
        """A `mailto:` link (RFC 6068) to nobody yet, with subject and text."""
        text = {"subject": self.title, "body": f"{self.text}\r\n\r\n{self.address}\r\n"}
        return f"mailto:?{urlencode(text, quote_via=quote)}"

    @property
    def code(self) -> SafeString:
        return qr.inline(self.address)


def share_card(desk: Desk) -> ShareCard | None:
    """Returns what this member may hand out; viewers hand out nothing."""
    if not desk.may_add:
        return None
    invitation = sharing.link_of(desk.group, desk.access)
    if invitation is None:
        return ShareCard(desk.group, None, has_others=sharing.has_others(desk.group))
    if invitation.is_expired:
        return ShareCard(desk.group, invitation)
    chosen = sharing.short_address_of(invitation)
    if chosen is not None:  # alone, as on printed cards: it outlives the secret of the link
        short = sharing.short_link(chosen.word)
        return ShareCard(
            desk.group,
            invitation,
            address=short,
            short_address=short.partition("://")[2].rstrip("/"),
            has_pin=bool(chosen.pin_hash),
        )
    try:
        return ShareCard(desk.group, invitation, address=invitation.upload_link)
    except TokenLost:
        return ShareCard(desk.group, invitation, is_lost=True)


@desk_page(needs=MEMBER)
@require_POST
def share(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Makes a shared link for the member, opens theirs again, or gives it another secret."""
    act, mine = request.POST.get("act"), sharing.link_of(desk.group, desk.access)
    if act == "renew" and mine is not None:
        with suppress(links.Revoked):  # by somebody else, just now: the page says what is left
            sharing.renew(mine)
            messages.success(request, _("Here is the new link. The old one has ended."))
    elif act == "open-again" and mine is not None:
        sharing.open_again(mine)
        messages.success(request, _("The link works again, also on cards that you have printed."))
    else:
        sharing.make_unless_open(desk.group, desk.access)
        messages.success(request, _("The link is ready."))
    return redirect(f"{desk.group.get_absolute_url()}?share")  # the card stands open
