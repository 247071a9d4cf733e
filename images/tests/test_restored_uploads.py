"""After a restore the database is older than the bucket: what each upload of the dump ends as."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.utils import timezone

from bandpics.testing.matrix import few, representative
from groups.tests.factories import GroupFactory
from images import deletions, tasks
from images.lifecycle import moving, sweeper, trash
from images.models import Image, PendingDeletion, Upload, Variant
from images.processing import versions, work
from images.storage.objects import ObjectMissing
from images.tests import drawn_pictures
from images.tests.guest_client import Guest, described, put
from images.tests.test_reconcile import reconcile
from invitations.tests.factories import InvitationFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bucket")]

STATES = ["pending", "queued", "processing"]
SIZES = ["thumb", "small", "tile", "medium", "fullsize"]
# What the bucket holds of the photo, and whether it can be finished from that.
HOLDINGS = {
    "nothing": ([], False),
    "incoming": (["incoming"], True),
    "original": (["original"], True),
    "original and all sizes": (["original", *SIZES], True),
    "original and some sizes": (["original", "thumb", "medium"], True),
    "incoming and original": (["incoming", "original"], True),
    "everything": (["incoming", "original", *SIZES], True),
    "all sizes": (SIZES, True),
    "small sizes": (["thumb", "small"], False),
}
DATA = drawn_pictures.jpeg(width=1200, height=800, seed=300)


def as_dumped(photo: Image, status: str, **changes) -> Upload:
    """The photo's rows as a dump has them that was made before it was done. No trigger runs."""
    fields = {"status": status, "failure": "", "sha256": "", "attempt": 0, "finished_at": None}
    fields |= {"duplicate_of": None, "lease_until": None} | changes
    if status == "processing":
        fields |= {"attempt": 1, "lease_until": timezone.now() - timedelta(seconds=1)} | changes
    if status == "pending":
        fields |= {"arrived_at": None, "queued_at": None}
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("DELETE FROM images_variant WHERE image_id = %s", [photo.pk])
        cursor.execute("SET session_replication_role = DEFAULT")
    Image.objects.filter(pk=photo.pk).update(
        version=0,
        sha256="",
        trashed_at=None,
        trashed_by_uploader=False,
        place_forgotten_at=None,
        gps_source="",
    )
    Upload.objects.filter(pk=photo.pk).update(**fields)
    return Upload.objects.select_related("image").get(pk=photo.pk)


def keep_only(bucket, photo: Image, holding: list[str]) -> None:
    keys = {row.name: row.key for row in photo.variants.all()} | {"original": photo.original_key}
    if "incoming" in holding:
        bucket.copy(photo.original_key, f"incoming/{photo.pk}")
    bucket.delete_keys([key for name, key in keys.items() if name not in holding])


def let_time_pass() -> None:
    day = timedelta(hours=25)
    Upload.objects.update(
        created_at=F("created_at") - day,
        queued_at=F("queued_at") - day,
        lease_until=F("lease_until") - day,
        last_checked_at=None,
    )


def sweep_and_work() -> None:
    """As beat, the sweeper and the workers do, for as long as anything moves."""
    for _ in range(4):
        let_time_pass()
        sweeper.sweep()
        for upload in Upload.objects.filter(status__in=["queued", "processing"]):
            tasks.process_upload(str(upload.pk))


def reconcile_and_work() -> dict:
    """`reconcile --fix` and workers, then what it says the next time."""
    for _ in range(2):
        reconcile("--fix")
        for upload in Upload.objects.filter(status__in=["queued", "processing"]):
            tasks.process_upload(str(upload.pk))
    code, report = reconcile("--fix")
    assert (code, report["differences"]) == (0, {})
    return report


def state_of(photo: Image) -> str:
    return Image.objects.with_status().get(pk=photo.pk).status


def is_there(bucket, key: str) -> bool:
    try:
        bucket.head(key)
    except ObjectMissing:
        return False
    return True


@pytest.fixture
def whole(cleo, bucket):
    """A photo nothing is wrong with: else both sides would look like strangers."""
    return cleo.send_and_process(drawn_pictures.jpeg(seed=100))


