"""The life of one upload before a worker sees it: announce, sign, complete, cancel."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from images import deletions
from images.access.uploader import BY_INVITATION
from images.models import KEEP_BYTES, Image, Upload
from images.storage import lookup
from images.storage.objects import ObjectMissing, StorageUnavailable, photo_storage
from images.uploads import queue, quota

if TYPE_CHECKING:
    from collections.abc import Sequence

    from images.storage.multipart import StoredPart
    from images.storage.presign import SignedRequest

NEVER = Q(pk__in=())
QUEUED_AGAIN = {
    "status": Upload.Status.QUEUED,
    "failure": "",
    "attempt": 0,
    "queued_at": Now(),
    "finished_at": None,
}


class NotPending(Exception):
    """The upload is past the point where bytes can be sent."""


class OriginalUnavailable(Exception):
    """Nothing to try again with: the bytes were bad, and removed, or are lost."""


class NotMultipart(Exception):
    """The file is small enough for one PUT; it has no parts."""


class NoSuchPart(Exception):
    """The part's number is not among those of this upload."""


class NotArrived(Exception):
    """The bucket does not hold the bytes yet; `missing_parts` says which, if it has parts."""

    def __init__(self, missing_parts: Sequence[int] = ()) -> None:
        super().__init__("The file has not arrived yet.")
        self.missing_parts = list(missing_parts)


class SizeMismatch(Exception):
    """The bucket holds something other than what was announced."""


# --- Sign -----------------------------------------------------------------------------------


def sign(upload: Upload) -> SignedRequest:
    """The PUT of the whole file. Arithmetic only. Raises NotPending."""
    if upload.status != Upload.Status.PENDING:
        raise NotPending
    return photo_storage().presign_put(
        upload.incoming_key,
        content_type=upload.declared_content_type,
        byte_size=upload.declared_byte_size,
    )


def sign_part(upload: Upload, *, number: int) -> SignedRequest:
    """The PUT of part `number`, from 1. The first call opens the multipart upload.

    Raises NotPending, NotMultipart, NoSuchPart, StorageUnavailable.
    """
    if upload.status != Upload.Status.PENDING:
        raise NotPending
    if not upload.is_multipart:
        raise NotMultipart
    if not 1 <= number <= upload.part_count:
        raise NoSuchPart(f"It has parts 1 to {upload.part_count}.")
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
    """Parts the bucket holds in full. Empty before the first, and for a single PUT."""
    if upload.multipart_id is None:
        return []
    try:
        listed = photo_storage().list_parts(upload.incoming_key, multipart_id=upload.multipart_id)
    except ObjectMissing:
        # Joined by another call, or dropped by a rule of the bucket: HEAD will tell which.
        _forget_multipart(upload)
        return []
    return [
        part
        for part in listed
        if 1 <= part.number <= upload.part_count and part.byte_size == upload.part_size(part.number)
    ]


# --- Complete -------------------------------------------------------------------------------


