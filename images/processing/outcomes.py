"""The outcomes of processing an upload: its status, its objects and its quota for each."""

from __future__ import annotations

import contextlib
import enum
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef
from django.db.models.functions import Now

from bandpics import writes
from bandpics.lookups import RowLookup
from bandpics.telemetry import metrics
from images import deletions, history, journey
from images.models import KEEP_BYTES, ONCE_PER_GROUP, Image, Upload, Variant, locks
from images.processing import claims, columns, versions
from images.storage import lookup
from images.storage.objects import StorageUnavailable, photo_storage
from images.uploads import agreement, queue, quota

if TYPE_CHECKING:
    from pathlib import Path

    from images.models import ImageQuerySet

logger = logging.getLogger(__name__)
Status, Failure = Upload.Status, Upload.Failure


FAILURES = metrics.Counter(
    "bandpics_failures_total",
    "What workers gave up, by reason.",
    "kind",
    "reason",
    known=[
        *({"kind": "photo", "reason": reason.value} for reason in Failure),
        *({"kind": kind, "reason": "crashed"} for kind in ("transform", "caption", "archive")),
    ],
)


class Stored(enum.Enum):
    """The fate of the objects that attempts stored for this version."""

    KEEP = enum.auto()
    REMOVE = enum.auto()
    # Where quarantine is empty they may be the only bytes there are: of a photo that a restored
    # database does not know to be done.
    KEEP_LAST_COPY = enum.auto()


@dataclass(frozen=True)
class Outcome:
    """The status a claim ends with, and what becomes of the upload's objects and quota."""

    status: Upload.Status
    stored: Stored
    returns_quota: bool
    failure: str = ""
    counts_attempt: bool = True

    @property
    def keeps_incoming(self) -> bool:
        """Whether the bytes stay in quarantine, for a retry or for somebody to look at."""
        return self.status == Status.QUEUED or self.failure in KEEP_BYTES

    @property
    def is_bad_file(self) -> bool:
        return self.status == Status.FAILED and self.failure not in KEEP_BYTES


def failed(failure: str) -> Outcome:
    return Outcome(Status.FAILED, Stored.KEEP_LAST_COPY, returns_quota=True, failure=failure)


DONE = Outcome(Status.DONE, Stored.KEEP, returns_quota=False)
DUPLICATE = Outcome(Status.DUPLICATE, Stored.REMOVE, returns_quota=True)
SUPERSEDED = Outcome(Status.DISCARDED, Stored.REMOVE, returns_quota=True)
CRASHED = failed(Failure.CRASHED)
ORIGINAL_MISSING = failed(Failure.ORIGINAL_MISSING)
# The next claim tries again: after a fault that may be the photo's, or after a stale claim.
RETRY = Outcome(Status.QUEUED, Stored.KEEP, returns_quota=False)
RESTART = Outcome(Status.QUEUED, Stored.KEEP_LAST_COPY, returns_quota=False, counts_attempt=False)


def end(claim: claims.Claim, outcome: Outcome) -> bool:
    """Ends the claim. True if it was still ours. Raises StorageUnavailable, perhaps after it."""
    upload, stored = claim.upload, outcome.stored
    if stored is Stored.KEEP_LAST_COPY:
        stored = Stored.REMOVE if lookup.is_stored(upload.incoming_key) else Stored.KEEP
    if (
        stored is Stored.REMOVE
        and outcome.is_bad_file
        and lookup.find_original(upload.version_keys)
    ):
        # That was verified before; other bytes were sent to quarantine since. The next claim begins
        # with the original.
        photo_storage().delete_keys([upload.incoming_key])
        outcome, stored = RESTART, Stored.KEEP
    with transaction.atomic():
        is_ended = _close(claim, outcome, stored)
    if is_ended and stored is Stored.REMOVE:
        _remove_stored(upload)
    if is_ended and outcome is RESTART:
        queue.enqueue(upload.pk)
    if is_ended and outcome is ORIGINAL_MISSING:
        why = "original-missing: the bucket lost %s, whose arrival it had confirmed"
        logger.error(why, upload.incoming_key)
    return is_ended


