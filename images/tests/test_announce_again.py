"""An announcement with an Idempotency-Key: made once, signed again each time."""

from __future__ import annotations

import pytest

from bandpics.users.models import IdempotencyRecord
from images.models import Upload
from images.tests.guest_client import described

pytestmark = pytest.mark.django_db
HEADERS = {"Idempotency-Key": "3f1c"}


def announce(guest, *files):
    body = {"files": list(files)}
    return guest.client.post("/api/v1/uploads/", body, headers=HEADERS)


def test_the_same_tickets_come_again_and_no_signature_was_kept(cleo, invitation):
    files = [described(b"one", sha256=""), described(b"two", sha256="")]
    first, again = announce(cleo, *files), announce(cleo, *files)
    assert (first.status_code, again.status_code) == (201, 201)
    ids = [[each["id"] for each in answer.json()["uploads"]] for answer in (first, again)]
    assert ids[0] == ids[1]
    assert "X-Amz-Signature" in again.json()["uploads"][0]["upload"]["url"]
    assert "X-Amz" not in str(IdempotencyRecord.objects.get().answer)
    assert Upload.objects.count() == 2
    invitation.refresh_from_db()
    assert invitation.used_files == 2


def test_other_files_with_the_same_key_are_refused(cleo):
    announce(cleo, described(b"one"))
    answer = announce(cleo, described(b"two"))
    assert answer.status_code == 422
    assert answer.json()["type"] == "/problems/idempotency-mismatch/"


def test_what_was_cancelled_meanwhile_is_said_to_be(cleo):
    ticket = announce(cleo, described(b"one")).json()["uploads"][0]
    cleo.client.delete(f"/api/v1/uploads/{ticket['id']}/")
    (again,) = announce(cleo, described(b"one")).json()["uploads"]
    assert again["status"] == "discarded"
    assert "upload" not in again


def test_what_is_gone_meanwhile_is_404(cleo):
    announce(cleo, described(b"one"))
    Upload.objects.all().delete()
    assert announce(cleo, described(b"one")).status_code == 404


def test_after_the_link_was_revoked_nothing_is_signed_again(cleo, invitation):
    announce(cleo, described(b"one"))
    type(invitation).objects.update(revoked_at=invitation.created_at)
    assert announce(cleo, described(b"one")).status_code == 403
