"""Gives photos from before there were placeholders what the worker reads of each photo's sizes: the
placeholder, and what photos are compared by."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models.functions import Now

from images.models import Image, locks
from images.photofile import variants
from images.photofile.rendering import appearance
from images.reconcile.bucket_listing import pages
from images.reconcile.repair import CannotRepair
from images.storage.objects import ObjectMissing, photo_storage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from uuid import UUID

    from images.models import ImageQuerySet


def missing(images: ImageQuerySet, before: datetime) -> Iterator[Image]:
    """Yields photos without a placeholder, but those that changed since."""
    rows = images.filter(version__gt=0, placeholder=b"", updated_at__lt=before)
    for batch in pages(rows):
        yield from batch


def key_of(image: Image) -> str:
    """The object that the placeholder is made from."""
    return image.version_keys(image.version).variant(variants.SMALL.name)


def read_again(image_id: UUID) -> bool:
    """Reads what the current version of a photo looks like. True if this call did.

    Raises locks.Busy and CannotRepair."""
    with locks.objects_of(image_id):
        image = Image.objects.filter(pk=image_id, version__gt=0, placeholder=b"").first()
        if image is None:
            return False
        with tempfile.TemporaryDirectory(prefix="bandpics-", dir=settings.WORK_DIR) as folder:
            files = _download(image, Path(folder))
            try:
                looks = appearance.read(files, pixels=(image.width or 0) * (image.height or 0))
            except (OSError, ValueError, SyntaxError) as error:  # no picture that Pillow reads
                raise CannotRepair from error
        rows = Image.objects.filter(pk=image.pk, version=image.version, placeholder=b"")
        return bool(rows.update(**asdict(looks), updated_at=Now()))


def _download(image: Image, into: Path) -> dict[str, Path]:
    rows, files = image.variant_by_name, {}
    for name in appearance.SOURCES:
        if name not in rows:
            raise CannotRepair
        files[name] = into / name
        try:
            photo_storage().download(rows[name].key, files[name])
        except ObjectMissing:
            raise CannotRepair from None
    return files
