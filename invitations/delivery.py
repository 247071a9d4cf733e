"""Sends the mails that are due, over one connection to the mail server.

A process may die between the server's answer and the row: the mail is then sent twice. Nothing
tells the two cases apart, and a link that comes twice does no harm.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from smtplib import (
    SMTPAuthenticationError,
    SMTPException,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPSenderRefused,
)
from typing import TYPE_CHECKING, Any

from django.core.mail import get_connection
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from bandpics import stopping
from bandpics.advisory_lock import alone
from invitations import mail, outbox
from invitations.models import OutgoingMail
from invitations.tokens import TokenLost

if TYPE_CHECKING:
    from django.core.mail import EmailMessage

    from bandpics.users.models import User
    from invitations.models import Invitation

logger = logging.getLogger(__name__)

State, Kind = outbox.State, OutgoingMail.Kind
SEND_LOCK = 0x6D61696C  # any number that nobody else uses
RUN_SECONDS = 45.0
TROUBLES_IN_A_ROW = 3


class ServerTrouble(Exception):
    """The mail server takes no mail at all now: another one would fare no better."""


def send_due() -> None:
    """Sends what is due, for RUN_SECONDS at most; a second call at the same time does nothing."""
    if not mail.can_send():
        return
    with alone(SEND_LOCK) as is_alone:
        if is_alone:
            outbox.release_crashed()
            outbox.forget_withdrawn()
            _send_for(RUN_SECONDS)


def send_link(invitation: Invitation, *, sender: User, language: str) -> bool:
    """Sends a link at once; True if a mail server accepted it. It may take seconds: commit first.

    If no server accepts it now, it stays in the queue.
    """
    if not mail.can_send():
        _keep_in_development(invitation, sender=sender, language=language)
        return False
    kind = Kind.INVITATION
    with suppress(outbox.TooMany):
        outbox.enqueue(kind, [invitation], sender=sender, language=language)
    own = OutgoingMail.objects.filter(invitation=invitation, kind=kind)
    outbox.try_now(own)
    claimed = outbox.claim(own)
    with suppress(ServerTrouble), Connection() as connection:
        return claimed is not None and connection.send(claimed)
    return False


def is_moot(claimed: OutgoingMail) -> bool:
    """Whether a mail is not needed any more: the link is dead, or the guest has done it."""
    if claimed.team_invitation is not None:
        invited = claimed.team_invitation
        return invited.accepted_at is not None or invited.expires_at <= timezone.now()
    if claimed.recipient is not None:
        return _is_moot_to_member(claimed, claimed.recipient)
    invitation = claimed.invitation
    if invitation is None or invitation.is_revoked or invitation.is_expired:
        return True
    if invitation.group.trashed_at is not None:
        return True
    if claimed.kind == Kind.INVITATION:
        return False
    has_answered = invitation.declined_at is not None or invitation.used_files > 0
    return has_answered or invitation.group.is_closed


def _is_moot_to_member(claimed: OutgoingMail, recipient: User) -> bool:
    """Whether they may not see the group any more, or what the mail is about has ended."""
    group = claimed.group
    if group is None or group.trashed_at is not None or not recipient.is_active:
        return True
    ends_at = parse_datetime(claimed.details.get("expires_at", ""))
    if ends_at is not None and ends_at <= timezone.now():
        return True
    if claimed.kind == Kind.NEW_PHOTOS and not recipient.group_subscriptions.filter(group=group):
        return True
    return not recipient.memberships.filter(team=group.team_id).exists()


def _send_for(seconds: float) -> None:
    end, troubles, any_sent = time.monotonic() + seconds, 0, False
    with suppress(ServerTrouble), Connection() as connection:
        while time.monotonic() < end and troubles < TROUBLES_IN_A_ROW:
            if stopping.is_asked():
                return
            claimed = outbox.claim(OutgoingMail.objects.all())
            if claimed is None:
                return
            was_sent = connection.send(claimed)
            troubles = troubles + 1 if connection.had_trouble else 0
            if was_sent and not any_sent:
                any_sent = True
                outbox.server_is_back()


class Connection:
    """A connection to the mail server, opened for the first mail, and again after trouble."""

    def __init__(self) -> None:
        self._backend: Any = get_connection()
        self.had_trouble = False

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def send(self, claimed: OutgoingMail) -> bool:
        """Sends a claimed mail and records the outcome. True if the server accepted it.

        Raises ServerTrouble, when that is recorded.
        """
        self.had_trouble = False
        if is_moot(claimed):
            outbox.end(claimed, State.DISCARDED)
            return False
        try:
            message = mail.compose(claimed)
        except TokenLost:
            outbox.end(claimed, State.FAILED, error="link-lost")
            return False
        self._open(claimed)
        return self._send(claimed, message)

    def _open(self, claimed: OutgoingMail) -> None:
        try:
            self._backend.open()
        except (OSError, SMTPException) as error:
            refuses = isinstance(error, SMTPAuthenticationError | SMTPResponseException)
            self._give_up(claimed, "server-refuses" if refuses else "server-away", error)

    def _send(self, claimed: OutgoingMail, message: EmailMessage) -> bool:
        try:
            self._backend.send_messages([message])
        except SMTPRecipientsRefused as error:
            self._recipient_refused(claimed, error)
        except SMTPSenderRefused as error:
            self._give_up(claimed, "server-refuses", error)
        except ValueError:  # an address that fits in no header
            outbox.end(claimed, State.FAILED, error="address")
        except (OSError, SMTPException) as error:
            self.had_trouble = True
            _log(claimed, error)
            outbox.try_again(claimed, error="trouble", reply=_said(error))
            self._close()
        else:
            outbox.end(claimed, State.SENT)
            return True
        return False

    def _recipient_refused(self, claimed: OutgoingMail, error: SMTPRecipientsRefused) -> None:
        code, text = next(iter(error.recipients.values()))
        reply = _reply(code, text)
        if 500 <= code < 600:
            outbox.end(claimed, State.FAILED, error="recipient-refused", reply=reply)
        else:
            outbox.try_again(claimed, error="recipient-later", reply=reply)

    def _give_up(self, claimed: OutgoingMail, problem: str, error: Exception) -> None:
        _log(claimed, error)
        outbox.try_again(claimed, error=problem, reply=_said(error))
        outbox.postpone_due(error=problem, reply=_said(error))
        self._close()
        raise ServerTrouble from error

    def _close(self) -> None:
        with suppress(OSError, SMTPException):
            self._backend.close()
        self._backend = get_connection()


def _keep_in_development(invitation: Invitation, *, sender: User, language: str) -> None:
    """Hands the mail to a backend that sends nothing: `make run` keeps it in a folder."""
    row = OutgoingMail(
        kind=Kind.INVITATION, invitation=invitation, sender=sender, language=language
    )
    try:
        mail.compose(row).send()
    except (OSError, ValueError, TokenLost) as error:
        _log(row, error)


def _said(error: Exception) -> str:
    if isinstance(error, SMTPResponseException):
        return _reply(error.smtp_code, error.smtp_error)
    return ""


def _reply(code: int, text: bytes | str) -> str:
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return mail.one_line(f"{code} {words}")


def _log(claimed: OutgoingMail, error: Exception) -> None:
    # The message may hold addresses: not logged.
    logger.warning("Mail %s was not sent: %s", claimed.pk, type(error).__name__)
