"""Tells the workers that an upload waits. A lost message costs time, never a photo: the row is
the record, and the sweeper queues it again.

Uploads of people with few queued photos are processed first, so that one person's thousand photos
do not keep another's first one waiting.
"""

from __future__ import annotations

import enum
import logging
from typing import TYPE_CHECKING, Any

from celery import current_app
from django.conf import settings
from django.db import DatabaseError
from django.db.models import Subquery
from kombu.exceptions import ChannelError, OperationalError

from images.models import UPLOADER_COLUMNS, Upload

if TYPE_CHECKING:
    from uuid import UUID

logger = logging.getLogger(__name__)

# Queued photos of one uploader.
FIRST_COUNT, SOON_COUNT = 5, 50


class Priority(enum.IntEnum):
    """Served in this order, and each first come, first served.

    The numbers are those of kombu's Redis transport (its `priority_steps`; 0 is served first).
    """

    FIRST = 0
    SOON = 3
    LATER = 6

    @property
    def number(self) -> int:
        """As the broker counts: RabbitMQ serves the highest first, up to x-max-priority."""
        highest = settings.CELERY_TASK_QUEUE_MAX_PRIORITY
        return self.value if highest is None else highest - list(Priority).index(self)


def enqueue(upload_id: UUID) -> None:
    """Queue the processing of one upload. Safe to call twice, and with Redis down."""
    try:
        # By name: the tasks import the modules that call this.
        current_app.send_task(
            "images.tasks.process_upload",
            args=[str(upload_id)],
            priority=_priority(upload_id).number,
        )
    except OperationalError as error:
        logger.warning("Upload %s waits for the sweeper; no broker: %s", upload_id, error)


def _priority(upload_id: UUID) -> Priority:
    row = Upload.objects.filter(pk=upload_id)
    same = {name: Subquery(row.values(name)) for name in [*UPLOADER_COLUMNS, "announced_to"]}
    waiting = Upload.objects.filter(status=Upload.Status.QUEUED, **same)
    try:
        # No further than it matters: somebody may have 10,000.
        count = waiting.order_by()[: SOON_COUNT + 1].count()
    except DatabaseError:
        return Priority.SOON
    if count <= FIRST_COUNT:
        return Priority.FIRST
    return Priority.SOON if count <= SOON_COUNT else Priority.LATER


def depth(name: str = "") -> int:
    """Counts the messages that no worker has taken yet, of uploads or of the queue named; 0 where
    the broker does not say."""
    queue = name or current_app.conf.task_default_queue
    try:
        with current_app.connection_for_read() as broker:
            broker.ensure_connection(max_retries=1)
            channel: Any = broker.default_channel
            declared = channel.queue_declare(queue, passive=True)
    except (OperationalError, ChannelError):  # not there, or forgotten with all that was in it
        return 0
    return int(declared.message_count)
