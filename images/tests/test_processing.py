"""From stored bytes to a finished photo: what the record says, what the bucket holds, and who of
many workers does the work."""

from __future__ import annotations

import hashlib
import tempfile
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from bandpics.testing.matrix import few
from images import tasks
from images.models import Image, Upload, Variant
from images.photofile import rendering
from images.photofile.metadata import exif
from images.photofile.rendering import verify
from images.processing import claims, columns, outcomes, work
from images.tests import drawn_exif, drawn_pictures
from images.tests.guest_client import Guest, get
from invitations.models import Invitation
from invitations.tests.factories import InvitationFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bucket")]

STAGE = {
    "taken_at": "2026:06:21 21:30:00",
    "offset": "+02:00",
    "lat": 48.2082,
    "lon": 16.3738,
    "make": "Apple",
}


def test_a_photo_becomes_done_with_its_date_place_and_camera(cleo):
    data = drawn_pictures.jpeg(width=1200, height=800, orientation=6, **STAGE)

    image = cleo.send_and_process(data)

    assert image.status == "done"
    assert image.version == 1
    assert (image.width, image.height) == (1200, 800)  # upright, whatever the tag
    assert image.orientation == 6
    assert image.content_type == "image/jpeg"
    assert image.byte_size == len(data)
    assert image.sha256 == hashlib.sha256(data).hexdigest()
    assert image.taken_at_local == datetime(2026, 6, 21, 21, 30, tzinfo=UTC)
    assert image.utc_offset_minutes == 120
    assert image.taken_at == image.sort_at == datetime(2026, 6, 21, 19, 30, tzinfo=UTC)
    assert image.latitude == pytest.approx(48.2082, abs=1e-5)
    assert image.longitude == pytest.approx(16.3738, abs=1e-5)
    assert image.gps_source == "exif"
    assert image.camera_make == "Apple"
    assert image.exif  # all tags, as JSON


def test_without_metadata_a_photo_is_sorted_by_its_upload(cleo):
    image = cleo.send_and_process(drawn_pictures.png(exif=b""), content_type="image/png")
    upload = Upload.objects.get()
    assert image.status == "done"
    assert image.taken_at is None
    assert image.latitude is None
    assert image.gps_source == ""
    assert image.sort_at == upload.created_at


def test_the_bucket_holds_the_untouched_original_and_bare_variants(cleo, bucket, tmp_path):
    data = drawn_pictures.jpeg(stuffed=True, **STAGE)
    image = cleo.send_and_process(data)

    found = {stored.key for stored in bucket.list_keys("")}
    name = f"{image.pk}-1.jpg"
    sizes = ["thumb", "small", "tile", "medium", "fullsize"]
    assert found == {f"{image.group_id}/{folder}/{name}" for folder in ["original", *sizes]}
    assert bucket.download(image.original_key, tmp_path / "original") == image.sha256
    assert (tmp_path / "original").read_bytes() == data
    for variant in image.variants.all():
        bucket.download(variant.key, tmp_path / variant.name)
        verify.assert_metadata_free(tmp_path / variant.name)
        assert (tmp_path / variant.name).stat().st_size == variant.byte_size


@pytest.mark.parametrize(
    ("data", "content_type"),
    few(
        [
            (drawn_pictures.heic(), "image/heic"),
            (drawn_pictures.png(), "image/png"),
            (drawn_pictures.jpeg(), "image/jpeg"),
            (drawn_pictures.webp(), "image/webp"),
            (drawn_pictures.avif(), "image/avif"),
            (drawn_pictures.tiff_file(), "image/tiff"),
            (drawn_pictures.gif(frames=3), "image/gif"),
            (drawn_pictures.bmp(), "image/bmp"),
            (drawn_pictures.mpo(), "image/jpeg"),
        ],
        4,
    ),
    ids=["heic", "png", "jpeg", "webp", "avif", "tiff", "gif", "bmp", "mpo"],
)
def test_the_bytes_tell_the_type_whatever_was_declared(cleo, bucket, data, content_type):
    image = cleo.send_and_process(data, content_type="", filename="liar.txt")
    assert (image.status, image.content_type) == ("done", content_type)
    assert (image.width, image.height) == (1200, 800)
    [original] = [found.key for found in bucket.list_keys("") if "/original/" in found.key]
    assert original.rpartition(".")[2] in {"jpg", content_type.removeprefix("image/")}


