"""Objects of deleted rows go, whatever happens between the commit and the bucket."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

import psycopg
import pytest
from django.conf import settings as live_settings
from django.db import connection, transaction
from django.db.models import F
from django.urls import reverse
from django.utils import timezone

from bandpics.ids import new_id
from bandpics.testing.matrix import representative
from bandpics.users.models import User
from groups.models import Group
from groups.tests.factories import GroupFactory
from images import deletions
from images.lifecycle import moving, sweeper
from images.models import Image, PendingDeletion, Upload, Variant
from images.processing import claims, outcomes, work
from images.storage.objects import ObjectMissing, photo_storage
from images.tests import bulk_rows, drawn_pictures
from images.tests.guest_client import Guest, get, put
from images.tests.refusing_store import pointed_at, refusing, without_batches
from invitations.models import Invitation
from invitations.tests.factories import InvitationFactory

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bucket")]

NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def image(cleo):
    return cleo.send_and_process(drawn_pictures.jpeg())


@pytest.fixture
def elsewhere(team):
    return GroupFactory(team=team, name="Winter concert")


def kept(bucket) -> list[str]:
    return [found.key for found in bucket.list_keys("")]


def grow_old(length: timedelta) -> None:
    PendingDeletion.objects.update(
        recorded_at=F("recorded_at") - length, last_checked_at=F("last_checked_at") - length
    )


# --- The store is down ----------------------------------------------------------------------


def test_objects_outlive_a_store_that_is_down_at_the_commit_and_no_longer(
    client, cleo, image, group, bucket, settings
):
    cleo.send(drawn_pictures.jpeg(seed=2))
    client.force_login(User.objects.create_superuser("root@example.org"))
    stores = settings.STORAGES
    settings.STORAGES = pointed_at(stores, NOWHERE)
    Group.objects.update(trashed_at=timezone.now())
    url = reverse("admin:groups_group_delete", args=[group.pk])
    assert client.post(url, {"post": "yes"}).status_code == 302
    sweeper.sweep()
    assert not Image.objects.exists()
    assert PendingDeletion.objects.exists()

    settings.STORAGES = stores
    assert len(kept(bucket)) == 7
    grow_old(timedelta(minutes=11))
    sweeper.sweep()
    assert kept(bucket) == []
    grow_old(timedelta(hours=1))
    sweeper.sweep()
    assert not PendingDeletion.objects.exists()


def test_with_a_store_that_answers_nothing_is_left_to_remove(image, group, bucket):
    group.delete()
    assert kept(bucket) == []
    assert not PendingDeletion.objects.exists()


def test_a_rollback_records_no_deletion(image, group, bucket):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        group.delete()
        assert PendingDeletion.objects.exists()
        _ = 1 / 0
    assert not PendingDeletion.objects.exists()
    sweeper.sweep()
    assert len(kept(bucket)) == 6


def test_plain_sql_records_deletions_too(image, bucket):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM images_variant")
        cursor.execute("DELETE FROM images_upload")
        cursor.execute("DELETE FROM images_image")
    assert len(kept(bucket)) == 6
    sweeper.sweep()
    assert kept(bucket) == []
    assert not PendingDeletion.objects.exists()


def test_many_photos_are_deleted_in_few_statements(group, django_assert_max_num_queries):
    bulk_rows.many(group, 300)
    Upload.objects.bulk_create(
        Upload(
            image=photo,
            **bulk_rows.SOMEBODY.columns,
            announced_to=group.pk,
            status="done",
            declared_content_type="image/jpeg",
            declared_byte_size=1000,
        )
        for photo in Image.objects.all()
    )
    # Two or so for each table that has rows of a group or of a photo.
    with django_assert_max_num_queries(40):
        group.delete()
    assert not PendingDeletion.objects.exists()


def test_parts_of_a_deleted_upload_go_too(cleo, group, bucket, settings):
    upload = _one_part_of_two(cleo, settings)
    stores = settings.STORAGES
    settings.STORAGES = pointed_at(stores, NOWHERE)
    group.delete()
    settings.STORAGES = stores
    assert bucket.list_parts(upload.incoming_key, multipart_id=upload.multipart_id)
    sweeper.sweep()
    with pytest.raises(ObjectMissing):
        bucket.list_parts(upload.incoming_key, multipart_id=upload.multipart_id)
    assert not PendingDeletion.objects.exists()


def test_parts_of_an_upload_cancelled_while_the_store_is_down_go_later(cleo, bucket, settings):
    upload = _one_part_of_two(cleo, settings)
    stores = settings.STORAGES
    settings.STORAGES = pointed_at(stores, NOWHERE)
    cleo.client.delete(f"/api/v1/uploads/{upload.pk}/")
    settings.STORAGES = stores
    assert Upload.objects.get().status == "discarded"
    assert bucket.list_parts(upload.incoming_key, multipart_id=upload.multipart_id)
    sweeper.sweep()
    with pytest.raises(ObjectMissing):
        bucket.list_parts(upload.incoming_key, multipart_id=upload.multipart_id)
    assert not PendingDeletion.objects.exists()


def _one_part_of_two(cleo, settings) -> Upload:
    settings.MULTIPART_THRESHOLD_BYTES = settings.MULTIPART_PART_BYTES = 10_000
    ticket = cleo.announce_one(bytes(15_000))
    assert put(cleo.sign(ticket["id"], part=1).json(), bytes(10_000)).status == 200
    return Upload.objects.get(pk=ticket["id"])


def test_what_a_first_try_wrote_of_a_photo_that_failed_goes_later(cleo, bucket, settings):
    """It was stored, then its worker died; the next ones died too, and the store was down."""
    upload = cleo.send(drawn_pictures.jpeg())
    claim = claims.claim(upload)
    assert claim is not None
    bucket.copy(upload.incoming_key, upload.version_keys.all_keys()[-1])
    Upload.objects.update(attempt=3, lease_until=F("lease_until") - timedelta(minutes=1))
    stores = settings.STORAGES
    settings.STORAGES = pointed_at(stores, NOWHERE)
    assert outcomes.fail_crashed() == 0
    settings.STORAGES = stores
    assert len(kept(bucket)) == 2
    sweeper.sweep()
    assert kept(bucket) == [upload.incoming_key]  # somebody may look at it, and try again
    assert not PendingDeletion.objects.exists()


# --- The process dies -----------------------------------------------------------------------

DIE_AT_COMMIT = """
import os, signal
from django.db import transaction
from groups.models import Group
with transaction.atomic():
    transaction.on_commit(lambda: os.kill(os.getpid(), signal.SIGKILL))
    Group.objects.get().delete()