@pytest.fixture
def photo(cleo, whole):
    return cleo.send_and_process(DATA)


def assert_is_whole(bucket, photo: Image, tmp_path, *, holding: str) -> None:
    again = Image.objects.get(pk=photo.pk)
    assert again.variants.count() == 5
    assert all(is_there(bucket, row.key) for row in again.variants.all())
    assert not is_there(bucket, f"incoming/{photo.pk}")
    if holding == "all sizes":
        assert again.original_dropped_at is not None
    else:
        bucket.download(again.original_key, tmp_path / "original")
        assert (tmp_path / "original").read_bytes() == DATA
        assert again.sha256 == photo.sha256


# Each holding once, each state with enough, and the one that ends otherwise with nothing.
TABLE = representative(
    itertools.product(STATES, HOLDINGS),
    lambda case: case[0] == "queued" or case[1] == "original" or case == ("pending", "nothing"),
)


@pytest.mark.parametrize(("status", "holding"), few(TABLE, 4))
def test_workers_alone_finish_an_upload_of_the_dump(
    photo, bucket, tmp_path, invitation, status, holding
):
    held, is_enough = HOLDINGS[holding]
    keep_only(bucket, photo, held)
    as_dumped(photo, status)
    sweep_and_work()
    invitation.refresh_from_db()
    assert invitation.used_files == 1 + is_enough
    if is_enough:
        assert state_of(photo) == "done"
        assert_is_whole(bucket, photo, tmp_path, holding=holding)
    else:
        assert state_of(photo) == ("discarded" if status == "pending" else "failed")


# The table is that of the workers, who do the work here, too: what differs is who queues it.
BY_RECONCILE = representative(
    itertools.product(STATES, HOLDINGS),
    lambda case: (
        case in {(state, "original") for state in STATES}
        or case in {("queued", "nothing"), ("queued", "all sizes"), ("pending", "nothing")}
    ),
)


@pytest.mark.parametrize(("status", "holding"), few(BY_RECONCILE, 3))
def test_reconcile_finishes_an_upload_of_the_dump(photo, bucket, tmp_path, status, holding):
    held, is_enough = HOLDINGS[holding]
    keep_only(bucket, photo, held)
    as_dumped(photo, status)
    reconcile_and_work()
    if is_enough:
        assert state_of(photo) == "done"
        assert_is_whole(bucket, photo, tmp_path, holding=holding)
    else:
        assert state_of(photo) == ("pending" if status == "pending" else "failed")


# --- Not in this table ----------------------------------------------------------------------


@pytest.mark.parametrize("failure", ["crashed", "original-missing"])
def test_what_failed_in_the_dump_and_was_done_since(photo, bucket, tmp_path, invitation, failure):
    """Somebody had tried it again."""
    as_dumped(photo, "failed", failure=failure)
    invitation.refresh_from_db()
    used = invitation.used_files
    sweep_and_work()
    assert is_there(bucket, photo.original_key)
    reconcile_and_work()
    assert state_of(photo) == "done"
    assert_is_whole(bucket, photo, tmp_path, holding="original")
    invitation.refresh_from_db()
    assert invitation.used_files == used + 1


def test_a_person_can_try_it_again_as_well(cleo, photo, bucket):
    as_dumped(photo, "failed", failure="crashed")
    assert cleo.client.post(f"/api/v1/images/{photo.pk}/retry/").status_code == 202
    tasks.process_upload(str(photo.pk))
    assert state_of(photo) == "done"


def test_the_third_attempt_of_the_dump_was_no_crash(photo, bucket, tmp_path):
    as_dumped(photo, "processing", attempt=3)
    sweep_and_work()
    assert is_there(bucket, photo.original_key)
    reconcile_and_work()
    assert state_of(photo) == "done"
    assert_is_whole(bucket, photo, tmp_path, holding="original")


def test_cancelled_after_the_restore_it_lies_in_the_trash(cleo, photo, bucket):
    as_dumped(photo, "pending")
    assert cleo.client.delete(f"/api/v1/uploads/{photo.pk}/").status_code == 204
    assert is_there(bucket, photo.original_key)
    reconcile_and_work()
    photo.refresh_from_db()
    assert (state_of(photo), photo.trashed_at is not None) == ("done", True)


