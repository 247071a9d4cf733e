"""What hosts learn about a link: opened, last seen, no photos. And what chats show beside it."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from bandpics.testing.matrix import few
from groups.models import Group, GroupLogo
from images.models import Image
from images.tests import drawn_pictures
from images.tests.guest_client import Guest, put
from invitations.models import Invitation
from invitations.tests.factories import InvitationFactory

pytestmark = pytest.mark.django_db


def path_of(invitation, rest=""):
    return urlsplit(invitation.upload_link).path + rest


@pytest.fixture
def opened(invitation):
    def post(client=None):
        answer = (client or Client(enforce_csrf_checks=True)).post(path_of(invitation, "opened/"))
        assert answer.status_code == 204
        invitation.refresh_from_db()
        return invitation.opened_at, invitation.last_seen_at

    return post


def minutes_ago(invitation, minutes):
    past = timezone.now() - timedelta(minutes=minutes)
    Invitation.objects.filter(pk=invitation.pk).update(opened_at=past, last_seen_at=past)
    return past


# --- Opened ---------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["get", "head", "options"])
def test_looking_at_the_link_does_not_open_it(client, invitation, verb):
    for rest in ("", "opened/", "picture/"):
        getattr(client, verb)(path_of(invitation, rest))
    invitation.refresh_from_db()
    assert (invitation.opened_at, invitation.last_seen_at) == (None, None)


def test_the_script_of_the_page_opens_it(opened):
    opened_at, last_seen_at = opened()
    assert opened_at == last_seen_at
    assert timezone.now() - opened_at < timedelta(minutes=1)


def test_the_first_opening_stays_and_the_last_sign_moves(opened, invitation):
    past = minutes_ago(invitation, 90)
    opened_at, last_seen_at = opened()
    assert opened_at == past
    assert timezone.now() - last_seen_at < timedelta(minutes=1)


def test_it_is_written_once_a_minute(opened, invitation, django_assert_max_num_queries):
    first = opened()
    with django_assert_max_num_queries(2):  # the link, and the test's own look
        assert opened() == first


def test_a_host_who_looks_does_not_count(opened, client, ada, vera, dora):
    for member in (ada, vera):
        client.force_login(member)
        assert opened(client) == (None, None)
    client.force_login(dora)  # signed in, and a guest here
    assert opened(client)[0] is not None


# --- Sending --------------------------------------------------------------------------------


@pytest.mark.usefixtures("bucket")
def test_sending_is_a_sign_of_life_and_takes_back_no_photos(invitation, cleo):
    Invitation.objects.filter(pk=invitation.pk).update(declined_at=timezone.now())
    cleo.send(drawn_pictures.jpeg())
    invitation.refresh_from_db()
    assert invitation.last_seen_at is not None
    assert invitation.declined_at is None


@pytest.mark.usefixtures("bucket")
def test_completing_later_is_one_too(invitation, cleo):
    ticket = cleo.announce_one(b"bytes")
    past = minutes_ago(invitation, 5)
    cleo.client.post(f"/api/v1/uploads/{ticket['id']}/complete/")  # before its bytes are there
    invitation.refresh_from_db()
    assert invitation.last_seen_at == past
    put(ticket["upload"], b"bytes")
    assert cleo.client.post(f"/api/v1/uploads/{ticket['id']}/complete/").status_code == 202
    invitation.refresh_from_db()
    assert invitation.last_seen_at > past


# --- "I have no photos" ---------------------------------------------------------------------


def test_a_guest_without_photos_says_so_and_may_take_it_back(invitation):
    client = Client(enforce_csrf_checks=True)
    assert "I have no photos" in client.get(path_of(invitation)).content.decode()
    for _ in range(2):  # pressing it twice is no other answer
        answer = client.post(path_of(invitation, "no-photos/"), follow=True)
        assert answer.redirect_chain == [(path_of(invitation) + "#no-photos", 303)]
        assert "Thank you for telling us" in unescape(answer.content.decode())
    invitation.refresh_from_db()
    assert invitation.declined_at is not None
    answer = client.post(path_of(invitation, "no-photos/"), {"undo": "1"}, follow=True)
    assert "Thank you for telling us" not in unescape(answer.content.decode())
    invitation.refresh_from_db()
    assert invitation.declined_at is None


def test_it_is_not_offered_on_a_shared_link(client, group):
    shared = InvitationFactory(group=group, kind="shared", email="")
    assert "no-photos" not in client.get(path_of(shared)).content.decode()
    assert client.post(path_of(shared, "no-photos/")).status_code == 404
    shared.refresh_from_db()
    assert shared.declined_at is None


def test_it_is_not_offered_to_who_has_sent_some(client, invitation):
    Invitation.objects.filter(pk=invitation.pk).update(used_files=1)
    assert "no-photos" not in client.get(path_of(invitation)).content.decode()


# --- The preview in chats -------------------------------------------------------------------


@pytest.fixture
def cover(group, cleo, bucket):
    image = cleo.send_and_process(drawn_pictures.jpeg())
    Image.objects.filter(pk=image.pk).update(moderation=Image.Moderation.APPROVED)
    Group.objects.filter(pk=group.pk).update(cover_id=image.pk, visibility="gallery")
    return image


def preview(invitation):
    """The page, and the answer at the address of its picture."""
    html = Client().get(path_of(invitation)).content.decode()
    found = re.search(r'property="og:image"\s+content="([^"]+)"', html)
    return html, Client().get(urlsplit(found[1]).path) if found else None


def test_title_date_and_venue_are_shown(invitation, group):
    Group.objects.filter(pk=group.pk).update(event_date="2026-06-21", venue='The "old" stand')
    html, picture = preview(invitation)
    assert 'property="og:title" content="Summer concert"' in " ".join(html.split())
    assert "Sunday, 21 June 2026 · The &quot;old&quot; stand · Add your photos" in html
    assert picture is None


def test_the_cover_is_shown_where_guests_see_the_gallery(invitation, cover):
    _html, picture = preview(invitation)
    assert picture.status_code == 302
    assert f"/{cover.variant_by_name['medium'].key}?" in picture["Location"]


@pytest.mark.parametrize(
    ("of", "change"),
    few(
        [
            ("group", {"visibility": "own"}),
            ("group", {"reveal_at": timezone.now() + timedelta(days=1)}),
            ("image", {"moderation": Image.Moderation.PENDING}),
            ("image", {"trashed_at": timezone.now()}),
            ("link", {"visibility": "drop"}),
            ("link", {"expires_at": timezone.now()}),
        ],
        2,
    ),
)
def test_the_cover_is_shown_to_nobody_who_may_not_see_it(invitation, cover, of, change):
    rows = {"group": Group.objects, "image": Image.objects, "link": Invitation.objects}[of]
    rows.update(**change)
    assert preview(invitation)[1] is None
    assert Client().get(path_of(invitation, "picture/")).status_code == 404


def test_without_a_cover_the_logo_is_shown(invitation, group):
    data = drawn_pictures.png(width=32, height=16)
    GroupLogo.objects.create(group=group, content=data, width=32, height=16)
    _html, picture = preview(invitation)
    assert (picture.status_code, picture["Content-Type"]) == (200, "image/png")
    assert picture.content == data


def test_a_preview_spends_nothing(invitation, cover):
    before = Invitation.objects.values().get(pk=invitation.pk)
    preview(invitation)
    assert Invitation.objects.values().get(pk=invitation.pk) == before


def test_photos_of_another_group_are_no_cover(invitation, cover):
    other = Guest(InvitationFactory()).invitation.group
    Image.objects.filter(pk=cover.pk).update(group=other)
    assert preview(invitation)[1] is None
