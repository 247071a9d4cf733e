"""Mails to members about photos that arrived, by a real mail server."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from groups import subscriptions
from groups.models import GroupSubscription, Membership
from images import tasks
from images.lifecycle import news
from images.models import Image, Upload, UploaderKey, UploaderKind
from images.tests import bulk_rows
from invitations import delivery, outbox
from invitations.models import OutgoingMail
from invitations.tests.mail_server import MailServer

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def smtp(settings):
    server = MailServer()
    server.start(settings)
    yield server
    server.stop()


@pytest.fixture
def subscribed(ada, group):
    """Ada asked for mails three hours ago."""
    subscriptions.subscribe(ada, group, language="en")
    GroupSubscription.objects.update(told_until=timezone.now() - timedelta(hours=3))


def arrive(group, *, name="Anna", minutes_ago=15, count=1, **columns):
    uploader = UploaderKey(UploaderKind.MEMBER, name) if name else bulk_rows.SOMEBODY
    for _ in range(count):
        photo = bulk_rows.photo(group, **{"uploader": uploader, "uploader_name": name, **columns})
        finished_at = timezone.now() - timedelta(minutes=minutes_ago)
        Upload.objects.filter(image=photo).update(finished_at=finished_at)


def mails(smtp):
    tasks.tell_subscribers()
    delivery.send_due()
    return smtp.mails


def test_one_mail_tells_who_added_how_many(smtp, ada, group, subscribed):
    arrive(group, name="Anna", count=3)
    arrive(group, name="Ben")
    arrive(group, name="", moderation="pending")
    (mail,) = mails(smtp)
    assert smtp.recipients == ["ada@example.org"]
    assert mail["Subject"] == f"5 new photos in {group.name}"
    text = mail.get_content()
    assert "Anna added 3 photos.\r\n" in text
    assert "Ben added 1 photo.\r\n" in text
    assert "Somebody added 1 photo.\r\n" in text
    assert "1 photo of the group waits for approval." in text
    assert f"/groups/{group.pk}/\r\n" in text
    assert len(mails(smtp)) == 1  # what was told is not told again
    arrive(group, name="Anna", minutes_ago=11)
    GroupSubscription.objects.update(told_until=timezone.now() - timedelta(minutes=12))
    assert mails(smtp)[1]["Subject"] == f"Anna added 1 photo to {group.name}"


def test_while_photos_arrive_it_waits_but_not_for_more_than_an_hour(smtp, group, subscribed):
    arrive(group, minutes_ago=2)
    assert mails(smtp) == []
    arrive(group, minutes_ago=59)
    assert mails(smtp) == []
    arrive(group, minutes_ago=61)
    (mail,) = mails(smtp)
    assert mail["Subject"] == f"Anna added 3 photos to {group.name}"


def test_a_name_adds_no_lines_to_a_mail(smtp, group, subscribed):
    arrive(group, uploader_name="Anna\r\n\r\nSign in again:\nhttps://evil.example")
    (mail,) = mails(smtp)
    lines = mail.get_content().splitlines()
    assert "Anna Sign in again: https://evil.example added 1 photo." in lines
    assert not [line for line in lines if line.startswith(("Sign in", "https://evil"))]


def test_of_many_uploaders_those_with_most_photos_are_named(smtp, group, subscribed):
    for number in range(news.MOST_UPLOADERS + 2):
        arrive(group, name=f"Guest {number}", count=2 if number == 21 else 1)
    (mail,) = mails(smtp)
    text = mail.get_content()
    assert "Guest 21 added 2 photos." in text
    assert text.count("added") == news.MOST_UPLOADERS
    assert "2 photos came from other people." in text


def test_only_who_asked_and_still_may_see_the_group_is_told(smtp, ada, ben, group, subscribed):
    arrive(group, count=2)
    arrive(group, trashed_at=timezone.now())
    assert OutgoingMail.objects.count() == 0
    tasks.tell_subscribers()
    assert OutgoingMail.objects.count() == 1
    Membership.objects.filter(user=ada).delete()
    assert mails(smtp) == []
    assert OutgoingMail.objects.get().state == "discarded"


def test_ones_own_photos_are_no_news(smtp, ada, group, subscribed):
    arrive(group, uploaded_by=ada)
    assert mails(smtp) == []


def test_what_stopped_in_between_sends_nothing(smtp, ada, group, subscribed):
    arrive(group)
    tasks.tell_subscribers()
    subscriptions.unsubscribe(ada, group)
    assert mails(smtp) == []


def test_the_page_starts_and_stops_them_in_its_language(smtp, signed_in, vera, ada, group, client):
    browser = signed_in(vera)
    page = browser.get(f"/groups/{group.pk}/").content.decode()
    assert "Mail me about new photos" in page
    url = f"/groups/{group.pk}/mails/"
    answer = browser.post(
        url, {"wanted": "yes"}, format="multipart", headers={"Accept-Language": "de"}
    )
    assert answer.status_code == 302
    row = GroupSubscription.objects.get()
    assert (row.user, row.language) == (vera, "de")
    assert "Stop these mails" in browser.get(f"/groups/{group.pk}/").content.decode()
    browser.post(url, {"wanted": "no"}, format="multipart")
    assert not GroupSubscription.objects.exists()


def test_a_server_without_mail_offers_none(signed_in, ada, group, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    page = signed_in(ada).get(f"/groups/{group.pk}/").content.decode()
    assert "Mail me about new photos" not in page
    tasks.tell_subscribers()


def test_old_mails_to_members_are_forgotten(smtp, group, subscribed):
    arrive(group)
    assert len(mails(smtp)) == 1
    long_ago = timezone.now() - outbox.KEPT_TO_MEMBERS - timedelta(days=1)
    OutgoingMail.objects.update(created_at=long_ago)
    delivery.send_due()
    assert not OutgoingMail.objects.exists()
    assert Image.objects.count() == 1
