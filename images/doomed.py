"""Objects whose rows are gone: noted in the transaction that deletes them, removed once it is
committed, and by the sweeper where that was not to be.

Triggers of Postgres write the notes, because cascades never pass through our functions.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import DatabaseError, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from images import locks, versions
from images.media import keys
from images.media.storage import StorageUnavailable, photo_storage
from images.models import KEEP_BYTES, DoomedObjects, Image, Upload, Variant

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

logger = logging.getLogger(__name__)

BATCH = 500
LOOK_AGAIN_AFTER = timedelta(minutes=10)
# Longer than a worker may run (PHOTO_MAX_SECONDS): it may write what was just removed.
MAY_STILL_BE_WRITTEN = timedelta(hours=1)


def note(image_id: UUID, doomed: Iterable[str], *, may_be_written: bool = False) -> DoomedObjects:
    """Say, in the transaction around it, that these objects of a photo are to go unless it shows
    them by then."""
    return DoomedObjects.objects.create(
        image_id=image_id, keys=list(doomed), may_be_written=may_be_written
    )


def note_version(upload: Upload, *, and_incoming: bool = False) -> DoomedObjects:
    """As note(), of every object a worker may have written of it, and of the bytes that came."""
    return DoomedObjects.objects.create(
        image_id=upload.image_id,
        group_id=upload.image.group_id,
        version=upload.version,
        upload_id=upload.pk if and_incoming else None,
    )


def note_parts(upload: Upload) -> DoomedObjects:
    """As note(), of what arrived of a multipart upload."""
    return DoomedObjects.objects.create(
        image_id=upload.image_id, upload_id=upload.pk, multipart_id=upload.multipart_id or ""
    )


def remove_on_commit(image_id: UUID) -> None:
    """Remove what is noted of the photo as soon as its note is committed; many in one request."""
    here = transaction.get_connection()
    last = here.run_on_commit[-1] if here.run_on_commit else None
    # Only within the same savepoint: a rollback takes with it what was said since.
    if last and isinstance(last[1], _Removal) and last[0] == set(here.savepoint_ids):
        last[1].image_ids.append(image_id)
    else:
        transaction.on_commit(_Removal([image_id]))


@dataclass(eq=False)
class _Removal:
    image_ids: list[UUID] = field(default_factory=list)

    def __call__(self) -> None:
        try:
            for start in range(0, len(self.image_ids), BATCH):
                remove(self.image_ids[start : start + BATCH])
        except (StorageUnavailable, locks.Busy, DatabaseError) as error:
            logger.warning("Objects of deleted rows wait for the sweeper: %s", error)


def image_ids_to_remove(limit: int) -> list[UUID]:
    """Photos with something to remove. Those never looked at come first: what the store refuses
    must not hide them."""
    rows = DoomedObjects.objects.filter(
        Q(looked_at=None) | Q(looked_at__lt=Now() - LOOK_AGAIN_AFTER)
    ).order_by(F("looked_at").asc(nulls_first=True), "id")
    return list(dict.fromkeys(rows.values_list("image_id", flat=True)[:limit]))


def look_at(image_ids: Sequence[UUID]) -> None:
    """Send them to the end of the queue."""
    DoomedObjects.objects.filter(image_id__in=image_ids).update(looked_at=Now())


def remove(image_ids: Sequence[UUID]) -> None:
    """Remove what is noted of these photos, then the notes. Safe to call twice.

    Raises StorageUnavailable, and locks.Busy for a photo somebody is at.
    """
    kept = set(Image.objects.filter(pk__in=image_ids).values_list("pk", flat=True))
    # An id is never given twice: whose row is gone, of that no object is wanted ever again.
    _remove(list(DoomedObjects.objects.filter(image_id__in=set(image_ids) - kept)), wanted=set())
    for image_id in kept:
        with locks.objects_of(image_id):
            rows = list(DoomedObjects.objects.filter(image_id=image_id))
            _remove(rows, wanted=wanted_of(image_id))


def _remove(rows: Sequence[DoomedObjects], *, wanted: set[str]) -> None:
    doomed = {key for row in rows for key in keys_of(row)} - wanted
    for row in rows:
        if row.multipart_id and row.upload_id is not None:
            photo_storage().abort_multipart(
                keys.incoming(row.upload_id), multipart_id=row.multipart_id
            )
    photo_storage().delete_keys(sorted(doomed))
    DoomedObjects.objects.filter(
        Q(may_be_written=False) | Q(doomed_at__lt=Now() - MAY_STILL_BE_WRITTEN),
        pk__in=[row.pk for row in rows],
    ).delete()


def remove_if_deleted(image: Image, written: Iterable[str]) -> bool:
    """Remove what was written of a photo just now, if its row was deleted meanwhile: what was noted
    of it may be removed by then, and reconciliation would make a photo of it again. True if so."""
    if Image.objects.filter(pk=image.pk).exists():
        return False
    photo_storage().delete_keys(written)
    return True


def wanted_of(image_id: UUID) -> set[str]:
    """What the photo shows, or is about to: it may have come back to a group it had left."""
    image = Image.objects.filter(pk=image_id).first()
    if image is None:
        return set()
    wanted = set(Variant.objects.filter(image=image).values_list("key", flat=True))
    waiting = Q(status=Upload.Status.PENDING) | Q(failure__in=KEEP_BYTES)
    kept = image.uploads.filter(versions.under_way() | waiting)
    wanted.update(keys.incoming(pk) for pk in kept.values_list("pk", flat=True))
    wanted.update(keys.markers(image_id))
    under_way = image.uploads.filter(versions.under_way()).values_list("version", flat=True)
    for number in {image.version, *under_way}:
        wanted.update(versions.keys_of(image, number).all_keys())
    return wanted


def keys_of(row: DoomedObjects) -> list[str]:
    """Every object the deleted row may have left behind, whatever its bytes turned out to be."""
    found = list(row.keys)
    if row.upload_id is not None:
        found += [keys.incoming(row.upload_id), *keys.markers(row.image_id)]
    if row.group_id is not None and row.version is not None:
        found += keys.Version(row.group_id, row.image_id, row.version).all_keys()
    return found
