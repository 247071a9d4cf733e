"""The signed PUT, against the real store: exactly what was announced, or nothing."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
import urllib3

from images.storage.objects import ObjectMissing
from images.tests import drawn_pictures
from images.tests.guest_client import put

pytestmark = pytest.mark.django_db


def test_the_announced_bytes_arrive_in_quarantine(cleo, bucket):
    data = drawn_pictures.jpeg()
    ticket = cleo.announce_one(data)
    assert put(ticket["upload"], data).status == 200
    assert bucket.head(f"incoming/{ticket['id']}").byte_size == len(data)


def test_another_size_is_refused_by_the_store(cleo, bucket):
    ticket = cleo.announce_one(b"12345")
    assert put(ticket["upload"], b"123456").status == 403
    with pytest.raises(ObjectMissing):
        bucket.head(f"incoming/{ticket['id']}")


def test_another_type_is_refused_by_the_store(cleo, bucket):
    ticket = cleo.announce_one(b"12345")
    assert put(ticket["upload"], b"12345", **{"Content-Type": "text/html"}).status == 403


def test_an_old_signature_is_refused_and_a_fresh_one_is_not(cleo, bucket, settings):
    settings.UPLOAD_URL_LIFETIME = timedelta(seconds=1)
    ticket = cleo.announce_one(b"12345")
    settings.UPLOAD_URL_LIFETIME = timedelta(minutes=15)
    time.sleep(2.1)
    assert put(ticket["upload"], b"12345").status in {400, 403}  # AWS says 403, rclone 400
    fresh = cleo.sign(ticket["id"])
    assert fresh.status_code == 200
    assert put(fresh.json(), b"12345").status == 200


def test_a_browser_may_put_from_our_page(cleo, bucket, settings):
    """CORS: the preflight a browser sends before the PUT."""
    ticket = cleo.announce_one(b"12345")
    answer = urllib3.request(
        "OPTIONS",
        ticket["upload"]["url"],
        headers={
            "Origin": settings.PUBLIC_URL,
            "Access-Control-Request-Method": "PUT",
            "Access-Control-Request-Headers": "content-type",
        },
    )
    assert answer.status in {200, 204}
    assert answer.headers["Access-Control-Allow-Origin"] in {"*", settings.PUBLIC_URL}


def test_signing_is_for_pending_uploads_only(cleo, bucket):
    upload = cleo.send(drawn_pictures.jpeg())
    answer = cleo.sign(str(upload.pk))
    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/upload-not-pending/"
