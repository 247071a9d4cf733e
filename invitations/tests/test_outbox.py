"""The queue of mails, against a real mail server that is slow to anger, away, or refuses."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection as database
from django.utils import timezone

from invitations import delivery, links, outbox, team_invitations
from invitations.models import Invitation, OutgoingMail, TeamInvitation
from invitations.tests.factories import InvitationFactory
from invitations.tests.mail_server import MailServer
from invitations.tokens import digest, make

pytestmark = pytest.mark.django_db

Kind, State = OutgoingMail.Kind, OutgoingMail.State


@pytest.fixture
def smtp(settings):
    server = MailServer()
    server.start(settings)
    yield server
    server.stop()


@pytest.fixture
def thirty(group, ada):
    return [InvitationFactory(group=group, created_by=ada) for _ in range(30)]


@pytest.fixture
def enqueue(ada):
    def enqueue_(*invitations, kind=Kind.INVITATION, language="en", **more):
        return outbox.enqueue(kind, invitations, sender=ada, language=language, **more)

    return enqueue_


def only():
    return OutgoingMail.objects.get()


def pause_is_over():
    OutgoingMail.objects.update(due_at=timezone.now() - timedelta(seconds=1))


def test_thirty_mails_go_over_one_connection_each_with_its_own_link(smtp, enqueue, thirty):
    assert enqueue(*thirty, message="See you on Sunday!") == 30
    delivery.send_due()
    assert sorted(smtp.recipients) == sorted(each.email for each in thirty)
    assert smtp.connections == 1
    by_recipient = dict(zip(smtp.recipients, smtp.mails, strict=True))
    for each in thirty:
        sent = by_recipient[each.email]
        assert each.upload_link in sent.get_content()
        assert "\r\nSee you on Sunday!\r\n" in sent.get_content()
        assert sent["Reply-To"] == "ada@example.org"
    assert set(OutgoingMail.objects.values_list("state", flat=True)) == {"sent"}
    assert not OutgoingMail.objects.filter(sent_at=None).exists()
    delivery.send_due()
    assert len(smtp.mails) == 30


def test_the_queue_keeps_what_a_server_that_is_down_does_not_take(smtp, enqueue, thirty):
    enqueue(*thirty)
    smtp.stop()
    before = timezone.now()
    delivery.send_due()
    rows = OutgoingMail.objects.all()
    # One attempt tells it of all of them.
    assert set(rows.values_list("state", "error", "attempts")) == {("queued", "server-away", 1)}
    for row in rows:
        assert timedelta(seconds=55) < row.due_at - before < timedelta(seconds=70)
    smtp.start()
    delivery.send_due()
    assert smtp.mails == []  # not due
    # The first that is due finds it back, and the others wait no longer.
    first = rows.first()
    rows.filter(pk=first.pk).update(due_at=timezone.now())
    delivery.send_due()
    assert len(smtp.mails) == 30
    assert set(rows.values_list("state", "error")) == {("sent", "")}


def test_pauses_grow_and_end_after_two_days(smtp, enqueue, invitation):
    enqueue(invitation)
    smtp.to_data = "451 4.3.0 Try again later"
    pauses = []
    for _ in range(8):
        before = timezone.now()
        delivery.send_due()
        pauses.append(round((only().due_at - before).total_seconds() / 60))
        pause_is_over()
    assert pauses == [1, 5, 15, 60, 240, 720, 720, 720]
    assert only().reply == "451 4.3.0 Try again later"
    OutgoingMail.objects.update(give_up_at=timezone.now())
    delivery.send_due()
    assert (only().state, only().error) == (State.FAILED, "trouble")


def test_an_address_that_is_refused_for_good_fails_at_once_and_stops_nobody(
    smtp, enqueue, thirty, invitation
):
    smtp.answers[invitation.email] = "550 5.1.1 No such user here"
    enqueue(invitation, *thirty)
    delivery.send_due()
    mail = invitation.mails.get()
    assert (mail.state, mail.error) == (State.FAILED, "recipient-refused")
    assert mail.reply == "550 5.1.1 No such user here"
    assert len(smtp.mails) == 30


def test_an_address_that_is_refused_for_now_is_tried_again(smtp, enqueue, invitation):
    smtp.answers[invitation.email] = "450 4.2.0 Greylisted"
    enqueue(invitation)
    delivery.send_due()
    assert (only().state, only().error) == (State.QUEUED, "recipient-later")
    del smtp.answers[invitation.email]
    pause_is_over()
    delivery.send_due()
    assert only().state == State.SENT


def test_a_server_that_breaks_off_is_left_alone_after_three_mails(smtp, enqueue, thirty):
    smtp.to_data = "421 4.3.2 Going down"
    enqueue(*thirty)
    delivery.send_due()
    assert OutgoingMail.objects.filter(attempts=1, error="trouble").count() == 3
    assert OutgoingMail.objects.filter(attempts=0).count() == 27


def test_a_crash_between_claim_and_send_is_swept(smtp, enqueue, invitation):
    enqueue(invitation)
    claimed = outbox.claim(OutgoingMail.objects.all())  # and its process dies
    delivery.send_due()
    assert smtp.mails == []
    OutgoingMail.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    delivery.send_due()
    assert (only().state, only().error) == (State.QUEUED, "crashed")
    pause_is_over()
    delivery.send_due()
    assert only().state == State.SENT
    # It was only frozen: what it says now counts no more.
    outbox.end(claimed, State.FAILED, error="address")
    assert (only().state, only().error) == (State.SENT, "")


@pytest.mark.django_db(transaction=True)
def test_two_processes_claim_different_mails(enqueue, thirty):
    enqueue(*thirty[:8])
    claimed, barrier = [], threading.Barrier(4)

    def take():
        barrier.wait()
        for _ in range(2):
            claimed.append(outbox.claim(OutgoingMail.objects.all()).pk)
        database.close()

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(claimed)) == 8


def test_a_mail_of_a_kind_waits_once(enqueue, invitation, mailoutbox):
    assert [enqueue(invitation), enqueue(invitation)] == [1, 0]
    assert enqueue(invitation, kind=Kind.REMINDER) == 1
    delivery.send_due()
    assert len(mailoutbox) == 2
    assert enqueue(invitation) == 1


def test_a_mail_that_is_due_later_waits(enqueue, invitation, mailoutbox):
    enqueue(invitation, due_at=timezone.now() + timedelta(days=1))
    outbox.try_now(OutgoingMail.objects.all())
    delivery.send_due()
    assert mailoutbox == []
    assert only().give_up_at > timezone.now() + timedelta(days=2, hours=23)
    pause_is_over()
    delivery.send_due()
    assert len(mailoutbox) == 1


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (Kind.INVITATION, {"revoked_at": timezone.now()}),
        (Kind.INVITATION, {"expires_at": timezone.now()}),
        (Kind.REMINDER, {"declined_at": timezone.now()}),
        (Kind.LAST_CALL, {"used_files": 1}),
    ],
)
def test_what_is_not_needed_any_more_is_discarded(enqueue, invitation, mailoutbox, kind, changes):
    enqueue(invitation, kind=kind)
    Invitation.objects.update(**changes)
    delivery.send_due()
    assert only().state == State.DISCARDED
    assert mailoutbox == []


def test_a_mail_brings_the_link_as_it_is_when_it_is_sent(enqueue, invitation, mailoutbox):
    old = invitation.upload_link
    enqueue(invitation)
    links.rotate(invitation)
    delivery.send_due()
    assert invitation.upload_link in mailoutbox[0].body
    assert old not in mailoutbox[0].body


def test_a_lost_link_is_said(enqueue, invitation, mailoutbox, settings):
    enqueue(invitation)
    settings.INVITATION_TOKEN_KEY = "another key, at least 32 characters"
    delivery.send_due()
    assert (only().state, only().error) == (State.FAILED, "link-lost")


def test_a_mail_is_in_the_language_of_its_row(enqueue, invitation, mailoutbox):
    enqueue(invitation, language="de")
    delivery.send_due()
    assert mailoutbox[0].body.startswith("Hallo Cleo,")


@pytest.mark.parametrize("kind", [Kind.REMINDER, Kind.LAST_CALL])
def test_a_guest_is_reminded_in_plain_words(enqueue, invitation, mailoutbox, kind):
    enqueue(invitation, kind=kind, message="We miss yours & <all> of them.")
    delivery.send_due()
    (message,) = mailoutbox
    assert message.body.startswith("Hello Cleo,\n\nAda w")
    assert "Summer concert" in message.subject
    assert f"\n\n{invitation.upload_link}\n\n" in message.body
    assert "\n\nWe miss yours & <all> of them.\n\n" in message.body
    assert "\n\n\n" not in message.body


def test_somebody_is_asked_to_join_a_team(enqueue, team, mailoutbox):
    invited = TeamInvitation(team=team, email="ed@example.org", role="member", nonce=b"n" * 16)
    token = make(invited.pk, invited.nonce)
    invited.digest = digest(token)
    invited.save()
    enqueue(invited, kind=Kind.TEAM_INVITATION)
    delivery.send_due()
    (message,) = mailoutbox
    assert message.to == ["ed@example.org"]
    assert message.subject == "Join The Band on Bandpics"
    assert f"/teams/join/{token}/\n" in message.body


def test_a_server_that_sends_no_mail_queues_none(enqueue, invitation, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    assert enqueue(invitation) == 0
    assert not OutgoingMail.objects.exists()


def test_nobody_queues_more_than_a_days_mails(enqueue, thirty, invitation, settings, ada):
    settings.MAILS_PER_DAY = 31
    enqueue(*thirty)
    with pytest.raises(outbox.TooMany) as refusal:
        enqueue(invitation, InvitationFactory(group=invitation.group))
    assert refusal.value.left == 1
    assert OutgoingMail.objects.count() == 30
    assert enqueue(invitation) == 1


def test_a_mail_that_the_api_could_not_send_waits_in_the_queue(smtp, ada, group, signed_in):
    smtp.stop()
    body = {"group": str(group.pk), "email": "cleo@example.org", "send_email": True}
    answer = signed_in(ada).post("/api/v1/invitations/", body)
    assert answer.json()["email_sent"] is False
    assert (only().state, only().error) == (State.QUEUED, "server-away")
    smtp.start()
    answer = signed_in(ada).post("/api/v1/invitations/", body)
    assert answer.json()["email_sent"] is True
    assert smtp.recipients == ["cleo@example.org"]
    assert only().state == State.SENT


def test_who_withdraws_invitations_may_send_no_more_mails_for_it(smtp, settings, team, ada):
    settings.MAILS_PER_DAY = 2
    about = {"role": "member", "by": ada, "language": "en"}
    for email in ("one@example.org", "two@example.org"):
        invited = team_invitations.invite(team, email=email, **about)
        assert team_invitations.withdraw(team, invited.pk)
    with pytest.raises(outbox.TooMany):
        team_invitations.invite(team, email="three@example.org", **about)
    delivery.send_due()
    assert smtp.mails == []
    assert {mail.state for mail in OutgoingMail.objects.all()} == {State.DISCARDED}
    OutgoingMail.objects.update(created_at=timezone.now() - timedelta(days=2))
    delivery.send_due()
    assert not OutgoingMail.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_four_requests_at_once_find_the_room_of_one(smtp, settings, ada):
    settings.MAILS_PER_DAY = 30
    piles = [InvitationFactory.create_batch(20, created_by=ada) for _ in range(4)]
    barrier, outcomes = threading.Barrier(4), []

    def enqueue_all(pile):
        barrier.wait()
        try:
            outcomes.append(outbox.enqueue(Kind.INVITATION, pile, sender=ada, language="en"))
        except outbox.TooMany as refusal:
            outcomes.append(refusal.left)
        database.close()

    threads = [threading.Thread(target=enqueue_all, args=[pile]) for pile in piles]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [10, 10, 10, 20]
