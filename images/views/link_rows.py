"""What the pages of invitations show of each link, beside its columns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from django.db.models import Count
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from images.models import Image
from images.views.link_forms import VISIBILITY, current_language
from invitations import mail
from invitations.models import Invitation, OutgoingMail
from invitations.tokens import TokenLost

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bandpics.users.models import User

WHY_NOT_SENT = {
    "server-away": gettext_lazy("The mail server cannot be reached."),
    "server-refuses": gettext_lazy(
        "The mail server refuses to send for Bandpics. Tell whoever runs this server."
    ),
    "trouble": gettext_lazy("The mail server had trouble."),
    "crashed": gettext_lazy("Sending was interrupted."),
    "recipient-refused": gettext_lazy("The mail server does not accept this address."),
    "recipient-later": gettext_lazy("The mail server wants to be asked again later."),
    "address": gettext_lazy("No mail can be sent to this address."),
    "link-lost": gettext_lazy("The key that made this link is gone. Replace the link."),
}


@dataclass(frozen=True)
class MailRow:
    """A mail, and why it was not sent in words."""

    mail: OutgoingMail

    @property
    def kind(self) -> str:
        return {
            OutgoingMail.Kind.INVITATION: _("Invitation"),
            OutgoingMail.Kind.REMINDER: _("Reminder"),
            OutgoingMail.Kind.LAST_CALL: _("Last call"),
        }.get(OutgoingMail.Kind(self.mail.kind), "")

    @property
    def why(self) -> str:
        return str(WHY_NOT_SENT.get(self.mail.error, self.mail.error))


@dataclass(frozen=True)
class LinkRow:
    """One link of the list, and of its own page."""

    invitation: Invitation
    photo_count: int
    mail: MailRow | None

    @property
    def may_manage(self) -> bool:
        return self.invitation.may_manage

    @property
    def is_personal(self) -> bool:
        return self.invitation.kind == Invitation.Kind.PERSONAL

    @property
    def title(self) -> str:
        return self.invitation.name or self.invitation.email or _("Shared link")

    @property
    def sees(self) -> str:
        return str(dict(VISIBILITY)[self.invitation.visibility])

    @cached_property
    def link(self) -> str:
        """The link, if the member is shown it and it still leads somewhere."""
        if not self.invitation.shows_link or self.invitation.is_revoked:
            return ""
        try:
            return self.invitation.upload_link
        except TokenLost:
            return ""

    @property
    def is_lost(self) -> bool:
        """Whether the link works, but cannot be shown again."""
        return self.may_manage and not self.invitation.is_revoked and not self.link

    def mail_program(self, sender: User, kind: str = OutgoingMail.Kind.INVITATION) -> str:
        """Returns a `mailto:` link (RFC 6068) with the whole mail, to be sent by the host."""
        row = OutgoingMail(
            kind=kind, invitation=self.invitation, sender=sender, language=current_language()
        )
        subject, body = mail.preview(row, link=self.link)
        query = urlencode({"subject": subject, "body": body}, quote_via=quote)
        return f"mailto:{quote(self.invitation.email, safe='@')}?{query}"


def rows_of(invitations: Iterable[Invitation]) -> list[LinkRow]:
    """Looks up the photos and the last mail of each, by one query each."""
    shown = list(invitations)
    ids = [invitation.pk for invitation in shown]
    photos = Image.objects.filter(invitation__in=ids).ready().order_by().values("invitation")
    counts = dict(photos.annotate(count=Count("pk")).values_list("invitation", "count"))
    mails = OutgoingMail.objects.filter(invitation__in=ids)
    last = mails.order_by("invitation_id", "-created_at").distinct("invitation_id")
    by_link = {each.invitation_id: MailRow(each) for each in last}
    return [LinkRow(each, counts.get(each.pk, 0), by_link.get(each.pk)) for each in shown]
