"""Repairs the database after a backup was restored: adds the photos that only the newer bucket has,
and forgets and trashes again what was forgotten or trashed since.

As in images.reconcile.repair, every function checks again under the lock of the photo's objects, is
safe to call twice, and raises locks.Busy and StorageUnavailable.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from groups.models import Group
from images import deletions
from images.lifecycle import forget_location, markers, trash
from images.models import KEEP_BYTES, RECOVERED, Image, PendingDeletion, Upload, locks
from images.reconcile import repair
from images.storage import lookup, object_keys
from images.storage.objects import photo_storage
from images.uploads import queue, quota, transfer
from images.uploads.announce import UNKNOWN_CONTENT_TYPE

if TYPE_CHECKING:
    from uuid import UUID

    from images.storage.objects import StoredObject

logger = logging.getLogger(__name__)

ENDED_WITHOUT_PHOTO = Q(status__in=[Upload.Status.DUPLICATE, Upload.Status.DISCARDED]) | Q(
    status=Upload.Status.FAILED, failure__in=KEEP_BYTES
)


# --- Photos ---------------------------------------------------------------------------------


def recover(version: object_keys.Version, source: StoredObject) -> bool:
    """Makes a photo again from the bytes of one the database does not know: after an older one was
    restored, they are all there is of it. It waits for approval, because nobody knows whose it was
    and what its hosts decided. True if it is queued by this call.
    """
    with locks.objects_of(version.image_id):
        if not _is_recoverable(version, source):
            return False
        image = Image.objects.filter(pk=version.image_id).first()
        is_first = not Upload.objects.filter(pk=version.image_id).exists()
        upload = Upload(
            **({"id": version.image_id} if is_first else {}),
            image_id=version.image_id,
            version=version.number,
            **RECOVERED.columns,
            announced_to=version.group_id,
            declared_content_type=UNKNOWN_CONTENT_TYPE,
            declared_byte_size=source.byte_size,
            status=Upload.Status.QUEUED,
        )
        if not repair.copy(source.key, upload.incoming_key):
            return False
        try:
            with transaction.atomic():
                if image is None:
                    _recovered(version).save(force_insert=True)
                upload.save(force_insert=True)
                if image is not None and image.invitation_id is not None:
                    quota.reserve_regardless(upload)  # given back when it ends, or is replaced
                Upload.objects.filter(pk=upload.pk).update(arrived_at=Now(), queued_at=Now())
                transaction.on_commit(partial(queue.enqueue, upload.pk))
        except IntegrityError:  # the group went, or another version came
            photo_storage().delete_keys([upload.incoming_key])
            return False
    logger.warning("Photo %s was made again from %s", version.image_id, source.key)
    return True


def _is_recoverable(version: object_keys.Version, source: StoredObject) -> bool:
    """Whether a photo the database does not know can be added: its group is there, and nobody
    deleted it."""
    notes = list(PendingDeletion.objects.filter(image_id=version.image_id))
    image = Image.objects.filter(pk=version.image_id).first()
    if image is None:
        return not notes and not is_nowhere(version)
    if any(source.key in deletions.keys_of(note) for note in notes):
        return False
    return is_unknown_version(image, version)


def is_unknown_version(image: Image, version: object_keys.Version) -> bool:
    """It is later than all the database knows of this photo."""
    is_later = version.number > image.version
    return is_later and not image.uploads.filter(version__gte=version.number).exists()


def is_nowhere(version: object_keys.Version) -> bool:
    """Neither the photo nor the group is known."""
    return not (
        Image.objects.filter(pk=version.image_id).exists()
        or Group.objects.filter(pk=version.group_id).exists()
    )


def _recovered(version: object_keys.Version) -> Image:
    is_forgotten = repair.is_there(object_keys.forgotten(version.image_id))
    is_trashed = repair.is_there(object_keys.trashed(version.image_id))
    return Image(
        id=version.image_id,
        group_id=version.group_id,
        **RECOVERED.columns,
        original_filename=f"recovered-{version.image_id}",
        moderation=Image.Moderation.PENDING,
        place_forgotten_at=timezone.now() if is_forgotten else None,
        gps_source=Image.GpsSource.REMOVED if is_forgotten else "",
        trashed_at=timezone.now() if is_trashed else None,
    )


def ended_too_early(version: object_keys.Version) -> Upload | None:
    """Returns the upload that ended without a photo, though the bucket holds objects of a finished
    one; None where they are leftovers: quarantine or the duplicated photo has the bytes, too."""
    rows = Upload.objects.select_related("image__invitation", "duplicate_of")
    upload = rows.filter(
        ENDED_WITHOUT_PHOTO,
        image=version.image_id,
        version=version.number,
        image__version__lt=F("version"),
    ).first()
    if upload is None or repair.is_there(upload.incoming_key):
        return None
    image = _duplicated(upload)
    return None if image and lookup.find_stored(image.version_keys(image.version)) else upload


def finish(version: object_keys.Version, source: StoredObject) -> bool:
    """Queues the upload again: a worker makes the photo from what the bucket holds. A cancelled
    one ends in the trash. True if this call queued it.
    """
    with locks.objects_of(version.image_id):
        upload = ended_too_early(version)
        rows = PendingDeletion.objects.filter(image_id=version.image_id)
        if upload is None or any(source.key in deletions.keys_of(row) for row in rows):
            return False
        if _duplicated(upload):
            return False  # the database says that its bytes are there; the next run knows better
        if version.group_id != upload.image.group_id:
            target = source.key.replace(str(version.group_id), str(upload.image.group_id), 1)
            if not repair.copy(source.key, target):
                return False
        if not transfer.recover(upload):
            return False
        if upload.status == Upload.Status.DISCARDED:
            trash.put(upload.image)
    logger.warning("Upload %s is queued again: its photo is in the bucket", upload.pk)
    return True


def _duplicated(upload: Upload) -> Image | None:
    """The photo that the group shows of the same bytes."""
    if upload.duplicate_of_id is None:
        return None
    shown = Image.objects.ready().filter(pk=upload.duplicate_of_id, group=upload.image.group_id)
    return shown.filter(sha256=upload.sha256).first()


# --- Markers --------------------------------------------------------------------------------


def forget_again(image_id: UUID) -> bool:
    """Forgets the place of a photo whose marker says so. True if it is forgotten now.

    Raises versions.InProcess, forget_location.Gone.
    """
    with locks.objects_of(image_id):
        image = Image.objects.filter(pk=image_id).first()
        if image is None or not repair.is_there(object_keys.forgotten(image_id)):
            return False
        if image.place_forgotten_at is not None:
            return True
        is_expected = image.version and image.original_dropped_at is None
        if is_expected and not repair.is_there(image.original_key):
            return False  # it may lie in another group's folder, and is moved first
        forget_location.forget(image_id)
    logger.warning("The place of photo %s is forgotten again", image_id)
    return True


def trash_again(image_id: UUID) -> bool:
    """Trashes a photo whose marker says so. True if it is in the trash now."""
    with locks.objects_of(image_id):
        image = Image.objects.filter(pk=image_id).first()
        if image is None or not repair.is_there(object_keys.trashed(image_id)):
            return False
        is_trashed_now = trash.put(image)
    if is_trashed_now:
        logger.warning("Photo %s is in the trash again", image_id)
    return True


def write_markers(image_id: UUID) -> bool:
    """Writes the markers that the photo's row asks for. True if they are there now.

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
    """Removes a marker whose photo is gone. True if it is gone now."""
    if Image.objects.filter(pk=image_id).exists():
        return False
    photo_storage().delete_keys([key])
    return True
