"""`manage.py reconcile`: the bucket against the record, both ways."""

from __future__ import annotations

import io
import json
import re
import threading
from datetime import datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import F
from django.utils import timezone

from groups.tests.factories import GroupFactory
from images import tasks
from images.lifecycle import sweeper
from images.models import Image, Upload, Variant, locks
from images.reconcile import compare
from images.tests import drawn_pictures
from images.tests.guest_client import put

pytestmark = pytest.mark.django_db

SIZES = ["thumb", "small", "tile", "medium", "fullsize"]


def reconcile(*options: str) -> tuple[int, dict]:
    """Its exit code and its report. Leftovers count at once."""
    out, code = io.StringIO(), 0
    try:
        call_command("reconcile", "--json", "--grace", "0", *options, stdout=out)
    except SystemExit as end:
        code = end.code
    return code, json.loads(out.getvalue())


def counts(report: dict) -> dict[str, int]:
    return {kind: one["found"] for kind, one in report["differences"].items()}


def bytes_of(bucket, tmp_path, *keys: str) -> list[bytes]:
    found = []
    for key in keys:
        bucket.download(key, tmp_path / "x")
        found.append((tmp_path / "x").read_bytes())
    return found


def stored(bucket) -> set[str]:
    return {found.key for found in bucket.list_keys("")}


def run_tasks() -> None:
    for upload in Upload.objects.filter(status="queued"):
        tasks.process_upload(str(upload.pk))


@pytest.fixture
def whole(cleo, bucket):
    """A photo nothing is wrong with: else both sides would look like strangers."""
    return cleo.send_and_process(drawn_pictures.jpeg(seed=100))


@pytest.fixture
def photo(cleo, whole):
    return cleo.send_and_process(drawn_pictures.jpeg(width=1200, height=800, seed=101))


def test_nothing_differs(photo, bucket):
    code, report = reconcile()
    assert (code, report["clean"], report["differences"]) == (0, True, {})
    assert (report["objects"], report["photos"]) == (12, 2)


def test_the_text_names_each_difference(photo, bucket, capsys):
    call_command("reconcile")
    assert "Bucket and database agree." in capsys.readouterr().out
    bucket.delete_keys([photo.original_key])
    with pytest.raises(SystemExit):
        call_command("reconcile")
    out = capsys.readouterr().out
    assert "original-missing: 1" in out
    assert photo.original_key in out


@pytest.mark.parametrize("wrong", ["soon", "-1", "1.5", ""])
def test_a_grace_that_is_no_number_of_minutes_is_refused(wrong):
    with pytest.raises(CommandError, match="give whole minutes from 0, not '"):
        call_command("reconcile", f"--grace={wrong}")


def test_a_missing_size_is_rendered_again_to_the_same_bytes(photo, bucket, tmp_path):
    keys = [row.key for row in photo.variants.filter(name__in=["thumb", "fullsize"])]
    before = bytes_of(bucket, tmp_path, *keys)
    bucket.delete_keys(keys)

    assert reconcile()[0] == 1
    assert not stored(bucket) & set(keys)  # only looked
    code, report = reconcile("--fix")

    assert (code, counts(report)) == (0, {"size-missing": 1})
    assert bytes_of(bucket, tmp_path, *keys) == before
    assert reconcile() == reconcile("--fix")
    assert reconcile()[0] == 0


def test_a_size_cut_short_is_rendered_again(photo, bucket, tmp_path):
    row = photo.variants.get(name="medium")
    before = bytes_of(bucket, tmp_path, row.key)
    (tmp_path / "short").write_bytes(before[0][:100])
    bucket.put_file(row.key, tmp_path / "short", content_type="image/jpeg")
    code, report = reconcile("--fix")
    assert (code, counts(report)) == (0, {"size-missing": 1})
    assert bytes_of(bucket, tmp_path, row.key) == before