"""


def test_a_process_that_dies_after_the_commit_leaves_it_to_the_sweeper(image, bucket):
    died = subprocess.run(
        [sys.executable, "manage.py", "shell", "-v0", "-c", DIE_AT_COMMIT],
        cwd=live_settings.BASE_DIR,
        env={**os.environ, "DATABASE_URL": _database_url()},
        check=False,
    )
    assert died.returncode == -9
    assert not Image.objects.exists()
    assert len(kept(bucket)) == 6
    sweeper.sweep()
    assert kept(bucket) == []
    assert not PendingDeletion.objects.exists()


def _database_url() -> str:
    to = connection.settings_dict
    who = f"{quote(to['USER'], safe='')}:{quote(to['PASSWORD'], safe='')}"
    return f"postgres://{who}@{quote(to['HOST'], safe='')}:{to['PORT']}/{to['NAME']}"


def test_what_a_dead_worker_wrote_after_the_deletion_goes_as_well(cleo, group, bucket, monkeypatch):
    """It was in the middle of it when the group was deleted, and then it died."""
    upload = cleo.send(drawn_pictures.jpeg())
    put_files = bucket.put_files

    class Killed(BaseException):
        pass

    def delete_and_put(*args, **kwargs):
        Group.objects.filter(pk=group.pk).delete()
        put_files(*args, **kwargs)

    def die(*_, **__):
        raise Killed

    monkeypatch.setattr(bucket, "put_files", delete_and_put)
    monkeypatch.setattr(outcomes, "finish", die)
    with pytest.raises(Killed):
        work.process(upload)
    assert len(kept(bucket)) == 6
    grow_old(timedelta(hours=1))
    sweeper.sweep()
    assert kept(bucket) == []
    assert not PendingDeletion.objects.exists()


# --- Moves ----------------------------------------------------------------------------------


def test_a_move_that_dies_half_way_leaves_no_copy(image, elsewhere, bucket, monkeypatch):
    before = kept(bucket)

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(moving, "_update_moved", die)
        patched.setattr(bucket, "delete_keys", die)
        moving.move(image, elsewhere, {}, expected={})
    assert len(kept(bucket)) == 12
    grow_old(timedelta(hours=1))
    sweeper.sweep()
    assert kept(bucket) == before
    assert not PendingDeletion.objects.exists()


def test_what_came_back_to_a_group_is_kept(image, group, elsewhere, bucket, settings):
    """The store would not remove what it left behind; then it was moved back."""

    with refusing(settings, [image.pk]) as refused:
        moving.move(image, elsewhere, {}, expected={})
        moved = Image.objects.get()
        moving.move(moved, group, {}, expected={})
        assert refused
    assert len(kept(bucket)) == 12
    sweeper.sweep()
    assert len(kept(bucket)) == 6
    shown = Image.objects.get()
    for key in [shown.original_key, *Variant.objects.values_list("key", flat=True)]:
        assert get(bucket.presign_get(key, content_type="image/jpeg")).status == 200
    assert not PendingDeletion.objects.exists()


def test_nothing_is_removed_under_the_hands_of_somebody_else(image, bucket):
    stale = bucket.head(image.original_key).key.replace("-1.", "-9.")
    bucket.copy(image.original_key, stale)
    deletions.record(image.pk, [stale])
    with _somebody_at(image):
        sweeper.sweep()
        assert stale in kept(bucket)
    grow_old(timedelta(minutes=11))
    sweeper.sweep()
    assert stale not in kept(bucket)
    assert len(kept(bucket)) == 6


@contextmanager
def _somebody_at(image: Image) -> Iterator[None]:
    """Another session holds its lock."""
    with psycopg.connect(_database_url(), autocommit=True) as session:
        session.execute("SELECT pg_advisory_lock(%s)", [image.pk.int & (2**63 - 1)])
        yield


# --- Refused for good -----------------------------------------------------------------------


def test_what_the_store_refuses_does_not_hold_up_the_other_deletions(cleo, group, bucket, settings):
    photos = [cleo.send_and_process(drawn_pictures.jpeg(seed=seed)) for seed in range(5)]
    held = [photo.pk for photo in photos[:3]]
    with refusing(settings, held) as refused:
        group.delete()
        assert len(refused) == 1  # all in one request
        assert PendingDeletion.objects.values("image_id").distinct().count() == 5
        for _ in range(2):
            sweeper.sweep()
            grow_old(timedelta(minutes=11))
        assert {key.split("/")[-1][:36] for key in kept(bucket)} == {str(pk) for pk in held}
    sweeper.sweep()
    assert kept(bucket) == []


PHASES = ["purge", "purge versions", "drop"]


@pytest.mark.parametrize("phase", representative(PHASES, lambda phase: phase == "purge"))
def test_three_photos_refused_for_good_do_not_stop_a_phase(
    cleo, group, bucket, settings, monkeypatch, phase
):
    photos = [cleo.send_and_process(drawn_pictures.jpeg(seed=seed)) for seed in range(4)]
    held = [photo.pk for photo in photos[:3]]
    if phase == "purge":
        for days, photo in enumerate(photos):
            Image.objects.filter(pk=photo.pk).update(
                trashed_at=F("created_at") - timedelta(days=60 - days)
            )
    elif phase == "drop":
        Group.objects.update(retain_originals_days=1)
        Upload.objects.update(finished_at=F("finished_at") - timedelta(days=2))
    else:
        for photo in photos:
            _replaced(photo, bucket)
    last = photos[3]
    with refusing(settings, held) as refused:
        sweeper.sweep()
        assert len(refused) == 3  # then it gave up
        sweeper.sweep()
        assert not [key for key in _keys_due_in(phase, last) if key in kept(bucket)]
        assert len(refused) > 3  # those were tried once more, at the end
    sweeper.sweep()
    for photo in photos:
        assert not [key for key in _keys_due_in(phase, photo) if key in kept(bucket)]


def _keys_due_in(phase: str, photo: Image) -> list[str]:
    if phase == "drop":
        return [photo.original_key]
    return [f"{photo.group_id}/thumb/{photo.pk}-1.jpg", photo.original_key]


def _replaced(photo: Image, bucket) -> None:
    """It shows version 2; what version 1 left is to be removed."""
    bulk_rows.upload(photo, status="done", version=2)
    for row in Variant.objects.filter(image=photo, version=1):
        copy = row.key.replace("-1.", "-2.")
        bucket.copy(row.key, copy)
        row.pk, row.version, row.key = None, 2, copy
        row.save()
    bucket.copy(photo.original_key, photo.original_key.replace("-1.", "-2."))
    Image.objects.filter(pk=photo.pk).update(version=2)


# --- Its duplicates --------------------------------------------------------------------------


@pytest.mark.parametrize("door", ["team", "admin"])
def test_no_upload_is_the_duplicate_of_a_photo_that_is_gone(
    client, cleo, group, elsewhere, bucket, door
):
    """A photo was to be replaced by one that was here already; then it moved away."""
    existing = cleo.send_and_process(drawn_pictures.jpeg(seed=1))
    photo = cleo.send_and_process(drawn_pictures.jpeg(seed=2))
    again = bulk_rows.upload(photo, status="duplicate", version=2, duplicate_of=existing)
    moving.move(Image.objects.get(pk=photo.pk), elsewhere, {}, expected={})
    if door == "team":
        group.team.groups.exclude(pk=group.pk).update(team=GroupFactory().team)
        group.team.delete()
    else:
        Group.objects.filter(pk=group.pk).update(trashed_at=timezone.now())
        client.force_login(User.objects.create_superuser("root@example.org"))
        url = reverse("admin:groups_group_delete", args=[group.pk])
        assert client.post(url, {"post": "yes"}).status_code == 302
    assert not Image.objects.filter(pk=existing.pk).exists()
    again.refresh_from_db()
    assert (again.status, again.duplicate_of) == ("discarded", None)
    shown = Image.objects.with_status().get(pk=photo.pk)
    assert (shown.status, shown.version) == ("done", 1)
    assert get(bucket.presign_get(shown.original_key, content_type="image/jpeg")).status == 200
    assert len(kept(bucket)) == 6


def test_a_guest_whose_photo_duplicated_a_deleted_one_may_send_it_again(cleo, image, group):
    emil = Guest(InvitationFactory(group=group, name="Emil"))
    mine = emil.send_and_process(drawn_pictures.jpeg())
    assert mine.status == "duplicate"
    Image.objects.filter(pk=image.pk).delete()
    assert Upload.objects.get(image=mine).status == "discarded"
    assert emil.send_and_process(drawn_pictures.jpeg()).status == "done"
    assert Invitation.objects.get(pk=emil.invitation.pk).used_files == 1


def test_a_store_that_cannot_delete_many_at_once_is_asked_for_each(bucket, settings):
    """As Google's was in 2026."""
    keys = [f"incoming/{new_id()}" for _ in range(3)]
    for key in keys:
        photo_storage().put_stream(key, io.BytesIO(b"1"), byte_size=1, content_type="image/jpeg")
    with without_batches(settings) as refused:
        photo_storage().delete_keys([*keys, f"incoming/{new_id()}"])
    assert len(refused) == 1
    assert not {row.key for row in photo_storage().list_keys("incoming/")} & set(keys)
