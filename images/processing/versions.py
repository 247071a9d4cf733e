"""What becomes of bytes that are shown no more: duplicates that rest on them inherit them, then
they go."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from images.models import Image, Upload, Variant, locks
from images.storage import object_keys
from images.storage.objects import ObjectMissing, photo_storage
from images.uploads import queue, quota

if TYPE_CHECKING:
    from uuid import UUID

    from images.models import UploadQuerySet

from images.storage import lookup

logger = logging.getLogger(__name__)


class InProcess(Exception):
    """A worker has the photo, or it was never finished: it has to wait, or to be retried."""


def purge_old_versions(image_id: UUID) -> None:
    """Remove the versions a photo had before the one it shows. Safe to call twice.

    The old variants' rows are the record of what is still to be removed: they go last.
    Raises locks.Busy, StorageUnavailable.
    """
    with locks.objects_of(image_id):
        image = Image.objects.filter(pk=image_id).first()
        if image is None:
            return
        old = Variant.objects.filter(image=image, version__lt=image.version)
        for number in sorted(set(old.values_list("version", flat=True))):
            promote_duplicate(image, _duplicates_of_version(image, number), version=number)
            photo_storage().delete_keys(image.version_keys(number).all_keys())
            old.filter(version=number).delete()


def ids_with_old_versions(limit: int) -> list[UUID]:
    """Photos with something left of an older version; last those of which the store refused it."""
    replaced = Upload.objects.filter(version__gt=1, status=Upload.Status.DONE)
    old = Variant.objects.filter(
        image__in=replaced.values("image"), version__lt=F("image__version")
    )
    photos = Image.objects.filter(pk__in=old.values("image"))
    first = F("last_checked_at").asc(nulls_first=True)
    return list(photos.order_by(first, "pk").values_list("pk", flat=True)[:limit])


def duplicates_of(image: Image) -> UploadQuerySet:
    """Uploads that were told: your photo is here already, it is this one."""
    return Upload.objects.filter(duplicate_of=image, status=Upload.Status.DUPLICATE)


def _duplicates_of_version(image: Image, number: int) -> UploadQuerySet:
    """All but those whose bytes a later version still has. Not simply those of the same bytes: who
    rests on an heir of a rendering was told of the original's."""
    later = image.uploads.filter(
        status=Upload.Status.DONE, version__gt=number, version__lte=image.version
    )
    kept = {image.sha256, *later.values_list("sha256", flat=True)}
    return duplicates_of(image).exclude(sha256__in=kept)


def promote_duplicate(image: Image, heirs: UploadQuerySet, *, version: int) -> None:
    """Give the bytes of a version to the oldest of these duplicates, which is queued with them;
    the others rest on its photo from now on. Copied first, so that a crash costs nothing.

    Raises StorageUnavailable.
    """
    # What somebody trashed inherits only if nobody else does.
    scanning = heirs.select_related("image__invitation").order_by(
        F("image__trashed_at").asc(nulls_first=True), "created_at", "id"
    )
    heir = scanning.first()
    if heir is None:
        return
    if not _copy_stored(image.version_keys(version), heir.incoming_key):
        logger.error("Photo %s has no bytes left for its duplicate %s", image.pk, heir.pk)
        return
    with transaction.atomic():
        won = heirs.filter(pk=heir.pk).update(
            status=Upload.Status.QUEUED,
            duplicate_of=None,
            sha256="",
            attempt=0,
            queued_at=Now(),
            finished_at=None,
        )
        if not won:
            return
        heirs.update(duplicate_of=heir.image)
        if heir.image.invitation is not None:
            # It was told "already here": a full link must not make that untrue.
            quota.reserve_regardless(heir)
        transaction.on_commit(partial(queue.enqueue, heir.pk))


def _copy_stored(version: object_keys.Version, target: str) -> bool:
    key = lookup.find_stored(version)
    if key is None:
        return False
    try:
        photo_storage().copy(key, target)
    except ObjectMissing:
        return False
    return True