def test_a_lost_row_of_a_size_is_made_again(photo, bucket):
    Variant.objects.filter(image=photo, name="small")._raw_delete("default")
    assert reconcile("--fix")[0] == 0
    assert photo.variants.count() == 5
    assert reconcile()[0] == 0


def test_a_photo_from_before_a_size_was_made_gets_it(photo, bucket, tmp_path, ada, signed_in):
    tile = photo.variants.get(name="tile")
    others = [row.key for row in photo.variants.exclude(name="tile")]
    before = bytes_of(bucket, tmp_path, *others)
    Variant.objects.filter(pk=tile.pk)._raw_delete("default")
    bucket.delete_keys([tile.key])
    client, path = signed_in(ada), f"/api/v1/images/{photo.pk}/variants/tile/"
    assert client.get(path).status_code == 404
    assert client.get(f"/groups/{photo.group_id}/").status_code == 200

    code, report = reconcile("--fix")

    assert (code, counts(report)) == (0, {"size-missing": 1})
    assert tile.key in client.get(path)["Location"]
    assert tile.key in stored(bucket)
    assert bytes_of(bucket, tmp_path, *others) == before
    assert reconcile()[0] == 0


def test_a_missing_original_is_marked_as_lost_and_its_sizes_stay(photo, bucket, ada, signed_in):
    bucket.delete_keys([photo.original_key])
    code, report = reconcile("--fix")
    assert (code, counts(report)) == (0, {"original-missing": 1})
    photo.refresh_from_db()
    assert photo.original_dropped_at is not None
    client = signed_in(ada)
    assert client.get(f"/api/v1/images/{photo.pk}/variants/thumb/").status_code == 302
    gone = client.get(f"/api/v1/images/{photo.pk}/variants/original/")
    assert gone.json()["type"] == "/problems/original-lost/"
    page = client.get(f"/images/{photo.pk}/").content.decode()
    assert "The original was lost in the store" in page
    assert "was removed" not in page
    assert reconcile()[0] == 0


def test_without_the_original_sizes_are_made_of_the_largest(photo, bucket):
    bucket.delete_keys([photo.original_key, photo.variants.get(name="thumb").key])
    code, report = reconcile("--fix")
    assert (code, counts(report)) == (0, {"original-missing": 1, "size-missing": 1})
    thumb = photo.variants.get(name="thumb")
    assert (thumb.width, thumb.height) == (320, 213)
    assert reconcile()[0] == 0


def test_a_photo_of_which_nothing_is_left_fails_and_can_be_sent_again(
    cleo, photo, bucket, invitation
):
    data = drawn_pictures.jpeg(width=1200, height=800, seed=101)
    invitation.refresh_from_db()
    used = invitation.used_files
    keys = [photo.original_key, *photo.variants.values_list("key", flat=True)]
    bucket.delete_keys(keys)

    code, report = reconcile("--fix")

    assert (code, counts(report)) == (0, {"photo-missing": 1})
    line = next(line for line in cleo.receipt() if line["id"] == str(photo.pk))
    assert (line["status"], line["failure"]) == ("failed", "original-missing")
    invitation.refresh_from_db()
    assert invitation.used_files == used - 1
    assert reconcile()[0] == 0
    again = cleo.send_and_process(data)
    assert again.pk != photo.pk
    assert again.status == "done"


def test_duplicates_of_a_lost_photo_fail_too(photo, bucket, group, ada, signed_in):
    from images.tests.guest_client import send_as_member

    data = drawn_pictures.jpeg(width=1200, height=800, seed=101)
    duplicate = send_as_member(signed_in(ada), group, data)
    assert duplicate.status == "duplicate"
    bucket.delete_keys([photo.original_key, *photo.variants.values_list("key", flat=True)])
    assert reconcile("--fix")[0] == 0
    duplicate = Upload.objects.get(pk=duplicate.pk)
    assert (duplicate.status, duplicate.failure) == ("failed", "original-missing")


