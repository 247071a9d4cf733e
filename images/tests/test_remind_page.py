"""A host reminds those who have sent nothing, sees the mail before, and may leave people out."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from images.tests.test_links_page import NOT_SENDING, Host, text_of
from invitations import delivery
from invitations.models import Invitation, OutgoingMail
from invitations.tests.factories import InvitationFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def adas(ada, group):
    return Host(ada, group)


@pytest.fixture
def invite(ada, group):
    def invite_(name, **more):
        email = f"{name.lower()}@example.org"
        return InvitationFactory(group=group, name=name, email=email, created_by=ada, **more)

    return invite_


def boxes(answer):
    """Who is listed, and whether they are ticked."""
    html = answer.content.decode()
    found = re.findall(r'<input type="checkbox"[^>]*>.*?<strong>(.*?)</strong>', html, re.DOTALL)
    ticks = ["checked" in tag for tag in re.findall(r'<input type="checkbox"[^>]*>', html)]
    return dict(zip(found, ticks, strict=True))


def test_it_lists_who_has_sent_nothing_and_did_not_say_no(adas, invite, group):
    now = timezone.now()
    invite("Quiet")
    invite("Opened", opened_at=now)
    invite("Sent", used_files=2)
    invite("Declined", declined_at=now)
    invite("Expired", expires_at=now)
    invite("Revoked", revoked_at=now)
    InvitationFactory(group=group, kind="shared", name="Everybody", email="")
    InvitationFactory(name="Elsewhere")
    assert boxes(adas.get("remind/")) == {"Quiet": True, "Opened": True}


def test_who_got_a_mail_within_a_day_is_not_ticked(adas, invite, ada):
    for name, hours in [("Lately", 23), ("Before", 25)]:
        mail = OutgoingMail.objects.create(
            invitation=invite(name), kind="invitation", sender=ada, state="sent"
        )
        created = timezone.now() - timedelta(hours=hours)
        OutgoingMail.objects.filter(pk=mail.pk).update(created_at=created)
    answer = adas.get("remind/")
    assert boxes(answer) == {"Lately": False, "Before": True}
    assert "Got a mail within the last 24 hours" in text_of(answer)


def test_the_mail_is_shown_in_its_language_with_the_own_words(adas, invite):
    quiet = invite("Quiet")
    answer = adas.get("remind/")
    assert "Hello Quiet, Ada would still like to have your photos of Summer concert" in (
        text_of(answer)
    )
    form = {"message": "We miss yours!", "language": "de", "act": "preview"}
    answer = adas.post("remind/", {**form, "invitation": [quiet.pk]})
    assert "Hallo Quiet," in text_of(answer)
    assert "We miss yours!" in text_of(answer)
    assert quiet.token not in answer.content.decode()
    assert boxes(answer) == {"Quiet": True}
    assert boxes(adas.post("remind/", form)) == {"Quiet": False}
    assert not OutgoingMail.objects.exists()


def test_a_mail_says_times_by_the_clock_of_the_group(adas, invite, group):
    group.time_zone = "America/New_York"
    group.save()
    invite("Quiet", expires_at=datetime(2030, 1, 31, 23, 30, tzinfo=UTC))
    assert "It works until 31 January 2030, 18:30 (America/New_York)." in text_of(
        adas.get("remind/")
    )


def test_those_who_are_ticked_are_reminded(adas, invite, mailoutbox):
    first, second, _left_out = invite("First"), invite("Second"), invite("Third")
    form = {"message": "We miss yours!", "language": "en", "act": "send"}
    answer = adas.post("remind/", {**form, "invitation": [first.pk, second.pk, "nonsense"]})
    assert answer["Location"] == adas.base
    assert "2 reminders are on their way." in adas.says()
    delivery.send_due()
    assert {message.to[0] for message in mailoutbox} == {first.email, second.email}
    assert "We miss yours!" in mailoutbox[0].body


def test_who_answered_meanwhile_is_left_out_and_it_is_said(adas, invite):
    first, second = invite("First"), invite("Second")
    Invitation.objects.filter(pk=second.pk).update(used_files=1)
    form = {"language": "en", "act": "send", "invitation": [first.pk, second.pk]}
    adas.post("remind/", form)
    assert "1 reminder is on its way. 1 person was left out" in adas.says()
    adas.post("remind/", form)  # pressed again
    assert OutgoingMail.objects.count() == 1


def test_words_that_are_too_long_are_refused_and_stay(adas, invite):
    form = {"message": "x" * 1001, "language": "en", "act": "send"}
    answer = adas.post("remind/", {**form, "invitation": [invite("Quiet").pk]})
    assert answer.status_code == 422
    assert "x" * 1001 in answer.content.decode()
    assert not OutgoingMail.objects.exists()


def test_nobody_ticked_is_said(adas, invite):
    invite("Quiet")
    answer = adas.post("remind/", {"language": "en", "act": "send"})
    assert answer.status_code == 422
    assert "Nobody is ticked." in text_of(answer)


def test_a_member_reminds_only_whom_they_invited(ben, group, invite):
    bens, adas_guest = Host(ben, group), invite("Adas")
    own = InvitationFactory(group=group, name="Own", created_by=ben)
    assert boxes(bens.get("remind/")) == {"Own": True}
    form = {"language": "en", "act": "send", "invitation": [own.pk, adas_guest.pk]}
    bens.post("remind/", form)
    assert OutgoingMail.objects.get().invitation == own


def test_hundreds_cost_as_many_queries_as_two(adas, invite, django_assert_max_num_queries):
    invite("One")
    with django_assert_max_num_queries(16):
        adas.get("remind/")
    for number in range(40):
        invite(f"Guest{number}")
    with django_assert_max_num_queries(16):
        assert len(boxes(adas.get("remind/"))) == 41


def test_a_server_that_sends_no_mail_offers_the_own_program(adas, invite, settings):
    quiet = invite("Quiet")
    settings.EMAIL_BACKEND = NOT_SENDING
    html = adas.get("remind/").content.decode()
    assert "This server sends no mail" in html
    assert 'href="mailto:quiet@example.org?subject=Do%20you%20have%20photos' in html
    adas.post("remind/", {"language": "en", "act": "send", "invitation": [quiet.pk]})
    assert not OutgoingMail.objects.exists()
