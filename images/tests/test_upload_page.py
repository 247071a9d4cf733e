"""What the page behind a link says before somebody sends, and when it takes nothing."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from urllib.parse import urlsplit

import pytest
from django.utils import timezone

from bandpics.testing.matrix import few
from groups.models import Group, Membership
from images.views import in_app_browsers
from invitations.models import Invitation
from invitations.tests.factories import InvitationFactory

pytestmark = pytest.mark.django_db

IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 "
ANDROID = "Mozilla/5.0 (Linux; Android 15; Pixel 9 Build/BP1A; wv) AppleWebKit/537.36 "


@pytest.fixture
def opened(client, invitation, ada):
    """What a guest reads, as one line of text."""
    Invitation.objects.filter(pk=invitation.pk).update(created_by=ada)

    def open_(link: str = "", **headers: str) -> str:
        answer = client.get(urlsplit(link or invitation.upload_link).path, headers=headers)
        open_.status = answer.status_code
        return unescape(" ".join(answer.content.decode().split()))

    return open_


def set_group(group, **values):
    Group.objects.filter(pk=group.pk).update(**values)


# --- Before sending -------------------------------------------------------------------------


def test_it_says_who_asks_for_what(opened, group):
    set_group(
        group, event_name="Midsummer night", event_date="2026-06-21", venue="The old bandstand"
    )
    text = opened()
    assert "Ada (The Band) asks for your photos of" in text
    for words in ["Summer concert", "Midsummer night", "Sun, 21 June 2026", "old bandstand"]:
        assert words in text


def test_a_host_without_a_name_is_not_named_by_their_address(opened, ada):
    ada.name = ""
    ada.save()
    text = opened()
    assert "The Band asks for your photos of" in text
    assert ada.email not in text


def test_somebody_who_left_the_team_is_not_said_to_ask(opened, ada):
    Membership.objects.filter(user=ada).delete()
    assert not re.search(r"\bAda\b", opened())


@pytest.mark.parametrize("closes_first", [True, False])
def test_it_says_until_when_whichever_comes_first(opened, group, invitation, closes_first):
    days = 1 if closes_first else 30
    closes_at = timezone.now() + timedelta(days=days)
    set_group(group, closes_at=closes_at)
    until = closes_at if closes_first else invitation.expires_at
    text = opened()
    assert f'datetime="{until.isoformat()}"' in text
    assert text.count("data-local") == 1


@pytest.mark.parametrize(
    ("visibility", "reveals", "trusted", "says"),
    [
        ("drop", False, False, "Only the members of The Band."),
        ("own", False, False, "The members of The Band. Of the other guests, nobody."),
        ("gallery", False, True, "Other guests of this event are shown them, too."),
        ("gallery", False, False, "guests of this event are shown those that they approve, too."),
        ("gallery", True, False, "guests of this event are shown those that they approve from:"),
        ("gallery", True, True, "Other guests of this event are shown them from:"),
    ],
)
def test_it_says_who_will_see_the_photos(
    opened, group, invitation, visibility, reveals, trusted, says
):
    reveal_at = timezone.now() + timedelta(days=3) if reveals else None
    set_group(group, visibility=visibility, reveal_at=reveal_at, needs_approval=True)
    Invitation.objects.filter(pk=invitation.pk).update(trusted=trusted)
    text = opened()
    assert says in text
    assert not reveals or f'datetime="{reveal_at.isoformat()}"' in text
    set_group(group, needs_approval=False)
    assert "those that they approve" not in opened()


def test_what_other_links_show_counts_not_what_this_one_does(opened, group, invitation):
    """Others see Cleo's photos by their links: hers may say what it likes."""
    set_group(group, visibility="gallery")
    Invitation.objects.filter(pk=invitation.pk).update(visibility="drop")
    assert "guests of this event are shown those" in opened()
    set_group(group, visibility="drop")
    assert "Only the members of The Band." in opened()
    other = InvitationFactory(group=group, visibility="gallery")
    assert "guests of this event are shown those" in opened()
    Invitation.objects.filter(pk=other.pk).update(revoked_at=timezone.now())
    assert "Only the members of The Band." in opened()


@pytest.mark.parametrize(
    ("visibility", "policy", "says"),
    [
        ("own", "members", "only you and the members of The Band see the place"),
        ("gallery", "members", "only you and the members of The Band see the place"),
        ("gallery", "coarse", "guests who are shown the photo see it rounded to about a kilometre"),
        # Nobody else sees any of their photos, so nobody sees a place.
        ("own", "coarse", "only you and the members of The Band see the place"),
    ],
)
def test_it_says_what_happens_to_the_place(opened, group, visibility, policy, says):
    set_group(group, visibility=visibility, gps_policy=policy)
    assert says in opened()


