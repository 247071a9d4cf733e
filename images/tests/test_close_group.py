"""An owner closes the group by one act, calls who has sent nothing, and may open it again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from bandpics.testing.matrix import few
from groups.models import Group
from images.tests import drawn_pictures
from images.tests.guest_client import Guest, described
from invitations import closing
from invitations.models import OutgoingMail
from invitations.tests.factories import InvitationFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bucket")]


@pytest.fixture
def path(group):
    return f"/groups/{group.pk}/close/"


@pytest.fixture
def post(signed_in, ada, group, path):
    def post_(**form):
        seen = Group.objects.get(pk=group.pk).closes_at
        known = {"seen": seen.isoformat() if seen else "", "act": "save", "language": "en"}
        return signed_in(ada).post(path, {**known, **form}, format="multipart")

    return post_


@pytest.fixture
def sends_mail(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"


@pytest.fixture
def closes_at(group):
    return lambda: Group.objects.get(pk=group.pk).closes_at


def test_it_takes_two_clicks(ada, group, path, post, signed_in):
    assert f'href="{path}"' in signed_in(ada).get(f"/groups/{group.pk}/").content.decode()
    form = signed_in(ada).get(path).context["form"]
    answer = post(when=form["when"].value())
    assert (answer.status_code, answer["Location"]) == (302, f"/groups/{group.pk}/")
    assert Group.objects.get().is_closed
    page = answer.client.get(f"/groups/{group.pk}/").content.decode()
    assert "Closed since" in page
    assert "The group is closed." in page


def test_links_of_both_kinds_end_and_what_was_started_may_finish(group, cleo, post):
    crowd = Guest(InvitationFactory(group=group, kind="shared", email=""))
    data = drawn_pictures.jpeg()
    started = cleo.announce_one(data)
    post(when="now")
    for guest in (cleo, crowd):
        answer = guest.announce(described(drawn_pictures.jpeg(seed=2)))
        assert answer.json()["type"] == "/problems/group-closed/"
    assert cleo.announce(described(data)).json()["uploads"][0]["id"] == started["id"]


def test_it_closes_in_a_day_or_when_the_host_says(group, post, closes_at):
    post(when="day")
    assert abs(closes_at() - timezone.now() - timedelta(days=1)) < timedelta(minutes=1)
    Group.objects.update(time_zone="Europe/Vienna")
    assert post(when="date", at="2099-07-01T22:00").status_code == 302
    assert closes_at() == datetime(2099, 7, 1, 20, tzinfo=UTC)
    assert not Group.objects.get().is_closed


def test_the_pages_say_when_in_the_groups_time_zone(ada, group, signed_in, path):
    moment = datetime(2099, 7, 1, 20, tzinfo=UTC)
    Group.objects.update(time_zone="Europe/Vienna", closes_at=moment)
    for page in (f"/groups/{group.pk}/", path):
        shown = signed_in(ada).get(page).content.decode()
        assert "Closes on 1 July 2099, 22:00 (Europe/Vienna)" in shown


def test_it_is_opened_again_on_the_same_page(ada, post, path, signed_in, closes_at):
    post(when="now")
    page = signed_in(ada).get(path)
    assert "This group is closed" in page.content.decode()
    assert page.context["form"]["when"].value() == "never"
    assert post(when="never").status_code == 302
    assert closes_at() is None


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({}, "when"),
        ({"when": "soon"}, "when"),
        ({"when": "date"}, "at"),
        ({"when": "date", "at": "2001-01-01T10:00"}, "at"),
        ({"when": "date", "at": "tomorrow"}, "at"),
    ],
)
def test_nonsense_is_marked(post, form, field, closes_at):
    answer = post(**form)
    assert answer.status_code == 422
    assert set(answer.context["form"].errors) == {field}
    assert closes_at() is None


def test_the_second_of_two_hosts_is_told(group, post, closes_at):
    theirs = timezone.now() + timedelta(days=3)
    Group.objects.update(closes_at=theirs)
    answer = post(when="now", seen="")
    assert answer.status_code == 409
    assert "Somebody else changed meanwhile when the group closes" in answer.content.decode()
    assert closes_at() == theirs
    again = {"seen": theirs.isoformat()}
    assert post(when="now", **again).status_code == 302


@pytest.mark.parametrize(
    "seen", few(["x", "2026-13-40T00:00", "2026-01-01T00:00:00", "9" * 9000], 2)
)
def test_what_the_page_showed_may_be_nonsense(group, post, seen):
    Group.objects.update(closes_at=timezone.now() + timedelta(days=3))
    assert post(when="now", seen=seen).status_code == 409


# --- The last call --------------------------------------------------------------------------------


@pytest.fixture
def guests(group, sends_mail):
    """Two who have sent nothing, and all those who are not called."""
    ended = timezone.now() - timedelta(days=1)
    InvitationFactory(group=group, used_files=1)
    InvitationFactory(group=group, declined_at=ended)
    InvitationFactory(group=group, expires_at=ended)
    InvitationFactory(group=group, revoked_at=ended)
    InvitationFactory(group=group, kind="shared", email="")
    InvitationFactory()
    return {InvitationFactory(group=group), InvitationFactory(group=group)}


def called():
    rows = OutgoingMail.objects.filter(kind="last_call").select_related("invitation")
    return {row.invitation for row in rows}


def test_those_who_have_sent_nothing_are_called(ada, guests, post, path, signed_in):
    assert "Mail 2 last calls" in signed_in(ada).get(path).content.decode()
    answer = post(when="day", last_call="on", message="We miss yours!", language="de")
    assert answer.status_code == 302
    assert called() == guests
    row = OutgoingMail.objects.first()
    assert (row.message, row.language, row.sender) == ("We miss yours!", "de", ada)


@pytest.mark.parametrize("form", [{"when": "now", "last_call": "on"}, {"when": "day"}])
def test_nobody_is_called_without_need(guests, post, form):
    assert post(**form).status_code == 302
    assert called() == set()


def test_the_mail_is_shown_before(guests, post, group, closes_at):
    answer = post(
        act="preview", when="date", at="2099-07-01T22:00", last_call="on", message="We miss yours!"
    )
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "We miss yours!" in page
    assert "until 1 July 2099, 22:00 (UTC)" in page
    for guest in guests:
        assert guest.token not in page
    assert closes_at() is None
    assert called() == set()


def test_too_many_mails_are_refused_and_nothing_is_closed(guests, post, settings, closes_at):
    settings.MAILS_PER_DAY = 1
    answer = post(when="day", last_call="on")
    assert answer.status_code == 422
    assert "you may send 1 more" in answer.content.decode()
    assert closes_at() is None
    assert called() == set()


def test_twice_at_once_calls_once(guests, post):
    post(when="day", last_call="on")
    post(when="day", last_call="on")
    assert OutgoingMail.objects.count() == 2


def test_a_server_without_mail_promises_none(ada, group, path, signed_in, settings, cleo):
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    page = signed_in(ada).get(path).content.decode()
    assert "This server sends no mail" in page
    assert "last_call" not in page


def test_the_page_asks_as_often_for_many_guests(
    ada, group, path, signed_in, sends_mail, django_assert_max_num_queries
):
    for _ in range(12):
        InvitationFactory(group=group)
    assert closing.to_call(group).count() == 12
    client = signed_in(ada)
    with django_assert_max_num_queries(14):
        client.get(path)