def test_a_queued_photo_whose_bytes_are_gone_fails(cleo, whole, bucket, invitation):
    upload = cleo.send(drawn_pictures.jpeg(seed=102))
    bucket.delete_keys([upload.incoming_key])
    code, report = reconcile("--fix")
    assert (code, counts(report)) == (0, {"incoming-missing": 1})
    upload.refresh_from_db()
    assert (upload.status, upload.failure) == ("failed", "original-missing")
    invitation.refresh_from_db()
    assert invitation.used_files == 1


def test_bytes_that_arrived_unreported_are_accepted(cleo, whole, bucket):
    data = drawn_pictures.jpeg(seed=103)
    ticket = cleo.announce_one(data)
    put(ticket["upload"], data)
    code, report = reconcile("--fix")
    assert (code, counts(report)) == (0, {"arrived-unreported": 1})
    assert Upload.objects.get(pk=ticket["id"]).status == "queued"


def test_what_is_young_is_left_alone_and_counted(cleo, whole, bucket, tmp_path, capsys):
    (tmp_path / "x").write_bytes(b"x")
    bucket.put_file(f"incoming/{whole.pk}", tmp_path / "x", content_type="image/jpeg")
    bucket.put_file(
        f"{whole.group_id}/thumb/{whole.pk}-7.jpg", tmp_path / "x", content_type="image/jpeg"
    )
    before = stored(bucket)
    with pytest.raises(SystemExit) as end:
        call_command("reconcile", "--fix")  # an hour of grace
    assert end.value.code == 1
    out = capsys.readouterr().out
    assert re.search(r"^2 too young to judge; run again after (\S+ )?\d\d:\d\d\.$", out, re.M)
    assert "agree" not in out
    assert stored(bucket) == before
    code, report = reconcile()
    assert (code, report["too_young"], report["judge_after"]) == (1, 0, None)


def test_right_after_a_restore_an_unknown_photo_is_too_young_to_judge(photo, whole, bucket):
    forget(photo)
    code, report = reconcile("--fix", "--grace", "60")
    assert (code, report["clean"], report["differences"]) == (1, False, {})
    assert report["too_young"] == 1  # six objects, one photo
    due = datetime.fromisoformat(report["judge_after"]) - timezone.now()
    assert timedelta(minutes=50) < due <= timedelta(minutes=60)
    assert reconcile()[1]["too_young"] == 0


def test_recent_uploads_are_too_young_to_judge_too(cleo, whole, bucket, settings):
    settings.MULTIPART_THRESHOLD_BYTES = settings.MULTIPART_PART_BYTES = 10_000
    forgotten = cleo.announce_one(bytes(15_000))
    put(cleo.sign(forgotten["id"], part=1).json(), bytes(10_000))
    Upload.objects.filter(pk=forgotten["id"]).update(multipart_id=None)
    settings.MULTIPART_THRESHOLD_BYTES = 10_000_000
    data = drawn_pictures.jpeg(seed=103)
    put(cleo.announce_one(data)["upload"], data)  # arrived, and nobody said so
    code, report = reconcile("--fix", "--grace", "60")
    assert (code, report["differences"], report["too_young"]) == (1, {}, 2)


def test_leftovers_are_removed_and_foreign_objects_stay(cleo, whole, bucket, tmp_path):
    (tmp_path / "x").write_bytes(b"x")
    leftovers = [
        f"incoming/{whole.pk}",
        "incoming/nonsense",
        f"{whole.group_id}/thumb/{whole.pk}-7.jpg",  # a version that never was
        f"{whole.group_id}/poster/{whole.pk}-1.jpg",  # a size we make no more
        f"{whole.group_id}/original/{whole.pk}-1.png",  # of another format than the one kept
    ]
    foreign = "backups/2026.tar"
    for key in [*leftovers, foreign]:
        bucket.put_file(key, tmp_path / "x", content_type="image/jpeg")
    before = stored(bucket) - set(leftovers)

    code, report = reconcile("--fix")

    assert code == 0
    assert counts(report) == {
        "foreign-object": 1,
        "stale-incoming": 2,
        "object-without-row": 3,
    }
    assert stored(bucket) == before
    assert foreign in before


