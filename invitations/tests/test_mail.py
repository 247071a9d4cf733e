"""The e-mail with a link: what it says, and that no error of it fails a request."""

from __future__ import annotations

import datetime

import pytest

from groups.models import Group
from invitations import delivery
from invitations.models import Invitation
from invitations.tests.factories import InvitationFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def invite(ada, group, signed_in):
    def post(**body):
        return signed_in(ada).post(
            "/api/v1/invitations/",
            {"group": str(group.pk), "email": "cleo@example.org", "send_email": True, **body},
        )

    return post


def test_it_says_who_asks_for_what_until_when_and_where_to(invite, group, mailoutbox, settings):
    Group.objects.update(
        event_date=datetime.date(2026, 6, 21), venue="The old bandstand", name="Café & Bühne"
    )
    answer = invite(name="Cleo")
    assert answer.status_code == 201
    assert answer.json()["email_sent"] is True
    message = mailoutbox[0]
    assert message.to == ["cleo@example.org"]
    assert message.reply_to == ["ada@example.org"]
    assert message.from_email == settings.DEFAULT_FROM_EMAIL
    assert message.subject == "Your photos of Café & Bühne?"
    assert "Hello Cleo," in message.body
    assert "Ada asks for your photos of Café & Bühne (21 June 2026, The old bandstand)." in (
        message.body
    )
    assert f"\n{answer.json()['upload_link']}\n" in message.body
    assert "The Band" in message.body


@pytest.mark.parametrize(
    ("language", "until"),
    [
        ("en", "It works until 1 July 2030, 01:30 (Europe/Vienna). The photos go"),
        ("de", "Er gilt bis 1. Juli 2030, 01:30 (Europe/Vienna). Die Fotos"),
        ("fr", "au 1 juillet 2030, 01:30 (Europe/Vienna). Les photos"),
    ],
)
def test_it_says_times_by_the_clock_of_the_group(ada, group, mailoutbox, language, until):
    Group.objects.update(time_zone="Europe/Vienna")
    midnight = datetime.datetime(2030, 6, 30, 23, 30, tzinfo=datetime.UTC)
    group.refresh_from_db()
    invitation = InvitationFactory(group=group, email="cleo@example.org", expires_at=midnight)
    delivery.send_link(invitation, sender=ada, language=language)
    assert until in mailoutbox[0].body


@pytest.mark.parametrize("backend", ["console", "filebased", "dummy"])
def test_without_a_mail_server_nothing_was_sent(invite, settings, tmp_path, backend):
    settings.EMAIL_BACKEND = f"django.core.mail.backends.{backend}.EmailBackend"
    settings.EMAIL_FILE_PATH = tmp_path
    answer = invite()
    assert answer.status_code == 201
    assert answer.json()["email_sent"] is False


def test_it_is_sent_only_when_asked_for(invite, mailoutbox):
    assert invite(send_email=False).json()["email_sent"] is None
    assert mailoutbox == []
    assert invite().json()["email_sent"] is True  # again: the same link
    assert len(mailoutbox) == 1


def test_the_link_never_follows_the_host_header(invite, mailoutbox, settings):
    settings.ALLOWED_HOSTS = ["*"]
    link = invite().json()["upload_link"]
    assert link.startswith(settings.PUBLIC_URL)
    assert link in mailoutbox[0].body


def test_no_name_adds_a_header_or_a_line(invite, ada, mailoutbox):
    nasty = "Party\r\nBcc: all@example.org\u2028X: y"
    Group.objects.update(name=nasty, venue="")
    type(ada).objects.update(name=nasty)
    invite(name=nasty)
    sent = mailoutbox[0].message()
    assert "Bcc" not in sent
    assert sent["Subject"] == "Your photos of Party Bcc: all@example.org X: y?"
    assert mailoutbox[0].recipients() == ["cleo@example.org"]


def test_a_mail_server_that_is_down_costs_only_the_mail(invite, settings, caplog):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    answer = invite()
    assert answer.status_code == 201
    assert answer.json()["email_sent"] is False
    assert answer.json()["upload_link"]
    assert Invitation.objects.count() == 1
    assert "ConnectionRefusedError" in caplog.text
    assert "cleo@example.org" not in caplog.text


def test_a_lost_link_is_not_sent(ada, invitation, settings, mailoutbox):
    settings.INVITATION_TOKEN_KEY = "another key, at least 32 characters"
    assert delivery.send_link(invitation, sender=ada, language="en") is False
    assert mailoutbox == []


def test_an_address_no_header_can_carry_is_said(ada, invitation, mailoutbox):
    invitation.email = "cleo@example.org\nBcc: all@example.org"
    invitation.save()
    assert delivery.send_link(invitation, sender=ada, language="en") is False
    assert mailoutbox == []


def test_nobody_sends_mail_without_end(invite, settings, mailoutbox):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "mail": "1/hour"}
    assert invite().status_code == 201
    answer = invite(email="carl@example.org")
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) > 0
    assert Invitation.objects.count() == len(mailoutbox) == 1
    assert invite(email="carl@example.org", send_email=False).status_code == 201
