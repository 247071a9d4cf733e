"""E-mail that carries an upload link."""

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


# Django's backends that send nothing to nobody.
_KEEP_IT_HERE = {
    f"django.core.mail.backends.{name}.EmailBackend" for name in ("console", "filebased", "dummy")
}


def send_link(invitation: Invitation, *, sender: User) -> bool:
    """Whether a mail server took it. Call it after the commit: it may wait for seconds."""
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
        return bool(message.send()) and settings.EMAIL_BACKEND not in _KEEP_IT_HERE
    except TokenLost:
        return False
    except (OSError, SMTPException, ValueError) as error:
        # ValueError: an address no header can carry. Only its name: the text may hold addresses.
        logger.warning("Invitation %s was not sent: %s", invitation.pk, type(error).__name__)
        return False


def one_line(text: str) -> str:
    """For a header: no line break survives, of whatever kind."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