def test_a_forgotten_multipart_is_aborted_and_a_living_one_is_not(cleo, whole, bucket, settings):
    settings.MULTIPART_THRESHOLD_BYTES = settings.MULTIPART_PART_BYTES = 10_000
    tickets = [cleo.announce_one(bytes(15_000 + number)) for number in range(2)]
    for ticket in tickets:
        put(cleo.sign(ticket["id"], part=1).json(), bytes(10_000))
    bucket.create_multipart("backup/others.tar", content_type="")
    Upload.objects.filter(pk=tickets[0]["id"]).update(multipart_id=None)
    code, report = reconcile("--fix")
    assert (code, counts(report)) == (0, {"forgotten-multipart": 1}), report
    (left,) = bucket.open_multiparts("incoming/")
    assert left.key == f"incoming/{tickets[1]['id']}"
    Upload.objects.filter(pk=tickets[1]["id"]).update(multipart_id=None)
    assert reconcile("--fix")[0] == 0
    (left,) = bucket.open_multiparts("")
    assert left.key == "backup/others.tar"  # another program's


def test_what_a_deletion_left_behind_is_removed_and_never_made_a_photo_again(
    cleo, photo, bucket, tmp_path
):
    key = photo.original_key
    photo.delete()  # what removes its objects, runs after the commit of this test, that is never
    code, report = reconcile()
    assert (code, counts(report)["object-not-deleted"]) == (1, 1 + len(SIZES))
    assert key in stored(bucket)
    assert reconcile("--fix")[0] == 0
    assert not [found for found in stored(bucket) if str(photo.pk) in found]
    assert not Image.objects.filter(pk=photo.pk).exists()


# --- An older database, an older bucket -----------------------------------------------------


def forget(*images: Image) -> None:
    """As a restored older database has it: no rows, and nobody to say that they went."""
    ids = [image.pk for image in images]
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # no triggers, no signals
        cursor.execute("DELETE FROM images_variant WHERE image_id = ANY(%s)", [ids])
        cursor.execute("DELETE FROM images_upload WHERE image_id = ANY(%s)", [ids])
        cursor.execute("DELETE FROM images_image WHERE id = ANY(%s)", [ids])
        cursor.execute("SET session_replication_role = DEFAULT")


def test_photos_an_older_database_does_not_know_come_back(
    cleo, photo, bucket, tmp_path, ada, signed_in
):
    keys = [photo.original_key, *photo.variants.values_list("key", flat=True)]
    before = bytes_of(bucket, tmp_path, *keys)
    forget(photo)

    code, report = reconcile()
    assert (code, counts(report)) == (1, {"photo-without-row": 1})
    code, report = reconcile("--fix")
    assert (code, counts(report)) == (0, {"photo-without-row": 1})
    run_tasks()

    assert bytes_of(bucket, tmp_path, *keys) == before
    again = Image.objects.with_status().get(pk=photo.pk)
    assert (again.status, again.version, again.sha256) == ("done", 1, photo.sha256)
    assert again.moderation == "pending"  # nobody knows what its host had said
    assert signed_in(ada).get(f"/api/v1/images/{photo.pk}/").status_code == 200
    assert reconcile()[0] == 0


def test_of_a_photo_without_an_original_the_largest_size_comes_back(photo, bucket):
    bucket.delete_keys([photo.original_key])
    forget(photo)
    assert reconcile("--fix")[0] == 0
    run_tasks()
    assert Image.objects.with_status().get(pk=photo.pk).status == "done"
    assert reconcile()[0] == 0


