"""What the database itself refuses, whoever asks."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from images.models import Image, Upload
from images.tests.bulk_rows import SOMEBODY

pytestmark = pytest.mark.django_db

WHOLE = {
    "version": 1,
    "width": 4,
    "height": 3,
    "byte_size": 9,
    "sha256": "a" * 64,
    "content_type": "image/jpeg",
}


def new_image(group, **more):
    return Image.objects.create(
        **{"group": group, **SOMEBODY.columns, "original_filename": "x.jpg"} | more
    )


def new_upload(image, **more):
    fields = {"declared_content_type": "image/jpeg", "declared_byte_size": 1, **SOMEBODY.columns}
    fields["announced_to"] = image.group_id
    return Upload.objects.create(image=image, **fields | more)


@pytest.mark.parametrize(
    ("wrong", "constraint"),
    [
        ({"sha256": ""}, "image_is_whole_once_done"),
        ({"width": 0}, "image_is_whole_once_done"),
        ({"latitude": 1.0}, "image_place_is_whole"),
        ({"latitude": 91.0, "longitude": 0.0}, "image_place_is_whole"),
        ({"orientation": 9}, "image_orientation"),
        ({"uploader_kind": ""}, "image_uploader_is_whole"),
        ({"uploader_kind": "robot"}, "image_uploader_is_whole"),
        ({"uploader_kind": "recovered"}, "image_uploader_is_whole"),
        ({"uploader_kind": "shared", "uploader_id": ""}, "image_uploader_is_whole"),
        ({"uploader_kind": "personal", "device_hash": "d"}, "image_uploader_is_whole"),
        ({"device_hash": "d"}, "image_uploader_is_whole"),
    ],
)
def test_an_image_that_cannot_be_is_refused(group, wrong, constraint):
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        new_image(group, **WHOLE | wrong)


def test_a_group_keeps_the_same_bytes_once(group):
    new_image(group, **WHOLE)
    with pytest.raises(IntegrityError, match="image_bytes_once_per_group"), transaction.atomic():
        new_image(group, **WHOLE)
    new_image(group)
    new_image(group)  # nothing finished, nothing to compare


@pytest.mark.parametrize(
    ("wrong", "constraint"),
    [
        ({"status": "lost"}, "upload_status_is_known"),
        ({"status": "failed"}, "upload_failed_says_why"),
        ({"failure": "damaged"}, "upload_failed_says_why"),
        ({"uploader_id": ""}, "upload_uploader_is_whole"),
        ({"status": "processing"}, "upload_processing_has_a_lease"),
        ({"status": "processing", "lease_until": Now()}, "upload_processing_has_a_lease"),
        ({"declared_byte_size": 0}, "upload_declares_some_bytes"),
    ],
)
def test_an_upload_that_cannot_be_is_refused(group, wrong, constraint):
    image = new_image(group)
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        new_upload(image, **wrong)


def test_a_version_and_a_client_id_are_used_once(group):
    image = new_image(group)
    new_upload(image, client_id="1")
    with pytest.raises(IntegrityError, match="upload_once_per_version"), transaction.atomic():
        new_upload(image)
    with pytest.raises(IntegrityError, match="upload_once_per_sender"), transaction.atomic():
        new_upload(image, version=2, client_id="1")
    new_upload(image, version=2)
    new_upload(image, version=3)