def test_a_duplicate_that_had_inherited_its_bytes_is_done(photo, whole, bucket, group):
    """In the dump the photo it duplicates is still there; the bucket knows better."""
    other = Guest(InvitationFactory(group=group)).send_and_process(DATA)
    assert other.status == "duplicate"
    trash.put(photo)
    Image.objects.filter(pk=photo.pk).update(trashed_at=timezone.now() - timedelta(days=31))
    upload, variants = Upload.objects.values().get(pk=photo.pk), list(photo.variants.values())
    row = Image.objects.filter(pk=photo.pk).values().get()
    assert trash.purge(photo.pk)
    tasks.process_upload(str(other.pk))
    other = Image.objects.with_status().get(pk=other.pk)
    assert other.status == "done"

    as_dumped(other, "duplicate", sha256=photo.sha256)
    del row["search_vector"]
    Image.objects.create(**row | {"trashed_at": None, "updated_at": photo.updated_at})
    Upload.objects.create(**upload)
    Variant.objects.bulk_create(Variant(**one) for one in variants)
    Upload.objects.filter(pk=other.pk).update(duplicate_of=photo)
    PendingDeletion.objects.all().delete()

    reconcile_and_work()
    assert state_of(other) == "done"
    assert is_there(bucket, other.original_key)
    assert Image.objects.with_status().get(pk=photo.pk).failure == "original-missing"


def test_a_duplicate_gives_its_bytes_to_a_photo_that_lost_them(photo, bucket, group, tmp_path):
    bucket.delete_keys([photo.original_key])
    other = Guest(InvitationFactory(group=group)).send_and_process(DATA)
    assert other.status == "duplicate"
    bucket.download(photo.original_key, tmp_path / "original")
    assert (tmp_path / "original").read_bytes() == DATA


def test_so_it_does_to_a_photo_whose_original_is_recorded_as_lost(
    photo, whole, bucket, group, tmp_path
):
    bucket.delete_keys([photo.original_key])
    assert reconcile("--fix")[0] == 0
    photo.refresh_from_db()
    assert photo.is_original_lost
    other = Guest(InvitationFactory(group=group)).send_and_process(DATA)
    assert other.status == "duplicate"
    bucket.download(photo.original_key, tmp_path / "original")
    assert (tmp_path / "original").read_bytes() == DATA
    photo.refresh_from_db()
    assert (photo.original_dropped_at, photo.original_lost_at) == (None, None)


@pytest.mark.parametrize("change", ["purged", "replaced"])
def test_a_photo_that_is_gone_meanwhile_gets_nothing_from_its_duplicate(
    photo, bucket, group, monkeypatch, change
):
    find_duplicate = versions.find_duplicate

    def find_and_change(*args):
        existing = find_duplicate(*args)
        if change == "purged":
            Image.objects.filter(pk=photo.pk).delete()
        else:
            Image.objects.filter(pk=photo.pk).update(sha256="0" * 64)
        monkeypatch.setattr(versions, "find_duplicate", find_duplicate)
        return existing

    bucket.delete_keys([photo.original_key])
    upload = Guest(InvitationFactory(group=group)).send(DATA)
    monkeypatch.setattr(versions, "find_duplicate", find_and_change)
    work.process(upload)
    upload.refresh_from_db()
    assert (upload.status, upload.attempt) == ("queued", 0)
    assert not is_there(bucket, photo.original_key)
    work.process(upload)
    upload.refresh_from_db()
    assert upload.status == "done"


@pytest.mark.parametrize("status", few([*STATES, "failed"], 2))
def test_moved_since_it_is_relocated_and_finished(photo, bucket, team, tmp_path, status):
    other = GroupFactory(team=team)
    moving.move(photo, other, {}, expected={})
    deletions.execute([photo.pk])
    assert not is_there(bucket, photo.original_key)
    as_dumped(photo, status, failure="crashed" if status == "failed" else "")
    Image.objects.filter(pk=photo.pk).update(group=photo.group_id)
    there = photo.original_key.replace(str(photo.group_id), str(other.pk))
    sweep_and_work()
    assert is_there(bucket, there)
    reconcile_and_work()
    assert state_of(photo) == "done"
    assert_is_whole(bucket, photo, tmp_path, holding="original")
    assert not is_there(bucket, there)


