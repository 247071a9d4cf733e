"""The transfer of an upload's bytes to the bucket: sign, complete, retry, discard."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from images import deletions, journey
from images.models import KEEP_BYTES, Image, Upload, UploaderKind
from images.storage import lookup
from images.storage.objects import ObjectMissing, StorageUnavailable, photo_storage
from images.uploads import queue, quota

if TYPE_CHECKING:
    from collections.abc import Sequence

    from images.models import UploadQuerySet
    from images.storage.multipart import StoredPart
    from images.storage.presign import SignedRequest

BY_LINK = Q(uploader_kind__in=[UploaderKind.PERSONAL, UploaderKind.SHARED])


class CannotComplete(Exception):
    """complete() has not queued the upload."""


class NotPending(CannotComplete):
    """The upload is past the point where bytes can be sent."""


class OriginalUnavailable(Exception):
    """The upload cannot be retried: its bytes were bad and removed, or are lost."""


class NotMultipart(Exception):
    """The file is small enough for one PUT; it has no parts."""


class NoSuchPart(Exception):
    """The part's number is not among those of this upload."""


class NotArrived(CannotComplete):
    """The bucket does not hold the bytes yet; `missing_parts` says which, if it has parts."""

    def __init__(self, missing_parts: Sequence[int] = ()) -> None:
        super().__init__("The file has not arrived yet.")
        self.missing_parts = list(missing_parts)


class SizeMismatch(CannotComplete):
    """The bucket holds something other than what was announced."""


# --- Sign -----------------------------------------------------------------------------------


def sign(upload: Upload) -> SignedRequest:
    """Signs the PUT of the whole file, without a request. Raises NotPending."""
    if upload.status != Upload.Status.PENDING:
        raise NotPending
    journey.tell(journey.Step.SIGNED, image_id=upload.image_id, upload_id=upload.pk)
    return photo_storage().presign_put(
        upload.incoming_key,
        content_type=upload.declared_content_type,
        byte_size=upload.declared_byte_size,
    )


def sign_part(upload: Upload, *, number: int) -> SignedRequest:
    """Signs the PUT of part `number`, from 1. The first call opens the multipart upload.

    Raises NotPending, NotMultipart, NoSuchPart, StorageUnavailable.
    """
    if upload.status != Upload.Status.PENDING:
        raise NotPending
    if not upload.is_multipart:
        raise NotMultipart
    if not 1 <= number <= upload.part_count:
        raise NoSuchPart(f"It has parts 1 to {upload.part_count}.")
    journey.tell(journey.Step.SIGNED, image_id=upload.image_id, upload_id=upload.pk, part=number)
    return photo_storage().presign_part(
        upload.incoming_key,
        multipart_id=_multipart_id(upload),
        number=number,
        byte_size=upload.part_size(number),
    )


def _multipart_id(upload: Upload) -> str:
    if upload.multipart_id is None:
        storage, key = photo_storage(), upload.incoming_key
        mine = storage.create_multipart(key, content_type=upload.declared_content_type)
        won = (
            Upload.objects.pending()
            .filter(pk=upload.pk, multipart_id=None)
            .update(multipart_id=mine)
        )
        if not won:
            storage.abort_multipart(key, multipart_id=mine)
        upload.refresh_from_db(fields=["multipart_id", "status"])
    if upload.multipart_id is None:
        raise NotPending
    return upload.multipart_id


def arrived_parts(upload: Upload) -> list[StoredPart]:
    """The parts the bucket holds in full: none before the first, and none for a single PUT."""
    if upload.multipart_id is None:
        return []
    try:
        listed = photo_storage().list_parts(upload.incoming_key, multipart_id=upload.multipart_id)
    except ObjectMissing:
        # Completed by another call, or expired by a rule of the bucket: HEAD will tell which.
        _forget_multipart(upload)
        return []
    return [
        part
        for part in listed
        if 1 <= part.number <= upload.part_count and part.byte_size == upload.part_size(part.number)
    ]


# --- Complete -------------------------------------------------------------------------------


def complete(upload: Upload) -> bool:
    """Queues the photo once the bucket confirms that its bytes have arrived.

    Safe to call twice; True if this call made the move. Raises NotArrived, SizeMismatch,
    StorageUnavailable, and NotPending for a discarded upload.
    """
    if upload.status == Upload.Status.DISCARDED:
        raise NotPending
    if upload.status != Upload.Status.PENDING:
        return False
    is_joined = _join_parts(upload)
    try:
        stored = photo_storage().head(upload.incoming_key)
    except ObjectMissing:
        here = {part.number for part in arrived_parts(upload)}
        numbers = range(1, upload.part_count + 1) if upload.is_multipart else ()
        missing = [number for number in numbers if number not in here]
        if _is_past_pending(upload):
            return False  # another call and a quick worker were faster
        raise NotArrived(missing) from None
    if stored.byte_size != upload.declared_byte_size:
        if _is_past_pending(upload):
            return False  # the right bytes are there by now, and were accepted
        photo_storage().delete_keys([upload.incoming_key])
        _forget_multipart(upload)
        raise SizeMismatch
    if not accept(upload):
        return not _is_past_pending(upload, or_raise=True)
    if not is_joined:
        recorded = deletions.record_parts(upload)
        with contextlib.suppress(StorageUnavailable):  # the sweeper does it
            key, multipart_id = upload.incoming_key, upload.multipart_id or ""
            photo_storage().abort_multipart(key, multipart_id=multipart_id)
            recorded.delete()
    return True