def test_a_replacement_an_older_database_does_not_know_is_shown_again(
    cleo, photo, bucket, ada, signed_in
):
    """The record says version 1, the bucket has version 2 only."""
    old_rows = list(photo.variants.all())
    data = drawn_pictures.jpeg(width=900, height=700, seed=105)
    answer = signed_in(ada).patch(
        f"/api/v1/images/{photo.pk}/file/",
        {"filename": "x.jpg", "content_type": "image/jpeg", "size": len(data)},
    )
    ticket = answer.json()["uploads"][0] if "uploads" in answer.json() else answer.json()
    put(ticket["upload"], data)
    signed_in(ada).post(f"/api/v1/uploads/{ticket['id']}/complete/")
    tasks.process_upload(ticket["id"])
    assert Image.objects.get(pk=photo.pk).version == 2
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("DELETE FROM images_upload WHERE id = %s", [ticket["id"]])
        cursor.execute("DELETE FROM images_variant WHERE image_id = %s", [photo.pk])
        cursor.execute("SET session_replication_role = DEFAULT")
    Image.objects.filter(pk=photo.pk).update(
        version=1, sha256=photo.sha256, byte_size=photo.byte_size, updated_at=photo.updated_at
    )
    Variant.objects.bulk_create(old_rows)

    assert counts(reconcile()[1]) == {"photo-without-row": 1, "photo-missing": 1}
    assert reconcile("--fix")[0] == 0
    run_tasks()

    image = Image.objects.with_status().get(pk=photo.pk)
    assert (image.status, image.version, image.width) == ("done", 2, 900)
    sweeper.sweep()
    assert reconcile()[0] == 0


def date_back(bucket, key: str, body: bytes) -> None:
    """Has rclone's store list the object, and all copies of it, as an hour old; HEAD tells when
    each was written."""
    an_hour_ago = (timezone.now() - timedelta(hours=1)).timestamp()
    bucket.client.put_object(
        Bucket=bucket.bucket_name, Key=key, Body=body, Metadata={"mtime": str(an_hour_ago)}
    )


def test_a_photo_an_older_database_has_in_another_group_is_moved_there(
    photo, bucket, team, ada, signed_in, tmp_path
):
    before = bytes_of(bucket, tmp_path, photo.original_key)
    date_back(bucket, photo.original_key, before[0])
    other = GroupFactory(team=team)
    moved = signed_in(ada).patch(f"/api/v1/images/{photo.pk}/", {"group": str(other.pk)})
    assert moved.status_code == 200, moved.json()
    for row in photo.variants.all():
        key = row.key.replace(str(other.pk), str(photo.group_id))
        Variant.objects.filter(pk=row.pk).update(key=key)
    Image.objects.filter(pk=photo.pk).update(group=photo.group_id, updated_at=photo.updated_at)

    code, report = reconcile("--fix")

    assert (code, counts(report)) == (0, {"object-in-other-group": 1 + len(SIZES)})
    assert bytes_of(bucket, tmp_path, photo.original_key) == before
    assert reconcile()[0] == 0
    assert list(bucket.list_keys(f"{other.pk}/")) == []


def test_the_last_copy_of_a_photo_whose_group_is_gone_is_kept_for_a_month(
    photo, whole, bucket, team, monkeypatch
):
    key = photo.original_key.replace(str(photo.group_id), "0" * 8 + str(photo.group_id)[8:])
    bucket.copy(photo.original_key, key)
    other = key.replace(str(photo.pk), "0" * 8 + str(photo.pk)[8:])
    bucket.copy(photo.original_key, other)
    bucket.delete_keys([key])
    code, report = reconcile("--fix")
    assert (code, counts(report)) == (1, {"photo-without-row": 1})
    assert other in stored(bucket)
    monkeypatch.setattr(compare, "ORIGINALS_GRACE", timedelta(seconds=-5))
    code, report = reconcile("--fix")
    assert code == 0, report
    assert other not in stored(bucket)


# --- Care -----------------------------------------------------------------------------------


