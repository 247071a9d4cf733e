"""The claim of a worker on an upload: a lease, and a number that fences every later UPDATE."""

from __future__ import annotations

import contextlib
import contextvars
import logging
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.db.models import Exists, F, Q
from django.db.models.functions import Now

from bandpics.lookups import RowLookup
from bandpics.telemetry import metrics
from bandpics.writes import Update, UpdateReturning
from images import journey
from images.models import UPLOADER_COLUMNS, Image, Upload, locks
from images.storage.objects import StorageUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from images.models import ImageQuerySet, UploadQuerySet

logger = logging.getLogger(__name__)

# With the sweeper's 10 s: a photo whose worker died is queued again within 25 s.
LEASE = timedelta(seconds=15)
LEASE_RENEWAL_SECONDS = 4.0
RELEASE_RETRY_SECONDS = 60.0
MAX_ATTEMPTS = 3

# The columns of a photo that processing needs: it has many others, and some are wide.
IMAGE_FIELDS = (
    *("id", "group", "invitation", "version", "created_at", "original_filename"),
    *("taken_source", "gps_source", "place_forgotten_at"),
    *(*UPLOADER_COLUMNS, "camera_make", "camera_model", "clock_shift_minutes"),
)
# The UPDATE of a claim that ends without a result.
QUEUED_AGAIN = {"status": Upload.Status.QUEUED, "lease_until": None, "queued_at": Now()}


class ClaimLost(Exception):
    """Another worker has taken over, or the upload is gone: nothing may be written any more."""


class StaleClaim(Exception):
    """The photo, or the one it duplicates, changed since the claim: the work starts again."""


class Superseded(Exception):
    """A later replacement of the photo was finished first."""


# Trouble with bucket, lock, database or disk: the claim is released, and no attempt counts.
TRANSIENT_ERRORS = (StorageUnavailable, locks.Busy, OperationalError, InterfaceError, OSError)


LEASES_LOST = metrics.Counter(
    "bandpics_leases_lost_total",
    "Claims of workers that died, or were too slow.",
    "kind",
    known=[{"kind": kind} for kind in ("photo", "transform", "caption", "archive")],
)


class Leased(Protocol):
    """A claim of any kind: `rows()` are what it holds, for as long as it is the latest."""

    def rows(self) -> Any: ...

    @property
    def name(self) -> str: ...


@dataclass(frozen=True)
class Claim:
    """The right to work on one upload until the lease runs out."""

    upload: Upload
    attempt: int
    number: int
    started_at: float

    def rows(self) -> Any:
        return claimed_rows(self.upload.pk, self.number)

    @property
    def name(self) -> str:
        return f"upload {self.upload.pk}"

    @property
    def elapsed_ms(self) -> int:
        return round((time.monotonic() - self.started_at) * 1000)


def claim(upload: Upload) -> Claim | None:
    """QUEUED, or PROCESSING with a lease that ran out -> PROCESSING. None if not to be had."""
    fresh = _CLAIM.first(pk=upload.pk, max_attempts=MAX_ATTEMPTS, lease=LEASE)
    if fresh is None:
        return None
    journey.tell(
        journey.Step.CLAIMED, image_id=fresh.image_id, upload_id=fresh.pk, attempt=fresh.attempt
    )
    return claim_of(fresh)


def claimed_rows(pk: UUID, number: int) -> UploadQuerySet:
    """Finds the upload for as long as this claim is the latest."""
    return Upload.objects.filter(pk=pk, status=Upload.Status.PROCESSING, claim_number=number)


def _claimable(pk: UUID, max_attempts: int, **_: Any) -> UploadQuerySet:
    claimable = Q(status=Upload.Status.QUEUED) | Q(
        status=Upload.Status.PROCESSING, lease_until__lt=Now()
    )
    return Upload.objects.filter(claimable, pk=pk, attempt__lt=max_attempts)


def _claimed(pk: UUID) -> UploadQuerySet:
    own = (field.attname for field in Upload._meta.concrete_fields)
    photo = (f"image__{name}" for name in IMAGE_FIELDS)
    return Upload.objects.select_related("image").only(*own, *photo).filter(pk=pk).order_by()


