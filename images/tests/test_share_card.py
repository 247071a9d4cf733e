"""The share card of a group's page, and the first link of a group."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from html import unescape

import pytest
from django.db import connection
from django.utils import timezone

from groups.models import Group
from images.access import MemberAccess
from images.tests import drawn_pictures
from invitations import sharing, tokens
from invitations.models import Invitation, ShortAddress
from invitations.tests.factories import InvitationFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def shared(group, ada):
    return InvitationFactory(group=group, kind="shared", email="", name="", created_by=ada)


@pytest.fixture
def open_(group, signed_in):
    def open_as(person):
        return unescape(signed_in(person).get(f"/groups/{group.pk}/").content.decode())

    return open_as


@pytest.fixture
def share(group, signed_in):
    def share_as(person, act=""):
        return signed_in(person).post(
            f"/groups/{group.pk}/share/", {"act": act}, format="multipart"
        )

    return share_as


def is_large(html):
    return '<section class="card share is-open"' in html


# --- The first link -------------------------------------------------------------------------


def test_a_new_group_opens_on_its_own_link(ben, team, signed_in):
    client = signed_in(ben)
    form = {"team": str(team.pk), "name": "Hanna turns 40", "time_zone": "Europe/Vienna"}
    page = client.post("/groups/new/", form, format="multipart", follow=True)
    group = Group.objects.get()
    link = group.invitations.get()
    assert (link.kind, link.created_by, group.time_zone) == ("shared", ben, "Europe/Vienna")
    html = unescape(page.content.decode())
    assert is_large(html)
    assert f'value="{link.upload_link}"' in html
    assert "<svg" in html
    assert "mailto:?subject=" in html


@pytest.mark.parametrize("zone", ["", "Europe", "Mars/Olympus", "../../etc/passwd", "x" * 9000])
def test_a_time_zone_that_is_none_is_left_out(ben, team, signed_in, zone):
    form = {"team": str(team.pk), "name": "x", "time_zone": zone}
    answer = signed_in(ben).post("/groups/new/", form, format="multipart")
    assert answer.status_code == 302
    assert Group.objects.get().time_zone == "UTC"


def test_the_api_makes_no_link_that_nobody_asked_for(ben, team, signed_in):
    answer = signed_in(ben).post("/api/v1/groups/", {"name": "x", "team": str(team.pk)})
    assert answer.status_code == 201
    assert not Invitation.objects.exists()


def test_the_first_link_lives_for_thirty_days_after_the_evening(group):
    now, month = timezone.now(), timedelta(days=30)
    assert abs(sharing.until(group) - now - month) < timedelta(minutes=1)
    group.event_date = now.date() + timedelta(days=100)
    assert sharing.until(group).date() == group.event_date + month
    group.closes_at = now + timedelta(days=200)
    assert sharing.until(group) == group.closes_at + month
    group.event_date = date.max
    assert sharing.until(group) == sharing.LATEST


# --- Who sees what --------------------------------------------------------------------------


def test_viewers_see_no_link_and_no_button(vera, open_, shared):
    html = open_(vera)
    assert shared.token not in html
    assert "/share/" not in html
    assert "/add/" not in html
    assert "No photos yet" in html


def test_members_see_their_own_link_and_may_make_one(ben, ada, open_, share, shared, group):
    html = open_(ben)
    assert shared.token not in html
    assert "Somebody else in your team made a link" in html
    assert share(ben).status_code == 302
    own = Invitation.objects.get(created_by=ben)
    html = open_(ben)
    assert own.upload_link in html
    assert shared.token not in html
    # Owners manage both, and see the one that is handed out already.
    assert shared.upload_link in open_(ada)


def test_nobody_makes_a_link_who_may_not_add_photos(vera, dora, share, group):
    assert [share(vera).status_code, share(dora).status_code] == [403, 404]
    assert not Invitation.objects.exists()


def test_pressing_twice_makes_one_link(ada, share, group):
    share(ada)
    share(ada)
    assert Invitation.objects.count() == 1


@pytest.mark.usefixtures("bucket")
def test_with_photos_the_card_is_a_line_that_opens(ada, cleo, open_, shared):
    cleo.send_and_process(drawn_pictures.jpeg())
    html = open_(ada)
    assert '<details class="card share"' in html
    assert shared.upload_link in html
    assert not is_large(html)


# --- Links that cannot be handed out as they are ----------------------------------------------


def test_a_short_address_comes_first_and_is_what_is_scanned(ada, open_, shared, settings):
    ShortAddress.objects.create(word="hanna40", invitation=shared)
    html = open_(ada)
    host = settings.PUBLIC_URL.partition("://")[2]
    assert f"{host}/j/hanna40" in html
    assert f'value="{settings.PUBLIC_URL}/j/hanna40/"' in html
    assert shared.token not in html


def test_a_short_address_with_a_pin_says_so(ada, open_, shared):
    ShortAddress.objects.create(word="hanna40", invitation=shared, pin_hash="x")
    html = open_(ada)
    assert shared.token not in html  # which would lead past the PIN
    assert "It asks for your PIN" in html


def test_a_short_address_outlives_the_secret_of_its_link(ada, open_, shared):
    ShortAddress.objects.create(word="hanna40", invitation=shared)
    Invitation.objects.update(nonce=b"x" * tokens.NONCE_BYTES)
    html = open_(ada)
    assert "/j/hanna40/" in html
    assert "cannot be read any more" not in html


def test_owners_are_led_to_the_page_of_the_short_address(ada, ben, open_, share, shared, group):
    share(ben)
    page = f'href="/groups/{group.pk}/short-address/"'
    assert page in open_(ada)
    assert page not in open_(ben)
    assert f'href="/groups/{group.pk}/cards/"' in open_(ben)


def test_an_expired_link_opens_again_and_keeps_its_secret(ada, open_, share, shared):
    Invitation.objects.update(expires_at=timezone.now() - timedelta(days=1))
    html = open_(ada)
    assert "has expired" in html
    assert shared.token not in html
    share(ada, "open-again")
    assert shared.upload_link in open_(ada)
    assert Invitation.objects.get().digest == shared.digest


def test_what_somebody_else_did_meanwhile_stays(ada, share, shared):
    """Both buttons, pressed on a page that is old by now."""
    later = timezone.now() + timedelta(days=3)
    Invitation.objects.update(expires_at=later)
    share(ada, "open-again")
    share(ada, "renew")
    link = Invitation.objects.get()
    assert (link.expires_at, link.digest) == (later, shared.digest)
    Invitation.objects.update(revoked_at=timezone.now())
    share(ada, "renew")
    assert Invitation.objects.filter(revoked_at=None).count() == 1


def test_a_link_whose_secret_is_lost_can_be_renewed(ada, open_, share, shared):
    Invitation.objects.update(nonce=b"x" * tokens.NONCE_BYTES)
    assert "cannot be read any more" in open_(ada)
    assert share(ada, "renew").status_code == 302
    renewed = Invitation.objects.get()
    assert renewed.upload_link in open_(ada)
    assert renewed.digest != shared.digest


def test_a_closed_group_and_a_full_link_say_so(ada, open_, shared):
    Invitation.objects.update(max_files=1, used_files=1)
    assert "This link is full" in open_(ada)
    Group.objects.update(closes_at=timezone.now())
    assert "This group is closed" in open_(ada)


def test_the_mail_says_what_it_is_about(ada, open_, shared, group):
    Group.objects.update(name="Hanna & Söhne")
    mail = re.search(r'href="(mailto:[^"]+)"', open_(ada))[1]
    assert "Hanna%20%26%20S%C3%B6hne" in mail
    assert shared.token in mail


@pytest.mark.django_db(transaction=True)
def test_two_at_once_make_one_link(ada, group):
    access = MemberAccess(ada)
    both = threading.Barrier(2, timeout=10)

    def make():
        both.wait()
        try:
            return sharing.make_unless_open(group, access).pk
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        made = [future.result() for future in [pool.submit(make) for _ in range(2)]]
    assert made == [Invitation.objects.get().pk] * 2
