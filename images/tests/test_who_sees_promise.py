"""What a link's page and mail say of who sees the photos, followed to where it is kept."""

from __future__ import annotations

import re
from datetime import timedelta
from itertools import product

import pytest
from django.utils import timezone

from groups.models import Group
from images.models import Image
from images.tests import drawn_pictures
from images.tests.guest_client import Guest
from invitations import delivery
from invitations.models import Invitation
from invitations.tests.factories import InvitationFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bucket")]
SHOWN = re.compile("guests of this event are shown (them|those that they approve), too")
LATER = re.compile("guests of this event are shown (them|those that they approve) from:")
CASES = [
    *product(("drop", "own", "gallery"), ("", "drop", "gallery"), ("", "own", "gallery"), (False,)),
    ("gallery", "", "", True),
]
# Each choice of the group, with and without others of the links.
USUAL = [case for case in CASES if case[1:3] in {("", ""), ("drop", "gallery"), ("gallery", "own")}]
FOR_EACH_CASE = pytest.mark.parametrize(
    "cases", [USUAL, pytest.param(CASES, marks=pytest.mark.long)], ids=["usual", "all"]
)


@pytest.fixture
def emil(group):
    return Guest(InvitationFactory(group=group, name="Emil"))


@pytest.fixture
def image(cleo):
    return cleo.send_and_process(drawn_pictures.jpeg())


def says(client, invitation) -> str:
    return client.get(f"/i/{invitation.token}/").content.decode()


def sees(guest, image) -> bool:
    return str(image.pk) in guest.client.get("/api/v1/images/").content.decode()


@FOR_EACH_CASE
def test_the_page_says_that_others_may_see_it_exactly_where_they_can(
    client, cleo, emil, image, mailoutbox, ada, cases
):
    """Cleo reads it; Emil looks, once her photo is approved. Never before."""
    for of_group, of_cleo, of_emil, is_hidden in cases:
        reveal_at = timezone.now() + timedelta(days=1) if is_hidden else None
        Group.objects.update(visibility=of_group, reveal_at=reveal_at)
        Invitation.objects.filter(pk=cleo.invitation.pk).update(visibility=of_cleo)
        Invitation.objects.filter(pk=emil.invitation.pk).update(visibility=of_emil)
        text = says(client, cleo.invitation)
        assert bool(LATER.search(text)) == is_hidden
        Image.objects.update(moderation="pending")
        assert not sees(emil, image)
        Image.objects.update(moderation="approved")
        is_seen = sees(emil, image)
        case = of_group, of_cleo, of_emil
        # Of a gallery that only links made later would show, it is said, too.
        assert bool(SHOWN.search(text)) >= is_seen, case
        assert bool(SHOWN.search(text)) == (not is_hidden and "gallery" in case), case
        cleo.invitation.refresh_from_db()
        assert delivery.send_link(cleo.invitation, sender=ada, language="en")
        assert bool(SHOWN.search(mailoutbox[-1].body)) == ("gallery" in case), case


@FOR_EACH_CASE
def test_the_page_of_photos_shows_others_what_was_promised_and_nothing_before(
    client, cleo, emil, image, cases
):
    """Emil opens the page behind his link, in each case in which Cleo reads the promise."""
    path = f"/i/{emil.invitation.token}/photos/"
    link = f'href="{path}"'
    for of_group, of_cleo, of_emil, is_hidden in cases:
        reveal_at = timezone.now() + timedelta(days=1) if is_hidden else None
        Group.objects.update(visibility=of_group, reveal_at=reveal_at)
        Invitation.objects.filter(pk=cleo.invitation.pk).update(visibility=of_cleo)
        Invitation.objects.filter(pk=emil.invitation.pk).update(visibility=of_emil)
        for state in ["pending", "rejected", "approved"]:
            Image.objects.update(moderation=state)
            page = client.get(path)
            is_shown = page.status_code == 200 and f"/thumb/{image.pk}" in page.content.decode()
            case = of_group, of_cleo, of_emil, is_hidden, state
            assert is_shown == sees(emil, image), case
            assert page.status_code == (404 if "drop" in {of_emil or of_group} else 200), case
        # What is promised can be looked at: the page of the link leads there.
        text = says(client, emil.invitation)
        assert (link in text) == is_shown, case
        assert "/thumb/" not in text


def test_members_read_the_guests_words_beside_the_hosts(cleo, ada, ben, image, signed_in):
    words = 'Encore! "<b>loud</b>"'
    address = f"/api/v1/images/{image.pk}/"
    assert cleo.client.patch(address, {"caption": words}).status_code == 200
    assert signed_in(ada).patch(address, {"description": "Main stage"}).status_code == 200
    shown = "Encore! &quot;&lt;b&gt;loud&lt;/b&gt;&quot;"
    gallery = signed_in(ben).get(f"/groups/{image.group_id}/").content.decode()
    assert f'alt="{shown}"' in gallery
    page = signed_in(ben).get(f"/images/{image.pk}/").content.decode()
    assert f'alt="{shown}"' in page
    assert f'<p dir="auto">{shown}</p>' in page
    assert "Main stage" in page
    signed_in(ada).patch(address, {"caption": ""})
    assert 'alt="Main stage"' in signed_in(ben).get(f"/images/{image.pk}/").content.decode()
    signed_in(ada).patch(address, {"description": ""})
    assert 'alt="Photo by Cleo' in signed_in(ben).get(f"/images/{image.pk}/").content.decode()


def test_a_long_caption_is_read_out_only_in_part(cleo, ben, image, signed_in):
    cleo.client.patch(f"/api/v1/images/{image.pk}/", {"caption": "loud\n" * 400})
    page = signed_in(ben).get(f"/images/{image.pk}/").content.decode()
    (alt,) = re.findall(r'alt="(loud[^"]*)"', page)
    assert 200 < len(alt) <= 250
    assert page.count("loud<br>") == 399
