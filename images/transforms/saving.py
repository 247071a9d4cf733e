"""A transform that becomes a photo of its own, in the group of the photo it was made of."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from django.conf import settings

from images.storage.objects import ObjectMissing, photo_storage
from images.transforms.ordering import Changed
from images.uploads import file_check, server_upload
from images.uploads.announce import Announced
from images.uploads.when_and_where import Taken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from images.access import Uploader
    from images.models import Image, Transform, Upload


def save_as_photo(transform: Transform, image: Image, uploader: Uploader) -> Upload:
    """Creates a queued upload from the file of a transform that is done. Safe to call twice.

    The new photo was taken when `image` was, and its history names it. It has no place: one that
    is forgotten later would stay here. Raises Changed, file_check.Unacceptable,
    server_upload's errors.
    """
    file_check.check(byte_size=transform.byte_size, content_type=transform.content_type)
    described = Announced(
        filename=filename(image, transform),
        content_type=transform.content_type,
        byte_size=transform.byte_size,
        taken=_taken(image),
        made_from=image.pk,
    )
    with _downloaded(transform) as path, path.open("rb") as file:
        return server_upload.take(uploader, file, described)


def filename(image: Image, transform: Transform, *, shows_name: bool = True) -> str:
    """Returns a name such as `stage-9f2c41aa.webp`."""
    stem = PurePath(image.original_filename).stem if shows_name else ""
    end = f"-{transform.spec_hash[:8]}{PurePath(transform.key).suffix}"
    return (stem or "photo")[: file_check.FILENAME_LENGTH - len(end)] + end


@contextmanager
def _downloaded(transform: Transform) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bandpics-", dir=settings.WORK_DIR) as folder:
        path = Path(folder) / "result"
        try:
            photo_storage().download(transform.key, path)
        except ObjectMissing:
            raise Changed from None  # it left with its row just now
        yield path


def _taken(image: Image) -> Taken | None:
    if image.taken_at_local is None:
        return None
    minutes = image.utc_offset_minutes
    offset = None if minutes is None else timedelta(minutes=minutes)
    return Taken(image.taken_at_local.replace(tzinfo=None), offset)
