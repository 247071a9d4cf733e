"""Owners decide what guests see of other people's photos."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from bandpics.users import api_keys
from images.lifecycle import moderation
from images.models import Image
from images.tests import drawn_pictures, stored_photos
from images.tests.guest_client import Guest, send_as_member
from invitations.tests.factories import InvitationFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bucket")]


@pytest.fixture
def image(cleo):
    return stored_photos.by_guest(cleo, drawn_pictures.jpeg())


@pytest.fixture
def address(image):
    return f"/api/v1/images/{image.pk}/moderate/"


def test_photos_of_guests_wait_unless_their_link_is_trusted(cleo, ben, group, signed_in):
    assert cleo.send_and_process(drawn_pictures.jpeg(seed=1)).moderation == "pending"
    trusted = Guest(InvitationFactory(group=group, trusted=True))
    assert trusted.send_and_process(drawn_pictures.jpeg(seed=2)).moderation == "approved"
    own = send_as_member(signed_in(ben), group, drawn_pictures.jpeg(seed=3))
    assert own.moderation == "approved"


def test_the_last_word_counts(ada, image, address, signed_in):
    client = signed_in(ada)
    answer = client.post(address, {"decision": "reject", "reason": "Too dark"})
    assert (answer.status_code, answer.json()) == (
        200,
        {"id": str(image.pk), "moderation": "rejected", "moderation_reason": "Too dark"},
    )
    answer = client.post(address, {"decision": "approve", "reason": "ignored"})
    assert answer.json()["moderation"] == "approved"
    assert answer.json()["moderation_reason"] == ""
    assert client.post(address, {"decision": "approve"}).status_code == 200


def test_whose_photo_it_is_learns_the_reason(ada, cleo, image, address, signed_in):
    signed_in(ada).post(address, {"decision": "reject", "reason": "Too dark"})
    body = cleo.client.get(f"/api/v1/images/{image.pk}/").json()
    assert (body["moderation"], body["moderation_reason"]) == ("rejected", "Too dark")


def test_owners_only(client, cleo, ben, vera, dora, group, address, signed_in):
    body = {"decision": "approve"}
    assert client.post(address, body, content_type="application/json").status_code == 401
    for user in [ben, vera]:
        assert signed_in(user).post(address, body).status_code == 403
    assert cleo.client.post(address, body).status_code == 403
    assert signed_in(dora).post(address, body).status_code == 404
    assert Guest(InvitationFactory(group=group)).client.post(address, body).status_code == 404
    assert Image.objects.get().moderation == "pending"


def test_a_key_needs_the_scope(ada, address):
    client = APIClient()
    for scope, status in [("upload", 403), ("admin", 403), ("moderate", 200)]:
        _, text = api_keys.issue(ada, name=scope, scopes=["read", scope])
        client.credentials(HTTP_AUTHORIZATION=f"Api-Key {text}")
        assert client.post(address, {"decision": "approve"}).status_code == status, scope


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/decision"),
        ({"decision": "approved"}, "#/decision"),
        ({"decision": "reject", "reason": "x" * 501}, "#/reason"),
    ],
)
def test_bad_input_is_named(ada, address, signed_in, body, pointer):
    answer = signed_in(ada).post(address, body)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == pointer


def test_what_is_in_the_trash_is_not_decided(ada, image, address, signed_in):
    client = signed_in(ada)
    client.delete(f"/api/v1/images/{image.pk}/")
    assert client.post(address, {"decision": "approve"}).status_code == 404


def test_who_decided_and_when_is_kept(ada, ben, image, address, signed_in):
    signed_in(ada).post(address, {"decision": "reject"})
    image.refresh_from_db()
    assert image.moderated_by == ada
    assert image.moderated_at
    signed_in(ada).post(address, {"decision": "wait"})
    image.refresh_from_db()
    assert (image.moderation, image.moderated_by, image.moderated_at) == ("pending", None, None)


def test_all_that_wait_are_approved_at_once(ada, cleo, group, django_assert_num_queries):
    waiting = [cleo.send_and_process(drawn_pictures.jpeg(seed=n)).pk for n in range(3)]
    moderation.moderate(waiting[:1], moderation.REJECT, by=ada)
    elsewhere = Guest(InvitationFactory()).send_and_process(drawn_pictures.jpeg())
    with django_assert_num_queries(7):  # two of them begin and end a savepoint
        assert moderation.approve_all_waiting(group, by=ada) == 2
    states = Image.objects.in_group(group).order_by("id").values_list("moderation", flat=True)
    assert list(states) == ["rejected", "approved", "approved"]
    assert Image.objects.get(pk=elsewhere.pk).moderation == "pending"


def test_a_decision_that_another_host_has_made_meanwhile_stays(ada, ben, image):
    moderation.moderate([image.pk], moderation.REJECT, by=ada)
    decided = moderation.moderate([image.pk], moderation.APPROVE, by=ben, expected="pending")
    assert (decided, Image.objects.get().moderation) == (0, "rejected")
