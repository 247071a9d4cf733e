"""What people decided outlives the database: the bucket has markers, and reconcile heeds them."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest
import redis
from django.conf import settings as live_settings
from django.db import connection
from django.utils import timezone

from groups.tests.factories import GroupFactory
from images import deletions, tasks
from images.lifecycle import editing, forget_location, moving, sweeper, trash
from images.models import Image, PendingDeletion, Upload, Variant
from images.photofile.metadata import exif
from images.processing import versions
from images.reconcile import repair, restored
from images.storage import object_keys
from images.tests import drawn_pictures, stored_photos
from images.tests.guest_client import described, put
from images.tests.refusing_store import pointed_at
from images.tests.test_location import SCANS_APART
from images.tests.test_reconcile import bytes_of, counts, forget, reconcile, run_tasks, stored

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bucket")]

TABLES = (Image, Upload, Variant, PendingDeletion)
DATA = drawn_pictures.jpeg(width=1200, height=800, seed=400, lat=48.2082, lon=16.3738)


class Dump:
    """The rows of photos as they are now, to be restored later. No trigger notices."""

    def __init__(self) -> None:
        self._rows = [(model, list(model.objects.values())) for model in TABLES]

    def restore(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
            for model in reversed(TABLES):
                model.objects.all()._raw_delete("default")
            for model, rows in self._rows:
                for row in rows:
                    row.pop("search_vector", None)
                model.objects.bulk_create(model(**row) for row in rows)
                if model is Image:
                    for row in rows:  # bulk_create says now
                        model.objects.filter(pk=row["id"]).update(updated_at=row["updated_at"])
            cursor.execute("SET session_replication_role = DEFAULT")


@pytest.fixture
def whole(cleo, bucket):
    """A photo nothing is wrong with: else both sides would look like strangers."""
    return stored_photos.by_guest(cleo, drawn_pictures.jpeg(seed=100))


@pytest.fixture
def photo(cleo, whole):
    photo = stored_photos.by_guest(cleo, DATA)
    assert photo.latitude is not None
    return photo


@pytest.fixture
def host(ada, signed_in):
    return signed_in(ada)


def trash_it(host, photo) -> None:
    assert host.delete(f"/api/v1/images/{photo.pk}/").status_code == 204
    tasks.update_trashed_marker(str(photo.pk))


def forget_it(cleo, photo) -> None:
    assert cleo.client.delete(f"/api/v1/images/{photo.pk}/location/").status_code == 200


def markers_of(bucket, photo) -> set[str]:
    return stored(bucket) & set(object_keys.markers(photo.pk))


def assert_holds_no_place(bucket, tmp_path, photo) -> None:
    photo = Image.objects.get(pk=photo.pk)
    assert (photo.latitude, photo.gps_source) == (None, "removed")
    assert photo.place_forgotten_at is not None
    assert "GPS" not in photo.exif
    assert bytes_of(bucket, tmp_path, photo.original_key)
    assert exif.read(tmp_path / "x").gps is None


def assert_nothing_differs(count: int | None = None) -> None:
    code, report = reconcile("--fix")
    assert (code, report["differences"]) == (0, {})


# --- Forget ---------------------------------------------------------------------------------


def test_a_place_forgotten_since_the_dump_is_forgotten_again(cleo, photo, bucket, tmp_path):
    dump = Dump()
    forget_it(cleo, photo)
    assert markers_of(bucket, photo) == {f"forgotten/{photo.pk}"}
    dump.restore()
    assert Image.objects.get(pk=photo.pk).latitude is not None
    code, report = reconcile()
    assert (code, counts(report)) == (1, {"forgotten-place-is-back": 1})
    assert reconcile("--fix")[0] == 0
    assert_holds_no_place(bucket, tmp_path, photo)
    assert_nothing_differs()


def test_a_place_that_a_copied_original_brings_back_is_forgotten_again(
    cleo, photo, bucket, tmp_path
):
    """Of an original that a backup of the bucket brought back, the place goes once more."""
    dump = Dump()
    (original,) = bytes_of(bucket, tmp_path, photo.original_key)
    forget_it(cleo, photo)
    dump.restore()
    (tmp_path / "before").write_bytes(original)
    bucket.put_file(photo.original_key, tmp_path / "before", content_type="image/jpeg")
    assert reconcile("--fix")[0] == 0
    assert_holds_no_place(bucket, tmp_path, photo)


def test_an_original_that_went_with_its_place_is_not_called_lost(cleo, whole, bucket):
    photo = cleo.send_and_process(SCANS_APART)
    dump = Dump()
    assert forget_location.forget(photo.pk).original == forget_location.Original.DROPPED
    dump.restore()
    assert reconcile("--fix")[0] == 0
    photo.refresh_from_db()
    assert photo.place_forgotten_at is not None
    assert (photo.original_dropped_at is not None, photo.original_lost_at) == (True, None)
    assert_nothing_differs()


def test_an_original_that_was_lost_meanwhile_comes_back_without_its_place(
    cleo, photo, bucket, tmp_path
):
    (original,) = bytes_of(bucket, tmp_path, photo.original_key)
    bucket.delete_keys([photo.original_key])
    assert reconcile("--fix")[0] == 0
    forget_it(cleo, photo)
    (tmp_path / "before").write_bytes(original)
    bucket.put_file(photo.original_key, tmp_path / "before", content_type="image/jpeg")
    assert reconcile("--fix")[0] == 0
    assert_holds_no_place(bucket, tmp_path, photo)
    assert Image.objects.get(pk=photo.pk).original_dropped_at is None
    assert_nothing_differs()


def test_forgotten_while_it_waited_it_is_forgotten_before_it_is_processed(
    cleo, whole, bucket, tmp_path
):
    upload = cleo.send(DATA)
    dump = Dump()
    forget_it(cleo, upload.image)
    dump.restore()
    assert reconcile("--fix")[0] == 0
    run_tasks()
    assert_holds_no_place(bucket, tmp_path, upload.image)
    assert_nothing_differs()


def test_a_photo_the_dump_does_not_know_comes_back_without_its_place(
    cleo, photo, bucket, tmp_path, host
):
    forget_it(cleo, photo)
    trash_it(host, photo)
    forget(photo)
    assert reconcile("--fix")[0] == 0
    run_tasks()
    assert_holds_no_place(bucket, tmp_path, photo)
    again = Image.objects.with_status().get(pk=photo.pk)
    assert (again.status, again.trashed_at is not None) == ("done", True)
    assert_nothing_differs()


def test_a_place_is_not_forgotten_where_the_store_cannot_remember_it(cleo, photo, settings):
    stores = settings.STORAGES
    settings.STORAGES = pointed_at(stores, "http://127.0.0.1:1")
    address = f"/api/v1/images/{photo.pk}/location/"
    assert cleo.client.delete(address).status_code == 503
    settings.STORAGES = stores
    assert counts(reconcile()[1]) == {"marker-missing": 1}
    assert reconcile("--fix")[0] == 0
    assert_nothing_differs()


# --- Trash, restore, purge ------------------------------------------------------------------


def test_a_photo_trashed_since_the_dump_is_trashed_again(photo, bucket, host):
    dump = Dump()
    trash_it(host, photo)
    assert markers_of(bucket, photo) == {f"trashed/{photo.pk}"}
    dump.restore()
    assert host.get(f"/api/v1/images/{photo.pk}/").status_code == 200
    code, report = reconcile()
    assert (code, counts(report)) == (1, {"trashed-photo-is-back": 1})
    assert reconcile("--fix")[0] == 0
    assert host.get(f"/api/v1/images/{photo.pk}/").status_code == 404
    assert_nothing_differs()
    assert host.post(f"/api/v1/images/{photo.pk}/restore/").status_code == 200


def test_trashing_asks_a_worker_for_the_marker(photo, host):
    broker = redis.Redis.from_url(live_settings.REDIS_URL)
    broker.delete("sweep")
    host.delete(f"/api/v1/images/{photo.pk}/")
    assert broker.llen("sweep") == 1
    host.post(f"/api/v1/images/{photo.pk}/restore/")
    assert broker.llen("sweep") == 2
    broker.delete("sweep")
    broker.close()


def test_a_restored_photo_has_no_marker_and_stays(photo, bucket, host):
    trash_it(host, photo)
    assert host.post(f"/api/v1/images/{photo.pk}/restore/").status_code == 200
    assert markers_of(bucket, photo) == set()
    tasks.update_trashed_marker(str(photo.pk))  # late, from when it was trashed
    assert markers_of(bucket, photo) == set()
    assert_nothing_differs()
    assert Image.objects.get(pk=photo.pk).trashed_at is None


def test_with_the_store_away_a_photo_is_trashed_and_not_restored(photo, bucket, host, settings):
    stores = settings.STORAGES
    settings.STORAGES = pointed_at(stores, "http://127.0.0.1:1")
    assert host.delete(f"/api/v1/images/{photo.pk}/").status_code == 204
    assert host.post(f"/api/v1/images/{photo.pk}/restore/").status_code == 503
    settings.STORAGES = stores
    assert counts(reconcile()[1]) == {"marker-missing": 1}
    assert reconcile("--fix")[0] == 0
    assert markers_of(bucket, photo) == {f"trashed/{photo.pk}"}


def test_one_that_cannot_be_restored_keeps_its_marker(cleo, photo, bucket, host):
    trash_it(host, photo)
    cleo.send_and_process(DATA)
    with contextlib.suppress(editing.DuplicateInGroup):
        trash.restore(photo)
    tasks.update_trashed_marker(str(photo.pk))
    assert markers_of(bucket, photo) == {f"trashed/{photo.pk}"}


def test_a_purged_photo_leaves_no_marker_and_does_not_come_back(cleo, photo, bucket, host):
    forget_it(cleo, photo)
    trash_it(host, photo)
    Image.objects.filter(pk=photo.pk).update(trashed_at=timezone.now() - timedelta(days=31))
    dump = Dump()
    assert trash.purge(photo.pk)
    assert markers_of(bucket, photo) == set()
    tasks.update_trashed_marker(str(photo.pk))
    assert markers_of(bucket, photo) == set()
    dump.restore()
    sweeper.sweep()
    assert not Image.objects.filter(pk=photo.pk).exists()
    assert_nothing_differs()


def test_a_purged_photo_the_dump_has_queued_fails_kindly(cleo, whole, bucket):
    upload = cleo.send(DATA)
    dump = Dump()
    tasks.process_upload(str(upload.pk))
    Image.objects.filter(pk=upload.pk).update(trashed_at=timezone.now() - timedelta(days=31))
    assert trash.purge(upload.pk)
    dump.restore()
    assert reconcile("--fix")[0] == 0
    upload.refresh_from_db()
    assert (upload.status, upload.failure) == ("failed", "original-missing")


def test_a_photo_restored_from_the_trash_since_the_dump_is_not_purged_at_once(photo, bucket, host):
    """The dump has it in the trash, for almost all of its time."""
    trash_it(host, photo)
    Image.objects.filter(pk=photo.pk).update(trashed_at=timezone.now() - timedelta(days=29))
    dump = Dump()
    assert trash.restore(photo)
    dump.restore()
    Image.objects.filter(pk=photo.pk).update(trashed_at=timezone.now() - timedelta(days=31))
    code, report = reconcile("--fix")
    assert (code, counts(report)) == (0, {"marker-missing": 1})
    assert trash.purge(photo.pk) is False
    assert host.post(f"/api/v1/images/{photo.pk}/restore/").status_code == 200
    assert_nothing_differs()


# --- Move, replace, delete ------------------------------------------------------------------


def test_moved_after_it_was_forgotten_it_is_relocated_and_forgotten(
    cleo, photo, bucket, team, tmp_path
):
    dump = Dump()
    forget_it(cleo, photo)
    photo.refresh_from_db()
    moving.move(photo, GroupFactory(team=team), {}, expected={})
    dump.restore()
    reconcile("--fix")
    assert_nothing_differs()
    assert_holds_no_place(bucket, tmp_path, photo)


def test_replaced_after_it_was_forgotten_the_new_file_has_no_place_either(
    cleo, photo, bucket, host, tmp_path
):
    dump = Dump()
    forget_it(cleo, photo)
    data = drawn_pictures.jpeg(width=900, height=700, seed=401, lat=47.0, lon=15.0)
    ticket = host.patch(f"/api/v1/images/{photo.pk}/file/", described(data)).json()
    ticket = ticket["uploads"][0] if "uploads" in ticket else ticket
    put(ticket["upload"], data)
    host.post(f"/api/v1/uploads/{ticket['id']}/complete/")
    tasks.process_upload(ticket["id"])
    versions.purge_old_versions(photo.pk)
    assert markers_of(bucket, photo) == {f"forgotten/{photo.pk}"}
    dump.restore()
    for _ in range(2):
        reconcile("--fix")
        run_tasks()
    assert Image.objects.get(pk=photo.pk).version == 2
    assert_holds_no_place(bucket, tmp_path, photo)
    assert_nothing_differs()


def test_with_its_group_the_markers_go(cleo, photo, bucket, host, group):
    forget_it(cleo, photo)
    trash_it(host, photo)
    group.delete()
    assert stored(bucket) == set()
    assert not PendingDeletion.objects.exists()


def test_a_pending_deletion_of_a_photo_that_stays_removes_no_marker(cleo, photo, bucket, team):
    forget_it(cleo, photo)
    photo.refresh_from_db()
    moving.move(photo, GroupFactory(team=team), {}, expected={})
    Upload.objects.filter(pk=photo.pk).delete()  # its trigger notes everything of it
    deletions.execute([photo.pk])
    assert markers_of(bucket, photo) == {f"forgotten/{photo.pk}"}


# --- Reconcile ------------------------------------------------------------------------------


def test_markers_are_neither_foreign_nor_orphans_and_lost_ones_are_written(
    cleo, photo, bucket, host
):
    forget_it(cleo, photo)
    trash_it(host, photo)
    assert_nothing_differs()
    marks = set(object_keys.markers(photo.pk))
    bucket.delete_keys(marks)
    code, report = reconcile()
    assert (code, counts(report)) == (1, {"marker-missing": 2})
    assert reconcile("--fix", "--group", str(photo.group_id))[0] == 0
    assert markers_of(bucket, photo) == marks


def test_a_marker_of_a_photo_that_is_gone_is_removed(photo, whole, bucket, tmp_path):
    gone = "0" * 8 + str(photo.pk)[8:]
    (tmp_path / "x").write_bytes(b"x")
    for key in [f"forgotten/{gone}", "trashed/nonsense"]:
        bucket.put_file(key, tmp_path / "x", content_type="text/plain")
    assert reconcile("--fix", "--grace", "60")[1]["too_young"] == 1
    code, report = reconcile("--fix")
    assert (code, counts(report)) == (0, {"foreign-object": 1, "object-without-row": 1})
    assert f"forgotten/{gone}" not in stored(bucket)
    assert "trashed/nonsense" in stored(bucket)


def test_what_people_decide_meanwhile_is_not_undone(photo, bucket, host):
    """Restored between the listing and the look under the lock."""
    dump = Dump()
    trash_it(host, photo)
    dump.restore()
    bucket.delete_keys([object_keys.trashed(photo.pk)])
    assert restored.trash_again(photo.pk) is False
    assert restored.forget_again(photo.pk) is False
    photo.refresh_from_db()
    assert (photo.trashed_at, photo.place_forgotten_at) == (None, None)
    assert repair.is_there(photo.original_key)
