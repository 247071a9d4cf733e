"""A store that does some of what it is asked: no photo is done with a part of its objects, and no
row goes while its objects stay."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from bandpics.testing.matrix import few
from images.lifecycle import sweeper
from images.models import Image, Upload, Variant
from images.photofile import variants
from images.processing import work
from images.storage import client
from images.storage.objects import StorageUnavailable, photo_storage
from images.tests import drawn_pictures

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bucket")]

KINDS = ["original", *(spec.name for spec in variants.ALL)]
ANSWER = """<?xml version="1.0" encoding="UTF-8"?>
<DeleteResult><Error><Key>{key}</Key><Code>{code}</Code><Message>No.</Message></Error></DeleteResult>
"""


@pytest.mark.parametrize("kind", few(KINDS, 2))
def test_a_photo_is_done_once_all_of_it_is_written(cleo, s3_proxy, kind):
    upload = cleo.send(drawn_pictures.jpeg())
    refused = s3_proxy.answer(403, matching=f"^PUT /[^/]+/[^/]+/{kind}/", times=None)
    with pytest.raises(StorageUnavailable):
        work.process(upload)
    upload.refresh_from_db()
    assert (upload.status, upload.attempt, refused.hits) == ("queued", 0, 1)
    assert not Variant.objects.exists()
    refused.lift()
    work.process(upload)
    upload.refresh_from_db()
    assert upload.status == "done"
    assert len(_kept(upload.image_id)) == len(KINDS)


@pytest.mark.parametrize("kind", few(KINDS, 2))
def test_nothing_is_written_after_the_writing_has_failed(cleo, s3_proxy, kind, monkeypatch):
    """The lock is given back then, and another may be at these objects."""
    monkeypatch.setattr(client, "CONFIG", client.CONFIG | {"read_timeout": 10})
    upload = cleo.send(drawn_pictures.jpeg())
    s3_proxy.answer(403, matching=f"^PUT /[^/]+/[^/]+/{kind}/", times=None)
    s3_proxy.delay(0.3, matching=f"^PUT /[^/]+/[^/]+/(?!{kind})")
    with pytest.raises(StorageUnavailable):
        work.process(upload)
    s3_proxy.heal()
    written = _kept(upload.image_id)
    assert len(written) == len(KINDS) - 1
    time.sleep(0.5)
    assert _kept(upload.image_id) == written


@pytest.fixture
def overdue(cleo):
    image = cleo.send_and_process(drawn_pictures.jpeg())
    Image.objects.update(trashed_at=timezone.now() - timedelta(days=99))
    return image


def test_a_row_stays_until_all_of_its_objects_are_gone(overdue, s3_proxy):
    """S3 answers 200 to DeleteObjects, and says within what it did not delete."""
    said = ANSWER.format(key=overdue.original_key, code="AccessDenied").encode()
    refused = s3_proxy.answer(200, XML, said, matching="^POST .*delete", times=None)
    sweeper.sweep()
    assert refused.hits
    assert Image.objects.filter(pk=overdue.pk).exists()
    refused.lift()
    sweeper.sweep()
    assert not Image.objects.exists()
    assert not _kept(overdue.pk)


def test_an_object_that_was_gone_already_keeps_no_row(overdue, s3_proxy):
    said = ANSWER.format(key=overdue.original_key, code="NoSuchKey").encode()
    s3_proxy.answer(200, XML, said, matching="^POST .*delete", times=None)
    sweeper.sweep()
    assert not Image.objects.exists()


def test_a_refused_photo_that_crashed_holds_up_no_other_one(cleo, s3_proxy):
    refused, *others = [cleo.send(drawn_pictures.jpeg(seed=seed)) for seed in range(3)]
    Upload.objects.update(
        status="processing", attempt=3, lease_until=timezone.now() - timedelta(seconds=1)
    )
    fault = s3_proxy.answer(403, matching=f"^HEAD .*incoming/{refused.pk}", times=None)
    sweeper.sweep()
    states = dict(Upload.objects.values_list("pk", "status"))
    assert states == {refused.pk: "processing", **{other.pk: "failed" for other in others}}
    fault.lift()
    sweeper.sweep()
    assert Upload.objects.get(pk=refused.pk).failure == "crashed"


XML = {"Content-Type": "application/xml"}


def _kept(image_id) -> set[str]:
    return {found.key for found in photo_storage().list_keys("") if _is_of(image_id, found.key)}


def _is_of(image_id, key: str) -> bool:
    return str(image_id) in key and not key.startswith("incoming/")
