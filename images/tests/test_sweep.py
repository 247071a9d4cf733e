"""The sweeper: whatever was lost on the way goes on, and what never came is given up."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
import redis
from celery import Celery
from django.conf import settings as live_settings
from django.db import connection
from django.db.models import F
from django.utils import timezone

from bandpics.celery import app as celery_app
from images.lifecycle import sweeper
from images.models import Upload
from images.processing import claims
from images.tests import drawn_pictures
from images.tests.guest_client import put
from invitations.models import Invitation

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bucket")]


@pytest.fixture
def broker():
    client = redis.Redis.from_url(live_settings.REDIS_URL)
    client.flushdb()
    yield client
    client.close()


def grow_old(**lengths: timedelta) -> None:
    Upload.objects.update(**{name: F(name) - length for name, length in lengths.items()})


def test_a_stalled_upload_is_completed_if_its_bytes_are_there(cleo, broker):
    ticket = cleo.announce_one(b"12345")
    put(ticket["upload"], b"12345")

    sweeper.sweep()
    assert Upload.objects.get().status == "pending"  # it may still be talking

    grow_old(created_at=timedelta(minutes=11))
    sweeper.sweep()
    assert Upload.objects.get().status == "queued"
    assert broker.llen("images") == 1


def test_what_never_came_is_discarded_after_a_day_and_its_quota_returned(cleo, invitation):
    cleo.announce_one(b"12345")
    grow_old(created_at=timedelta(hours=23))
    sweeper.sweep()
    assert Upload.objects.get().status == "pending"

    grow_old(created_at=timedelta(hours=2))
    sweeper.sweep()
    assert Upload.objects.get().status == "discarded"
    invitation.refresh_from_db()
    assert (invitation.used_files, invitation.used_bytes) == (0, 0)


def test_bytes_that_lay_there_for_a_day_are_accepted(cleo):
    """Nobody swept for a day: they are not thrown away unseen."""
    ticket = cleo.announce_one(b"12345")
    put(ticket["upload"], b"12345")
    grow_old(created_at=timedelta(hours=25))
    sweeper.sweep()
    assert Upload.objects.get().status == "queued"


def test_while_the_bucket_does_not_answer_nothing_is_discarded(cleo, s3_proxy):
    cleo.announce_one(b"12345")
    grow_old(created_at=timedelta(hours=25))
    s3_proxy.down()
    sweeper.sweep()
    assert Upload.objects.get().status == "pending"


def test_parts_that_never_became_whole_are_dropped_after_a_day(cleo, bucket, settings):
    settings.MULTIPART_THRESHOLD_BYTES = settings.MULTIPART_PART_BYTES = 10_000
    ticket = cleo.announce_one(bytes(15_000))
    put(cleo.sign(ticket["id"], part=1).json(), bytes(10_000))
    grow_old(created_at=timedelta(hours=25))
    sweeper.sweep()
    assert Upload.objects.get().status == "discarded"
    assert list(bucket.list_keys("incoming/")) == []


def test_nothing_of_a_revoked_link_is_accepted(cleo, bucket):
    ticket = cleo.announce_one(b"12345")
    put(ticket["upload"], b"12345")
    Invitation.objects.update(revoked_at=timezone.now())
    grow_old(created_at=timedelta(minutes=11))
    sweeper.sweep()
    assert Upload.objects.get().status == "pending"
    grow_old(created_at=timedelta(hours=25))
    sweeper.sweep()
    assert Upload.objects.get().status == "discarded"
    assert list(bucket.list_keys("incoming/")) == []


def test_redis_lost_everything_and_nothing_is_lost(cleo, broker):
    upload = cleo.send(drawn_pictures.jpeg())
    assert broker.llen("images") == 1
    broker.flushdb()

    sweeper.sweep()
    assert broker.llen("images") == 0  # perhaps it only waits its turn

    grow_old(queued_at=timedelta(minutes=2))
    sweeper.sweep()
    assert broker.llen("images") == 1
    sweeper.sweep()
    assert broker.llen("images") == 1  # not rung for again at once
    assert Upload.objects.get(pk=upload.pk).status == "queued"


def test_a_backlog_is_not_enqueued_again_and_again(cleo, broker, monkeypatch):
    monkeypatch.setattr(sweeper, "BATCH", 3)
    for n in range(5):
        cleo.send(drawn_pictures.jpeg(width=60, height=40, seed=n))
    grow_old(queued_at=timedelta(minutes=2))
    sweeper.sweep()
    assert broker.llen("images") == 5

    broker.flushdb()
    for expected in [3, 3]:
        grow_old(queued_at=timedelta(minutes=2))
        sweeper.sweep()
        assert broker.llen("images") == expected


def test_without_redis_the_sweeper_goes_on_with_what_needs_none(cleo, bucket):
    cleo.send(drawn_pictures.jpeg())
    cleo.announce_one(b"12345")
    grow_old(queued_at=timedelta(minutes=2), created_at=timedelta(hours=25))
    dead = Celery("dead", broker="redis://127.0.0.1:1/0")
    dead.conf.task_publish_retry_policy = live_settings.CELERY_TASK_PUBLISH_RETRY_POLICY
    dead.set_current()
    try:
        sweeper.sweep()
    finally:
        celery_app.set_current()
    assert sorted(Upload.objects.values_list("status", flat=True)) == ["discarded", "queued"]


def test_a_worker_that_died_is_replaced(cleo, broker):
    upload = cleo.send(drawn_pictures.jpeg())
    broker.flushdb()
    claims.claim(upload)
    sweeper.sweep()
    assert broker.llen("images") == 0
    grow_old(lease_until=timedelta(seconds=31))
    sweeper.sweep()
    assert broker.llen("images") == 1


def test_three_crashes_fail_the_upload(cleo):
    upload = cleo.send(drawn_pictures.jpeg())
    for _ in range(3):
        claims.claim(upload)
        grow_old(lease_until=timedelta(seconds=31))
    sweeper.sweep()
    assert Upload.objects.get().failure == "crashed"


def test_what_never_comes_does_not_hide_what_came(cleo, monkeypatch):
    monkeypatch.setattr(sweeper, "BATCH", 2)
    for number in range(3):
        cleo.announce_one(b"never sent %d" % number)
    ticket = cleo.announce_one(b"12345")
    put(ticket["upload"], b"12345")
    grow_old(created_at=timedelta(minutes=11))
    for _ in range(2):
        sweeper.sweep()
    assert Upload.objects.get(pk=ticket["id"]).status == "queued"


def test_one_phase_that_breaks_does_not_stop_the_others(cleo, broker, monkeypatch):
    def broken():
        raise RuntimeError

    cleo.announce_one(b"12345")
    grow_old(created_at=timedelta(hours=25))
    monkeypatch.setattr(sweeper, "_enqueue_again", broken)
    monkeypatch.setattr(broken, "__name__", "_enqueue_again")
    sweeper.sweep()
    assert Upload.objects.get().status == "discarded"


def test_two_sweepers_are_harmless(cleo, broker):
    cleo.send(drawn_pictures.jpeg())
    broker.flushdb()
    grow_old(queued_at=timedelta(minutes=2))

    def run() -> None:
        sweeper.sweep()
        connection.close()

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert broker.llen("images") == 1