def complete(upload: Upload) -> bool:
    """Believe the bucket, not the browser: queue the photo once its bytes have arrived.

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
        missing = _missing_parts(upload)
        if _is_past_pending(upload):
            return False  # another call and a quick worker were faster
        raise NotArrived(missing) from None
    if stored.byte_size != upload.declared_byte_size:
        if _is_past_pending(upload):
            return False  # others are there by now, and were accepted
        photo_storage().delete_keys([upload.incoming_key])
        _forget_multipart(upload)
        raise SizeMismatch
    if not accept(upload):
        return not _is_past_pending(upload, or_raise=True)
    if not is_joined:
        _drop_parts(upload)
    return True


def _is_past_pending(upload: Upload, *, or_raise: bool = False) -> bool:
    """Raises NotPending if it was discarded meanwhile, or, if so wished, is pending still."""
    upload.refresh_from_db(fields=["status"])
    is_pending = upload.status == Upload.Status.PENDING
    if upload.status == Upload.Status.DISCARDED or (is_pending and or_raise):
        raise NotPending
    return not is_pending


def _join_parts(upload: Upload) -> bool:
    """Finish the multipart upload from what ListParts says, never from the browser's list.

    False if it is not whole: what is there of it is of no use to bytes that came another way.
    """
    if upload.multipart_id is None:
        return True
    parts = arrived_parts(upload)
    is_whole = len(parts) == upload.part_count
    if is_whole:
        # Gone: another call finished it meanwhile. HEAD decides.
        with contextlib.suppress(ObjectMissing):
            photo_storage().complete_multipart(
                upload.incoming_key, multipart_id=upload.multipart_id, parts=parts
            )
    return is_whole


def _drop_parts(upload: Upload) -> None:
    """Of bytes that arrived as a whole in another way: by the plain form, for one."""
    parts = deletions.record_parts(upload)
    with contextlib.suppress(StorageUnavailable):  # the sweeper does it
        photo_storage().abort_multipart(upload.incoming_key, multipart_id=upload.multipart_id or "")
        parts.delete()


def _missing_parts(upload: Upload) -> list[int]:
    if not upload.is_multipart:
        return []
    here = {part.number for part in arrived_parts(upload)}
    return [number for number in range(1, upload.part_count + 1) if number not in here]


def _forget_multipart(upload: Upload) -> None:
    """The next signature opens a new multipart upload, unless somebody opened one already."""
    Upload.objects.pending().filter(pk=upload.pk, multipart_id=upload.multipart_id).update(
        multipart_id=None
    )


def accept(upload: Upload) -> bool:
    """PENDING -> QUEUED, unless its link was revoked meanwhile. The winner rings the worker."""
    # Not joined: Django turns that into `WHERE id IN (SELECT …)`, and who waited for the row would
    # look at the status it had before.
    revoked = Image.objects.filter(pk=OuterRef("image"), invitation__revoked_at__isnull=False)
    # What a member sends for a guest's photo came by no link.
    return _queue(upload, unless=Q(sender__startswith=BY_INVITATION) & Exists(revoked))


def recover(upload: Upload) -> bool:
    """To QUEUED where the bucket holds the finished photo: an older database was restored, for
    which it never arrived, or ended without one. By a link that was revoked since, too. True if
    this call made the move. Raises StorageUnavailable.
    """
    if lookup.find_stored(upload.image.version_keys(upload.version)) is None:
        return False
    if upload.status == Upload.Status.PENDING:
        return _queue(upload)
    with transaction.atomic():
        won = Upload.objects.filter(pk=upload.pk, status=upload.status).update(
            **QUEUED_AGAIN, duplicate_of=None, sha256=""
        )
        if won:
            if upload.image.invitation is not None:
                quota.reserve_regardless(upload)
            transaction.on_commit(partial(queue.enqueue, upload.pk))
    return bool(won)


def _queue(upload: Upload, *, unless: Any = NEVER) -> bool:
    with transaction.atomic():
        won = (
            Upload.objects.pending()
            .filter(~unless, pk=upload.pk)
            .update(status=Upload.Status.QUEUED, arrived_at=Now(), queued_at=Now())
        )
        if won:
            transaction.on_commit(partial(queue.enqueue, upload.pk))
    return bool(won)


# --- Again ----------------------------------------------------------------------------------


def retry(upload: Upload) -> bool:
    """FAILED -> QUEUED with its bytes and all its attempts. True if this call made the move.

    Raises BytesGone, quota.Exhausted, StorageUnavailable.
    """
    if upload.failure not in KEEP_BYTES:
        raise OriginalUnavailable
    try:
        photo_storage().head(upload.incoming_key)
    except ObjectMissing:
        # In an older database that was restored, it failed; in the bucket it was done since.
        if lookup.find_stored(upload.image.version_keys(upload.version)) is None:
            raise OriginalUnavailable from None
    with transaction.atomic():
        won = Upload.objects.filter(pk=upload.pk, status=Upload.Status.FAILED).update(
            **QUEUED_AGAIN
        )
        if won:
            if upload.image.invitation is not None:
                quota.reserve(
                    upload.image.invitation, files=1, byte_count=upload.declared_byte_size
                )
            transaction.on_commit(partial(queue.enqueue, upload.pk))
    return bool(won)


# --- Give up --------------------------------------------------------------------------------


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