def test_it_says_how_many_and_how_large(opened, invitation, settings):
    settings.UPLOAD_MAX_BYTES = 25 * settings.MIB
    assert "up to 25 MB each" in opened()
    Invitation.objects.filter(pk=invitation.pk).update(max_files=9, used_files=6)
    assert "Up to 3 more photos" in opened()
    Invitation.objects.filter(pk=invitation.pk).update(used_files=8)
    assert "1 more photo:" in opened()
    assert "Noch 1 Foto:" in opened(**{"Accept-Language": "de"})


def test_the_link_is_asked_for_photos_by_their_types(opened):
    text = opened()
    assert 'accept="image/' in text
    assert "image/heic" in text
    assert "multiple" in text


# --- In another app's browser ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("agent", "app"),
    few(
        [
            (IPHONE + "Mobile/15E148 Instagram 382.0.0.27.85 (iPhone16,1)", "Instagram"),
            (ANDROID + "Chrome/137.0 Mobile Safari/537.36 Instagram 382.0 Android", "Instagram"),
            (IPHONE + "Mobile/15E148 [FBAN/FBIOS;FBAV/513.0.0;FBDV/iPhone16,1]", "Facebook"),
            (ANDROID + "Chrome/137.0 Mobile [FB_IAB/FB4A;FBAV/513.0.0.;]", "Facebook"),
            (IPHONE + "Mobile/15E148 musical_ly_40.1 JsSdk/2.0 BytedanceWebview/d8a", "TikTok"),
            (IPHONE + "Mobile/15E148 [LinkedInApp]/9.31", "LinkedIn"),
            (IPHONE + "Version/18.5 Mobile/15E148 Snapchat/13.40 (like Safari/604)", "Snapchat"),
            (ANDROID + "Version/4.0 Chrome/137.0 Mobile Safari/537.36", "?"),
            (IPHONE + "Version/18.5 Mobile/15E148 Safari/604.1", ""),
            (IPHONE + "CriOS/137.0 Mobile/15E148 Safari/604.1", ""),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", ""),
            ("", ""),
        ],
        5,
    ),
)
def test_the_browser_of_an_app_is_known(opened, invitation, agent, app):
    assert in_app_browsers.name_of(agent) == app
    text = opened(**{"User-Agent": agent})
    assert ('id="in-app"' in text) is bool(app)
    if app:
        assert f'value="{invitation.upload_link}"' in text
        assert (f"open inside {app}." if app != "?" else "inside another app.") in text


# --- When it takes nothing ------------------------------------------------------------------

ASK = 'href="mailto:ada@example.org?subject=My%20link%20for%20photos%20of%20Summer%20concert"'


def test_a_closed_group_says_so_and_whom_to_ask(opened, group):
    set_group(group, closes_at=timezone.now())
    text = opened()
    assert opened.status == 200
    assert "The Band has closed this group" in text
    assert ASK in text
    assert 'id="send"' not in text


def test_a_full_link_says_so_and_whom_to_ask(opened, invitation):
    Invitation.objects.filter(pk=invitation.pk).update(max_files=2, used_files=2)
    text = opened()
    assert opened.status == 200
    assert "This link is full" in text
    assert ASK in text
    assert "more photo" not in re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)


def test_an_expired_link_says_so_and_whom_to_ask(opened, invitation):
    Invitation.objects.filter(pk=invitation.pk).update(expires_at=timezone.now())
    text = opened()
    assert opened.status == 403
    assert "This link has expired" in text
    assert ASK in text


def test_an_open_link_does_not_give_the_hosts_address_away(opened, ada):
    assert ada.email not in opened()


def test_a_withdrawn_or_unknown_link_tells_nothing(opened, invitation):
    Invitation.objects.filter(pk=invitation.pk).update(revoked_at=timezone.now())
    for link in [invitation.upload_link, "https://x/i/" + "A" * 43 + "/"]:
        text = opened(link)
        assert opened.status == 403
        assert "ask" in text.lower()
        for secret in ["mailto:", "Ada", "Band<", "The Band", "Summer concert", "ada@"]:
            assert secret not in text


def test_a_name_cannot_add_to_the_mail(opened, group, invitation):
    set_group(group, name="A&body=x\r\nBcc: y?", closes_at=timezone.now())
    text = opened()
    assert "subject=My%20link%20for%20photos%20of%20A%26body%3Dx%0D%0ABcc%3A%20y%3F" in text


def test_an_invitation_by_nobody_known_has_no_address(opened, group):
    set_group(group, closes_at=timezone.now())
    assert "mailto:" not in opened(InvitationFactory(group=group).upload_link)
