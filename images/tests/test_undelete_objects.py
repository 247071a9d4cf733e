"""`manage.py undelete_objects`: back to a moment by the versions that a bucket (moto's) keeps."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.db.models import F

from bandpics.ids import new_id
from bandpics.testing.aws_server import aws_server
from images import deletions
from images.lifecycle import trash
from images.models import Image, PendingDeletion
from images.reconcile import compare
from images.storage.objects import photo_storage
from images.tests import drawn_pictures

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def store():
    with aws_server() as url:
        yield url


@pytest.fixture
def versioned(settings, store):
    """The bucket of the application, in a store that keeps versions."""
    default, name = settings.STORAGES["default"], f"versioned-{new_id()}"
    options = {**default["OPTIONS"], "endpoint_url": store, "bucket_name": name}
    settings.STORAGES = {**settings.STORAGES, "default": {**default, "OPTIONS": options}}
    settings.S3_PUBLIC_ENDPOINT_URL = store
    bucket = photo_storage()
    bucket.client.create_bucket(Bucket=name)
    bucket.client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return bucket


def undelete(since, *words):
    out = io.StringIO()
    call_command("undelete_objects", f"--since={since.isoformat()}", *words, stdout=out)
    return out.getvalue()


def delete_what_is_due():
    PendingDeletion.objects.update(last_checked_at=None)
    deletions.execute(deletions.due(limit=100))


def keys(bucket):
    return {each.key for each in bucket.list_keys("")}


def test_a_photo_that_was_deleted_for_good_comes_back_with_the_database(versioned, cleo):
    before = datetime.now(UTC) - timedelta(seconds=2)
    image = cleo.send_and_process(drawn_pictures.jpeg())
    delete_what_is_due()
    stored = keys(versioned)
    assert len(stored) == 6

    moment = transaction.savepoint()  # the database will go back to here
    Image.objects.update(trashed_at=F("created_at") - timedelta(days=31))
    assert trash.purge(image.pk)
    delete_what_is_due()
    assert keys(versioned) == set()
    transaction.savepoint_rollback(moment)

    assert "7 objects would be brought back" in undelete(before, "--dry-run")
    assert keys(versioned) == set()
    undelete(before)
    assert keys(versioned) >= stored
    compare.reconcile(compare.Options(repairs=True, grace=timedelta(seconds=-5)))
    report = compare.reconcile(compare.Options(grace=timedelta(seconds=-5)))
    assert report.is_clean, report.as_text(is_repairing=False)
    assert keys(versioned) == stored
    assert Image.objects.get().trashed_at is None


def test_what_was_deleted_before_the_moment_stays_deleted(versioned, tmp_path):
    (tmp_path / "x").write_bytes(b"x")
    versioned.put_file("forgotten/x", tmp_path / "x", content_type="image/jpeg")
    versioned.delete_keys(["forgotten/x"])
    assert undelete(datetime.now(UTC) + timedelta(minutes=1)) == "0 objects brought back.\n"
    assert keys(versioned) == set()


def test_more_than_a_listing_holds_at_once_comes_back(versioned, tmp_path, monkeypatch):
    """The store goes on behind the last marker of a page, which is gone by then."""
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "3")
    (tmp_path / "x").write_bytes(b"x")
    names = [f"forgotten/{number}" for number in range(11)]
    for name in names:
        versioned.put_file(name, tmp_path / "x", content_type="image/jpeg")
    versioned.delete_keys(names)
    before = datetime.now(UTC) - timedelta(minutes=1)
    assert undelete(before) == "11 objects brought back.\n"
    assert keys(versioned) == set(names)


def test_a_bucket_without_versions_is_refused(bucket):
    with pytest.raises(CommandError, match="keeps no versions"):
        undelete(datetime.now(UTC))


def test_a_key_that_may_not_ask_is_not_told_that_all_is_gone(s3_proxy):
    """As the roles of our Terraform, which may not see versions."""
    denied = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
    s3_proxy.answer(403, body=denied, matching="versioning")
    with pytest.raises(CommandError, match=r"403|AccessDenied") as refused:
        undelete(datetime.now(UTC))
    assert "gone" not in str(refused.value)


@pytest.mark.parametrize(
    "text", ["yesterday", "2026-11-22", "2026-11-22T10:00:00", "2026-13-45T1:1Z"]
)
def test_a_moment_needs_date_time_and_offset(text):
    with pytest.raises(CommandError, match="offset"):
        call_command("undelete_objects", f"--since={text}")


def test_a_store_that_is_away_is_said(s3_proxy):
    s3_proxy.down()
    with pytest.raises(CommandError, match="call it again"):
        undelete(datetime.now(UTC))
    s3_proxy.up()
