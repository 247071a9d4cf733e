"""A worker that comes back after its photo went another way removes and restores nothing."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import psycopg
import pytest
from django.utils import timezone

from images.lifecycle import forget_location, trash
from images.models import Image, Upload, Variant, locks
from images.photofile import rendering, variants
from images.photofile.metadata import exif
from images.processing import claims, outcomes, work
from images.tests import drawn_pictures
from images.tests.guest_client import Guest
from images.tests.test_infrastructure_faults import dsn
from images.tests.test_processing import STAGE
from invitations.tests.factories import InvitationFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bucket")]


def overtaken(upload: Upload) -> None:
    """Its lease runs out, and another worker finishes it."""
    Upload.objects.filter(pk=upload.pk).update(lease_until=timezone.now() - timedelta(minutes=1))
    work.process(upload)
    assert Upload.objects.get(pk=upload.pk).status == "done"


def just_before(monkeypatch, module, name: str, happens) -> None:
    """Once, when the first worker is about to call this."""
    real = getattr(module, name)

    def late(*args, **kwargs):
        monkeypatch.setattr(module, name, real)
        happens()
        return real(*args, **kwargs)

    monkeypatch.setattr(module, name, late)


def kept_of(bucket, image: Image) -> set[str]:
    return {found.key for found in bucket.list_keys("") if str(image.pk) in found.key}


@pytest.mark.django_db(transaction=True)
def test_a_late_worker_removes_nothing_of_a_photo_changed_since(cleo, bucket, monkeypatch):
    upload = cleo.send(drawn_pictures.jpeg(**STAGE))

    def happens() -> None:
        overtaken(upload)
        forget_location.forget(upload.image_id)

    just_before(monkeypatch, outcomes, "finish", happens)
    work.process(upload)
    image = Image.objects.with_status().get()
    assert image.status == "done"
    assert len(kept_of(bucket, image)) == 6 + 1  # and the marker of a forgotten place


@pytest.mark.django_db(transaction=True)
def test_a_late_worker_whose_duplicated_photo_went_removes_nothing(
    cleo, group, bucket, monkeypatch
):
    existing = cleo.send_and_process(drawn_pictures.jpeg())
    upload = Guest(InvitationFactory(group=group)).send(drawn_pictures.jpeg())

    def happens() -> None:
        trash.put(existing)
        overtaken(upload)

    just_before(monkeypatch, outcomes, "end_as_duplicate", happens)
    work.process(upload)
    image = Image.objects.with_status().get(pk=upload.image_id)
    assert image.status == "done"
    assert len(kept_of(bucket, image)) == 6


@pytest.mark.django_db(transaction=True)
def test_a_late_worker_brings_no_forgotten_place_back(cleo, bucket, monkeypatch, tmp_path):
    upload = cleo.send(drawn_pictures.jpeg(**STAGE))

    def happens() -> None:
        overtaken(upload)
        assert forget_location.forget(upload.image_id) == forget_location.Original.EDITED

    just_before(monkeypatch, work, "_store", happens)
    work.process(upload)
    image = Image.objects.with_status().get()
    assert image.status == "done"
    bucket.download(image.original_key, tmp_path / "original")
    assert exif.read(tmp_path / "original").gps is None


# What another worker does that finishes the photo, in the order of its locks.
FINISH = """
    SELECT id FROM images_image WHERE id = %(id)s FOR UPDATE;
    INSERT INTO images_variant
        (image_id, version, name, key, width, height, byte_size, content_type, created_at)
    SELECT %(id)s, 1, name, name, 1, 1, 1, 'image/jpeg', now() FROM unnest(%(names)s::text[]) name;
    UPDATE images_upload SET claim_number = claim_number + 1 WHERE id = %(id)s;