def _is_past_pending(upload: Upload, *, or_raise: bool = False) -> bool:
    """Raises NotPending if it was discarded meanwhile, or, with `or_raise`, is still pending."""
    upload.refresh_from_db(fields=["status"])
    is_pending = upload.status == Upload.Status.PENDING
    if upload.status == Upload.Status.DISCARDED or (is_pending and or_raise):
        raise NotPending
    return not is_pending


def _join_parts(upload: Upload) -> bool:
    """Completes the multipart upload from what ListParts says, never from the browser's list.

    False if parts are missing: those that are there are of no use to a file that came as a whole,
    by the plain form for one.
    """
    if upload.multipart_id is None:
        return True
    parts = arrived_parts(upload)
    is_whole = len(parts) == upload.part_count
    if is_whole:
        # ObjectMissing: another call completed it meanwhile. HEAD decides.
        with contextlib.suppress(ObjectMissing):
            photo_storage().complete_multipart(
                upload.incoming_key, multipart_id=upload.multipart_id, parts=parts
            )
    return is_whole


def _forget_multipart(upload: Upload) -> None:
    """The next signature opens a new multipart upload, unless somebody opened one already."""
    Upload.objects.pending().filter(pk=upload.pk, multipart_id=upload.multipart_id).update(
        multipart_id=None
    )


# --- Queue ----------------------------------------------------------------------------------


def accept(upload: Upload) -> bool:
    """PENDING -> QUEUED, unless its link was revoked meanwhile. True if this call made the move."""
    # Not joined: Django turns that into `WHERE id IN (SELECT …)`, and who waited for the row would
    # look at the status it had before.
    revoked = Image.objects.filter(pk=OuterRef("image"), invitation__revoked_at__isnull=False)
    # What a member sends for a guest's photo came by no link.
    unless = BY_LINK & Exists(revoked)
    return _queue(upload, Upload.objects.pending().filter(~unless), arrived_at=Now())


def recover(upload: Upload) -> bool:
    """Queues an upload whose finished photo the bucket holds: an older database was restored, for
    which it never arrived, or ended without a photo. Links that were revoked since do not matter.

    True if this call made the move. Raises StorageUnavailable.
    """
    if lookup.find_stored(upload.version_keys) is None:
        return False
    if upload.status == Upload.Status.PENDING:
        return _queue(upload, Upload.objects.pending(), arrived_at=Now())
    with transaction.atomic():
        rows = Upload.objects.filter(status=upload.status)
        won = queue_again(upload, rows, duplicate_of=None, sha256="")
        if won:
            quota.reserve_regardless(upload)
    return won


def retry(upload: Upload) -> bool:
    """FAILED -> QUEUED with its bytes and all its attempts. True if this call made the move.

    Raises OriginalUnavailable, quota.Exhausted, StorageUnavailable.
    """
    if upload.failure not in KEEP_BYTES:
        raise OriginalUnavailable
    # In an older database that was restored it failed; in the bucket it may have been done since.
    if not (lookup.is_stored(upload.incoming_key) or lookup.find_stored(upload.version_keys)):
        raise OriginalUnavailable
    invitation = upload.image.invitation
    with transaction.atomic():
        won = queue_again(upload, Upload.objects.filter(status=Upload.Status.FAILED))
        if won and invitation is not None:
            quota.reserve(invitation, files=1, byte_count=upload.declared_byte_size)
    return won


def queue_again(upload: Upload, rows: UploadQuerySet, **changes: Any) -> bool:
    """Queues an upload that had ended, with all its attempts, if it is among these rows."""
    return _queue(upload, rows, failure="", attempt=0, finished_at=None, **changes)


def _queue(upload: Upload, rows: UploadQuerySet, **changes: Any) -> bool:
    with transaction.atomic():
        won = rows.filter(pk=upload.pk).update(
            status=Upload.Status.QUEUED, queued_at=Now(), **changes
        )
        if won:
            ids = {"image_id": upload.image_id, "upload_id": upload.pk}
            if "arrived_at" in changes:
                journey.tell(journey.Step.ARRIVED, **ids, byte_size=upload.declared_byte_size)
            journey.tell(journey.Step.QUEUED, **ids)
            transaction.on_commit(partial(queue.enqueue, upload.pk))
    return bool(won)


# --- Discard --------------------------------------------------------------------------------


def discard(upload: Upload) -> bool:
    """PENDING -> DISCARDED, quota returned, whatever arrived of it removed. Safe to call twice.

    True if this call made the move. Raises StorageUnavailable after the move. What is left,
    or comes later by a URL that is still signed, the sweeper removes.
    """
    with transaction.atomic():
        won = (
            Upload.objects.pending()
            .filter(pk=upload.pk)
            .update(status=Upload.Status.DISCARDED, finished_at=Now())
        )
        if won:
            journey.tell(journey.Step.DISCARDED, image_id=upload.image_id, upload_id=upload.pk)
            quota.give_back(upload)
            upload.refresh_from_db(fields=["multipart_id"])
            parts = deletions.record_parts(upload) if upload.multipart_id is not None else None
    if won:
        if upload.multipart_id is not None:
            photo_storage().abort_multipart(upload.incoming_key, multipart_id=upload.multipart_id)
        photo_storage().delete_keys([upload.incoming_key])
        if parts is not None:
            parts.delete()
    return bool(won)