def test_a_bucket_with_nothing_of_ours_is_not_believed(photo, whole, bucket):
    bucket.delete_keys(stored(bucket))
    assert reconcile()[0] == 1
    with pytest.raises(CommandError, match="S3_BUCKET"):
        reconcile("--fix")
    assert set(Image.objects.values_list("version", flat=True)) == {1}
    assert reconcile("--fix", "--believe-empty")[0] == 0
    assert set(Upload.objects.values_list("failure", flat=True)) == {"original-missing"}


def test_an_empty_database_is_not_believed(photo, whole, bucket):
    before = stored(bucket)
    forget(photo, whole)
    with pytest.raises(CommandError, match="DATABASE_URL"):
        reconcile("--fix")
    assert stored(bucket) == before


def test_only_one_group_is_compared(photo, bucket, team):
    bucket.delete_keys([photo.original_key])
    other = GroupFactory(team=team)
    assert reconcile("--group", str(other.pk))[1]["photos"] == 0
    assert reconcile("--group", str(photo.group_id))[0] == 1
    with pytest.raises(CommandError, match="no group"):
        reconcile("--group", str(photo.pk))


@pytest.mark.django_db(transaction=True)
def test_a_photo_somebody_is_at_is_left_for_the_next_time(photo, bucket):
    bucket.delete_keys([photo.variants.get(name="thumb").key])
    taken, done = threading.Event(), threading.Event()

    def hold() -> None:
        with locks.objects_of(photo.pk):
            taken.set()
            done.wait(20)
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    taken.wait(20)
    code, report = reconcile("--fix")
    done.set()
    holder.join()
    assert (code, report["differences"]["size-missing"]["repaired"]) == (1, 0)
    code, report = reconcile("--fix")
    assert code == 0, report


@pytest.mark.django_db(transaction=True)
def test_only_one_runs_at_a_time(photo):
    with locks.alone(compare.LOCK):
        errors: list[str] = []

        def run() -> None:
            try:
                call_command("reconcile")
            except CommandError as error:
                errors.append(str(error))
            connection.close()

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    assert "Another reconcile is running" in errors[0]


def test_a_store_that_is_away_is_named(photo, settings):
    default = settings.STORAGES["default"]
    away = {**default["OPTIONS"], "endpoint_url": "http://127.0.0.1:1"}
    settings.STORAGES = {**settings.STORAGES, "default": {**default, "OPTIONS": away}}
    with pytest.raises(CommandError, match="call it again"):
        reconcile()


@pytest.mark.django_db(transaction=True)
def test_while_photos_arrive_nothing_is_lost(cleo, whole, bucket):
    """Mending with no grace at all, again and again, while others upload and process."""
    done, sent, errors = threading.Event(), [], []

    def ingest(number: int) -> None:
        try:
            for turn in range(4):
                data = drawn_pictures.jpeg(seed=200 + number * 10 + turn)
                ticket = cleo.announce_one(data)
                assert put(ticket["upload"], data).status == 200
                # Perhaps the comparison was quicker: 200, or 202.
                assert cleo.complete(ticket["id"]).status_code < 300
                tasks.process_upload(ticket["id"])
                sent.append(ticket["id"])
        except Exception as error:  # noqa: BLE001 - told to the test
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=ingest, args=[number]) for number in range(3)]
    for thread in threads:
        thread.start()
    runs = 0
    while any(thread.is_alive() for thread in threads):
        reconcile("--fix")
        runs += 1
    for thread in threads:
        thread.join()
    done.set()
    for _ in range(20):  # what gave way to the comparison is done by a task's next try
        run_tasks()
        if not Upload.objects.exclude(status="done").exists():
            break
        Upload.objects.filter(status="queued").update(queued_at=F("queued_at"))

    assert errors == []
    assert runs >= 2
    assert set(Upload.objects.values_list("status", flat=True)) == {"done"}
    assert len(sent) == 12
    code, report = reconcile()
    assert (code, report["objects"]) == (0, 13 * 6)
