"""The numbers of photos that triggers keep: they are what counting gives, whatever happens."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction

from bandpics.users.tests.factories import UserFactory
from groups import trash as group_trash
from groups.tests.factories import GroupFactory, MembershipFactory
from images import tasks
from images.lifecycle import account_deletion, clock, counts, moderation, moving, sweeper, trash
from images.listing import overview
from images.models import Image, PhotoCount, UploaderKey
from images.tests import bulk_rows, drawn_pictures

EVENING = datetime(2026, 6, 21, 19, 40, tzinfo=UTC)
pytestmark = pytest.mark.django_db(transaction=True)


def counted(group, *, approved_only=False):
    """What the photos say themselves: hours, uploaders and cameras."""
    rows = Image.objects.in_group(group).ready()
    rows = list(rows.filter(moderation="approved") if approved_only else rows)
    hours = Counter(
        row.sort_at.astimezone(group.zone).replace(minute=0, second=0, microsecond=0, tzinfo=None)
        for row in rows
    )
    uploaders = Counter(row.uploader_name for row in rows if row.uploader_name)
    if approved_only:
        return hours, uploaders, {}
    return hours, uploaders, Counter(row.camera_model for row in rows if row.camera_model)


def kept(group, *, approved_only=False):
    """What the numbers say."""
    found = overview.of(group, approved_only=approved_only)
    return dict(found.hours), dict(found.uploaders), dict(found.cameras)


def moderated(group):
    """How many photos are pending, rejected and approved, as they say themselves."""
    found = Counter(Image.objects.in_group(group).ready().values_list("moderation", flat=True))
    return {state: found[state] for state in Image.Moderation.values}


@pytest.mark.parametrize(("pending", "rejected"), [(0, 0), (1, 3), (3, 1), (3, 3)])
def test_the_numbers_of_moderation_are_right_whichever_are_few(pending, rejected, monkeypatch):
    monkeypatch.setattr(overview, "FEW", 2)
    group = GroupFactory()
    for state, number in [("approved", 1), ("pending", pending), ("rejected", rejected)]:
        for minute in range(number):
            photo(group, minute, moderation=state)
    photo(group, moderation="rejected", trashed_at=EVENING)
    agree(group)


def agree(*groups):
    """Whether the numbers of the groups are right, before they are added up and after."""
    for _ in range(2):
        for group in groups:
            assert kept(group) == counted(group)
            assert kept(group, approved_only=True) == counted(group, approved_only=True)
            assert overview.by_moderation(group.pk) == moderated(group)
            assert overview.totals([group.pk]).get(group.pk, 0) == sum(kept(group)[0].values())
        counts.add_up()
    assert not PhotoCount.objects.filter(is_change=True).exists()


def photo(group, minutes=0, **columns):
    at = EVENING + timedelta(minutes=minutes)
    told = {"sort_at": at, "taken_at": at, "taken_at_local": at, "taken_source": "exif"}
    return bulk_rows.photo(group, **told | columns)


@pytest.fixture
def album(group):
    photos = [
        photo(group, uploader_name="Ada", camera_model="Pixel 9"),
        photo(group, 5, uploader_name="Ada", moderation="pending"),
        photo(group, 90, uploader_name="Ben", camera_model="EOS R5"),
        photo(group, 91, status="queued", uploader_name="Ben"),
    ]
    agree(group)
    assert kept(group)[1] == {"Ada": 2, "Ben": 1}
    return photos


def test_a_photo_counts_once_it_is_done(cleo, group, bucket):
    upload = cleo.send(drawn_pictures.jpeg(taken_at="2026:06:21 21:30:00"))
    agree(group)
    assert not PhotoCount.objects.exists()
    tasks.process_upload(str(upload.pk))
    agree(group)
    assert overview.totals([group.pk]) == {group.pk: 1}


def test_the_trash_moderation_and_the_clock_change_the_numbers(album, ada, group):
    one, waiting, other, _ = album
    for change in (
        lambda: trash.put(one, by=ada),
        lambda: agree(group),  # also if what is trashed was added up meanwhile
        lambda: trash.restore(one, by=ada),
        lambda: moderation.moderate([waiting.pk], "approve", by=ada),
        lambda: moderation.moderate([other.pk], "reject", by=ada),
        lambda: clock.correct(other, -60, by=ada),
        lambda: Image.objects.filter(pk=other.pk).update(camera_model="EOS R6", version=2),
        lambda: trash.put_all([one.pk, other.pk], by=ada),
    ):
        change()
        agree(group)


def test_what_is_purged_leaves_no_number(album, ada, group, bucket):
    for image in Image.objects.all():
        trash.put(image, by=ada)
        Image.objects.filter(pk=image.pk).update(trashed_at=EVENING - timedelta(days=900))
        trash.purge(image.pk)
    agree(group)
    assert not PhotoCount.objects.exists()


def test_a_group_that_is_deleted_leaves_no_number(album, group, bucket):
    group_trash.put(group)
    type(group).objects.update(trashed_at=EVENING - timedelta(days=900))
    Image.objects.all().delete()
    group_trash.purge(group.pk)
    counts.add_up()
    assert not PhotoCount.objects.exists()


def test_a_photo_that_moves_is_counted_there(cleo, group, bucket):
    image = cleo.send_and_process(drawn_pictures.jpeg())
    other = GroupFactory(team=group.team)
    moving.move(image, other, {}, expected={})
    agree(group, other)
    assert overview.totals([group.pk, other.pk]).get(other.pk) == 1
    assert not overview.totals([group.pk]).get(group.pk)


def test_a_name_that_is_taken_off_is_in_no_number(ada, group, bucket):
    dora = UserFactory(name="Dora")
    MembershipFactory(team=group.team, user=dora)
    photo(group, uploader_name="Dora", uploader=UploaderKey("member", str(dora.pk)))
    account_deletion.delete(dora, keep_name=False, at_once=False)
    agree(group)
    assert not PhotoCount.objects.filter(value="Dora").exists()


def test_two_who_change_photos_of_one_hour_do_not_wait_for_each_other(album, group):
    def change(pk):
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '5s'")
        Image.objects.filter(pk=pk).update(uploader_name="Eve")
        connection.close()

    with transaction.atomic():
        Image.objects.filter(pk=album[0].pk).update(uploader_name="Dora")
        thread = threading.Thread(target=change, args=[album[1].pk])
        thread.start()
        thread.join(30)
        assert Image.objects.filter(uploader_name="Eve").exists()
        assert counts.add_up() > 0  # what is committed
    agree(group)
    assert kept(group)[1] == {"Dora": 1, "Eve": 1, "Ben": 1}


def test_two_who_add_up_at_once_add_each_change_once(group, monkeypatch):
    monkeypatch.setattr(counts, "BATCH", 7)
    bulk_rows.many(group, 100)
    Image.objects.update(uploader_name="Eve")

    def add_up():
        counts.add_up()
        connection.close()

    threads = [threading.Thread(target=add_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    while counts.add_up():
        pass
    agree(group)
    assert kept(group)[1] == {"Eve": 100}


def test_the_sweeper_adds_up(album, bucket):
    photo(album[0].group, uploader_name="Zoe")
    assert PhotoCount.objects.filter(is_change=True).exists()
    sweeper.sweep()
    assert not PhotoCount.objects.filter(is_change=True).exists()
