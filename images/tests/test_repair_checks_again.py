"""What `reconcile --fix` found may be an hour old: it looks again under the lock before it acts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from groups.tests.factories import GroupFactory
from images.lifecycle import moving
from images.models import Image, Upload
from images.processing import claims, outcomes
from images.reconcile import repair, restored
from images.storage import object_keys
from images.storage.objects import ObjectMissing
from images.tests import drawn_pictures
from images.tests.guest_client import described, put
from images.tests.test_reconcile import counts, reconcile, run_tasks, stored

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bucket")]


@pytest.fixture
def whole(cleo, bucket):
    """A photo nothing is wrong with: else both sides would look like strangers."""
    return cleo.send_and_process(drawn_pictures.jpeg(seed=100))


@pytest.fixture
def photo(cleo, whole):
    return cleo.send_and_process(drawn_pictures.jpeg(width=1200, height=800, seed=101))


@pytest.fixture
def host(ada, signed_in):
    return signed_in(ada)


def announced_replacement(host, photo, data: bytes) -> Upload:
    answer = host.patch(f"/api/v1/images/{photo.pk}/file/", described(data)).json()
    ticket = answer["uploads"][0] if "uploads" in answer else answer
    put(ticket["upload"], data)
    return Upload.objects.get(pk=ticket["id"])


def listed(bucket, prefix: str) -> list:
    return list(bucket.list_keys(prefix))


def second_version(bucket, photo) -> object_keys.Version:
    """Objects of a version that the record does not know."""
    version = object_keys.Version(photo.group_id, photo.pk, 2)
    bucket.copy(photo.original_key, version.original(content_type="image/jpeg"))
    for row in photo.variants.all():
        bucket.copy(row.key, version.variant(row.name))
    return version


def objects_of(bucket, version: object_keys.Version) -> list:
    return [found for found in bucket.list_keys("") if found.key in version.all_keys()]


def used(invitation) -> tuple[int, int]:
    invitation.refresh_from_db()
    return invitation.used_files, invitation.used_bytes


# --- A version under way --------------------------------------------------------------------


@pytest.mark.parametrize("status", ["pending", "queued", "processing"])
def test_what_a_version_under_way_has_written_is_no_orphan(host, photo, bucket, status):
    version = second_version(bucket, photo)
    found = objects_of(bucket, version)
    upload = announced_replacement(host, photo, drawn_pictures.jpeg(seed=102))
    if status != "pending":
        host.post(f"/api/v1/uploads/{upload.pk}/complete/")
    if status == "processing":
        assert claims.claim(upload)
    assert repair.remove_orphans(found) == 0
    assert objects_of(bucket, version) == found


def test_objects_of_a_discarded_version_are_orphans(host, photo, bucket):
    version = second_version(bucket, photo)
    upload = announced_replacement(host, photo, drawn_pictures.jpeg(seed=102))
    Upload.objects.filter(pk=upload.pk).update(status="discarded")
    found = objects_of(bucket, version)
    assert repair.remove_orphans(found) == len(found) == 6


def test_a_version_that_was_announced_meanwhile_is_not_made_from_old_objects(host, photo, bucket):
    version = second_version(bucket, photo)
    (original,) = listed(bucket, version.original(content_type="image/jpeg"))
    announced_replacement(host, photo, drawn_pictures.jpeg(seed=102))
    assert restored.recover(version, original) is False
    assert photo.uploads.count() == 2


def test_a_version_made_again_counts_once_for_its_link(photo, bucket, invitation):
    second_version(bucket, photo)
    before = used(invitation)
    reconcile("--fix")
    run_tasks()
    assert Image.objects.get(pk=photo.pk).version == 2
    assert used(invitation) == before


def test_a_photo_whose_next_version_is_under_way_is_not_lost(host, photo, bucket):
    bucket.delete_keys([photo.original_key, *photo.variants.values_list("key", flat=True)])
    upload = announced_replacement(host, photo, drawn_pictures.jpeg(seed=102))
    host.post(f"/api/v1/uploads/{upload.pk}/complete/")
    code, report = reconcile("--fix")
    assert (code, counts(report)) == (0, {})
    run_tasks()
    again = Image.objects.with_status().get(pk=photo.pk)
    assert (again.status, again.version) == ("done", 2)


def test_objects_of_a_photo_that_was_moved_back_are_not_taken_away(photo, bucket, team):
    (original,) = listed(bucket, photo.original_key)
    assert repair.relocate(original) is False
    other = GroupFactory(team=team)
    moving.move(photo, other, {}, expected={})
    assert repair.relocate(original) is True  # it was copied to the other group
    assert repair.remove_orphans(listed(bucket, f"{other.pk}/")) == 0


# --- An object written anew -----------------------------------------------------------------


@pytest.mark.parametrize("change", [{"byte_size": 1}, {"modified_at": timedelta(minutes=-1)}])
def test_an_object_written_anew_is_not_removed(photo, bucket, change):
    """As long as before, or as old as before: either alone tells."""
    version = second_version(bucket, photo)
    found = objects_of(bucket, version)
    before = [
        replace(each, byte_size=each.byte_size + change.get("byte_size", 0))
        if "byte_size" in change
        else replace(each, modified_at=each.modified_at + change["modified_at"])
        for each in found
    ]
    assert repair.remove_orphans(before) == 0
    assert objects_of(bucket, version) == found
    assert repair.remove_orphans(found) == 6


def test_an_object_that_is_gone_already_counts_as_removed(photo, bucket):
    found = objects_of(bucket, second_version(bucket, photo))
    bucket.delete_keys([found[0].key])
    assert repair.remove_orphans(found) == 6


# --- Bytes that are there after all ---------------------------------------------------------


def test_an_original_that_is_there_after_all_is_not_marked_as_lost(photo):
    assert repair.mark_original_lost(photo.pk) is True
    photo.refresh_from_db()
    assert (photo.original_dropped_at, photo.original_lost_at) == (None, None)


@pytest.mark.parametrize("left", ["original", "thumb"])
def test_a_photo_of_which_something_is_there_after_all_is_not_lost(photo, bucket, left):
    named = {row.name: row.key for row in photo.variants.all()} | {"original": photo.original_key}
    bucket.delete_keys([key for name, key in named.items() if name != left])
    assert repair.fail_lost(photo.pk) is False
    again = Image.objects.with_status().get(pk=photo.pk)
    assert (again.status, again.version, again.variants.count()) == ("done", 1, 5)


def test_a_size_that_is_there_after_all_is_not_made_again(photo, bucket):
    before = listed(bucket, f"{photo.group_id}/")
    assert repair.restore_sizes(photo.pk) is True
    assert listed(bucket, f"{photo.group_id}/") == before


def test_a_queued_photo_whose_bytes_are_there_after_all_goes_on(cleo, whole):
    upload = cleo.send(drawn_pictures.jpeg(seed=103))
    assert outcomes.fail_missing(upload) is False
    upload.refresh_from_db()
    assert (upload.status, upload.attempt) == ("queued", 0)


def test_bytes_that_are_in_quarantine_after_all_are_not_left_for_old_objects(cleo, photo, bucket):
    """A crashed photo somebody may try again: what a worker left of it are leftovers."""
    Upload.objects.filter(pk=photo.pk).update(status="failed", failure="crashed")
    Image.objects.filter(pk=photo.pk).update(version=0)
    place = object_keys.place_of(photo.original_key)
    assert restored.ended_too_early(place.version) is not None
    bucket.copy(photo.original_key, object_keys.incoming(photo.pk))
    assert restored.ended_too_early(place.version) is None
    (original,) = listed(bucket, photo.original_key)
    assert restored.finish(place.version, original) is False


def test_an_object_in_the_place_it_belongs_to_is_not_copied_over(photo, bucket, team):
    """At home, too, by another run: the copy in the other group may go, and no byte is written."""
    other = GroupFactory(team=team)
    there = photo.original_key.replace(str(photo.group_id), str(other.pk))
    bucket.copy(photo.variants.get(name="thumb").key, there)
    (found,) = listed(bucket, there)
    (before,) = listed(bucket, photo.original_key)
    assert repair.relocate(found) is True
    assert listed(bucket, photo.original_key) == [before]
    with pytest.raises(ObjectMissing):
        bucket.head(f"{there}x")
    assert photo.original_key in stored(bucket)
