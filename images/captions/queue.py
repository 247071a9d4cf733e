"""Tells the workers that a caption waits. A lost message costs time only: the row is the record,
and the sweeper queues it again."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from celery import current_app
from kombu.exceptions import OperationalError

if TYPE_CHECKING:
    from uuid import UUID

logger = logging.getLogger(__name__)


def enqueue(caption_id: UUID) -> None:
    """Queues the writing of one caption. Safe to call twice, and with Redis down."""
    try:
        # By name: the tasks import the modules that call this.
        current_app.send_task("images.tasks.write_caption", args=[str(caption_id)])
    except OperationalError as error:
        logger.warning("Caption %s waits for the sweeper; no broker: %s", caption_id, error)