@pytest.mark.parametrize(
    ("data", "failure"),
    few(
        [
            (b"<html>hello</html>", "not-an-image"),
            (b"x", "not-an-image"),
            (b"%PDF-1.7 and so on", "unsupported-format"),
            (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported-format"),
            (b"%!PS-Adobe-3.0 EPSF-3.0", "unsupported-format"),
            (b"PK\3\4" + bytes(100), "unsupported-format"),
            (b"II*\0\x10\0\0\0CR\2\0", "unsupported-format"),
            (b"GIF89a" + bytes(100), "damaged"),
            (drawn_pictures.webp()[:2000], "damaged"),
            (drawn_pictures.avif()[:2000], "damaged"),
            (drawn_pictures.tiff_file()[:2000], "damaged"),
            (drawn_pictures.gif()[:2000], "damaged"),
            (drawn_pictures.bmp()[:2000], "damaged"),
            (drawn_pictures.webp_of_one_colour(16383, 16383), "too-many-pixels"),
            (drawn_pictures.jpeg()[:2000], "damaged"),
            (drawn_pictures.png()[:1000], "damaged"),
            (drawn_pictures.heic()[:2000], "damaged"),
        ],
        5,
    ),
)
def test_a_bad_picture_fails_kindly_and_leaves_nothing_behind(
    cleo, bucket, invitation, data, failure
):
    image = cleo.send_and_process(data)

    assert (image.status, image.failure) == ("failed", failure)
    assert list(bucket.list_keys("")) == []
    line = cleo.receipt()[0]
    assert line["failure"] == failure
    assert line["failure_detail"].endswith(".")
    invitation.refresh_from_db()
    assert (invitation.used_files, invitation.used_bytes) == (0, 0)


# --- Duplicates -----------------------------------------------------------------------------


def test_the_same_bytes_from_somebody_else_are_kept_once(cleo, group, bucket):
    data = drawn_pictures.jpeg()
    kept = cleo.send_and_process(data)
    invitation = InvitationFactory(group=group)
    other = Guest(invitation)

    again = other.send_and_process(data)

    assert again.status == "duplicate"
    assert again.version == 0
    assert Upload.objects.get(image=again).duplicate_of == kept
    assert other.receipt()[0]["duplicate_of"] is None  # not theirs to see
    assert not [found for found in bucket.list_keys("") if str(again.pk) in found.key]
    invitation.refresh_from_db()
    assert invitation.used_files == 0


def test_the_same_bytes_in_another_group_are_another_photo(cleo):
    data = drawn_pictures.jpeg()
    cleo.send_and_process(data)
    other = Guest(InvitationFactory())
    assert other.send_and_process(data).status == "done"


@pytest.mark.django_db(transaction=True)
def test_the_same_bytes_processed_at_once_are_kept_once(group, bucket):
    data = drawn_pictures.jpeg()
    guests = [Guest(InvitationFactory(group=group)) for _ in range(4)]
    waiting = [guest.send(data) for guest in guests]

    _at_once([lambda upload=upload: work.process(upload) for upload in waiting])

    statuses = sorted(Upload.objects.values_list("status", flat=True))
    assert statuses == ["done", "duplicate", "duplicate", "duplicate"]
    done = Image.objects.ready().get()
    assert all(str(done.pk) in found.key for found in bucket.list_keys(""))


# --- Claims ---------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_many_workers_at_once_finish_a_photo_once(cleo):
    upload = cleo.send(drawn_pictures.jpeg())
    _at_once([lambda: work.process(upload) for _ in range(5)])
    upload.refresh_from_db()
    assert (upload.status, upload.attempt) == ("done", 1)
    assert Variant.objects.count() == 5


def test_a_claimed_upload_is_not_claimed_again_before_its_lease_ends(cleo):
    upload = cleo.send(drawn_pictures.jpeg())
    assert claims.claim(upload)
    assert claims.claim(upload) is None
    Upload.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    claim = claims.claim(upload)
    assert claim is not None
    assert claim.attempt == 2


def test_a_worker_that_was_slow_changes_nothing(cleo):
    upload = cleo.send(drawn_pictures.jpeg())
    slow = claims.claim(upload)
    Upload.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    quick = claims.claim(upload)

    assert slow is not None
    assert quick is not None
    assert claims.release(slow) is False
    with pytest.raises(claims.ClaimLost):
        work._work(slow)
    work._work(quick)
    upload.refresh_from_db()
    assert upload.status == "done"


def test_the_lease_is_renewed_while_a_worker_lives(cleo, monkeypatch):
    monkeypatch.setattr(claims, "LEASE_RENEWAL_SECONDS", 0.05)
    renewed = []
    upload = cleo.send(drawn_pictures.jpeg())
    claim = claims.claim(upload)
    assert claim is not None
    real = claim.rows
    object.__setattr__(claim, "rows", lambda: renewed.append(1) or real())
    with claims.renewed_lease(claim):
        threading.Event().wait(0.5)
    assert len(renewed) >= 2


def test_after_three_silent_ends_a_photo_fails_and_its_bytes_stay(cleo, bucket):
    upload = cleo.send(drawn_pictures.jpeg())
    for attempt in range(1, 4):
        claim = claims.claim(upload)
        assert claim is not None
        assert claim.attempt == attempt
        Upload.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert claims.claim(upload) is None

    assert outcomes.fail_crashed() == 1

    upload.refresh_from_db()
    assert (upload.status, upload.failure) == ("failed", "crashed")
    assert bucket.head(upload.incoming_key).byte_size == upload.declared_byte_size


def test_an_error_nobody_expected_counts_and_ends_after_three(cleo, monkeypatch):
    def explode(*args, **kwargs):
        raise MemoryError

    monkeypatch.setattr(rendering, "render", explode)
    upload = cleo.send(drawn_pictures.jpeg())
    for status in ["queued", "queued", "failed"]:
        tasks.process_upload(str(upload.pk))
        upload.refresh_from_db()
        assert upload.status == status
    assert upload.failure == "crashed"


# --- Whatever the file and the row hold -----------------------------------------------------


def test_text_longer_than_its_column_never_keeps_a_photo_from_being_done(cleo):
    version = (drawn_exif.UNDEFINED, b"0230-and-more-text")
    exif = drawn_exif.exif_block(make="M" * 500, exif={0x9000: version})
    image = cleo.send_and_process(drawn_pictures.jpeg(exif=exif))
    assert image.status == "done"
    assert len(image.exif_version) <= 10


def test_an_upload_that_ends_without_a_photo_leaves_nothing_at_the_final_keys(cleo, bucket):
    """A worker died after it had stored everything, thrice."""
    upload = cleo.send(drawn_pictures.jpeg())
    for _ in range(3):
        claim = claims.claim(upload)
        source = bucket_file(bucket, upload)
        header = rendering.inspect(source)
        work._store(claim, columns.Finished(header, "", 1, exif.Exif(), [], source))
        Upload.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert len(list(bucket.list_keys(""))) == 2
    outcomes.fail_crashed()
    assert [found.key for found in bucket.list_keys("")] == [upload.incoming_key]


def test_a_wrong_count_does_not_keep_an_upload_from_ending(cleo, invitation):
    upload = cleo.send(b"not a picture")
    Invitation.objects.update(used_files=0, used_bytes=0)
    work.process(upload)
    upload.refresh_from_db()
    assert upload.status == "failed"


def test_a_task_for_a_deleted_upload_is_normal(db, caplog):
    tasks.process_upload("01a1fb68-6de9-7466-b518-280fc8d43590")
    assert caplog.records == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_photo_deleted_while_it_is_processed_leaves_no_object(
    cleo, group, bucket, monkeypatch, when
):
    """Before, or after, its objects are written."""
    upload = cleo.send(drawn_pictures.jpeg())
    store = work._store

    def store_and_lose(*args, **kwargs):
        if when == "before":
            group.delete()
        store(*args, **kwargs)
        if when == "after":
            group.delete()

    monkeypatch.setattr(work, "_store", store_and_lose)
    work.process(upload)
    assert not Image.objects.exists()
    assert list(bucket.list_keys("")) == []


def test_a_replayed_put_changes_nothing_that_is_shown(cleo, bucket, tmp_path):
    data = drawn_pictures.jpeg(seed=1)
    image = cleo.send_and_process(data)
    (tmp_path / "other").write_bytes(drawn_pictures.jpeg(seed=2))
    bucket.put_file(f"incoming/{image.pk}", tmp_path / "other", content_type="image/jpeg")
    tasks.process_upload(str(image.pk))
    url = bucket.presign_get(image.original_key, content_type="image/jpeg")
    assert get(url).data == data


def bucket_file(bucket, upload):
    path = Path(tempfile.mkdtemp()) / "incoming"
    bucket.download(upload.incoming_key, path)
    return path


def _at_once(jobs) -> None:
    def run(job) -> None:
        try:
            job()
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[job]) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_time_is_the_databases(cleo):
    """A worker whose own clock is wrong must not steal or lose leases."""
    upload = cleo.send(drawn_pictures.jpeg())
    claims.claim(upload)
    left = Upload.objects.annotate(now=Now()).get()
    assert timedelta(seconds=10) < left.lease_until - left.now <= claims.LEASE
