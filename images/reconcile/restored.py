"""Repairs what differs because a restored database is older than the bucket: photos it takes for
unfinished, places it takes for known, photos it does not know to be in the trash.

As in images.reconcile.repair, every function looks again under the lock of the photo's objects, is
safe to call twice, and raises locks.Busy and StorageUnavailable.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django.db.models import F, Q
from django.db.models.functions import Now

from images import deletions
from images.lifecycle import forget_location, markers, trash
from images.models import KEEP_BYTES, Image, PendingDeletion, Upload, locks
from images.reconcile import repair
from images.storage import lookup, object_keys
from images.storage.objects import ObjectMissing, photo_storage
from images.uploads import transfer

if TYPE_CHECKING:
    from uuid import UUID

    from images.storage.objects import StoredObject

logger = logging.getLogger(__name__)

ENDED_WITHOUT_PHOTO = Q(status__in=[Upload.Status.DUPLICATE, Upload.Status.DISCARDED]) | Q(
    status=Upload.Status.FAILED, failure__in=KEEP_BYTES
)


# --- Photos ---------------------------------------------------------------------------------


def ended_too_early(version: object_keys.Version) -> Upload | None:
    """The upload that ended without a photo, though the bucket holds objects of a finished one;
    None where they are leftovers: the bytes are in quarantine as well, or its twin has them."""
    rows = Upload.objects.select_related("image__invitation", "duplicate_of")
    upload = rows.filter(
        ENDED_WITHOUT_PHOTO,
        image=version.image_id,
        version=version.number,
        image__version__lt=F("version"),
    ).first()
    if upload is None or repair.is_there(upload.incoming_key):
        return None
    return None if _has_whole_twin(upload) else upload


def finish(version: object_keys.Version, source: StoredObject) -> bool:
    """Queue the upload again: a worker makes the photo of what the bucket holds. One that was
    cancelled ends in the trash. True if this call queued it.
    """
    with locks.objects_of(version.image_id):
        upload = ended_too_early(version)
        notes = PendingDeletion.objects.filter(image_id=version.image_id)
        if upload is None or any(source.key in deletions.keys_of(note) for note in notes):
            return False
        twin = upload.duplicate_of
        if twin is not None and _is_twin(upload, twin):
            return False  # the record says that its bytes are there; the next time knows better
        if version.group_id != upload.image.group_id:
            home = source.key.replace(str(version.group_id), str(upload.image.group_id), 1)
            try:
                photo_storage().copy(source.key, home)
            except ObjectMissing:
                return False
        if not transfer.recover(upload):
            return False
        if upload.status == Upload.Status.DISCARDED:
            trash.put(upload.image, by=repair.RECOVERED)
    logger.warning("Upload %s is queued again: its photo is in the bucket", upload.pk)
    return True


def _is_twin(upload: Upload, twin: Image) -> bool:
    shown = Image.objects.ready().filter(pk=twin.pk, group=upload.image.group_id)
    return shown.filter(sha256=upload.sha256).exists()


def _has_whole_twin(upload: Upload) -> bool:
    twin = upload.duplicate_of
    if twin is None or not _is_twin(upload, twin):
        return False
    return lookup.find_stored(twin.version_keys(twin.version)) is not None


# --- Markers --------------------------------------------------------------------------------


def forget_again(image_id: UUID) -> bool:
    """Forget the place of a photo whose marker says that it was forgotten. True if it is now.

    Raises versions.InProcess, location.Gone.
    """
    with locks.objects_of(image_id):
        image = Image.objects.filter(pk=image_id).first()
        if image is None or not repair.is_there(object_keys.forgotten(image_id)):
            return False
        if image.place_forgotten_at is not None:
            return True
        is_expected = image.version and image.original_dropped_at is None
        if is_expected and not repair.is_there(image.original_key):
            return False  # it may lie in another group's folder: to be brought home first
        forget_location.forget(image_id)
    logger.warning("The place of photo %s is forgotten again", image_id)
    return True


def trash_again(image_id: UUID) -> bool:
    """Trash a photo whose marker says that it is in the trash. True if it is now."""
    with locks.objects_of(image_id):
        image = Image.objects.filter(pk=image_id).first()
        if image is None or not repair.is_there(object_keys.trashed(image_id)):
            return False
        is_trashed_now = trash.put(image, by=repair.RECOVERED)
    if is_trashed_now:
        logger.warning("Photo %s is in the trash again", image_id)
    return True


def write_markers(image_id: UUID) -> bool:
    """As the photo's row says. True if they are there now.

    Where the marker of the trash is missing, somebody may have restored the photo since the dump:
    its time in the trash begins anew, so that they can do so once more.
    """
    with locks.objects_of(image_id):
        image = Image.objects.filter(pk=image_id).first()
        if image is None:
            return False
        if image.place_forgotten_at is not None:
            markers.mark_forgotten(image_id)
        if image.trashed_at is not None and not repair.is_there(object_keys.trashed(image_id)):
            trashed = Image.objects.trashed().filter(pk=image_id)
            trashed.update(trashed_at=Now(), updated_at=Now())
        markers.update_trashed(image_id)
    return True


def remove_marker(image_id: UUID, key: str) -> bool:
    """Of a photo that is gone. True if the marker is gone, too."""
    if Image.objects.filter(pk=image_id).exists():
        return False
    photo_storage().delete_keys([key])
    return True
