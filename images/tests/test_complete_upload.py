"""Completing: the bucket is believed, never the browser; and any number of times."""

from __future__ import annotations

import base64
import json
import threading

import pytest
import redis
from celery import Celery
from django.conf import settings as live_settings
from django.db import connection
from django.utils import timezone

from bandpics.celery import app as celery_app
from images import tasks
from images.models import Upload
from images.tests import drawn_pictures
from images.tests.guest_client import Guest, put
from images.uploads import transfer
from invitations.models import Invitation
from invitations.tests.factories import InvitationFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def broker():
    client = redis.Redis.from_url(live_settings.REDIS_URL)
    client.flushdb()
    yield client
    client.close()


@pytest.mark.django_db(transaction=True)
def test_an_arrived_file_is_queued_once_however_often_it_is_completed(cleo, bucket, broker):
    data = drawn_pictures.jpeg()
    ticket = cleo.announce_one(data)
    put(ticket["upload"], data)
    codes = []

    def race() -> None:
        codes.append(cleo.complete(ticket["id"]).status_code)
        connection.close()

    threads = [threading.Thread(target=race) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(codes) == [200] * 11 + [202]
    assert broker.llen("images") == 1
    assert Upload.objects.get().status == "queued"


@pytest.mark.django_db(transaction=True)
def test_the_message_to_the_worker_is_an_id_and_nothing_else(cleo, bucket, broker):
    """So that workers of one version understand those of another."""
    upload = cleo.send(drawn_pictures.jpeg())
    message = json.loads(broker.lpop("images"))
    assert message["headers"]["task"] == "images.tasks.process_upload"
    assert json.loads(base64.b64decode(message["body"]))[:2] == [[str(upload.pk)], {}]


def test_too_early_is_409_and_says_so(cleo, bucket):
    ticket = cleo.announce_one(b"12345")
    answer = cleo.complete(ticket["id"])
    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/upload-not-arrived/"
    assert answer["Retry-After"] == "2"
    assert Upload.objects.get().status == "pending"


def test_another_size_that_slipped_in_is_removed(cleo, bucket, tmp_path):
    """Stores that ignore a signed length exist: what counts is what HEAD says."""
    ticket = cleo.announce_one(b"12345")
    (tmp_path / "x").write_bytes(b"123456")
    bucket.put_file(f"incoming/{ticket['id']}", tmp_path / "x", content_type="image/jpeg")

    answer = cleo.complete(ticket["id"])

    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/upload-mismatch/"
    assert list(bucket.list_keys("incoming/")) == []
    assert put(cleo.sign(ticket["id"]).json(), b"12345").status == 200
    assert cleo.complete(ticket["id"]).status_code == 202


def test_another_links_upload_is_not_there(cleo, group, bucket):
    ticket = cleo.announce_one(b"12345")
    put(ticket["upload"], b"12345")
    other = Guest(InvitationFactory(group=group))
    for answer in [
        other.complete(ticket["id"]),
        other.sign(ticket["id"]),
        other.client.delete(f"/api/v1/uploads/{ticket['id']}/"),
        other.client.get(f"/api/v1/uploads/{ticket['id']}/parts/"),
    ]:
        assert answer.status_code == 404
        assert answer.json()["type"] == "/problems/not-found/"


def test_a_link_revoked_meanwhile_completes_nothing(cleo, bucket):
    ticket = cleo.announce_one(b"12345")
    put(ticket["upload"], b"12345")
    upload = Upload.objects.select_related("image").get()
    Invitation.objects.update(revoked_at=timezone.now())
    assert cleo.complete(ticket["id"]).status_code == 403
    with pytest.raises(transfer.NotPending):
        transfer.complete(upload)  # nor does the sweeper
    assert Upload.objects.get().status == "pending"


def test_a_cancelled_upload_cannot_be_completed(cleo, bucket):
    ticket = cleo.announce_one(b"12345")
    put(ticket["upload"], b"12345")
    cleo.client.delete(f"/api/v1/uploads/{ticket['id']}/")
    assert cleo.complete(ticket["id"]).status_code == 409
    assert list(bucket.list_keys("incoming/")) == []


def test_what_has_arrived_cannot_be_cancelled(cleo, bucket):
    upload = cleo.send(drawn_pictures.jpeg())
    answer = cleo.client.delete(f"/api/v1/uploads/{upload.pk}/")
    assert answer.status_code == 409
    assert Upload.objects.get().status == "queued"


def test_a_complete_that_was_overtaken_says_it_is_complete(cleo, bucket):
    """Another tab completed it, and the worker was quick, while this call was on its way."""
    data = drawn_pictures.jpeg()
    ticket = cleo.announce_one(data)
    put(ticket["upload"], data)
    slow = Upload.objects.select_related("image").get()
    cleo.complete(ticket["id"])
    tasks.process_upload(ticket["id"])
    assert transfer.complete(slow) is False
    assert Upload.objects.get().status == "done"


def test_a_complete_overtaken_by_a_cancel_says_so(cleo, bucket):
    data = drawn_pictures.jpeg()
    ticket = cleo.announce_one(data)
    put(ticket["upload"], data)
    slow = Upload.objects.select_related("image").get()
    Upload.objects.update(status="discarded")
    with pytest.raises(transfer.NotPending):
        transfer.complete(slow)


@pytest.mark.django_db(transaction=True)
def test_with_redis_down_the_answer_is_still_202(cleo, bucket):
    data = drawn_pictures.jpeg()
    ticket = cleo.announce_one(data)
    put(ticket["upload"], data)
    dead = Celery("dead", broker="redis://127.0.0.1:1/0")
    dead.conf.task_publish_retry_policy = live_settings.CELERY_TASK_PUBLISH_RETRY_POLICY
    dead.set_current()
    try:
        answer = cleo.complete(ticket["id"])
    finally:
        celery_app.set_current()
    assert answer.status_code == 202
    assert Upload.objects.get().status == "queued"


def test_with_the_store_down_the_answer_is_503_and_nothing_is_lost(cleo, bucket, settings):
    data = drawn_pictures.jpeg()
    ticket = cleo.announce_one(data)
    put(ticket["upload"], data)
    stores = settings.STORAGES
    settings.STORAGES = {
        **stores,
        "default": {
            **stores["default"],
            "OPTIONS": {**stores["default"]["OPTIONS"], "endpoint_url": "http://127.0.0.1:1"},
        },
    }
    answer = cleo.complete(ticket["id"])
    assert answer.status_code == 503
    assert answer.json()["type"] == "/problems/unavailable/"
    assert "Retry-After" in answer
    settings.STORAGES = stores
    assert cleo.complete(ticket["id"]).status_code == 202
