"""The queue of mails: a row for each mail that is to be sent, and what became of it.

A row is queued, claimed for a short lease (`sending`), and then sent, failed or discarded. Every
change of its state is one conditional UPDATE. The number of the claim is part of it, so an UPDATE
of an older claim matches no row. invitations.delivery sends what is due.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction
from django.db.models import Case, DurationField, F, Q, Value, When
from django.db.models.functions import Now
from django.db.models.lookups import LessThanOrEqual
from django.utils import timezone

from bandpics.users.models import User
from invitations import mail
from invitations.models import Invitation, OutgoingMail, TeamInvitation
from invitations.outgoing_mail import MAIL_LIFETIME

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from django.db.models import QuerySet

    from groups.models import Group

State = OutgoingMail.State
# After this long the sender of a mail is taken for dead. Longer than the time limit of its task.
LEASE = timedelta(minutes=5)
# The pauses after the first, second, … attempt; the last one repeats.
PAUSES = [timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 4 * 60, 12 * 60)]
# A server that was away may be back at any minute.
LONGEST_PAUSE_OF_SERVER = timedelta(minutes=15)
# How long a mail to a member is kept that was sent, failed or discarded.
KEPT_TO_MEMBERS = timedelta(days=30)
# Errors of the whole server: other mails would meet them as well.
SERVER_ERRORS = ("server-away", "server-refuses")


class TooMany(Exception):
    """The sender has no room for so many mails today; `left` says for how many there is."""

    def __init__(self, left: int) -> None:
        super().__init__(left)
        self.left = left


def enqueue(
    kind: str,
    invitations: Iterable[Invitation] | Iterable[TeamInvitation],
    *,
    sender: User,
    language: str,
    message: str = "",
    due_at: datetime | None = None,
) -> int:
    """Queues a mail of this kind about each invitation; returns how many are new.

    None is queued about an invitation without an address, or beside one of the same kind that still
    waits. Nothing is queued on a server that sends no mail (mail.can_send()). Call it in the
    transaction of what the mail is about; it is sent once that is committed, within seconds.
    Raises TooMany.
    """
    first = timezone.now() if due_at is None else due_at
    rows = [
        OutgoingMail(
            kind=kind,
            invitation=about if isinstance(about, Invitation) else None,
            team_invitation=about if isinstance(about, TeamInvitation) else None,
            sender=sender,
            language=language,
            message=message,
            due_at=first,
            give_up_at=first + MAIL_LIFETIME,
        )
        for about in invitations
        if about.email
    ]
    if not rows or not mail.can_send():
        return 0
    # In one order, so that two requests at once wait for each other.
    rows.sort(key=lambda row: str(row.invitation_id or row.team_invitation_id))
    with transaction.atomic():
        # Requests of one sender wait for each other, or each would find the whole room.
        User.objects.select_for_update(no_key=True).filter(pk=sender.pk).first()
        left = room(sender)
        if len(rows) > left:
            raise TooMany(left)
        OutgoingMail.objects.bulk_create(rows, ignore_conflicts=True)
    return OutgoingMail.objects.filter(pk__in=[row.pk for row in rows]).count()


def enqueue_to_member(
    kind: str, recipient: User, group: Group, *, language: str, details: dict[str, Any]
) -> OutgoingMail | None:
    """Queues a mail to a member about a group; None on a server that sends no mail.

    `details` are what its text tells (see templates/invitations/email/), and `path`, the page that
    it leads to. Call it in the transaction of what the mail is about.
    """
    if not mail.can_send():
        return None
    return OutgoingMail.objects.create(
        kind=kind, recipient=recipient, group=group, language=language, details=details
    )


def room(sender: User) -> int:
    """Returns how many mails this person may still queue, of MAILS_PER_DAY in 24 hours."""
    day = timezone.now() - timedelta(days=1)
    used = OutgoingMail.objects.filter(sender=sender, created_at__gt=day).count()
    return max(0, settings.MAILS_PER_DAY - used)


def not_mailed_since(invitations: list[Invitation], moment: datetime) -> list[Invitation]:
    """Leaves out those about which a mail was sent, or queued, from then on."""
    mails = OutgoingMail.objects.filter(invitation__in=invitations, created_at__gte=moment)
    mails = mails.exclude(state__in=[State.FAILED, State.DISCARDED])
    mailed = set(mails.values_list("invitation", flat=True))
    return [invitation for invitation in invitations if invitation.pk not in mailed]


def waiting() -> QuerySet[OutgoingMail]:
    """Mails that no server has accepted yet, and that are still tried."""
    return OutgoingMail.objects.filter(state__in=[State.QUEUED, State.SENDING])


def try_now(mails: QuerySet[OutgoingMail]) -> int:
    """Makes those due that wait for another attempt; returns how many. Later dates stay."""
    return mails.filter(state=State.QUEUED, attempts__gt=0).update(due_at=Now())


def claim(mails: QuerySet[OutgoingMail]) -> OutgoingMail | None:
    """Claims the mail of these that has been due for longest; None if there is none."""
    with transaction.atomic():
        due = mails.filter(state=State.QUEUED, due_at__lte=Now()).order_by("due_at", "created_at")
        pk = due.select_for_update(skip_locked=True).values_list("pk", flat=True).first()
        if pk is None:
            return None
        OutgoingMail.objects.filter(pk=pk, state=State.QUEUED).update(
            state=State.SENDING,
            lease_until=Now() + LEASE,
            claim_number=F("claim_number") + 1,
            attempts=F("attempts") + 1,
        )
    invited = ("sender", "invitation__group__team", "team_invitation__team")
    related = (*invited, "recipient", "group__team")
    return OutgoingMail.objects.select_related(*related).get(pk=pk)


def end(claimed: OutgoingMail, state: str, *, error: str = "", reply: str = "") -> None:
    """Records that a mail was sent, failed for good, or is not needed any more."""
    sent_at = {"sent_at": Now()} if state == State.SENT else {}
    _of_claim(claimed).update(
        state=state, error=error, reply=reply[:200], lease_until=None, **sent_at
    )


def try_again(claimed: OutgoingMail, *, error: str, reply: str = "") -> None:
    """Queues a mail again after a pause, or gives it up if it waited for too long."""
    pause = _pause(error, attempts=F("attempts"))
    _of_claim(claimed).update(**_tried_in_vain(error, reply), due_at=Now() + pause)


def postpone_due(*, error: str, reply: str = "") -> None:
    """Counts an attempt for all mails that are due: the server would not have taken them either."""
    pause = _pause(error, attempts=F("attempts") + 1)
    due = OutgoingMail.objects.filter(state=State.QUEUED, due_at__lte=Now())
    changes = _tried_in_vain(error, reply)
    due.update(**changes, attempts=F("attempts") + 1, due_at=Now() + pause)


def release_crashed() -> None:
    """Queues mails again whose sender died. The server may have accepted them: then they come
    twice, which is better than never."""
    dead = OutgoingMail.objects.filter(state=State.SENDING, lease_until__lt=Now())
    pause = _pause("crashed", attempts=F("attempts"))
    dead.update(**_tried_in_vain("crashed", ""), due_at=Now() + pause)


def forget_withdrawn() -> None:
    """Deletes mails about what is gone, once they count no more (see room()), and old mails to
    members."""
    day = timezone.now() - timedelta(days=1)
    to_members = OutgoingMail.objects.filter(recipient__isnull=False)
    to_members.exclude(state__in=[State.QUEUED, State.SENDING]).filter(
        created_at__lt=timezone.now() - KEPT_TO_MEMBERS
    ).delete()
    gone = OutgoingMail.objects.filter(invitation=None, team_invitation=None, recipient=None)
    gone.filter(created_at__lt=day).delete()


def server_is_back() -> None:
    """Makes those due that wait only because the server was away."""
    waits = OutgoingMail.objects.filter(state=State.QUEUED, error__in=SERVER_ERRORS)
    waits.filter(due_at__gt=Now()).update(due_at=Now())


def _of_claim(claimed: OutgoingMail) -> QuerySet[OutgoingMail]:
    return OutgoingMail.objects.filter(
        pk=claimed.pk, state=State.SENDING, claim_number=claimed.claim_number
    )


def _tried_in_vain(error: str, reply: str) -> dict[str, Any]:
    is_over = Q(give_up_at__lte=Now())
    return {
        "state": Case(When(is_over, then=Value(State.FAILED)), default=Value(State.QUEUED)),
        "error": error,
        "reply": reply[:200],
        "lease_until": None,
    }


def _pause(error: str, *, attempts: Any) -> Case:
    longest = LONGEST_PAUSE_OF_SERVER if error in SERVER_ERRORS else PAUSES[-1]
    pauses = [min(pause, longest) for pause in PAUSES]
    steps = enumerate(pauses[:-1], start=1)
    return Case(
        *[When(LessThanOrEqual(attempts, number), then=Value(pause)) for number, pause in steps],
        default=Value(pauses[-1]),
        output_field=DurationField(),
    )
