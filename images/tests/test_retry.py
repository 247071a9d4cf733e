"""Trying again what failed through no fault of the file."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone
from rest_framework.test import APIClient

from bandpics.users import api_keys
from groups.models import Group
from images import tasks
from images.models import Image, Upload
from images.processing import claims, outcomes, work
from images.tests import drawn_pictures
from images.tests.guest_client import Guest
from invitations.models import Invitation
from invitations.tests.factories import InvitationFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bucket")]


@pytest.fixture
def crashed(cleo):
    upload = cleo.send(drawn_pictures.jpeg())
    for _ in range(3):
        claims.claim(upload)
        Upload.objects.update(lease_until=F("lease_until") - timedelta(minutes=1))
    outcomes.fail_crashed()
    upload.refresh_from_db()
    assert upload.failure == "crashed"
    return upload


@pytest.fixture
def address(crashed):
    return f"/api/v1/images/{crashed.image_id}/retry/"


def test_a_crashed_photo_is_processed_once_more(ada, address, crashed, invitation, signed_in):
    invitation.refresh_from_db()
    assert invitation.used_files == 0
    answer = signed_in(ada).post(address)
    assert answer.status_code == 202, answer.json()
    assert answer.json()["status"] == "queued"
    invitation.refresh_from_db()
    assert (invitation.used_files, invitation.used_bytes) == (1, len(drawn_pictures.jpeg()))
    crashed.refresh_from_db()
    assert (crashed.attempt, crashed.failure) == (0, "")
    tasks.process_upload(str(crashed.pk))
    assert Image.objects.with_status().get().status == "done"


def test_a_key_that_may_not_read_retries_and_is_told_no_more(ada, address, crashed):
    _, key = api_keys.issue(ada, name="script", scopes=["upload"])
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {key}")
    for _ in range(2):
        answer = client.post(address)
        assert (answer.status_code, answer.content) == (204, b"")
    crashed.refresh_from_db()
    assert (crashed.status, crashed.failure) == ("queued", "")


def test_a_claim_from_before_closes_nothing_of_the_new_one(cleo, address, crashed, bucket):
    """A worker that was thought dead since the first round is at it still."""
    round_before = _claims_so_far(crashed)
    assert cleo.client.post(address).status_code == 202
    successor = claims.claim(crashed)
    assert successor is not None
    assert successor.attempt == 1
    for late in round_before:
        assert claims.release(late) is False
        assert outcomes.end(late, outcomes.failed("damaged")) is False
        with pytest.raises(claims.ClaimLost):
            work._work(late)
    assert bucket.head(crashed.incoming_key)
    work._work(successor)
    assert Image.objects.with_status().get().status == "done"


def _claims_so_far(upload: Upload) -> list[claims.Claim]:
    return [
        claims.Claim(upload, attempt=number, number=number, started_at=0.0) for number in (1, 2, 3)
    ]


def test_trying_twice_is_trying_once(cleo, address, invitation):
    assert cleo.client.post(address).status_code == 202
    assert cleo.client.post(address).status_code == 202
    invitation.refresh_from_db()
    assert invitation.used_files == 1


def test_who_may_try(client, ben, vera, dora, group, address, signed_in):
    assert client.post(address).status_code == 401
    assert signed_in(ben).post(address).status_code == 403
    assert signed_in(vera).post(address).status_code == 403
    assert signed_in(dora).post(address).status_code == 404
    assert Guest(InvitationFactory(group=group)).client.post(address).status_code == 404


def test_when_the_group_is_closed_guests_try_nothing(cleo, address):
    Group.objects.update(closes_at=timezone.now() - timedelta(seconds=1))
    assert cleo.client.post(address).json()["type"] == "/problems/group-closed/"


def test_a_full_link_has_no_room_for_it(cleo, address, crashed):
    Invitation.objects.update(max_files=0)
    assert cleo.client.post(address).json()["type"] == "/problems/invitation-exhausted/"
    crashed.refresh_from_db()
    assert crashed.status == "failed"


def test_bad_bytes_are_not_kept_and_the_answer_says_what_to_do(cleo):
    image = cleo.send_and_process(b"not a picture")
    answer = cleo.client.post(f"/api/v1/images/{image.pk}/retry/")
    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/cannot-retry/"
    assert "send the photo again" in answer.json()["detail"]


def test_bytes_that_are_gone_cannot_be_tried(cleo, address, crashed, bucket):
    bucket.delete_keys([crashed.incoming_key])
    assert cleo.client.post(address).json()["type"] == "/problems/cannot-retry/"


def test_what_did_not_fail_is_not_tried(cleo):
    image = cleo.send_and_process(drawn_pictures.jpeg())
    answer = cleo.client.post(f"/api/v1/images/{image.pk}/retry/")
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/cannot-retry/")
