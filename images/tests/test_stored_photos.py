"""What tests store instead of sending it is what sending and processing it leaves behind."""

from __future__ import annotations

import pytest

from images.models import Image, Upload, Variant
from images.tests import drawn_pictures, stored_photos
from images.tests.guest_client import send_as_member

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bucket")]

DATA = drawn_pictures.jpeg(seed=7, lat=48.2, lon=16.37, taken_at="2026:06:21 22:45:00")
# Of each photo its own; and how long its worker took.
OWN = {
    *("id", "created_at", "updated_at", "image_id", "key", "uploader_id", "stack_id"),
    *("arrived_at", "queued_at", "finished_at", "processing_ms", "last_checked_at"),
    *("group_id", "invitation_id", "announced_to", "sort_at"),
}


def rows_of(photo: Image) -> list[dict]:
    """All columns of its rows but those that differ from photo to photo, and if they are set."""
    rows = [
        *Image.objects.filter(pk=photo.pk).values(),
        *Upload.objects.filter(image=photo).values(),
        *Variant.objects.filter(image=photo).order_by("name").values(),
    ]
    return [
        {name: value is None if name in OWN else value for name, value in row.items()}
        for row in rows
    ]


def objects_of(photo: Image, bucket, folder) -> dict[str, bytes]:
    """Its objects by the folder they lie in."""
    found = {}
    for each in bucket.list_keys(""):
        if str(photo.pk) in each.key:
            bucket.download(each.key, folder / "object")
            found[each.key.split("/")[-2]] = (folder / "object").read_bytes()
    return found


@pytest.mark.parametrize("who", ["guest", "member"])
def test_rows_and_objects_are_those_of_a_processed_photo(
    who, cleo, ben, group, signed_in, bucket, invitation, tmp_path
):
    if who == "guest":
        processed = cleo.send_and_process(DATA, filename="stage.jpg")
        rows, objects = rows_of(processed), objects_of(processed, bucket, tmp_path)
        processed.delete()
        stored = stored_photos.by_guest(cleo, DATA, filename="stage.jpg")
        invitation.refresh_from_db()
        assert (invitation.used_files, invitation.used_bytes) == (2, 2 * len(DATA))
    else:
        processed = send_as_member(signed_in(ben), group, DATA, filename="stage.jpg")
        rows, objects = rows_of(processed), objects_of(processed, bucket, tmp_path)
        processed.delete()
        stored = stored_photos.by_member(ben, group, DATA, filename="stage.jpg")
    assert rows_of(stored) == rows
    assert objects_of(stored, bucket, tmp_path) == objects
    assert set(objects) > {"original", "medium"}
