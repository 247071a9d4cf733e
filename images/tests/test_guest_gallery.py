"""What a link shows: nothing, one's own photos, or those of the group that were approved."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from groups.models import Group
from groups.tests.factories import GroupFactory
from images.models import Image
from images.tests import drawn_pictures, stored_photos
from images.tests.guest_client import Guest, get, send_as_member
from invitations.models import Invitation
from invitations.tests.factories import InvitationFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bucket")]


def stage(**more):
    return drawn_pictures.jpeg(lat=48.20821, lon=16.37384, altitude=180, direction=90, **more)


@pytest.fixture
def image(cleo, bucket):
    return stored_photos.by_guest(cleo, stage())


@pytest.fixture
def emil(group):
    return Guest(InvitationFactory(group=group, name="Emil"))


@pytest.fixture
def open_gallery(image):
    Group.objects.update(visibility="gallery")
    Image.objects.update(moderation="approved")


def listed(guest) -> list[str]:
    return [row["id"] for row in guest.client.get("/api/v1/images/").json()["results"]]


def status(guest, image, more: str = "") -> int:
    return guest.client.get(f"/api/v1/images/{image.pk}/{more}").status_code


def sees(guest, image) -> bool:
    answers = {status(guest, image), status(guest, image, "variants/thumb/")}
    is_seen = answers == {200, 302}
    assert is_seen or answers == {404}
    assert (str(image.pk) in listed(guest)) == is_seen
    return is_seen


@pytest.mark.usefixtures("open_gallery")
def test_a_gallery_shows_what_was_approved(image, emil):
    assert sees(emil, image)
    body = emil.client.get(f"/api/v1/images/{image.pk}/").json()
    assert get(body["variants"]["medium"]["url"]).status == 200
    for hidden in [{"moderation": "pending"}, {"moderation": "rejected"}]:
        Image.objects.update(**hidden)
        assert not sees(emil, image), hidden
    Image.objects.update(moderation="approved", trashed_at=timezone.now())
    assert not sees(emil, image)


@pytest.mark.usefixtures("open_gallery")
def test_what_is_not_done_is_not_shown(cleo, emil):
    upload = cleo.send(stage(seed=2))
    Image.objects.update(moderation="approved")
    assert status(emil, upload.image) == 404


@pytest.mark.usefixtures("open_gallery")
def test_before_the_reveal_a_guest_sees_only_their_own(cleo, image, emil):
    Group.objects.update(reveal_at=timezone.now() + timedelta(hours=1))
    assert sees(cleo, image)
    assert not sees(emil, image)
    Group.objects.update(reveal_at=timezone.now() - timedelta(hours=1))
    assert sees(emil, image)


@pytest.mark.usefixtures("open_gallery")
def test_the_link_may_say_otherwise_than_its_group(cleo, image, emil):
    for visibility, own, others in [
        ("drop", False, False),
        ("own", True, False),
        ("gallery", True, True),
        ("", True, True),
    ]:
        Invitation.objects.update(visibility=visibility)
        assert sees(cleo, image) == own, visibility
        assert sees(emil, image) == others, visibility
    Invitation.objects.update(visibility="gallery")
    Group.objects.update(visibility="drop")
    assert sees(emil, image)
    assert cleo.receipt()  # what was sent, anybody may know who sent it


@pytest.mark.usefixtures("open_gallery")
def test_a_gallery_ends_with_its_group_and_with_its_link(image, emil):
    elsewhere = Guest(InvitationFactory())
    Group.objects.update(visibility="gallery")
    assert not sees(elsewhere, image)
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert not sees(emil, image)


@pytest.mark.usefixtures("open_gallery")
def test_an_own_photo_stays_one_in_whatever_group_it_is(ada, cleo, image, emil, signed_in):
    """All that came by a link is its own; what else is in the other group is not."""
    elsewhere = GroupFactory(team=image.group.team, visibility="gallery")
    of_others = send_as_member(signed_in(ada), elsewhere, drawn_pictures.jpeg(seed=9))
    move = signed_in(ada).patch(f"/api/v1/images/{image.pk}/", {"group": str(elsewhere.pk)})
    assert move.status_code == 200, move.json()
    for query in ({}, {"group": str(elsewhere.pk)}, {"ids": f"{image.pk},{of_others.pk}"}):
        listed = cleo.client.get("/api/v1/images/", query).json()["results"]
        assert [row["id"] for row in listed] == [str(image.pk)]
    assert cleo.client.get(f"/api/v1/images/{image.pk}/").status_code == 200
    for client, other in ((cleo.client, of_others), (emil.client, image)):
        assert client.get(f"/api/v1/images/{other.pk}/").status_code == 404
        assert str(other.pk) not in client.get("/api/v1/images/").content.decode()


@pytest.mark.usefixtures("open_gallery")
def test_a_wall_without_a_device_shows_the_gallery_and_nothing_else(group, image):
    wall = Guest(InvitationFactory(group=group, kind="shared", email="", name=""), device="")
    assert sees(wall, image)
    Group.objects.update(visibility="own")
    assert not sees(wall, image)


@pytest.mark.usefixtures("open_gallery")
def test_another_s_photo_cannot_be_changed_and_its_original_not_had(image, emil):
    address = f"/api/v1/images/{image.pk}/"
    assert emil.client.patch(address, {"caption": "x"}).status_code == 403
    assert emil.client.delete(address).status_code == 403
    assert emil.client.delete(f"{address}location/").status_code == 403
    assert emil.client.post(f"{address}retry/").status_code == 403
    assert emil.client.post(f"{address}moderate/", {"decision": "approve"}).status_code == 403
    assert status(emil, image, "variants/original/") == 404


@pytest.mark.usefixtures("open_gallery")
def test_where_others_were_is_hidden_or_rounded(cleo, ada, image, emil, signed_in):
    def visible_to(client):
        return client.get(f"/api/v1/images/{image.pk}/").json()

    for client in [cleo.client, signed_in(ada)]:
        body = visible_to(client)
        assert body["exif"]["gps"]["lat"] == pytest.approx(48.20821, abs=1e-6)
        assert body["exif"]["raw"]["GPS"]
        assert body["gps_source"] == "exif"
    body = visible_to(emil.client)
    assert (body["exif"]["gps"], body["exif"]["raw"], body["gps_source"]) == (None, None, None)
    Group.objects.update(gps_policy="coarse")
    body = visible_to(emil.client)
    assert body["exif"]["raw"] is None
    assert body["exif"]["gps"] == {
        "lat": 48.21,
        "lon": 16.37,
        "altitude": None,
        "direction": None,
        "datetime": None,
    }
    assert visible_to(cleo.client)["exif"]["gps"]["altitude"] == 180
