"""Finds duplicates, and purges old versions.

Before bytes are purged, a duplicate of them takes them over.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from bandpics.lookups import RowLookup
from images import deletions, journey
from images.models import Image, Upload, Variant, locks
from images.photofile import location
from images.storage import lookup
from images.storage.objects import ObjectMissing, photo_storage
from images.uploads import quota, transfer

if TYPE_CHECKING:
    from pathlib import Path

    from images.models import UploadQuerySet

logger = logging.getLogger(__name__)


class InProcess(Exception):
    """A worker has the photo, or it was never finished: it has to wait, or to be retried."""


# --- Duplicates -----------------------------------------------------------------------------


def find_duplicate(image: Image, sha256: str) -> Image | None:
    """Another photo of the group that shows these bytes."""
    return _WITH_BYTES.first(group_id=image.group_id, sha256=sha256, but=image.pk)


_WITH_BYTES = RowLookup(
    lambda group_id, sha256, but: (
        Image.objects.filter(group=group_id, sha256=sha256).ready().exclude(pk=but).only("pk")
    ),
    group_id=UUID(int=1_618_033_988),
    sha256="a hash",
    but=UUID(int=2_718_281_828),
)


def duplicates_of(image: Image) -> UploadQuerySet:
    """Uploads whose uploader was told: your photo is here already, it is this one."""
    return Upload.objects.filter(duplicate_of=image, status=Upload.Status.DUPLICATE)


def restore_lost_original(image_id: UUID, source: Path, *, sha256: str) -> None:
    """Gives a photo its original back from the file of a duplicate, before that is removed: the
    store may have lost it, or, after a restore, have removed it as replaced or purged.

    Raises locks.Busy.
    """
    with locks.objects_of(image_id):
        found = Image.objects.ready().filter(pk=image_id, sha256=sha256).first()
        if found is None:
            return  # gone or replaced meanwhile: the end as its duplicate will be refused
        is_dropped = found.original_dropped_at and not found.is_original_lost
        if is_dropped or lookup.is_stored(found.original_key):
            return
        original = source
        if found.is_place_removed:
            edited = source.with_name("edited")
            try:
                original = edited if location.remove_location(source, edited) else source
            except location.CannotRemoveLocation:
                return
        photo_storage().put_file(found.original_key, original, content_type=found.content_type)
        deletions.delete_if_image_deleted(found, [found.original_key])
        if found.is_original_lost:
            # Matches nothing if the photo was moved or replaced meanwhile.
            rows = Image.objects.filter(pk=found.pk, group=found.group_id, version=found.version)
            rows = rows.filter(original_dropped_at=found.original_lost_at)
            rows.update(original_dropped_at=None, original_lost_at=None, updated_at=Now())


def promote_duplicate(image: Image, successors: UploadQuerySet, *, version: int) -> None:
    """Queues the oldest of these duplicates with a copy of the version's bytes; the others become
    duplicates of its photo. The copy comes first, so that a crash loses nothing.

    Raises StorageUnavailable.
    """
    # A trashed photo inherits only if no other does.
    successor = (
        successors.select_related("image")
        .order_by(F("image__trashed_at").asc(nulls_first=True), "created_at", "id")
        .first()
    )
    if successor is None:
        return
    is_copied = False
    with contextlib.suppress(ObjectMissing):
        if key := lookup.find_stored(image.version_keys(version)):
            photo_storage().copy(key, successor.incoming_key)
            is_copied = True
    if not is_copied:
        logger.error("Photo %s has no bytes left for its duplicate %s", image.pk, successor.pk)
        return
    with transaction.atomic():
        if transfer.queue_again(successor, successors, duplicate_of=None, sha256=""):
            successors.update(duplicate_of=successor.image)
            # Its uploader was told "already here": a full link must not make that untrue.
            quota.reserve_regardless(successor)


# --- Old versions ---------------------------------------------------------------------------


def purge_old_versions(image_id: UUID) -> None:
    """Removes the versions a photo had before the one it shows. Safe to call twice.

    The old variants' rows are the record of what is still to be removed: they go last.
    Raises locks.Busy, StorageUnavailable.
    """
    with locks.objects_of(image_id):
        image = Image.objects.filter(pk=image_id).first()
        if image is None:
            return
        old = Variant.objects.filter(image=image, version__lt=image.version)
        for number in sorted(set(old.values_list("version", flat=True))):
            # All but those whose bytes a later version still has. A version that was made from a
            # rendering has another hash than its duplicates, which carry that of the lost original.
            done = image.uploads.filter(status=Upload.Status.DONE)
            later = done.filter(version__gt=number, version__lte=image.version)
            kept = {image.sha256, *later.values_list("sha256", flat=True)}
            successors = duplicates_of(image).exclude(sha256__in=kept)
            promote_duplicate(image, successors, version=number)
            photo_storage().delete_keys(image.version_keys(number).all_keys())
            old.filter(version=number).delete()
            journey.tell(journey.Step.VERSION_PURGED, image_id=image.pk, version=number)


def ids_with_old_versions(limit: int) -> list[UUID]:
    """Photos that still have objects of older versions; those the store refused come last."""
    replaced = Upload.objects.filter(version__gt=1, status=Upload.Status.DONE)
    old = Variant.objects.filter(
        image__in=replaced.values("image"), version__lt=F("image__version")
    )
    photos = Image.objects.filter(pk__in=old.values("image"))
    first = F("last_checked_at").asc(nulls_first=True)
    return list(photos.order_by(first, "pk").values_list("pk", flat=True)[:limit])
