"""Celery doors: ids in, nothing out; a missing row is normal."""

from __future__ import annotations

import random

from celery import shared_task
from django.db import InterfaceError, OperationalError

from bandpics.connections import KeepsConnection
from images import cleanup, locks, processing, strays
from images.media.storage import StorageUnavailable
from images.models import Upload

# As long as the sweeper would take to ring again.
MAX_BACKOFF_SECONDS = 60


@shared_task(bind=True, max_retries=None, base=KeepsConnection)
def process_upload(self: KeepsConnection, upload_id: str) -> None:
    try:
        processing.process(Upload(pk=upload_id))
    except (
        *(StorageUnavailable, locks.Busy),
        *(OperationalError, InterfaceError, OSError),
    ) as error:
        # The claim was given back. Not a fault of the photo: wait, with jitter, and try again.
        ceiling = min(MAX_BACKOFF_SECONDS, 2 ** (self.request.retries + 1))
        raise self.retry(exc=error, countdown=random.uniform(1, ceiling)) from error  # noqa: S311 - jitter


# Of what goes through many photos, or the whole bucket. Below the broker's visibility_timeout.
SOFT_LIMIT_SECONDS, LIMIT_SECONDS = 240, 300


@shared_task(soft_time_limit=SOFT_LIMIT_SECONDS, time_limit=LIMIT_SECONDS)
def sweep() -> None:
    cleanup.sweep()


@shared_task(soft_time_limit=SOFT_LIMIT_SECONDS, time_limit=LIMIT_SECONDS)
def remove_strays() -> None:
    strays.remove()
