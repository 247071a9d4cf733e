"""An archive ends with the first photo that leaves it, whatever takes the photo away."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.utils import timezone

from bandpics.testing.matrix import few
from groups import trash as group_trash
from groups.tests.factories import GroupFactory
from images.archives import building
from images.lifecycle import (
    bulk,
    forget_location,
    moderation,
    moving,
    retention,
    sweeper,
    takedown,
    trash,
)
from images.models import Archive, ArchiveEntry, Image, PendingDeletion, Upload
from images.reconcile import compare
from images.reconcile.report import Kind
from images.storage import object_keys
from images.storage.objects import ObjectMissing, photo_storage
from images.tests import archive_reader as reader
from images.tests import drawn_pictures, stored_photos
from images.tests.guest_client import described, get, put

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bucket")]


@pytest.fixture
def image(ada, group, signed_in):
    group.visibility = "gallery"
    group.save()
    return stored_photos.by_member(ada, group, drawn_pictures.jpeg(lat=48.2, lon=16.4))


@pytest.fixture
def other(ada, group, signed_in):
    return stored_photos.by_member(ada, group, drawn_pictures.jpeg(seed=2))


@pytest.fixture
def both(image, other, ada, group, cleo, signed_in):
    """An archive of a member's, and one of a guest's."""
    mine = reader.built(signed_in(ada), group)["id"]
    theirs = reader.built(cleo.client, group)["id"]
    return Archive.objects.get(pk=mine), Archive.objects.get(pk=theirs)


def is_there(archive):
    try:
        return photo_storage().head(archive.key).byte_size == archive.total_bytes
    except ObjectMissing:
        return False


def has_ended(archive):
    """Its address is handed out no more, and the next sweep leaves nothing of it."""
    archive.refresh_from_db()
    if archive.is_ready:
        assert is_there(archive)
        return False
    sweeper.sweep()
    assert not is_there(archive)
    assert not ArchiveEntry.objects.filter(archive=archive).exists()
    assert not PendingDeletion.objects.filter(image_id=archive.pk).exists()
    return True


def replaced(image, ada, signed_in):
    data = drawn_pictures.jpeg(seed=7)
    answer = signed_in(ada).patch(f"/api/v1/images/{image.pk}/file/", described(data)).json()
    assert put(answer["upload"], data).status == 200
    signed_in(ada).post(f"/api/v1/uploads/{answer['id']}/complete/")
    from images import tasks

    tasks.process_upload(answer["id"])
    image.refresh_from_db()
    assert image.version == 2


def purged(image):
    Image.objects.filter(pk=image.pk).delete()  # by cascade or SQL: no function of ours


VERBS = {
    "trash": lambda image, **_: trash.put(image),
    "many": lambda image, ada, **_: bulk.put_in_trash([image.pk], by=ada, own={image.pk}),
    "takedown": lambda image, cleo, **_: takedown.ask(image, asker=cleo.key),
    "purge": lambda image, **_: purged(image),
    "replace": lambda image, ada, signed_in, **_: replaced(image, ada, signed_in),
    "move": lambda image, team, **_: moving.move_all([image.pk], GroupFactory(team=team)),
    "group in trash": lambda group, **_: group_trash.put(group),
    "group deleted": lambda group, **_: group.delete(),
}


@pytest.mark.parametrize("verb", few(VERBS, 3))
def test_a_photo_that_leaves_ends_every_archive_it_is_in(
    verb, both, image, ada, cleo, team, group, signed_in
):
    cast = {"ada": ada, "cleo": cleo, "team": team, "group": group, "signed_in": signed_in}
    urls = [photo_storage().presign_get(each.key, content_type="application/zip") for each in both]
    VERBS[verb](image=image, **cast)
    sweeper.sweep()
    assert not any(is_there(archive) for archive in both)
    assert [get(url).status for url in urls] == [404, 404]
    assert not Archive.objects.on_disk().exists()
    assert not PendingDeletion.objects.filter(image_id__in=[each.pk for each in both]).exists()


def test_the_page_says_at_once_that_it_is_gone(both, image, ada, group, signed_in):
    trash.put(image)
    path = f"{reader.path_of(group)}{both[0].pk}/"
    shown = signed_in(ada).get(path).json()
    assert (shown["status"], shown["url"], shown["download_url"]) == ("expired", None, None)
    assert signed_in(ada).get(f"{path}download/").status_code == 410
    again = reader.built(signed_in(ada), group)
    assert again["id"] != str(both[0].pk)
    assert len(reader.files_of(again)) == 1


@pytest.mark.parametrize("decision", ["reject", "wait"])
def test_a_rejected_photo_ends_the_archives_of_guests_alone(decision, both, image, ada):
    mine, theirs = both
    moderation.moderate([image.pk], decision, by=ada)
    assert not has_ended(mine)
    assert has_ended(theirs)


def test_a_forgotten_place_ends_the_archives_of_members_alone(both, image):
    mine, theirs = both
    forget_location.forget(image.pk)
    assert has_ended(mine)
    assert not has_ended(theirs)  # nobody learned a place from that


def test_an_archive_that_was_built_while_a_place_was_forgotten_ends_too(
    image, other, ada, group, signed_in, monkeypatch
):
    """The row is changed first, the original afterwards."""
    made = []
    edit = forget_location._edit_original

    def build_meanwhile(row):
        made.append(reader.built(signed_in(ada), group)["id"])
        return edit(row)

    monkeypatch.setattr(forget_location, "_edit_original", build_meanwhile)
    forget_location.forget(image.pk)
    assert has_ended(Archive.objects.get(pk=made[0]))


def test_an_original_that_is_dropped_as_promised_leaves_no_copy(both, image, group):
    group.retain_originals_days = 1
    group.save()
    Upload.objects.update(finished_at=F("finished_at") - timedelta(days=2))
    assert retention.drop_original(image.pk)
    mine, theirs = both
    assert has_ended(mine)
    assert not has_ended(theirs)


def test_an_original_that_the_store_has_lost_is_not_lost_once_more(both, image):
    """What the archive holds may be its last copy."""
    now = timezone.now()
    Image.objects.filter(pk=image.pk).update(original_dropped_at=now, original_lost_at=now)
    assert not any(has_ended(archive) for archive in both)


@pytest.mark.parametrize("change", [{"description": "D"}, {"caption": "C"}, {"latitude": 1.0}])
def test_what_is_said_of_a_photo_ends_nothing(change, both, image):
    Image.objects.filter(pk=image.pk).update(updated_at=timezone.now(), **change)
    assert not any(has_ended(archive) for archive in both)


def test_other_archives_of_the_group_stay(both, image, other, ada, group, signed_in):
    of_other = reader.built(signed_in(ada), group, what={"images": [str(other.pk)]})["id"]
    trash.put(image)
    assert not has_ended(Archive.objects.get(pk=of_other))


def test_a_week_later_it_is_gone(both):
    week = both[0].expires_at - both[0].ready_at
    assert abs(week - timedelta(days=7)) < timedelta(minutes=1)
    Archive.objects.update(expires_at=timezone.now())
    sweeper.sweep()
    assert not any(is_there(archive) for archive in both)
    # The rows stay: by them somebody is told what is new since their last download.
    assert Archive.objects.filter(removed_at__isnull=False).count() == 2
    assert not ArchiveEntry.objects.exists()


def test_a_deleted_row_leaves_no_object(both):
    Archive.objects.all().delete()
    sweeper.sweep()
    assert not any(is_there(archive) for archive in both)


# --- While it is being built ----------------------------------------------------------------


def test_a_photo_that_leaves_meanwhile_is_not_in_it(
    image, other, ada, group, signed_in, monkeypatch
):
    monkeypatch.setattr(building, "PART_BYTES", 5_000)
    archive_id = reader.ordered(signed_in(ada), group)["id"]
    send, trashed = building._Build._send, threading.Event()

    def trash_meanwhile(build, number, part):
        if not trashed.is_set():
            trashed.set()
            trash.put(image)
            connection.close()
        send(build, number, part)

    monkeypatch.setattr(building._Build, "_send", trash_meanwhile)
    archive = reader.build(archive_id)
    assert archive.state == "ready"
    assert archive.build_number == 2
    assert archive.file_count == 1
    sweeper.sweep()
    # Nothing is left of the first attempt.
    assert [found.key for found in photo_storage().list_keys(f"{group.pk}/archives/")] == [
        archive.key
    ]
    assert [found.key for found in photo_storage().open_multiparts("")] == []


def test_one_that_leaves_before_a_worker_began_is_not_in_it(image, other, ada, group, signed_in):
    archive_id = reader.ordered(signed_in(ada), group)["id"]
    trash.put(image)
    archive = reader.build(archive_id)
    assert (archive.state, archive.file_count) == ("ready", 1)


def test_where_no_photo_is_left_it_says_so(image, ada, group, signed_in):
    archive_id = reader.ordered(signed_in(ada), group)["id"]
    trash.put(image)
    archive = reader.build(archive_id)
    assert (archive.state, archive.failure) == ("failed", "empty")
    shown = signed_in(ada).get(f"{reader.path_of(group)}{archive_id}/").json()
    assert shown["status"] == "failed"


# --- Reconciliation -------------------------------------------------------------------------


def reconciled():
    report = compare.reconcile(compare.Options(repairs=True, grace=timedelta(0)))
    return {kind: one.found for kind, one in report.differences.items()}


def test_archives_are_no_orphans(both):
    assert reconciled() == {}
    assert all(is_there(archive) for archive in both)


def test_an_archive_that_a_restored_database_does_not_know_is_removed(both, group):
    """Nobody could ask for it."""
    Archive.objects.all().delete()
    PendingDeletion.objects.all().delete()
    assert reconciled() == {Kind.ORPHAN: 2}
    assert not any(is_there(archive) for archive in both)
    assert reconciled() == {}


def test_an_archive_without_its_object_ends(both):
    photo_storage().delete_keys([both[0].key])
    assert reconciled() == {Kind.ARCHIVE_MISSING: 1}
    assert has_ended(both[0])
    assert not has_ended(both[1])


def test_a_multipart_of_no_archive_is_aborted(both, image, ada, group, signed_in):
    key = object_keys.archive(group.pk, image.pk, 1)
    photo_storage().create_multipart(key, content_type="application/zip")
    assert reconciled() == {Kind.MULTIPART: 1}
    assert list(photo_storage().open_multiparts("")) == []
