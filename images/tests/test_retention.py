"""A group may keep originals for some days only."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F

from groups.models import Group
from images.lifecycle import sweeper
from images.models import Image, Upload
from images.processing import work
from images.storage.objects import ObjectMissing
from images.tests import drawn_pictures, stored_photos
from images.tests.guest_client import described, get, put

pytestmark = pytest.mark.django_db


@pytest.fixture
def image(cleo, bucket):
    return stored_photos.by_guest(cleo, drawn_pictures.jpeg())


def processed(days_ago: int) -> None:
    Upload.objects.update(finished_at=F("finished_at") - timedelta(days=days_ago))


def test_an_original_goes_after_its_days_and_the_variants_stay(image, bucket, ada, signed_in):
    Group.objects.update(retain_originals_days=7)
    processed(days_ago=6)
    sweeper.sweep()
    assert bucket.head(image.original_key)

    processed(days_ago=2)
    sweeper.sweep()
    with pytest.raises(ObjectMissing):
        bucket.head(image.original_key)
    assert Image.objects.get().original_dropped_at
    client = signed_in(ada)
    answer = client.get(f"/api/v1/images/{image.pk}/variants/original/")
    assert answer.status_code == 410
    assert answer.json()["type"] == "/problems/original-dropped/"
    thumb = client.get(f"/api/v1/images/{image.pk}/variants/thumb/")
    assert get(thumb["Location"]).status == 200


def test_without_the_policy_it_stays(image, bucket):
    processed(days_ago=3000)
    sweeper.sweep()
    assert bucket.head(image.original_key)
    assert Image.objects.get().original_dropped_at is None


def test_the_next_sweep_finishes_what_a_crash_left(image, bucket):
    Group.objects.update(retain_originals_days=0)
    processed(days_ago=1)
    bucket.delete_keys([image.original_key])
    sweeper.sweep()
    assert Image.objects.get().original_dropped_at


def test_the_days_of_a_new_file_begin_anew(image, bucket, ada, signed_in):
    """A photo replaced late keeps the original that came last."""
    Group.objects.update(retain_originals_days=7)
    processed(days_ago=6)
    host, data = signed_in(ada), drawn_pictures.jpeg(seed=2)
    ticket = host.patch(f"/api/v1/images/{image.pk}/file/", described(data)).json()
    put(ticket["upload"], data)
    assert host.post(f"/api/v1/uploads/{ticket['id']}/complete/").status_code == 202
    work.process(Upload(pk=ticket["id"]))
    Upload.objects.filter(version=1).update(finished_at=F("finished_at") - timedelta(days=2))
    sweeper.sweep()
    replaced = Image.objects.get()
    assert (replaced.version, replaced.original_dropped_at) == (2, None)
    assert bucket.head(replaced.original_key)

    processed(days_ago=8)
    sweeper.sweep()
    assert Image.objects.get().original_dropped_at
