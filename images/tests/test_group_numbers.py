"""The numbers of large groups: kept, right, counted anew after a change, and quick to read."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from groups.models import Group
from groups.tests.factories import GroupFactory
from images.lifecycle import counts, moderation, trash
from images.listing import numbers, stats
from images.models import GroupNumbers, Image, Upload
from images.tests.bulk_rows import photo, upload

pytestmark = pytest.mark.django_db(transaction=True)

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def few_are_many(monkeypatch):
    """Groups are large with three photos."""
    monkeypatch.setattr(stats, "SMALL", 2)


def told(*groups):
    return stats.of(Group.objects.filter(pk__in=[group.pk for group in groups]))


def without_nothing(found):
    return {name: +values for name, values in found.items() if +values}


def counted_now(group):
    return without_nothing(numbers.count([group.pk]))


def kept(group):
    return without_nothing(numbers.kept([group.pk]).numbers)


def sweep():
    """As the sweeper does, some time later."""
    GroupNumbers.objects.update(tried_at=LONG_AGO)
    counts.add_up()
    return counts.recount()


@pytest.fixture
def album(group):
    photos = [
        photo(group, uploader_name="Ada", camera_make="Canon", processing_ms=300, variants=("s",)),
        photo(group, uploader_name="Ben", byte_size=5_000_000, processing_ms=12_345),
        photo(group, status="failed", byte_size=None),
    ]
    sweep()
    return photos


def test_what_is_kept_is_what_counting_gives_after_every_change(album, ada, group):
    assert kept(group) == counted_now(group)
    for change in (
        lambda: trash.put(album[0], by=ada),
        lambda: trash.restore(album[0], by=ada),
        lambda: moderation.moderate([album[1].pk], "reject", by=ada),
        lambda: photo(group, uploader_name="Cleo"),
        lambda: Image.objects.filter(pk=album[1].pk).update(uploader_name=""),
        lambda: photo(group, status="failed", byte_size=None, finished_at=datetime.now(UTC)),
        lambda: upload(album[2], status="done", version=2, arrived_at=datetime.now(UTC)),
    ):
        change()
        sweep()
        assert kept(group) == counted_now(group)


def test_a_large_group_is_read_from_what_is_kept(few_are_many, album, group):
    exact = told(group)
    assert (exact.photos, exact.uncounted_groups) == (2, 0)
    assert exact.average_ms == pytest.approx((300 + 12_345) / 2)
    photo(group)
    counts.add_up()
    late = told(group)
    assert late.photos == 2
    assert late.counted_at < datetime.now(UTC)
    sweep()
    assert told(group).photos == 3


def test_numbers_of_groups_are_added(few_are_many, album, group):
    other = GroupFactory(team=group.team)
    photo(other, uploader_name="Ada", byte_size=7)
    sweep()
    found = told(group, other)
    assert (found.groups, found.photos, found.original_bytes) == (2, 3, 5_001_007)
    assert found.uploaders[0] == {"name": "Ada", "count": 2, "bytes": 1007}
    assert told(other).photos == 1  # few: counted


def test_a_new_large_group_says_that_it_is_not_counted_yet(few_are_many, group):
    for _ in range(3):
        photo(group)
    counts.add_up()
    found = told(group)
    assert (found.photos, found.uncounted_groups) == (0, 1)
    sweep()
    assert (told(group).photos, told(group).uncounted_groups) == (3, 0)


def test_a_group_that_did_not_change_is_not_counted_again(album, group):
    assert sweep() == 0
    GroupNumbers.objects.update(counted_at=datetime.now(UTC) - timedelta(hours=7))
    assert sweep() == 1


def test_a_group_that_changes_all_the_time_is_counted_with_pauses(album, group):
    GroupNumbers.objects.update(tried_at=datetime.now(UTC), took=timedelta(0))
    photo(group)
    counts.add_up()
    assert counts.recount() == 0  # ten seconds at least
    ago = datetime.now(UTC) - timedelta(minutes=2)
    GroupNumbers.objects.update(tried_at=ago, took=timedelta(seconds=5))
    assert counts.recount() == 0  # a hundred times as long as it took
    GroupNumbers.objects.update(took=timedelta(seconds=1))
    assert counts.recount() == 1


def test_a_sweep_counts_as_many_groups_as_it_has_time_for(group, monkeypatch):
    monkeypatch.setattr(counts, "DUE_AT_ONCE", 2)
    for each in (group, *GroupFactory.create_batch(4, team=group.team)):
        photo(each)
    counts.add_up()
    monkeypatch.setattr(counts, "SECONDS_PER_SWEEP", 0.0)
    assert counts.recount() == 0
    monkeypatch.setattr(counts, "SECONDS_PER_SWEEP", 60.0)
    assert counts.recount() == 5
    assert not GroupNumbers.objects.due().exists()


def test_the_numbers_of_a_group_that_is_gone_are_forgotten(album, group):
    Upload.objects.all().delete()
    Image.objects.all().delete()
    Group.objects.filter(pk=group.pk).delete()
    sweep()
    assert not GroupNumbers.objects.exists()


def test_a_group_that_cannot_be_counted_keeps_no_other_waiting(album, group, monkeypatch):
    other = GroupFactory(team=group.team)
    photo(other)
    counts.add_up()
    photo(group)
    counts.add_up()
    GroupNumbers.objects.filter(pk=group.pk).update(tried_at=None)
    count = numbers.count

    def fail_for_one(group_ids):
        if group_ids == [group.pk]:
            raise OperationalError("canceling statement due to statement timeout")
        return count(group_ids)

    monkeypatch.setattr(numbers, "count", fail_for_one)
    for _ in range(2):
        with suppress(OperationalError):
            counts.recount()
    assert GroupNumbers.objects.get(pk=other.pk).counted_at


def test_no_photo_is_read_for_the_numbers_of_many(few_are_many, album, group):
    """Whatever there is: the plan reads as many rows of photos as SMALL says, and one more."""
    with CaptureQueriesContext(
        connection,
    ) as captured:
        told(group)
    about_photos = [query["sql"] for query in captured if '"images_image"' in query["sql"]]
    assert len(about_photos) == 2  # how many there are, up to SMALL; and what waits in the queue
    assert "LIMIT 3" in about_photos[0]
    assert "'queued'" in about_photos[1]
