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

from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.db.models import F, Q
from django.db.models.functions import Now

from bandpics.telemetry import metrics
from images import journey
from images.models import UPLOADER_COLUMNS, Image, Upload, locks
from images.storage.objects import StorageUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from images.models import ImageQuerySet

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
    known=[{"kind": kind} for kind in ("photo", "transform", "caption")],
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
        return Upload.objects.filter(
            pk=self.upload.pk, status=Upload.Status.PROCESSING, claim_number=self.number
        )

    @property
    def name(self) -> str:
        return f"upload {self.upload.pk}"

    @property
    def elapsed_ms(self) -> int:
        return round((time.monotonic() - self.started_at) * 1000)


def claim(upload: Upload) -> Claim | None:
    """QUEUED, or PROCESSING with a lease that ran out -> PROCESSING. None if not to be had."""
    claimable = Q(status=Upload.Status.QUEUED) | Q(
        status=Upload.Status.PROCESSING, lease_until__lt=Now()
    )
    won = Upload.objects.filter(claimable, pk=upload.pk, attempt__lt=MAX_ATTEMPTS).update(
        status=Upload.Status.PROCESSING,
        attempt=F("attempt") + 1,
        claim_number=F("claim_number") + 1,
        lease_until=Now() + LEASE,
    )
    if not won:
        return None
    own = (field.attname for field in Upload._meta.concrete_fields)
    photo = (f"image__{name}" for name in IMAGE_FIELDS)
    rows = Upload.objects.select_related("image").only(*own, *photo)
    fresh = rows.filter(pk=upload.pk).first()
    if fresh is None:
        return None
    journey.tell(
        journey.Step.CLAIMED, image_id=fresh.image_id, upload_id=fresh.pk, attempt=fresh.attempt
    )
    return claim_of(fresh)


def claim_of(upload: Upload) -> Claim:
    return Claim(upload, upload.attempt, upload.claim_number, started_at=time.monotonic())


def current_image(claim: Claim, rows: ImageQuerySet) -> Image:
    """The photo as it is now, fetched by these rows.

    Raises ClaimLost if it is gone, and StaleClaim if its objects belong elsewhere by now.
    """
    before = claim.upload.image
    image = rows.only(*IMAGE_FIELDS).filter(pk=before.pk).first()
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