"""
WAITS = "SELECT count(*) FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))"


def commit_once_waited_for(connection: psycopg.Connection) -> None:
    end = time.monotonic() + 30
    with psycopg.connect(dsn()) as looking:
        while time.monotonic() < end:
            (count,) = looking.execute(WAITS, [connection.info.backend_pid]).fetchone()
            if count:
                break
            time.sleep(0.05)
    connection.commit()


@pytest.mark.django_db(transaction=True)
def test_a_late_worker_that_waited_for_the_one_that_overtook_it_has_lost_its_lease(
    cleo, monkeypatch, caplog
):
    upload = cleo.send(drawn_pictures.jpeg())
    names = [each.name for each in variants.ALL]
    with psycopg.connect(dsn(), cursor_factory=psycopg.ClientCursor) as other:

        def happens() -> None:
            other.execute(FINISH, {"id": upload.pk, "names": names})
            threading.Thread(target=commit_once_waited_for, args=[other]).start()

        just_before(monkeypatch, outcomes, "_locked", happens)
        work.process(upload)
    assert [line.message for line in caplog.records if line.levelname == "ERROR"] == []
    assert "lease lost" in [line.message for line in caplog.records]
    assert Variant.objects.count() == len(names)
    assert Image.objects.get().version == 0


@pytest.mark.django_db(transaction=True)
def test_somebody_else_at_its_objects_costs_no_attempt(cleo):
    upload = cleo.send(drawn_pictures.jpeg())
    with psycopg.connect(dsn()) as other:
        number = upload.image_id.int & (2**63 - 1)
        other.execute("SELECT pg_advisory_lock(%s)", [number])
        with pytest.raises(locks.Busy):
            work.process(upload)
    upload.refresh_from_db()
    assert (upload.status, upload.attempt) == ("queued", 0)
    work.process(upload)
    upload.refresh_from_db()
    assert upload.status == "done"


@pytest.mark.django_db(transaction=True)
def test_a_late_worker_removes_nothing_of_a_photo_tried_again(
    cleo, ada, bucket, signed_in, monkeypatch
):
    """It had given the photo up, and was to remove what an earlier attempt may have written."""
    upload = cleo.send(drawn_pictures.jpeg())
    Upload.objects.filter(pk=upload.pk).update(attempt=claims.MAX_ATTEMPTS - 1)

    def happens() -> None:
        answer = signed_in(ada).post(f"/api/v1/images/{upload.image_id}/retry/")
        assert answer.status_code == 202, answer.json()
        work.process(upload)

    with pytest.MonkeyPatch.context() as patch:
        just_before(patch, outcomes, "_remove_stored", happens)
        real = rendering.render
        patch.setattr(
            rendering, "render", lambda *_, **__: patch.setattr(rendering, "render", real)
        )
        work.process(upload)
    image = Image.objects.with_status().get()
    assert image.status == "done"
    assert len(kept_of(bucket, image)) == 6


@pytest.mark.parametrize("is_processed", [False, True])
@pytest.mark.django_db(transaction=True)
def test_a_late_worker_removes_nothing_that_a_duplicate_inherited(
    cleo, group, bucket, monkeypatch, is_processed
):
    """It had found the photo to be here already; since then that other one went for good."""
    existing = cleo.send_and_process(drawn_pictures.jpeg())
    upload = Guest(InvitationFactory(group=group)).send(drawn_pictures.jpeg())

    def happens() -> None:
        Image.objects.filter(pk=existing.pk).update(trashed_at=timezone.now() - timedelta(days=99))
        assert trash.purge(existing.pk)
        if is_processed:
            work.process(upload)

    just_before(monkeypatch, outcomes, "_remove_stored", happens)
    work.process(upload)
    work.process(upload)
    image = Image.objects.with_status().get()
    assert (image.pk, image.status) == (upload.image_id, "done")
    assert len(kept_of(bucket, image)) == 6


@pytest.mark.django_db(transaction=True)
def test_a_late_worker_writes_nothing_again(cleo, bucket, monkeypatch):
    upload = cleo.send(drawn_pictures.jpeg())

    def happens() -> None:
        overtaken(upload)
        bucket.delete_keys(kept_of(bucket, upload.image))

    just_before(monkeypatch, work, "_store", happens)
    work.process(upload)
    assert kept_of(bucket, upload.image) == set()