def photo_rows(rows: ImageQuerySet, pk: UUID) -> ImageQuerySet:
    """Finds what processing needs of a photo. In no order, or Postgres would call the functions of
    locks.sharing_clocks() behind it."""
    return rows.only(*IMAGE_FIELDS).filter(pk=pk).order_by()


_SOME_ID = UUID(int=1_618_033_988)
_CLAIM = UpdateReturning(
    Update(
        _claimable,
        lambda lease, **_: {
            "status": Upload.Status.PROCESSING,
            "attempt": F("attempt") + 1,
            "claim_number": F("claim_number") + 1,
            "lease_until": Now() + lease,
        },
        pk=_SOME_ID,
        max_attempts=16_180,
        lease=timedelta(seconds=1_618_033),
    ),
    _claimed,
    pk=_SOME_ID,
)
_CLAIMED_PHOTO = RowLookup(
    lambda pk, upload_id, number: photo_rows(
        Image.objects.filter(Exists(claimed_rows(upload_id, number))), pk
    ),
    pk=_SOME_ID,
    upload_id=UUID(int=2_718_281_828),
    number=1_618_033_988,
)


def claim_of(upload: Upload) -> Claim:
    return Claim(upload, upload.attempt, upload.claim_number, started_at=time.monotonic())


def raise_if_changed(claim: Claim) -> None:
    """Raises ClaimLost if the claim is not the latest, or the photo gone, and StaleClaim if the
    photo's objects belong elsewhere by now."""
    upload = claim.upload
    found = _CLAIMED_PHOTO.first(pk=upload.image_id, upload_id=upload.pk, number=claim.number)
    checked_image(claim, found)


def checked_image(claim: Claim, image: Image | None) -> Image:
    """Returns the photo as it was just read. Raises ClaimLost if it is gone, and StaleClaim if its
    objects belong elsewhere by now."""
    before = claim.upload.image
    if image is None:
        raise ClaimLost
    if image.group_id != before.group_id or image.is_place_removed != before.is_place_removed:
        raise StaleClaim
    return image


def release(claim: Claim) -> bool:
    """PROCESSING -> QUEUED, as if it had never been claimed. True if it was still ours."""
    won = bool(claim.rows().update(**QUEUED_AGAIN, attempt=F("attempt") - 1))
    if won:
        upload = claim.upload
        journey.tell(journey.Step.RELEASED, image_id=upload.image_id, upload_id=upload.pk)
    return won


def release_with_retries(claim: Claim) -> None:
    """Releases the claim, and tries again while Postgres is away: its restart must not count
    against the photo. Should the lease run out meanwhile, the claim's number protects a
    successor."""
    end, pause = time.monotonic() + RELEASE_RETRY_SECONDS, 0.25
    while True:
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
        try:
            release(claim)
        except (OperationalError, InterfaceError):
            if connection.in_atomic_block or time.monotonic() + pause > end:
                raise
            time.sleep(pause)
            pause = min(2 * pause, 4.0)
        else:
            return


@contextlib.contextmanager
def renewed_lease(claim: Leased) -> Iterator[None]:
    """Renews the lease from a thread of its own while the block runs."""
    done = threading.Event()

    def renew() -> None:
        while not done.wait(LEASE_RENEWAL_SECONDS):
            try:
                claim.rows().update(lease_until=Now() + LEASE)
            except DatabaseError as error:
                logger.warning("Lease of %s not renewed: %s", claim.name, error)
            finally:
                connection.close()  # this thread's own; most photos never need one

    # Its lines belong to the task's.
    run = contextvars.copy_context().run
    thread = threading.Thread(target=run, args=[renew], name=f"lease of {claim.name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def stuck_ids(*, queued_longer_than: timedelta) -> list[UUID]:
    """Uploads whose task was lost: QUEUED too long, or PROCESSING with a lease that ran out."""
    lost = Q(status=Upload.Status.QUEUED, queued_at__lt=Now() - queued_longer_than) | Q(
        status=Upload.Status.PROCESSING, lease_until__lt=Now(), attempt__lt=MAX_ATTEMPTS
    )
    return list(Upload.objects.filter(lost).order_by("queued_at").values_list("pk", flat=True))
