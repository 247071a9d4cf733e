"""Writes mails: the link, reminders, last calls, invitations to a team, news to members."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from invitations import tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bandpics.users.models import User
    from invitations.models import Invitation, OutgoingMail, TeamInvitation

# Django's backends that send nothing.
NOT_SENDING = {
    f"django.core.mail.backends.{name}.EmailBackend" for name in ("console", "filebased", "dummy")
}


def can_send() -> bool:
    """Whether this server sends mail at all (EMAIL_URL)."""
    return settings.EMAIL_BACKEND not in NOT_SENDING


def compose(mail: OutgoingMail) -> EmailMessage:
    """Writes a mail with its link, in the language of its row. Raises TokenLost."""
    invitation, team_invitation = mail.invitation, mail.team_invitation
    with _written_in(mail.language):
        if invitation is not None:
            context = _about_photos(invitation, link=invitation.upload_link)
        elif mail.recipient is not None:
            context = _to_member(mail, mail.recipient)
        else:
            assert team_invitation is not None, "A constraint of the table."  # noqa: S101
            context = _about_team(team_invitation)
        return _message(mail, context)


def preview(mail: OutgoingMail, *, link: str) -> tuple[str, str]:
    """Returns the subject and text of a mail about photos, with these words instead of its link.

    Unlike rendered HTML it is not safe: pages must escape it.
    """
    invitation = mail.invitation
    assert invitation is not None, "Only mails about photos have a preview."  # noqa: S101
    with _written_in(mail.language):
        message = _message(mail, _about_photos(invitation, link=link))
        return _unsafe(str(message.subject)), _unsafe(str(message.body))


def one_line(text: str) -> str:
    """Replaces line breaks and other control characters, for a header."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


@contextmanager
def _written_in(language: str) -> Iterator[None]:
    """Writes texts in this language, and times in UTC where a text names no other zone, whatever
    page asks for them."""
    with translation.override(language), timezone.override(UTC):
        yield


def _unsafe(text: str) -> str:
    """Takes away the mark by which templates take what they rendered for HTML."""
    return text.encode().decode()


def _about_photos(invitation: Invitation, *, link: str) -> dict[str, Any]:
    return {
        "invitation": invitation,
        "group": invitation.group,
        "team": invitation.group.team,
        "link": link,
        "to": invitation.email,
    }


def _about_team(invitation: TeamInvitation) -> dict[str, Any]:
    token = tokens.recover(
        invitation.pk, bytes(invitation.nonce), expected_digest=invitation.digest
    )
    return {
        "invitation": invitation,
        "team": invitation.team,
        "link": f"{settings.PUBLIC_URL}/teams/join/{token}/",
        "to": invitation.email,
    }


def _to_member(mail: OutgoingMail, recipient: User) -> dict[str, Any]:
    group = mail.group
    assert group is not None, "A constraint of the table."  # noqa: S101
    uploaders = mail.details.get("uploaders", [])
    return {
        **mail.details,
        "uploaders": [
            {**each, "name": one_line(each["name"]) or _("Somebody")} for each in uploaders
        ],
        "ends_at": parse_datetime(mail.details.get("expires_at", "")),
        "group": group,
        "team": group.team,
        "link": f"{settings.PUBLIC_URL}{mail.details['path']}",
        "to": recipient.email,
    }


def _message(mail: OutgoingMail, context: dict[str, Any]) -> EmailMessage:
    sender: User | None = mail.sender
    context |= {
        # Without a host who is still there, the team asks.
        "host": one_line(str(sender or context["team"])),
        "message": mail.message.strip(),
    }
    folder = f"invitations/email/{mail.kind}"
    return EmailMessage(
        subject=one_line(render_to_string(f"{folder}_subject.txt", context)),
        body=render_to_string(f"{folder}_body.txt", context),
        to=[context["to"]],
        reply_to=[sender.email] if sender else [],
    )
