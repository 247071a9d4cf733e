"""A worker renders a transform: whatever breaks meanwhile, it is made once, or fails with a reason,
and no object is left without a row."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from celery import Celery
from celery.exceptions import Retry
from django.conf import settings as live_settings
from django.db import connection
from django.utils import timezone

from bandpics.celery import app as celery_app
from groups.tests.factories import GroupFactory
from images import tasks
from images.lifecycle import sweeper
from images.models import Image, PendingDeletion, Transform, locks
from images.photofile.rendering import BadPicture
from images.photofile.transforms.spec import SpecError
from images.storage.objects import StorageUnavailable
from images.tests import drawn_pictures, stored_photos
from images.tests.guest_client import send_as_member
from images.tests.transform_client import ask, asked, is_there, made, render
from images.transforms import claims, expiry, work

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bucket")]


@pytest.fixture
def image(ben, group, signed_in):
    data = drawn_pictures.jpeg(width=600, height=400)
    return stored_photos.by_member(ben, group, data)


@pytest.fixture
def waiting(image, ben, signed_in):
    return asked(signed_in(ben), image)


@pytest.fixture
def meanwhile(monkeypatch):
    """Has something happen once a transform is rendered, before it is stored."""

    def happens(what):
        store = work._store

        def later(*args, **options):
            monkeypatch.setattr(work, "_store", store)
            what()
            store(*args, **options)

        monkeypatch.setattr(work, "_store", later)

    return happens


def stored(bucket):
    return {each.key for each in bucket.list_keys("") if "/transforms/" in each.key}


def end_lease(transform):
    past = timezone.now() - timedelta(seconds=1)
    Transform.objects.filter(pk=transform.pk).update(lease_until=past)


# --- Lost tasks and workers -----------------------------------------------------------------


def test_one_whose_task_was_lost_is_queued_again(waiting, monkeypatch):
    enqueued = []
    monkeypatch.setattr(expiry.queue, "enqueue", enqueued.append)
    Transform.objects.update(created_at=timezone.now() - timedelta(minutes=2))
    sweeper.sweep()
    assert enqueued == [waiting.pk]
    sweeper.sweep()  # not by every sweep
    assert enqueued == [waiting.pk]


def test_one_whose_worker_died_is_queued_again_and_made(waiting, monkeypatch):
    enqueued = []
    monkeypatch.setattr(expiry.queue, "enqueue", enqueued.append)
    assert claims.claim(waiting.pk) is not None  # and it is never heard of again
    assert claims.claim(waiting.pk) is None
    end_lease(waiting)
    sweeper.sweep()
    assert enqueued == [waiting.pk]
    assert render(waiting).state == "done"
    assert waiting.attempts == 2


def test_one_that_kills_three_workers_fails_and_leaves_no_object(waiting, bucket):
    for _ in range(3):
        assert claims.claim(waiting.pk) is not None
        end_lease(waiting)
    bucket.client.put_object(Bucket=bucket.bucket_name, Key=waiting.key, Body=b"of the third")
    assert claims.claim(waiting.pk) is None
    sweeper.sweep()
    waiting.refresh_from_db()
    assert (waiting.state, waiting.failure) == ("failed", "crashed")
    assert stored(bucket) == set()


def test_one_that_failed_and_is_asked_for_again_keeps_what_is_made_then(
    waiting, image, ben, signed_in
):
    assert claims.fail(claims.claim(waiting.pk), claims.CRASHED)
    assert PendingDeletion.objects.filter(image_id=image.pk).exists()
    again = made(signed_in(ben), image)
    assert again.pk == waiting.pk
    sweeper.sweep()
    assert is_there(again)


def test_a_worker_that_was_thought_dead_changes_nothing(waiting, meanwhile, bucket):
    def another_takes_over():
        end_lease(waiting)
        tasks.render_transform(str(waiting.pk))

    meanwhile(another_takes_over)
    transform = render(waiting)
    assert (transform.state, transform.attempts) == ("done", 2)
    assert is_there(transform)


def test_one_lost_while_its_object_is_written_leaves_none(waiting, monkeypatch, bucket):
    """As when its photo is replaced after the last look at the claim."""
    put = type(bucket).put_file

    def put_and_lose(storage, key, path, **options):
        put(storage, key, path, **options)
        Transform.objects.all().delete()
        PendingDeletion.objects.all().delete()

    monkeypatch.setattr(type(bucket), "put_file", put_and_lose)
    tasks.render_transform(str(waiting.pk))
    assert stored(bucket) == set()


def test_one_that_is_asked_for_anew_while_the_old_claim_writes_keeps_its_object(
    waiting, image, ben, signed_in, monkeypatch, bucket
):
    put = type(bucket).put_file

    def put_and_renew(storage, key, path, **options):
        put(storage, key, path, **options)
        Transform.objects.all().delete()
        asked(signed_in(ben), image)

    with monkeypatch.context() as patched:
        patched.setattr(type(bucket), "put_file", put_and_renew)
        tasks.render_transform(str(waiting.pk))
    again = render(Transform.objects.get())
    sweeper.sweep()
    assert is_there(again)


@pytest.mark.parametrize("how", ["replaced", "moved"])
def test_a_photo_that_is_another_meanwhile_gets_nothing_of_the_old(
    waiting, image, meanwhile, bucket, how, team
):
    columns = {"version": 2} if how == "replaced" else {"group_id": GroupFactory(team=team).pk}
    meanwhile(lambda: Image.objects.filter(pk=image.pk).update(**columns))
    tasks.render_transform(str(waiting.pk))
    assert not Transform.objects.exists()
    sweeper.sweep()
    assert stored(bucket) == set()


# --- Trouble --------------------------------------------------------------------------------


def test_while_the_bucket_is_away_no_attempt_counts(waiting, s3_proxy):
    s3_proxy.answer(500, times=None)
    with pytest.raises((Retry, StorageUnavailable)):
        tasks.render_transform(str(waiting.pk))
    waiting.refresh_from_db()
    assert (waiting.state, waiting.attempts) == ("queued", 0)
    s3_proxy.heal()


def test_while_somebody_is_at_the_photo_it_waits_and_then_gives_up_uncounted(waiting, monkeypatch):
    monkeypatch.setattr(work, "LOCK_SECONDS", 0.1)
    is_held, is_over = threading.Event(), threading.Event()

    def hold():
        with locks.objects_of(waiting.image_id):
            is_held.set()
            is_over.wait(30)
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    assert is_held.wait(10)
    with pytest.raises((Retry, locks.Busy)):
        tasks.render_transform(str(waiting.pk))
    waiting.refresh_from_db()
    assert (waiting.state, waiting.attempts) == ("queued", 0)
    is_over.set()
    holder.join()
    assert render(waiting).state == "done"


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (BadPicture("damaged", "It is damaged."), "damaged"),
        (SpecError("crop", "Outside."), "impossible"),
    ],
)
def test_what_cannot_be_rendered_fails_at_once_with_a_reason(waiting, monkeypatch, error, failure):
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr(work.rendering, "render", refuse)
    assert render(waiting).failure == failure
    assert (waiting.state, waiting.attempts) == ("failed", 1)


def test_a_bug_is_tried_three_times_and_no_more(waiting, monkeypatch):
    def break_down(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr(work.rendering, "render", break_down)
    for state in ["queued", "queued", "failed"]:
        assert render(waiting).state == state
    assert (waiting.failure, waiting.attempts) == ("crashed", 3)


def test_a_watermark_that_the_store_lost_is_the_reason(image, ada, group, signed_in, bucket):
    logo = send_as_member(signed_in(ada), group, drawn_pictures.jpeg(seed=2))
    transform = asked(signed_in(ada), image, watermark={"image": str(logo.pk)})
    bucket.delete_keys([logo.version_keys(1).variant("fullsize")])
    assert render(transform).failure == "watermark-missing"


def test_with_redis_down_it_is_taken_all_the_same(image, ben, signed_in):
    dead = Celery("dead", broker="redis://127.0.0.1:1/0")
    dead.conf.task_publish_retry_policy = live_settings.CELERY_TASK_PUBLISH_RETRY_POLICY
    dead.set_current()
    try:
        assert ask(signed_in(ben), image).status_code == 202
    finally:
        celery_app.set_current()
    assert Transform.objects.get().state == "queued"
