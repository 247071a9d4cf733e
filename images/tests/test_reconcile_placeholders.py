"""`manage.py reconcile --fix` gives photos from before there were placeholders theirs."""

from __future__ import annotations

import pytest
from django.db import connection

from groups.tests.factories import GroupFactory
from images.lifecycle import moving, trash
from images.models import Image, locks
from images.reconcile import appearances, repair
from images.tests import drawn_pictures
from images.tests.test_reconcile import counts, reconcile

pytestmark = pytest.mark.django_db

BEFORE = {"placeholder": b"", "perceptual_hash": None, "focus": None}
LOOKS = tuple(BEFORE)


@pytest.fixture
def photo(cleo, bucket):
    """A photo, and what the worker read of it, which its row no longer says."""
    image = cleo.send_and_process(drawn_pictures.jpeg())
    known = looks(image)
    assert all(known)
    Image.objects.update(**BEFORE, stack_due=False)
    return image, known


def looks(image):
    placeholder, *others = Image.objects.values_list(*LOOKS).get(pk=image.pk)
    return bytes(placeholder), *others


def test_it_is_what_the_worker_would_have_read(photo, cleo):
    image, known = photo
    cleo.send_and_process(drawn_pictures.jpeg(seed=2))
    code, report = reconcile()
    assert (code, counts(report)) == (1, {"placeholder-missing": 1})
    assert looks(image)[0] == b""
    code, report = reconcile("--fix")
    assert report["differences"]["placeholder-missing"]["repaired"] == 1
    assert looks(image) == known
    assert Image.objects.get(pk=image.pk).stack_due
    assert reconcile()[0] == 0


def test_one_of_a_photo_whose_sizes_are_lost_as_well_comes_after_them(photo, bucket):
    image, known = photo
    bucket.delete_keys([image.variants.get(name="small").key])
    reconcile("--fix")
    assert looks(image) == known


def test_a_size_that_is_no_picture_is_reported_and_holds_up_nothing(photo, cleo, bucket, tmp_path):
    image, _ = photo
    second = cleo.send_and_process(drawn_pictures.jpeg(seed=2))
    Image.objects.update(**BEFORE)
    row = image.variants.get(name="small")
    (tmp_path / "x").write_bytes(b"x" * row.byte_size)
    bucket.put_files([(row.key, tmp_path / "x", "image/jpeg")])
    code, report = reconcile("--fix")
    found = report["differences"]["placeholder-missing"]
    assert (code, found["found"], found["repaired"]) == (1, 2, 1)
    assert looks(image)[0] == b""
    assert looks(second)[0]


def test_a_photo_in_the_trash_gets_its_own(photo, ada):
    image, known = photo
    trash.put(image, by=ada)
    assert appearances.read_again(image.pk)
    assert looks(image) == known


def test_nothing_is_written_where_the_photo_has_another_file_or_is_gone(
    photo, ada, bucket, monkeypatch
):
    image, _ = photo
    read = appearances.appearance.read

    def replaced_meanwhile(*args, **kwargs):
        Image.objects.filter(pk=image.pk).update(version=2)
        return read(*args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(appearances.appearance, "read", replaced_meanwhile)
        assert not appearances.read_again(image.pk)
    assert looks(image)[0] == b""
    with pytest.raises(repair.CannotRepair):  # the sizes of version 2 are not there
        appearances.read_again(image.pk)
    Image.objects.filter(pk=image.pk).delete()
    assert not appearances.read_again(image.pk)


def test_a_photo_that_was_moved_is_read_where_it_is_now(photo, ada, group, bucket):
    image, known = photo
    moving.move_all([image.pk], GroupFactory(team=group.team), by=ada)
    assert appearances.read_again(image.pk)
    assert looks(image) == known


@pytest.mark.django_db(transaction=True)
def test_while_somebody_changes_the_photo_it_waits_for_the_next_run(photo):
    image, known = photo
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [image.pk.int & (2**63 - 1)])
            with pytest.raises(locks.Busy):
                appearances.read_again(image.pk)
            assert reconcile("--fix")[0] == 1
    finally:
        other.close()
    reconcile("--fix")
    assert looks(image) == known