def test_bad_bytes_sent_to_quarantine_since_do_not_cost_the_original(photo, bucket, tmp_path):
    as_dumped(photo, "queued")
    (tmp_path / "bad").write_bytes(b"no picture")
    bucket.put_file(f"incoming/{photo.pk}", tmp_path / "bad", content_type="image/jpeg")
    sweep_and_work()
    assert state_of(photo) == "done"
    assert_is_whole(bucket, photo, tmp_path, holding="original")


def test_an_original_no_library_reads_any_more_stays(photo, bucket, tmp_path):
    as_dumped(photo, "queued")
    (tmp_path / "bad").write_bytes(DATA[:2000])
    bucket.put_file(photo.original_key, tmp_path / "bad", content_type="image/jpeg")
    sweep_and_work()
    assert state_of(photo) == "failed"
    assert is_there(bucket, photo.original_key)
    reconcile("--fix")
    assert is_there(bucket, photo.original_key)


def test_an_original_that_ends_every_attempt_stays(photo, bucket, monkeypatch):
    as_dumped(photo, "queued")
    monkeypatch.setattr(work.rendering, "render", lambda *_, **__: 1 / 0)
    sweep_and_work()
    assert state_of(photo) == "failed"
    assert is_there(bucket, photo.original_key)


def test_a_place_forgotten_while_it_is_finished_costs_no_original(photo, bucket, monkeypatch):
    """Its worker begins again, and what it begins with must be there."""
    as_dumped(photo, "queued")
    render = work.rendering.render

    def forget_meanwhile(*args, **kwargs):
        monkeypatch.setattr(work.rendering, "render", render)
        Image.objects.filter(pk=photo.pk).update(place_forgotten_at=timezone.now())
        return render(*args, **kwargs)

    monkeypatch.setattr(work.rendering, "render", forget_meanwhile)
    sweep_and_work()
    assert state_of(photo) == "done"
    assert is_there(bucket, photo.original_key)


def test_a_replacement_the_dump_has_only_announced_is_shown(photo, bucket, ada, signed_in):
    data = drawn_pictures.jpeg(width=900, height=700, seed=301)
    ticket = (
        signed_in(ada).patch(f"/api/v1/images/{photo.pk}/file/", described(data), "json").json()
    )
    ticket = ticket["uploads"][0] if "uploads" in ticket else ticket
    rows = list(photo.variants.values())
    put(ticket["upload"], data)
    signed_in(ada).post(f"/api/v1/uploads/{ticket['id']}/complete/")
    tasks.process_upload(ticket["id"])
    row = Image.objects.filter(pk=photo.pk).values().get()
    assert row["version"] == 2
    as_dumped(photo, "done", sha256=photo.sha256)
    Image.objects.filter(pk=photo.pk).update(version=1, sha256=photo.sha256)
    Upload.objects.filter(pk=ticket["id"]).update(status="pending", sha256="", arrived_at=None)
    Variant.objects.bulk_create(Variant(**one) for one in rows)
    reconcile_and_work()
    again = Image.objects.with_status().get(pk=photo.pk)
    assert (again.status, again.version, again.width) == ("done", 2, 900)


def test_an_original_that_was_recorded_as_lost_and_is_back_is_reported(
    photo, whole, bucket, tmp_path
):
    bucket.download(photo.original_key, tmp_path / "original")
    bucket.delete_keys([photo.original_key])
    assert reconcile("--fix")[0] == 0
    bucket.put_file(photo.original_key, tmp_path / "original", content_type="image/jpeg")
    code, report = reconcile("--fix")
    assert (code, list(report["differences"])) == (0, ["original-found-again"])
    photo.refresh_from_db()
    assert (photo.original_dropped_at, photo.original_lost_at) == (None, None)
    assert is_there(bucket, photo.original_key)
