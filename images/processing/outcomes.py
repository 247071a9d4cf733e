"""How the processing of an upload ends, and what each end removes and returns."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any

from django.db import (
    transaction,
)
from django.db.models.functions import Now

from images import deletions
from images.models import KEEP_BYTES, Image, Upload, locks
from images.photofile import location
from images.processing import claims, versions
from images.storage import lookup, object_keys
from images.storage.objects import ObjectMissing, StorageUnavailable, photo_storage
from images.uploads import queue, quota

if TYPE_CHECKING:
    from pathlib import Path

    from images.photofile.rendering import BadPicture

logger = logging.getLogger(__name__)


def restart(claim: claims.Claim) -> None:
    """Give the claim back, and take away what was written, perhaps for its former group.

    Only what is still ours: a successor may have shown it since. The lock keeps the next worker
    from writing the same keys meanwhile; where somebody else has it, that worker overwrites them.
    Where quarantine is empty, what was written is what the next claim begins with.
    """
    try:
        with locks.objects_of(claim.upload.image_id):
            is_last_copy = not is_in_quarantine(claim.upload)
            with transaction.atomic():
                is_ours = claims.release(claim)
                written = (
                    deletions.record_version(claim.upload) if is_ours and not is_last_copy else None
                )
            if written is not None:
                photo_storage().delete_keys(version_keys(claim.upload))
                written.delete()
    except locks.Busy:
        claims.release(claim)
    queue.enqueue(claim.upload.pk)


def count_attempt(claim: claims.Claim) -> None:
    """PROCESSING -> QUEUED with the attempt counted; after the last one -> FAILED(crashed)."""
    if claim.attempt >= claims.MAX_ATTEMPTS:
        end_upload(claim, Upload.Status.FAILED, failure=Upload.Failure.CRASHED)
    else:
        claim.rows().update(status=Upload.Status.QUEUED, lease_until=None, queued_at=Now())


def fail_crashed() -> int:
    """PROCESSING that ended in silence three times -> FAILED(crashed). How many there were."""
    rows = Upload.objects.filter(
        status=Upload.Status.PROCESSING, lease_until__lt=Now(), attempt__gte=claims.MAX_ATTEMPTS
    )
    buried = 0
    for upload in rows.select_related("image"):
        try:
            buried += end_upload(
                claims.claim_of(upload), Upload.Status.FAILED, failure=Upload.Failure.CRASHED
            )
        except StorageUnavailable as error:  # about this one, perhaps; the next sweep tries again
            logger.warning("The bucket refused crashed upload %s: %s", upload.pk, error)
    return buried


def fail_missing(upload: Upload) -> bool:
    """QUEUED whose bytes are gone -> FAILED. True if this call made the move.

    By a claim like any worker's, so that none works on it meanwhile. Raises StorageUnavailable.
    """
    claim = claims.claim(upload)
    if claim is None:
        return False
    try:
        upload = claim.upload
        if not (is_in_quarantine(upload) or lookup.find_stored(version_of(upload))):
            return end_without_original(claim)
    except StorageUnavailable:
        claims.release(claim)
        raise
    claims.release(claim)
    queue.enqueue(claim.upload.pk)
    return False


def check_group(claim: claims.Claim, image: Image | None) -> Image:
    """Raises ClaimLost, or Rearranged if it is no more what the objects are written for."""
    if image is None:
        raise claims.ClaimLost
    written_for = claim.upload.image
    if image.group_id != written_for.group_id:
        raise claims.StaleClaim
    if image.is_place_removed != written_for.is_place_removed:
        raise claims.StaleClaim
    return image


def restore_lost_original(twin: Image, source: Path, *, sha256: str) -> None:
    """A duplicate's bytes go, because its twin has them. That may be untrue: the store lost them,
    or, after a restore, the bucket knows that the twin was replaced or purged. Then it gets them
    from the duplicate.

    Raises locks.Busy.
    """
    with locks.objects_of(twin.pk):
        found = Image.objects.ready().filter(pk=twin.pk, sha256=sha256).first()
        if found is None:
            return  # gone or replaced meanwhile: to end as its duplicate will be refused
        is_dropped = found.original_dropped_at and not found.is_original_lost
        if is_dropped or _is_stored(found.original_key):
            return
        original = source
        if found.is_place_removed:
            edited = source.with_name("twin")
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


def end_as_duplicate(claim: claims.Claim, twin: Image, *, sha256: str) -> None:
    """PROCESSING -> DUPLICATE, as long as the twin has these bytes.

    Raises ClaimLost, Rearranged.
    """
    with transaction.atomic():
        # Held: when these bytes are replaced or purged, this upload is there to inherit them.
        twins = Image.objects.select_for_update().in_group(claim.upload.image.group).ready()
        if twins.filter(pk=twin.pk, sha256=sha256).first() is None:
            raise claims.StaleClaim if claim.rows().exists() else claims.ClaimLost
        is_closed = _close(claim, Upload.Status.DUPLICATE, duplicate_of=twin, sha256=sha256)
        if is_closed:
            # Those that were to rest on this one rest on its twin.
            image = claim.upload.image
            resting = versions.duplicates_of(image)
            if image.uploads.filter(status=Upload.Status.DONE).exists():
                resting = resting.filter(sha256=sha256)  # the others rest on what it has
            resting.update(duplicate_of=twin)
    if is_closed:
        _clear(claim)


def end_as_bad(claim: claims.Claim, bad: BadPicture) -> None:
    """PROCESSING -> FAILED, unless an original that was verified before is there as well: then
    other bytes were sent to quarantine since, and the next claim takes the original."""
    upload = claim.upload
    if is_in_quarantine(upload) and lookup.find_original(version_of(upload)):
        photo_storage().delete_keys([upload.incoming_key])
        claims.release(claim)
        queue.enqueue(upload.pk)
    else:
        end_upload(claim, Upload.Status.FAILED, failure=bad.reason)


def end_upload(
    claim: claims.Claim,
    status: Upload.Status,
    *,
    failure: str = "",
) -> bool:
    """PROCESSING -> FAILED or DISCARDED; quota returned; quarantine emptied.

    Bytes of which something may still become stay, so that somebody can look, or retry. So does
    what an earlier attempt stored where quarantine is empty: it may be the last copy, of a photo
    that a restored database does not know to be done. True if it was still ours.
    """
    is_last_copy = status == Upload.Status.FAILED and not is_in_quarantine(claim.upload)
    with transaction.atomic():
        is_closed = _close(claim, status, is_last_copy=is_last_copy, failure=failure)
    if is_closed and not is_last_copy:
        _clear(claim)
    return is_closed


def end_without_original(claim: claims.Claim) -> bool:
    """The store has lost what it had acknowledged: somebody has to hear of it."""
    is_closed = end_upload(claim, Upload.Status.FAILED, failure=Upload.Failure.ORIGINAL_MISSING)
    if is_closed:
        logger.error(
            "original-missing: the bucket lost %s, whose arrival it had confirmed",
            claim.upload.incoming_key,
        )
    return is_closed


def _close(
    claim: claims.Claim, status: Upload.Status, *, is_last_copy: bool = False, **changes: Any
) -> bool:
    """To an end without a photo, in the transaction around it. True if it was still ours."""
    closed = claim.rows().update(
        status=status,
        processing_ms=claim.elapsed_ms,
        finished_at=Now(),
        lease_until=None,
        **changes,
    )
    if closed:
        quota.give_back(claim.upload)
        if not is_last_copy:
            # An earlier attempt may have got that far.
            deletions.record_version(
                claim.upload, and_incoming=changes.get("failure") not in KEEP_BYTES
            )
    return bool(closed)


def _clear(claim: claims.Claim) -> None:
    """Remove what was noted of it, but for what is wanted again: a worker that was slow may come to
    this after a retry. If it cannot be now, the sweeper does it."""
    with contextlib.suppress(locks.Busy):
        deletions.execute([claim.upload.image_id])


def version_keys(upload: Upload) -> list[str]:
    """Every key this upload may have written to, whatever its bytes turned out to be."""
    return version_of(upload).all_keys()


def version_of(upload: Upload) -> object_keys.Version:
    return object_keys.Version(upload.image.group_id, upload.image_id, upload.version)


def is_in_quarantine(upload: Upload) -> bool:
    return _is_stored(upload.incoming_key)


def _is_stored(key: str) -> bool:
    try:
        photo_storage().head(key)
    except ObjectMissing:
        return False
    return True


def move(claim: claims.Claim, **changes: Any) -> None:
    if not claim.rows().update(**changes):
        raise claims.ClaimLost
