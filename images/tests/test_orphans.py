"""Quarantine holds what an upload waits for, and nothing else for long."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F

from images import tasks
from images.lifecycle import trash
from images.models import Image, Upload
from images.reconcile import compare
from images.tests import drawn_pictures
from images.tests.guest_client import put

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(compare, "GRACE", timedelta(seconds=-5))


def kept(bucket):
    return [found.key for found in bucket.list_keys("incoming/")]


def test_a_put_after_the_cancel_is_removed(cleo, bucket):
    ticket = cleo.announce_one(b"12345")
    cleo.client.delete(f"/api/v1/uploads/{ticket['id']}/")
    assert put(ticket["upload"], b"12345").status == 200  # the URL is still signed
    assert compare.clean_quarantine() == 1
    assert kept(bucket) == []


def test_a_put_after_the_photo_is_done_is_removed(cleo, bucket):
    data = drawn_pictures.jpeg()
    ticket = cleo.announce_one(data)
    put(ticket["upload"], data)
    cleo.complete(ticket["id"])
    Upload.objects.update(status="done")
    assert compare.clean_quarantine() == 1


@pytest.mark.parametrize("status", ["pending", "queued"])
def test_what_an_upload_waits_for_stays(cleo, bucket, status):
    ticket = cleo.announce_one(b"12345")
    put(ticket["upload"], b"12345")
    Upload.objects.update(status=status)
    assert compare.clean_quarantine() == 0
    assert kept(bucket) == [f"incoming/{ticket['id']}"]


def test_a_crashed_photo_can_be_looked_at_for_thirty_days(cleo, bucket):
    upload = cleo.send(drawn_pictures.jpeg())
    Upload.objects.update(status="failed", failure="crashed", finished_at=F("created_at"))
    assert compare.clean_quarantine() == 0
    Upload.objects.update(finished_at=F("created_at") - timedelta(days=31))
    assert compare.clean_quarantine() == 1
    assert upload.incoming_key not in kept(bucket)


def test_a_put_after_the_photo_is_gone_for_good_is_removed(cleo, bucket):
    data = drawn_pictures.jpeg()
    ticket = cleo.announce_one(data)
    put(ticket["upload"], data)
    cleo.complete(ticket["id"])
    tasks.process_upload(ticket["id"])
    Image.objects.update(trashed_at=F("created_at") - timedelta(days=31))
    assert trash.purge(Image.objects.get().pk)
    assert put(ticket["upload"], data).status == 200  # the URL is still signed
    assert compare.clean_quarantine() == 1
    assert list(bucket.list_keys("")) == []


def test_what_has_no_row_is_removed_whatever_its_name(cleo, bucket, tmp_path):
    (tmp_path / "x").write_bytes(b"x")
    for name in ["01a1fb68-6de9-7466-b518-280fc8d43590", "nonsense", "01A1FB68"]:
        bucket.put_file(f"incoming/{name}", tmp_path / "x", content_type="image/jpeg")
    assert compare.clean_quarantine() == 3
    assert kept(bucket) == []


def test_young_objects_stay(cleo, bucket, monkeypatch):
    monkeypatch.setattr(compare, "GRACE", timedelta(hours=1))
    ticket = cleo.announce_one(b"12345")
    cleo.client.delete(f"/api/v1/uploads/{ticket['id']}/")
    put(ticket["upload"], b"12345")
    assert compare.clean_quarantine() == 0
