"""Tells the workers there is something to do. Losing a ring costs time, never a photo: the
row is the record, and the sweeper rings again."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from celery import current_app
from kombu.exceptions import ChannelError, OperationalError

if TYPE_CHECKING:
    from uuid import UUID

logger = logging.getLogger(__name__)


def ring(upload_id: UUID) -> None:
    """Queue the processing of one upload. Safe to call twice, and with Redis down."""
    try:
        # By name: the tasks import the modules that ring.
        current_app.send_task("images.tasks.process_upload", args=[str(upload_id)])
    except OperationalError as error:
        logger.warning("Upload %s waits for the sweeper; no broker: %s", upload_id, error)


def rings_waiting() -> int:
    """How many rings no worker has heard yet; 0 where the broker does not say."""
    queue = current_app.conf.task_default_queue
    try:
        with current_app.connection_for_read() as broker:
            broker.ensure_connection(max_retries=1)
            channel: Any = broker.default_channel
            declared = channel.queue_declare(queue, passive=True)
    except (OperationalError, ChannelError):  # not there, or forgotten with all that was in it
        return 0
    return int(declared.message_count)
