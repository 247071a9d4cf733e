"""Celery tasks: each takes ids; a row that is missing was deleted while the task waited."""

from __future__ import annotations

import logging
import random
from contextlib import suppress
from uuid import UUID

from celery import Task, shared_task
from django.conf import settings
from django.db import InterfaceError, OperationalError

from bandpics import cloudwatch
from bandpics.connections import KeepsConnection
from bandpics.telemetry import metrics
from images.archives import building
from images.archives import queue as archive_queue
from images.captions import writing
from images.lifecycle import audit_shipping, markers, news, sweeper
from images.listing import readings, service
from images.models import Upload
from images.processing import claims, work
from images.reconcile import compare
from images.storage.objects import StorageUnavailable
from images.transforms import work as transform_work

metrics.provide(readings.backlog, queue="sweep")
logger = logging.getLogger(__name__)

# As long as the sweeper would take to queue it again.
MAX_BACKOFF_SECONDS = 60


def _pause_before_retry(task: Task) -> float:  # type: ignore[type-arg]
    ceiling = min(MAX_BACKOFF_SECONDS, 2 ** (task.request.retries + 1))
    return random.uniform(1, ceiling)  # noqa: S311 - jitter


@shared_task(bind=True, max_retries=None, base=KeepsConnection)
def process_upload(self: KeepsConnection, upload_id: str) -> None:
    try:
        work.process(Upload(pk=upload_id))
    except claims.TRANSIENT_ERRORS as error:
        raise self.retry(exc=error, countdown=_pause_before_retry(self)) from error


@shared_task(bind=True, max_retries=None, base=KeepsConnection)
def render_transform(self: KeepsConnection, transform_id: str) -> None:
    try:
        transform_work.render(UUID(transform_id))
    except claims.TRANSIENT_ERRORS as error:
        raise self.retry(exc=error, countdown=_pause_before_retry(self)) from error


@shared_task(bind=True, max_retries=None)
def update_trashed_marker(self: Task, image_id: str) -> None:  # type: ignore[type-arg]
    try:
        markers.update_trashed(UUID(image_id))
    except (StorageUnavailable, OperationalError, InterfaceError) as error:
        raise self.retry(exc=error, countdown=_pause_before_retry(self)) from error


# Limits of tasks that go through many photos. Below the broker's visibility_timeout.
SOFT_LIMIT_SECONDS, LIMIT_SECONDS = 240, 300
# No part of an archive is begun later than that.
BUILDING_SECONDS = 120.0


@shared_task(soft_time_limit=SOFT_LIMIT_SECONDS, time_limit=LIMIT_SECONDS)
def build_archive(archive_id: str) -> None:
    """Builds on for a while; a large archive takes several tasks, so that others have their turn.
    Where bucket or database are away, the sweeper queues it again."""
    with suppress(*claims.TRANSIENT_ERRORS):
        if not building.build(UUID(archive_id), seconds=BUILDING_SECONDS):
            archive_queue.enqueue(UUID(archive_id))


@shared_task(soft_time_limit=SOFT_LIMIT_SECONDS, time_limit=LIMIT_SECONDS)
def write_caption(caption_id: str) -> None:
    """Where bucket or database are away, the sweeper queues it again."""
    with suppress(*claims.TRANSIENT_ERRORS):
        writing.write(UUID(caption_id))


@shared_task(soft_time_limit=SOFT_LIMIT_SECONDS, time_limit=LIMIT_SECONDS)
def sweep() -> None:
    sweeper.sweep()
    if settings.CLOUDWATCH_METRICS and (queues := service.queues()) is not None:
        cloudwatch.write_ages({queue.name: queue.oldest_seconds or 0 for queue in queues})


@shared_task(soft_time_limit=SOFT_LIMIT_SECONDS, time_limit=LIMIT_SECONDS)
def clean_quarantine() -> None:
    compare.clean_quarantine()


@shared_task(soft_time_limit=SOFT_LIMIT_SECONDS, time_limit=LIMIT_SECONDS)
def tell_subscribers() -> None:
    news.tell_subscribers()


@shared_task(soft_time_limit=SOFT_LIMIT_SECONDS, time_limit=LIMIT_SECONDS)
def ship_audit_trail() -> None:
    """Where bucket or database are away, the next call ships it."""
    try:
        audit_shipping.ship()
    except (StorageUnavailable, OperationalError, InterfaceError) as error:
        logger.error(
            "audit-not-shipped: LOGS_BUCKET refused it, and it is tried again every minute; "
            "manage.py set_up_bucket makes the bucket. %s",
            error,
        )
