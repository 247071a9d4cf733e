"""Tells the workers there is something to do. Losing a ring costs time, never a photo: the
row is the record, and the sweeper rings again."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from celery import current_app
from kombu.exceptions import OperationalError

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