def end_as_duplicate(claim: claims.Claim, sha256: str, *, source: Path | None = None) -> bool:
    """PROCESSING -> DUPLICATE if another photo of the group has these bytes. False if none has.

    From `source` that photo gets its original back, should the store have lost it.
    Raises ClaimLost, StaleClaim, locks.Busy.
    """
    image = claim.upload.image
    existing = versions.find_duplicate(image, sha256)
    if existing is None:
        return False
    if source is not None:
        versions.restore_lost_original(existing.pk, source, sha256=sha256)
    with transaction.atomic():
        # Locked: when its bytes are replaced or purged, this upload is there to inherit them.
        photos = Image.objects.select_for_update().filter(group=image.group_id).ready()
        if photos.filter(pk=existing.pk, sha256=sha256).first() is None:
            raise claims.StaleClaim if claim.rows().exists() else claims.ClaimLost
        is_ended = _close(claim, DUPLICATE, Stored.REMOVE, duplicate_of=existing, sha256=sha256)
        if is_ended:
            duplicates = versions.duplicates_of(image)
            if image.uploads.filter(status=Status.DONE).exists():
                duplicates = duplicates.filter(sha256=sha256)  # the others are of what it shows
            duplicates.update(duplicate_of=existing)
            agreement.copy_to_existing(image, existing.pk)
    if is_ended:
        _remove_stored(claim.upload)
    return True


def finish(
    claim: claims.Claim, finished: columns.Finished, *, held: locks.Held | None = None
) -> None:
    """PROCESSING -> DONE with all fields, in one transaction: from then on the photo shows this
    version. DUPLICATE if another photo with these bytes was finished meanwhile.

    It releases the lock of its objects, if that is `held`. Raises ClaimLost, StaleClaim,
    Superseded.
    """
    upload = claim.upload
    try:
        with transaction.atomic():
            image, has_rows = _locked(claim, held)
            if image.version > upload.version:
                raise claims.Superseded
            if has_rows:
                Variant.objects.filter(image=image.pk, version=upload.version).delete()
            shown = _shown(claim, finished, image)
            closing = _DONE.statement(
                pk=upload.pk,
                number=claim.number,
                processing_ms=claim.elapsed_ms,
                sha256=finished.sha256,
                filename=upload.filename,
            )
            if not _close(claim, DONE, Stored.KEEP, *shown, closing=closing):
                raise claims.ClaimLost
            if image.version:
                quota.give_back(upload.image.uploads.get(version=image.version))
            if 0 < image.version < upload.version:
                history.record_replacement(image, upload)
    except IntegrityError as error:
        if ONCE_PER_GROUP not in str(error):
            if claim.rows().exists():
                raise
            # While this waited for the photo, another worker has written the same variants.
            raise claims.ClaimLost from error
        if not end_as_duplicate(claim, finished.sha256):
            raise claims.StaleClaim from error


def _locked(claim: claims.Claim, held: locks.Held | None) -> tuple[Image, bool]:
    """Locks the photo; returns it as it is now, and whether this version has variants already.

    A correction of a clock that is being made sees the photo, or the photo sees it.
    """
    upload = claim.upload
    clocks = locks.clocks_of(upload.image.group_id)
    keys = {"pk": upload.image_id, "version": upload.version, "clocks": clocks}
    if held is None:
        found = _LOCKED.first(**keys)
    else:
        (number,) = held
        found = _LOCKED_AND_RELEASED.first(**keys, releasing=number)
        held.is_released = found is not None
    image = claims.checked_image(claim, found)
    return image, image.has_rows  # type: ignore[attr-defined]  # annotated


def _lockable(pk: UUID, version: int, **calls: int) -> ImageQuerySet:
    made = Variant.objects.filter(image=OuterRef("pk"), version=version)
    rows = locks.sharing_clocks(Image.objects.select_for_update(), **calls)
    return claims.photo_rows(rows.annotate(has_rows=Exists(made)), pk)


_EXAMPLES = {"pk": UUID(int=1_618_033_988), "version": 1_618_033, "clocks": 2_718_281}
_LOCKED = RowLookup(_lockable, **_EXAMPLES)
_LOCKED_AND_RELEASED = RowLookup(_lockable, **_EXAMPLES, releasing=3_141_592_653_589)


def _shown(
    claim: claims.Claim, finished: columns.Finished, image: Image
) -> tuple[writes.Statement, writes.Statement]:
    """Writes what the photo shows from now on: its columns, and its variants."""
    upload = claim.upload
    changed = writes.update(
        Image.objects.filter(pk=image.pk),
        **columns.columns_of(finished, upload, image),
        version=upload.version,
        original_filename=upload.filename or image.original_filename,
        original_dropped_at=None if finished.original else Now(),
    )
    rows = columns.variant_rows(upload.version_keys, finished.renderings)
    return changed, writes.insertion(rows)


