"""Whoever writes an object of a photo that is deleted for good meanwhile takes it away again, or
reconciliation would find it and make a photo of it."""

from __future__ import annotations

import pytest

from images.lifecycle import forget_location
from images.models import Image
from images.processing import work
from images.storage import lookup
from images.tests import drawn_pictures
from images.tests.guest_client import Guest
from images.tests.test_reconcile import reconcile
from invitations.tests.factories import InvitationFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bucket")]

DATA = drawn_pictures.jpeg(width=1200, height=800, seed=450, lat=48.2082, lon=16.3738)


@pytest.fixture
def photo(cleo, bucket):
    cleo.send_and_process(
        drawn_pictures.jpeg(seed=100)
    )  # else both sides would look like strangers
    return cleo.send_and_process(DATA)


@pytest.fixture
def deleted_before(monkeypatch, photo):
    """The photo is deleted at the moment this function is called."""

    def prepare(module, name: str) -> None:
        function = getattr(module, name)

        def delete_first(*args):
            Image.objects.filter(pk=photo.pk).delete()
            return function(*args)

        monkeypatch.setattr(module, name, delete_first)

    return prepare


def assert_nothing_is_left(bucket, photo) -> None:
    assert not [found.key for found in bucket.list_keys("") if str(photo.pk) in found.key]
    code, report = reconcile("--fix")
    assert (code, report["differences"]) == (0, {})


def test_while_its_place_is_forgotten(photo, bucket, deleted_before):
    deleted_before(forget_location.location, "remove_location")
    with pytest.raises(forget_location.Gone):
        forget_location.forget(photo.pk)
    assert_nothing_is_left(bucket, photo)


def test_while_an_original_that_was_found_forgets_its_place(
    cleo, photo, bucket, tmp_path, deleted_before
):
    bucket.download(photo.original_key, tmp_path / "original")
    bucket.delete_keys([photo.original_key])
    assert reconcile("--fix")[0] == 0
    forget_location.forget(photo.pk)
    bucket.put_file(photo.original_key, tmp_path / "original", content_type="image/jpeg")
    deleted_before(forget_location.location, "remove_location")
    reconcile("--fix")
    assert_nothing_is_left(bucket, photo)


def test_while_a_duplicate_gives_its_original_back(photo, bucket, group, deleted_before):
    bucket.delete_keys([photo.original_key])
    upload = Guest(InvitationFactory(group=group)).send(DATA)
    deleted_before(lookup, "is_stored")
    work.process(upload)
    assert not [found for found in bucket.list_keys(f"{group.pk}/") if str(photo.pk) in found.key]
    work.process(upload)
    upload.refresh_from_db()
    assert upload.status == "done"
    assert_nothing_is_left(bucket, photo)
