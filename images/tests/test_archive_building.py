"""A ZIP is built to its end, whatever happens to workers and stores meanwhile."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from bandpics import stopping
from bandpics.telemetry import metrics
from bandpics.testing.matrix import few
from images import archives, tasks
from images.access import MemberAccess
from images.archives import building, claims, expiry, queue
from images.lifecycle import sweeper
from images.models import Archive, ArchiveOrder
from images.storage.objects import StorageUnavailable, photo_storage
from images.tests import archive_reader as reader
from images.tests import drawn_pictures, stored_photos

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bucket")]

PICTURES = [drawn_pictures.jpeg(seed=seed) for seed in range(4)]


class Killed(BaseException):
    """As SIGKILL: nothing of ours runs afterwards but what is on the way already."""


@pytest.fixture
def photos(ada, group, signed_in):
    return [stored_photos.by_member(ada, group, data) for data in PICTURES]


@pytest.fixture
def archive(photos, ada, group, signed_in, monkeypatch):
    """One that is ordered, and has several parts."""
    size = sum(map(len, PICTURES))
    monkeypatch.setattr(building, "PART_BYTES", size // 5)
    return Archive.objects.get(pk=reader.ordered(signed_in(ada), group)["id"])


@pytest.fixture
def sent(monkeypatch):
    """The numbers of the parts that were sent, as they were begun; `sent.die_at` kills there."""
    original = building._Build._send

    class Sent(list):
        die_at = 0
        reads = 0

    seen = Sent()

    def send(build, number, part):
        if number == seen.die_at:
            seen.die_at = 0
            raise Killed
        seen.append(number)
        original(build, number, part)

    monkeypatch.setattr(building._Build, "_send", send)
    return seen


def content(archive, ada, group, signed_in):
    shown = signed_in(ada).get(f"{reader.path_of(group)}{archive.pk}/").json()
    assert shown["status"] == "ready", shown
    return sorted(reader.files_of(shown).values())


def die(archive):
    with pytest.raises(Killed):
        building.build(archive.pk, seconds=100)
    # Until the lease of the dead runs out.
    assert claims.claim(archive.pk) is None
    Archive.objects.update(lease_until=timezone.now() - timedelta(seconds=1))


def test_who_takes_over_goes_on_behind_the_last_part(archive, sent, ada, group, signed_in):
    sent.die_at = 3
    die(archive)
    assert sent == [1, 2]
    assert reader.build(archive.pk).state == "ready"
    assert sent == [1, 2, *range(3, sent[-1] + 1)]
    assert sent[-1] >= 5
    assert content(archive, ada, group, signed_in) == sorted(PICTURES)


@pytest.mark.parametrize("number", few([1, 2, 4, 5, 6], 2))
def test_wherever_it_dies_the_zip_is_the_same(number, archive, sent, ada, group, signed_in):
    sent.die_at = number
    die(archive)
    assert reader.build(archive.pk).state == "ready"
    assert content(archive, ada, group, signed_in) == sorted(PICTURES)


@pytest.mark.parametrize("number", few([1, 2, 3, 4, 6, 8, 9], 2))
def test_wherever_it_dies_within_photos_of_many_parts_the_zip_is_the_same(
    number, archive, sent, ada, group, signed_in, monkeypatch
):
    monkeypatch.setattr(building, "PART_BYTES", min(map(len, PICTURES)) // 3)
    sent.die_at = number
    die(archive)
    assert reader.build(archive.pk).state == "ready"
    assert sent == list(range(1, len(sent) + 1))
    assert content(archive, ada, group, signed_in) == sorted(PICTURES)


def test_a_worker_that_died_before_it_could_say_so_had_finished(
    archive, sent, ada, group, signed_in, monkeypatch
):
    with monkeypatch.context() as patched:
        patched.setattr(building._Build, "_finish", lambda build: (_ for _ in ()).throw(Killed))
        die(archive)
    before = list(sent)
    assert reader.build(archive.pk).state == "ready"
    assert sent == before
    assert content(archive, ada, group, signed_in) == sorted(PICTURES)


def test_a_store_that_forgets_what_was_sent_gets_it_again(archive, sent, ada, group, signed_in):
    sent.die_at = 3
    die(archive)
    (found,) = photo_storage().open_multiparts("")
    photo_storage().abort_multipart(found.key, multipart_id=found.multipart_id)
    built = reader.build(archive.pk)
    assert (built.state, built.build_number) == ("ready", 2)
    assert content(archive, ada, group, signed_in) == sorted(PICTURES)


def test_a_store_that_is_away_costs_no_attempt(archive, s3_proxy, ada, group, signed_in):
    s3_proxy.down()
    with pytest.raises(StorageUnavailable):
        building.build(archive.pk, seconds=100)
    archive.refresh_from_db()
    assert (archive.state, archive.attempts) == ("queued", 0)
    s3_proxy.up()
    assert reader.build(archive.pk).state == "ready"


def test_a_large_one_is_built_by_several_tasks(archive, sent, ada, group, signed_in):
    assert building.build(archive.pk, seconds=0) is False
    archive.refresh_from_db()
    assert (archive.state, archive.attempts) == ("queued", 0)
    assert 0 < archive.progress < 1
    assert reader.build(archive.pk).state == "ready"
    assert len(sent) == len(set(sent))
    assert content(archive, ada, group, signed_in) == sorted(PICTURES)


def test_a_worker_that_is_told_to_stop_leaves_the_rest_to_the_next(
    archive, sent, ada, group, signed_in, monkeypatch
):
    monkeypatch.setattr(stopping, "_asked", bytearray(b"\x01"))
    assert building.build(archive.pk, seconds=100) is False
    archive.refresh_from_db()
    assert (archive.state, archive.attempts) == ("queued", 0)
    assert 0 < archive.progress < 1
    monkeypatch.setattr(stopping, "_asked", bytearray(1))
    assert reader.build(archive.pk).state == "ready"
    assert len(sent) == len(set(sent))
    assert content(archive, ada, group, signed_in) == sorted(PICTURES)


def test_what_failed_and_whose_lease_ran_out_is_counted(archive, sent, monkeypatch):
    counted = []

    def count(metric, amount=1, **labels):
        counted.append((metric.name, amount, *labels.values()))

    monkeypatch.setattr(metrics.Counter, "inc", count)
    for _ in range(3):
        sent.die_at = 2
        die(archive)
    sweeper.sweep()
    kept = [each for each in counted if "archive" in each]
    lost, failed = "bandpics_leases_lost_total", "bandpics_failures_total"
    assert kept == [*[(lost, 1, "archive")] * 2, (failed, 1, "archive", "crashed")]


def test_three_crashes_are_enough(archive, sent, ada, group, signed_in):
    for _ in range(3):
        sent.die_at = 2
        die(archive)
    assert building.build(archive.pk, seconds=100)
    sweeper.sweep()
    archive.refresh_from_db()
    assert (archive.state, archive.failure) == ("failed", "crashed")
    sweeper.sweep()
    assert list(photo_storage().open_multiparts("")) == []
    # Whoever orders it again gets another one.
    assert reader.ordered(signed_in(ada), group)["id"] != str(archive.pk)


def test_the_sweeper_queues_what_was_lost(archive, monkeypatch):
    queued = []
    monkeypatch.setattr(queue, "enqueue", queued.append)
    expiry.sweep()
    assert queued == []
    Archive.objects.update(created_at=timezone.now() - timedelta(minutes=2))
    expiry.sweep()
    expiry.sweep()
    assert queued == [archive.pk]
    Archive.objects.update(state="building", lease_until=timezone.now() - timedelta(seconds=1))
    expiry.sweep()
    assert queued == [archive.pk, archive.pk]


def test_the_task_of_an_archive_that_is_gone_does_nothing(archive):
    Archive.objects.all().delete()
    tasks.build_archive(str(archive.pk))


def test_a_late_worker_changes_nothing(archive, sent, ada, group, signed_in):
    late = claims.claim(archive.pk)
    Archive.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert reader.build(archive.pk).state == "ready"
    with pytest.raises(claims.ClaimLost):
        building._Build(late, stop_at=float("inf")).run()
    archive.refresh_from_db()
    assert archive.state == "ready"
    assert content(archive, ada, group, signed_in) == sorted(PICTURES)


def test_two_who_order_at_once_get_one(photos, ada, ben, group):
    barrier, orders = threading.Barrier(2), []

    def order(user):
        barrier.wait()
        orders.append(archives.order(group, access=MemberAccess(user)))
        connection.close()

    threads = [threading.Thread(target=order, args=[user]) for user in (ada, ben)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Archive.objects.count() == 1
    assert ArchiveOrder.objects.count() == 2
    assert len({order.archive_id for order in orders}) == 1


def test_two_workers_at_once_build_one(archive, sent, ada, group, signed_in):
    barrier, answers = threading.Barrier(2), []

    def build():
        barrier.wait()
        answers.append(building.build(archive.pk, seconds=100))
        connection.close()

    threads = [threading.Thread(target=build) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True, True]
    assert sent == list(range(1, len(sent) + 1))
    assert content(archive, ada, group, signed_in) == sorted(PICTURES)
