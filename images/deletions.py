"""The outbox of deletions: objects whose rows are gone are recorded in the transaction that deletes
the rows, and removed once it is committed; where that fails, the sweeper removes them.

Triggers of Postgres write most records, because cascades never pass through our functions.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import DatabaseError, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from images.models import (
    KEEP_BYTES,
    UNDER_WAY,
    Archive,
    Image,
    PendingDeletion,
    Transform,
    Upload,
    Variant,
    locks,
)
from images.storage import object_keys
from images.storage.objects import StorageUnavailable, photo_storage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

logger = logging.getLogger(__name__)

BATCH = 500
CHECK_AGAIN_AFTER = timedelta(minutes=10)
# Longer than a worker may run (PHOTO_MAX_SECONDS): it may write what was just removed.
MAY_STILL_BE_WRITTEN = timedelta(hours=1)


def record(image_id: UUID, keys: Iterable[str], *, may_be_written: bool = False) -> PendingDeletion:
    """Records, in the transaction around it, that these objects of a photo are to be removed,
    unless they are in use by then."""
    return PendingDeletion.objects.create(
        image_id=image_id, keys=list(keys), may_be_written=may_be_written
    )


def record_version(upload: Upload, *, and_incoming: bool = False) -> PendingDeletion:
    """Records every object a worker may have written for an upload, and what arrived of it."""
    return PendingDeletion.objects.create(
        image_id=upload.image_id,
        group_id=upload.image.group_id,
        version=upload.version,
        upload_id=upload.pk if and_incoming else None,
    )


def record_parts(upload: Upload) -> PendingDeletion:
    """Records the parts of a multipart upload."""
    return PendingDeletion.objects.create(
        image_id=upload.image_id, upload_id=upload.pk, multipart_id=upload.multipart_id or ""
    )


def record_archive(archive: Archive) -> PendingDeletion:
    """Records the object of an archive, under the archive's id; triggers do so where a photo leaves
    it, or its row is deleted."""
    return PendingDeletion.objects.create(
        image_id=archive.pk,
        keys=[archive.key],
        multipart_id=archive.multipart_id,
        may_be_written=archive.state != archive.State.READY,
    )


def execute_on_commit(image_id: UUID) -> None:
    """Removes what is recorded of the photo after the commit; many photos in one request."""
    # run_on_commit has no public name: a test of the number of statements fails if it changes.
    here = transaction.get_connection()
    last = here.run_on_commit[-1] if here.run_on_commit else None
    # Only within the same savepoint: a rollback takes with it what was said since.
    if last and isinstance(last[1], _Removal) and last[0] == set(here.savepoint_ids):
        last[1].image_ids.append(image_id)
    else:
        transaction.on_commit(_Removal([image_id]))


@dataclass(eq=False)
class _Removal:
    image_ids: list[UUID]

    def __call__(self) -> None:
        try:
            for start in range(0, len(self.image_ids), BATCH):
                execute(self.image_ids[start : start + BATCH])
        except (StorageUnavailable, locks.Busy, DatabaseError) as error:
            logger.warning("Objects of deleted rows wait for the sweeper: %s", error)


def due(limit: int) -> list[UUID]:
    """Photos with something to remove, those never checked first: what the store refuses must not
    hide them."""
    rows = PendingDeletion.objects.filter(
        Q(last_checked_at=None) | Q(last_checked_at__lt=Now() - CHECK_AGAIN_AFTER)
    ).order_by(F("last_checked_at").asc(nulls_first=True), "id")
    return list(dict.fromkeys(rows.values_list("image_id", flat=True)[:limit]))


def mark_checked(image_ids: Sequence[UUID]) -> None:
    """Makes them due last."""
    PendingDeletion.objects.filter(image_id__in=image_ids).update(last_checked_at=Now())


def execute(image_ids: Sequence[UUID]) -> None:
    """Removes what is recorded of these photos, then the records. Safe to call twice.

    Raises StorageUnavailable, and locks.Busy if somebody is at the objects of one.
    """
    kept = set(Image.objects.filter(pk__in=image_ids).values_list("pk", flat=True))
    # Ids are never given twice: no object of a deleted photo is ever wanted again.
    deleted = PendingDeletion.objects.filter(image_id__in=set(image_ids) - kept)
    _execute(list(deleted), in_use=set())
    for image_id in kept:
        with locks.objects_of(image_id):
            rows = list(PendingDeletion.objects.filter(image_id=image_id))
            _execute(rows, in_use=keys_in_use(image_id))


def _execute(rows: Sequence[PendingDeletion], *, in_use: set[str]) -> None:
    for row in rows:
        if row.multipart_id:
            key = object_keys.incoming(row.upload_id) if row.upload_id else row.keys[0]
            photo_storage().abort_multipart(key, multipart_id=row.multipart_id)
    photo_storage().delete_keys(sorted({key for row in rows for key in keys_of(row)} - in_use))
    PendingDeletion.objects.filter(
        Q(may_be_written=False) | Q(recorded_at__lt=Now() - MAY_STILL_BE_WRITTEN),
        pk__in=[row.pk for row in rows],
    ).delete()


def delete_if_image_deleted(image: Image, written: Iterable[str]) -> bool:
    """Removes what was written of a photo just now, if its row was deleted meanwhile. True if so.

    What was recorded of it may be removed by then, and reconciliation would recover the photo.
    """
    if Image.objects.filter(pk=image.pk).exists():
        return False
    photo_storage().delete_keys(written)
    return True


def keys_in_use(image_id: UUID) -> set[str]:
    """The keys of what the photo shows, or is about to: it may be back in a group it had left."""
    image = Image.objects.filter(pk=image_id).first()
    if image is None:
        return set()
    keys = set(Variant.objects.filter(image=image).values_list("key", flat=True))
    waiting = Q(status=Upload.Status.PENDING) | Q(failure__in=KEEP_BYTES)
    kept = image.uploads.filter(UNDER_WAY | waiting)
    keys.update(object_keys.incoming(pk) for pk in kept.values_list("pk", flat=True))
    keys.update(object_keys.markers(image_id))
    under_way = image.uploads.filter(UNDER_WAY).values_list("version", flat=True)
    keys.update(transform.key for transform in Transform.objects.on_disk().filter(image=image))
    for number in {image.version, *under_way}:
        keys.update(image.version_keys(number).all_keys())
    return keys


def keys_of(row: PendingDeletion) -> list[str]:
    """Every object the deleted row may have left behind, whatever its bytes turned out to be."""
    keys = list(row.keys)
    if row.upload_id is not None:
        keys += [object_keys.incoming(row.upload_id), *object_keys.markers(row.image_id)]
    if row.group_id is not None and row.version is not None:
        keys += object_keys.Version(row.group_id, row.image_id, row.version).all_keys()
    return keys
