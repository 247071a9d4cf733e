"""Sends upload links by e-mail."""

from __future__ import annotations

import logging
from smtplib import SMTPException
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string

from invitations.tokens import TokenLost

if TYPE_CHECKING:
    from bandpics.users.models import User
    from invitations.models import Invitation

logger = logging.getLogger(__name__)

# Django's backends that send nothing.
NOT_SENDING = {
    f"django.core.mail.backends.{name}.EmailBackend" for name in ("console", "filebased", "dummy")
}


def send_link(invitation: Invitation, *, sender: User) -> bool:
    """Sends a link; True if a mail server accepted it. It may take seconds: commit first."""
    try:
        context = {
            "invitation": invitation,
            "group": invitation.group,
            "host": one_line(str(sender)),
            "link": invitation.upload_link,
        }
        message = EmailMessage(
            subject=one_line(render_to_string("invitations/email/subject.txt", context)),
            body=render_to_string("invitations/email/body.txt", context),
            to=[invitation.email],
            reply_to=[sender.email],
        )
        return bool(message.send()) and settings.EMAIL_BACKEND not in NOT_SENDING
    except TokenLost:
        return False
    except (OSError, SMTPException, ValueError) as error:
        # ValueError: an address that fits in no header. The message may hold addresses: not logged.
        logger.warning("Invitation %s was not sent: %s", invitation.pk, type(error).__name__)
        return False


def one_line(text: str) -> str:
    """Replaces line breaks and other control characters, for a header."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