def fail_crashed() -> int:
    """PROCESSING whose last attempt ended in silence -> FAILED(crashed). How many there were."""
    rows = Upload.objects.filter(
        status=Status.PROCESSING, lease_until__lt=Now(), attempt__gte=claims.MAX_ATTEMPTS
    )
    count = 0
    for upload in rows.select_related("image"):
        try:
            count += end(claims.claim_of(upload), CRASHED)
        except StorageUnavailable as error:  # perhaps of this one only; the next sweep tries again
            logger.warning("The bucket refused crashed upload %s: %s", upload.pk, error)
    return count


def fail_missing(upload: Upload) -> bool:
    """QUEUED whose bytes are gone -> FAILED. True if this call made the move.

    It claims the upload like a worker, so that none works on it meanwhile. Raises
    StorageUnavailable.
    """
    claim = claims.claim(upload)
    if claim is None:
        return False
    try:
        upload = claim.upload
        if not (lookup.is_stored(upload.incoming_key) or lookup.find_stored(upload.version_keys)):
            return end(claim, ORIGINAL_MISSING)
    except StorageUnavailable:
        claims.release(claim)
        raise
    claims.release(claim)
    queue.enqueue(upload.pk)
    return False


def _close(
    claim: claims.Claim,
    outcome: Outcome,
    stored: Stored,
    *more: writes.Statement,
    closing: writes.Statement | None = None,
    **changes: Any,
) -> bool:
    """The conditional UPDATE `closing`, or that which follows from outcome and `changes`, with
    `more` in the same statement, and its consequences, in the transaction around it. True if the
    claim was still ours; else the caller rolls `more` back."""
    if closing is None:
        changes |= _columns(outcome, claim.elapsed_ms)
        closing = writes.update(claim.rows(), **changes)
    if not writes.write(*more, closing):
        return False
    _tell(claim, outcome, changes.get("duplicate_of"))
    if outcome.returns_quota:
        quota.give_back(claim.upload)
    if stored is Stored.REMOVE:
        deletions.record_version(claim.upload, and_incoming=not outcome.keeps_incoming)
    return True


def _columns(outcome: Outcome, processing_ms: int) -> dict[str, Any]:
    """Returns the columns of the upload that follow from the outcome."""
    if outcome.status == Status.QUEUED:
        columns: dict[str, Any] = dict(claims.QUEUED_AGAIN)
        if not outcome.counts_attempt:
            columns["attempt"] = F("attempt") - 1
        return columns
    return {
        "status": outcome.status,
        "failure": outcome.failure,
        "processing_ms": processing_ms,
        "finished_at": Now(),
        "lease_until": None,
    }


_DONE = writes.Update(
    lambda pk, number, **_: claims.claimed_rows(pk, number),
    lambda processing_ms, sha256, filename, **_: {
        **_columns(DONE, processing_ms),
        "sha256": sha256,
        "filename": filename,
    },
    pk=UUID(int=1_618_033_988),
    number=1_618_033_988,
    processing_ms=2_718_281,
    sha256="a hash",
    filename="a filename",
)


def _tell(claim: claims.Claim, outcome: Outcome, existing: Image | None) -> None:
    upload = claim.upload
    ids = {"image_id": upload.image_id, "upload_id": upload.pk}
    facts: dict[str, Any] = {"elapsed_ms": claim.elapsed_ms}
    if existing is not None:
        facts["duplicate_of"] = str(existing.pk)
    if outcome.status == Status.FAILED:
        facts["reason"] = str(outcome.failure)
        FAILURES.inc(kind="photo", reason=outcome.failure)
    journey.tell(outcome.status.value, **ids, version=upload.version, **facts)
    if outcome.status == Status.FAILED and outcome.keeps_incoming:
        journey.tell(journey.Step.QUARANTINED, **ids)


def _remove_stored(upload: Upload) -> None:
    """Removes what was recorded, but for what is in use again: a slow worker may come to this after
    a retry. If somebody else is at these objects, the sweeper removes them."""
    with contextlib.suppress(locks.Busy):
        deletions.execute([upload.image_id])
