"""What makes good for everything that got lost on the way, and takes away what is left over."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import connection
from django.db.models.functions import Now

from images import doorbell, processing, uploads
from images.media.storage import StorageUnavailable, photo_storage
from images.models import Upload

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

logger = logging.getLogger(__name__)

# A browser that sent its bytes and never said so is believed after this long.
SILENCE_BEFORE_LOOKING = timedelta(minutes=10)
QUEUED_BEFORE_RINGING = timedelta(minutes=1)
BATCH = 500
_SWEEP_LOCK = 0x62616E64  # any number, as long as nobody else uses it


def sweep() -> None:
    """Bring every upload that hangs to its next state. Two at a time are harmless: one waits
    out."""
    with _alone() as alone:
        if not alone:
            return
        _look_for_silent_arrivals()
        _discard_the_forgotten()
        processing.bury_crashed()
        for upload_id in processing.ids_to_ring(queued_longer_than=QUEUED_BEFORE_RINGING)[:BATCH]:
            Upload.objects.filter(pk=upload_id, status=Upload.Status.QUEUED).update(
                queued_at=Now()  # so that a backlog is not rung for again every time
            )
            doorbell.ring(upload_id)


@contextmanager
def _alone() -> Iterator[bool]:
    """Holds a Postgres advisory lock of this session, if it is free."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_SWEEP_LOCK])
        row = cursor.fetchone()
        alone = bool(row and row[0])
        try:
            yield alone
        finally:
            if alone:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [_SWEEP_LOCK])


def _look_for_silent_arrivals() -> None:
    silent = Upload.objects.pending().filter(
        created_at__lt=Now() - SILENCE_BEFORE_LOOKING,
        created_at__gte=Now() - settings.UPLOAD_PENDING_LIFETIME,
    )
    for upload in silent.select_related("image").order_by("created_at")[:BATCH]:
        try:
            uploads.complete(upload)
        except (uploads.NotArrived, uploads.NotPending, uploads.SizeMismatch):
            continue
        except StorageUnavailable as error:
            logger.warning("The sweeper stops looking: %s", error)
            return


def _discard_the_forgotten() -> None:
    old = Upload.objects.pending().filter(created_at__lt=Now() - settings.UPLOAD_PENDING_LIFETIME)
    for upload in old.select_related("image").order_by("created_at")[:BATCH]:
        try:
            try:
                # Its bytes may have come in the last minutes of the day.
                if uploads.complete(upload):
                    continue
            except (uploads.NotArrived, uploads.NotPending, uploads.SizeMismatch):
                pass
            uploads.discard(upload)
        except StorageUnavailable as error:
            logger.warning("The sweeper stops discarding: %s", error)
            return


def remove_objects(keys: Sequence[str]) -> None:
    """Remove objects whose rows are gone. What the bucket does not give up now, it keeps."""
    try:
        photo_storage().delete_keys(keys)
    except StorageUnavailable as error:
        logger.error("Objects of deleted rows stay behind (%s): %s", ", ".join(keys), error)
