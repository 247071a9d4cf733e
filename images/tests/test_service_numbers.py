"""The numbers of the whole service: queues, outboxes, times, failures and bytes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import redis
from django.conf import settings
from django.db import OperationalError, connection

from groups.models import Group
from groups.tests.factories import GroupFactory
from images import deletions
from images.lifecycle import counts
from images.listing import service
from images.models import Archive, GeneratedCaption, PendingDeletion, Transform, Upload
from images.tests.bulk_rows import photo, upload
from images.uploads.queue import Priority
from invitations.models import OutgoingMail

pytestmark = pytest.mark.django_db

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)


def transform(image, number, **columns):
    told = {"group_id": image.group_id, "version": 1, "spec": {}, "spec_hash": f"{number:064}"}
    row = Transform.objects.create(image=image, **told, **columns)
    Transform.objects.filter(pk=row.pk).update(created_at=NOW - number * HOUR)


def archive(group, number, **columns):
    row = Archive.objects.create(
        group=group, fingerprint=f"{number:064}", expires_at=NOW + HOUR, **columns
    )
    Archive.objects.filter(pk=row.pk).update(created_at=NOW - number * HOUR)


def in_hours(waiting):
    """What is in each queue: waiting, at work, hours since the oldest came."""
    return {
        each.name: (
            each.waiting,
            each.at_work,
            None if each.oldest_seconds is None else round(each.oldest_seconds / 3600),
        )
        for each in waiting
    }


def test_each_queue_says_how_many_wait_and_since_when(group):
    image = photo(group)
    photo(group, status="queued", uploaded_at=NOW - 3 * HOUR)
    photo(group, status="queued", arrived_at=NOW - 2 * HOUR, uploaded_at=NOW - 9 * HOUR)
    photo(group, status="processing", uploaded_at=NOW - 9 * HOUR)
    transform(image, 4)
    transform(image, 5, state="rendering", lease_until=NOW)
    transform(image, 6, state="failed", failure="damaged")
    GeneratedCaption.objects.create(image=image, version=1, language="en")
    archive(group, 7)
    archive(group, 8, state="building", lease_until=NOW)
    archive(group, 9, state="failed", failure="crashed")
    assert in_hours(service.queues()) == {
        "images": (2, 1, 3),
        "transforms": (1, 1, 4),
        "captions": (1, 0, 0),
        "archives": (1, 1, 7),
    }


def test_empty_queues_have_no_oldest(db):
    assert {(each.waiting, each.at_work) for each in service.queues()} == {(0, 0)}
    assert {each.oldest_seconds for each in [*service.queues(), *service.outboxes()]} == {None}


def test_outboxes_say_how_many_wait_and_since_when(group, invitation):
    image = photo(group)
    deletions.record(image.pk, ["one"])
    deletions.record(image.pk, ["two"])
    PendingDeletion.objects.filter(keys=["one"]).update(recorded_at=NOW - 5 * HOUR)
    OutgoingMail.objects.create(kind="reminder", invitation=invitation)
    OutgoingMail.objects.create(kind="reminder", invitation=invitation, state="failed")
    assert in_hours(service.outboxes()) == {"deletions": (2, 0, 5), "mails": (1, 0, 0)}


def test_times_are_told_by_format(group, monkeypatch):
    for number in range(1, 22):
        photo(group, processing_ms=100 * number, finished_at=NOW)
    photo(group, content_type="image/heic", processing_ms=5000, finished_at=NOW)
    photo(group, processing_ms=99_999, finished_at=NOW + HOUR / 2, status="failed")
    jpeg, heic = service.processing_times()
    assert (jpeg.format, jpeg.count, jpeg.median_ms, jpeg.p95_ms) == ("jpeg", 21, 1100, 2000)
    assert (heic.format, heic.count, heic.median_ms) == ("heic", 1, 5000)
    monkeypatch.setattr(service, "LATEST", 3)
    photo(group, processing_ms=7, finished_at=NOW + HOUR)
    assert sum(each.count for each in service.processing_times()) == 2  # and one that failed


def test_failures_are_told_by_queue_and_reason(group):
    image = photo(group)
    photo(group, status="failed", finished_at=NOW)
    photo(group, status="failed", finished_at=NOW - timedelta(days=8))
    crashed = photo(group, status="failed", finished_at=NOW)
    Upload.objects.filter(image=crashed).update(failure="crashed")
    transform(image, 1, state="failed", failure="too-many-pixels")
    archive(group, 2, state="failed", failure="crashed")
    archive(group, 3, state="failed", failure="crashed")
    assert service.failures() == {
        "images": {"crashed": 1, "damaged": 1},
        "transforms": {"too-many-pixels": 1},
        "captions": {},
        "archives": {"crashed": 2},
    }


@pytest.mark.django_db(transaction=True)
def test_bytes_are_those_of_all_groups_and_the_trash(group):
    image = photo(group, byte_size=3000, variants=("thumb", "medium"))
    done = {"state": "done", "done_at": NOW, "width": 1, "height": 1, "byte_size": 70}
    transform(image, 1, **done)
    archive(group, 2, state="ready", total_bytes=500)
    gone = GroupFactory()
    photo(gone, byte_size=40, trashed_at=NOW, finished_at=datetime.now(UTC))
    Group.objects.filter(pk=gone.pk).update(trashed_at=NOW)
    counts.add_up()
    counts.recount()
    assert service.stored_bytes() == {
        "originals": 3040,
        "variants": 200,
        "transforms": 70,
        "archives": 500,
    }


def test_messages_are_counted_whatever_their_priority(db):
    client = redis.Redis.from_url(settings.BROKER_URL)
    before = service.broker_messages()
    later = service._list_of("images", Priority.LATER)
    client.rpush(later, "{}")
    try:
        assert service.broker_messages() == {**before, "images": before["images"] + 1}
    finally:
        client.rpop(later)
        client.close()


def test_a_message_is_where_celery_puts_it(db):
    """The names of the lists are those of kombu, for each priority."""
    from bandpics.celery import app

    before = service.broker_messages()
    with app.connection_for_write() as broker:
        for priority in Priority:
            app.send_task(
                "nothing.at_all", queue="archives", priority=priority.number, connection=broker
            )
        found = service.broker_messages()
        broker.default_channel.queue_purge("archives")
    assert found["archives"] == before["archives"] + len(Priority)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("ask", [service.queues, service.outboxes, service.failures])
def test_what_takes_too_long_is_not_waited_for(group, monkeypatch, ask, django_db_blocker):
    """Somebody holds the tables, as a migration does."""
    monkeypatch.setattr(service, "SECONDS", 0.05)
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("LOCK images_upload, images_pendingdeletion IN ACCESS EXCLUSIVE MODE")
            assert ask() is None
            cursor.execute("ROLLBACK")
    finally:
        other.close()
    assert ask() is not None


def test_other_trouble_is_raised_and_the_limit_ends_with_the_question(db):
    @service.in_time
    def away():
        raise OperationalError("the connection is closed")

    with pytest.raises(OperationalError):
        away()
    assert service.queues() is not None
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("0",)


@pytest.mark.parametrize(
    ("ask", "most"),
    [
        (service.queues, 9),
        (service.outboxes, 7),
        (service.processing_times, 5),
        (service.failures, 8),
        (service.stored_bytes, 6),
    ],
)
def test_each_asks_as_often_whatever_there_is(group, django_assert_num_queries, ask, most):
    """Two of them begin and end a transaction, two set the limit."""
    for _ in range(2):
        with django_assert_num_queries(most):
            ask()
        image = photo(group, processing_ms=3, finished_at=NOW)
        upload(image, status="failed", version=2, finished_at=NOW)
