"""What others called their files, and the hash of them, is not for guests: neither shown, nor to
be found out by searching, sorting or downloading."""

from __future__ import annotations

import base64
import json

import pytest

from groups.models import Group
from images.models import Image
from images.tests import drawn_pictures, stored_photos
from images.tests.guest_client import Guest, get
from invitations.tests.factories import InvitationFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bucket")]
IMAGES = "/api/v1/images/"
NAME = "Zanzibar honeymoon.jpg"
PHOTO = drawn_pictures.jpeg(seed=5)


@pytest.fixture
def image(cleo):
    image = stored_photos.by_guest(cleo, PHOTO, filename=NAME)
    Group.objects.update(visibility="gallery")
    Image.objects.update(moderation="approved", caption="The encore")
    return image


@pytest.fixture
def emil(group):
    return Guest(InvitationFactory(group=group, name="Emil"))


def found(client, **query):
    """Ids, the same by cursor and by offset, which counts them, too."""
    rows = client.get(IMAGES, query).json()["results"]
    counted = client.get(IMAGES, {**query, "offset": 0}).json()
    ids = [row["id"] for row in rows]
    assert ([row["id"] for row in counted["results"]], counted["count"]) == (ids, len(ids))
    return ids


def test_only_whoever_sent_it_and_members_are_told(image, cleo, emil, ben, signed_in):
    for client, told in [
        (cleo.client, (NAME, image.sha256)),
        (signed_in(ben), (NAME, image.sha256)),
        (emil.client, (None, None)),
    ]:
        (listed,) = client.get(IMAGES).json()["results"]
        detail = client.get(f"{IMAGES}{image.pk}/").json()
        for body in (listed, detail):
            assert (body["original_filename"], body["sha256"]) == told


def test_nothing_another_guest_opens_or_downloads_names_the_file(image, emil):
    again = emil.send_and_process(PHOTO, filename="mine.jpg")
    assert again.status == "duplicate"
    addresses = [
        *(IMAGES, f"{IMAGES}{image.pk}/", f"{IMAGES}{again.pk}/", f"{IMAGES}?ids={image.pk}"),
        *("/api/v1/uploads/", f"/api/v1/uploads/{again.pk}/", f"/i/{emil.invitation.token}/"),
    ]
    answers = [emil.client.get(address) for address in addresses]
    for name in ("thumb", "small", "tile", "medium", "fullsize"):
        redirect = emil.client.get(f"{IMAGES}{image.pk}/variants/{name}/")
        answers.append(redirect)
        download = get(redirect["Location"])
        assert download.status == 200
        assert "Zanzibar" not in str(download.headers)
    for answer in answers:
        assert answer.status_code in (200, 302)
        said = f"{answer.headers} {answer.content.decode()}"
        assert "Zanzibar" not in said
        # Their own upload says what they announced; the hash of the photo it met is the same.
        if "/uploads/" not in answer.request["PATH_INFO"]:
            assert image.sha256 not in said


def test_a_search_finds_others_by_every_word_but_those_of_the_filename(
    image, cleo, emil, ben, signed_in
):
    for client in (cleo.client, signed_in(ben)):
        for words in ("zanzibar", "zanz", "encore honeymoon", "cleo zanzibar"):
            assert found(client, q=words) == [str(image.pk)], words
    for words in ("encore", "enc", "cleo", "the encore cleo"):
        assert found(emil.client, q=words) == [str(image.pk)], words
    for words in ("zanzibar", "zanz", "encore honeymoon", "jpg"):
        assert found(emil.client, q=words) == [], words
        since = "2026-01-01"
        assert found(emil.client, q=words, updated_since=since) == [], words
        assert found(emil.client, q=words, ids=str(image.pk)) == [], words
    emil.send_and_process(drawn_pictures.jpeg(seed=6), filename="zanzibar too.jpg")
    assert len(found(emil.client, q="zanzibar")) == 1


def test_an_own_photo_is_found_by_its_filename_without_a_device_none(image, group):
    wall = Guest(InvitationFactory(group=group, kind="shared", email="", name=""), device="")
    assert found(wall.client, q="encore") == [str(image.pk)]
    assert found(wall.client, q="zanzibar") == []


def test_guests_do_not_sort_by_filename(image, emil, ben, signed_in):
    """Its cursor would hold the name of the last photo of the page."""
    text = json.dumps(["original_filename", False, "Y", image.pk.hex]).encode()
    cursor = base64.urlsafe_b64encode(text).decode().rstrip("=")
    for query, pointer in [
        ({"ordering": "original_filename"}, "#/ordering"),
        ({"ordering": "-original_filename", "offset": 0}, "#/ordering"),
        ({"cursor": cursor}, "#/ordering"),
    ]:
        answer = emil.client.get(IMAGES, query)
        assert answer.status_code == 400
        (error,) = answer.json()["errors"]
        assert error["pointer"] == pointer
        assert "original_filename" not in error["detail"]
        assert signed_in(ben).get(IMAGES, query).status_code == 200
