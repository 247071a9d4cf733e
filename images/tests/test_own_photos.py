"""What guests may change of the photos they sent, and what the receipt says of them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from groups.models import Group
from images.models import Image
from images.tests import drawn_pictures, stored_photos
from images.tests.guest_client import Guest, described
from invitations.models import Invitation
from invitations.tests.factories import InvitationFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bucket")]

PLACE = {"location": {"lat": 48.2082, "lon": 16.3738}}


@pytest.fixture
def image(cleo):
    return stored_photos.by_guest(cleo, drawn_pictures.jpeg(seed=1))


def address(image, more=""):
    return f"/api/v1/images/{image.pk}/{more}"


def line_of(guest, image):
    return guest.client.get(f"/api/v1/uploads/{image.pk}/").json()


def close_group():
    Group.objects.update(closes_at=timezone.now() - timedelta(seconds=1))


def test_the_receipt_says_what_can_be_changed(cleo, image):
    photo = line_of(cleo, image)["photo"]
    assert photo == cleo.receipt()[0]["photo"]
    assert (photo["caption"], photo["location"], photo["gps_source"]) == ("", None, None)
    tag = {"If-Match": photo["etag"]}
    answer = cleo.client.patch(address(image), {"caption": "Encore"}, headers=tag)
    assert answer.status_code == 200
    assert line_of(cleo, image)["photo"]["caption"] == "Encore"
    assert cleo.client.patch(address(image), {"caption": "x"}, headers=tag).status_code == 412


def test_a_guest_pins_a_place_where_the_photo_has_none(cleo, image):
    assert cleo.client.patch(address(image), PLACE).status_code == 200
    photo = line_of(cleo, image)["photo"]
    assert (photo["location"], photo["gps_source"]) == (PLACE["location"], "person")
    assert cleo.client.patch(address(image), {"location": None}).status_code == 200
    assert line_of(cleo, image)["photo"]["location"] is None


def test_a_guest_does_not_overwrite_what_the_photo_says(cleo):
    image = cleo.send_and_process(drawn_pictures.jpeg(lat=1.5, lon=2.5))
    answer = cleo.client.patch(address(image), {**PLACE, "caption": "x"})
    assert answer.status_code == 409
    assert answer.json()["type"].endswith("/problems/place-from-photo/")
    image.refresh_from_db()
    assert (image.latitude, image.caption) == (1.5, "")
    # Forgotten on request, it may be told anew.
    assert cleo.client.delete(address(image, "location/")).status_code == 200
    assert cleo.client.patch(address(image), PLACE).status_code == 200


@pytest.mark.parametrize("location", [{"lat": 91, "lon": 0}, {"lat": 1}, {"lat": "x", "lon": 1}])
def test_a_place_that_is_none_is_refused(cleo, image, location):
    assert cleo.client.patch(address(image), {"location": location}).status_code == 400


def test_nothing_of_another_guest_s_photo(image, group):
    emil = Guest(InvitationFactory(group=group, name="Emil", email="emil@example.org"))
    assert emil.client.patch(address(image), PLACE).status_code == 404
    assert emil.client.get(f"/api/v1/uploads/{image.pk}/").status_code == 404


def test_of_a_shared_link_only_the_device_that_sent_it(group):
    link = InvitationFactory(group=group, kind="shared", email="", name="")
    mine, other, none = Guest(link), Guest(link, device="f" * 32), Guest(link, device="")
    image = mine.send_and_process(drawn_pictures.jpeg(seed=2))
    assert mine.client.patch(address(image), PLACE).status_code == 200
    for guest in (other, none):
        assert guest.client.patch(address(image), PLACE).status_code == 404
        assert guest.client.delete(address(image)).status_code == 404


def test_without_a_device_nobody_is_told_of_a_place(group):
    """Those who hold the link without one share their uploads; they do not share their lives."""
    nobody = Guest(InvitationFactory(group=group, kind="shared", email="", name=""), device="")
    image = nobody.send_and_process(drawn_pictures.jpeg(lat=1.5, lon=2.5))
    assert line_of(nobody, image)["photo"] is None


def test_after_the_group_is_closed_a_guest_changes_nothing(cleo, image):
    close_group()
    for answer in (
        cleo.client.patch(address(image), {"caption": "x"}),
        cleo.client.patch(address(image), PLACE),
        cleo.client.delete(address(image)),
    ):
        assert answer.status_code == 403
        assert answer.json()["type"].endswith("/problems/group-closed/")
    assert line_of(cleo, image)["photo"] is None


def test_an_expired_link_still_lets_its_guest_take_a_photo_back(cleo, image):
    Invitation.objects.update(expires_at=timezone.now() - timedelta(days=1))
    assert cleo.client.delete(address(image)).status_code == 204
    assert line_of(cleo, image)["photo"]["trashed_at"]
    assert cleo.client.post(address(image, "restore/")).status_code == 200


def test_a_link_that_shows_nothing_lets_its_guest_change_what_they_sent(cleo, image):
    Group.objects.update(visibility="drop")
    assert cleo.client.get(address(image)).status_code == 404
    assert cleo.client.patch(address(image), {"caption": "Encore"}).status_code == 204
    assert line_of(cleo, image)["photo"]["caption"] == "Encore"
    assert cleo.client.delete(address(image)).status_code == 204
    assert cleo.client.post(address(image, "restore/")).status_code == 204


def test_what_a_host_threw_away_is_not_offered_back(cleo, image, ada, signed_in):
    assert signed_in(ada).delete(address(image)).status_code == 204
    assert line_of(cleo, image)["photo"] is None


def test_the_receipt_says_how_much_room_is_left(cleo):
    def room():
        return cleo.client.get("/api/v1/uploads/").json()["room"]

    assert room() == {"files": None, "bytes": None}
    Invitation.objects.update(max_files=3, max_bytes=1000)
    ticket = cleo.announce_one(b"x" * 400)
    assert room() == {"files": 2, "bytes": 600}
    assert cleo.client.delete(f"/api/v1/uploads/{ticket['id']}/").status_code == 204
    assert room() == {"files": 3, "bytes": 1000}
    Invitation.objects.update(used_files=9)
    assert room()["files"] == 0


def test_the_receipt_lists_three_hundred(cleo):
    for batch in range(3):
        files = [described(b"%d" % (100 * batch + n)) for n in range(100)]
        assert cleo.announce(*files).status_code == 201
    answer = cleo.client.get("/api/v1/uploads/").json()
    assert (len(answer["results"]), answer["next"]) == (300, None)


# --- The page -------------------------------------------------------------------------------


def page_of(guest, image):
    return f"/i/{guest.invitation.token}/photos/{image.pk}/place/"


def test_the_page_of_a_shared_link_is_the_same_for_every_id(client, group):
    guest = Guest(InvitationFactory(group=group, kind="shared", email="", name=""))
    image = guest.send_and_process(drawn_pictures.jpeg(seed=3), filename="secret name.jpg")
    answer = client.get(page_of(guest, image))
    assert answer.status_code == 200
    assert "secret name" not in answer.content.decode()
    image.pk = "01900000-0000-7000-8000-000000000000"
    assert client.get(page_of(guest, image)).status_code == 200


def test_the_page_of_a_personal_link_knows_its_photos(client, cleo, image, group):
    assert "IMG_0001.jpg" in client.get(page_of(cleo, image)).content.decode()
    emil = Guest(InvitationFactory(group=group, name="Emil", email="emil@example.org"))
    assert client.get(page_of(emil, image)).status_code == 404
    assert client.post(page_of(emil, image), {"latitude": 1, "longitude": 2}).status_code == 404


def test_the_plain_form_saves_a_place(client, cleo, image):
    answer = client.post(page_of(cleo, image), {"latitude": "48,5", "longitude": "-16.25"})
    assert answer.status_code == 302
    image.refresh_from_db()
    found = (image.latitude, image.longitude, image.gps_source)
    assert found == (48.5, -16.25, Image.GpsSource.PERSON)


def test_the_plain_form_obeys_the_same_rules(client, cleo, image):
    known = cleo.send_and_process(drawn_pictures.jpeg(lat=1.5, lon=2.5))
    form = {"latitude": "48", "longitude": "16"}
    assert client.post(page_of(cleo, known), form).status_code == 409
    for wrong in ({}, {"latitude": "91", "longitude": "1"}, {"latitude": "nan", "longitude": "1"}):
        assert client.post(page_of(cleo, image), wrong).status_code == 422
    close_group()
    assert client.post(page_of(cleo, image), form).status_code == 403
    assert client.get(page_of(cleo, image)).status_code == 403
    image.refresh_from_db()
    assert image.latitude is None


def test_a_dead_link_is_dead_here_too(client, cleo, image):
    Invitation.objects.update(revoked_at=timezone.now())
    assert client.get(page_of(cleo, image)).status_code == 403


def test_only_this_page_may_load_a_map(client, cleo, image):
    def policy(path):
        return client.get(path)["Content-Security-Policy"]

    assert "tile.openstreetmap.org" in policy(page_of(cleo, image))
    assert "tile.openstreetmap.org" not in policy(f"/i/{cleo.invitation.token}/")
