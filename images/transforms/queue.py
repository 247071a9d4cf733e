"""Tells the workers that a transform waits. A lost message costs time only: the row is the record,
and the sweeper queues it again.

Transforms of whoever has few waiting are rendered before those of whoever has many. Photos that
arrive come first where one worker serves both queues.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from celery import current_app
from django.db import DatabaseError
from kombu.exceptions import OperationalError

from images.models import Transform
from images.uploads.queue import Priority

if TYPE_CHECKING:
    from uuid import UUID

logger = logging.getLogger(__name__)
NAME = "transforms"
FEW = 5  # that one person has waiting


def enqueue(transform_id: UUID) -> None:
    """Queues the rendering of one transform. Safe to call twice, and with Redis down."""
    try:
        # By name: the tasks import the modules that call this.
        current_app.send_task(
            "images.tasks.render_transform",
            args=[str(transform_id)],
            priority=_priority(transform_id).number,
        )
    except OperationalError as error:
        logger.warning("Transform %s waits for the sweeper; no broker: %s", transform_id, error)


def _priority(transform_id: UUID) -> Priority:
    row = Transform.objects.filter(pk=transform_id)
    try:
        asked = row.values_list("requested_by", "guest_digest").first()
        user, guest = asked or (None, "")  # one that is gone takes nobody's time
        same = {"requested_by": user} if user else {"requested_by": None, "guest_digest": guest}
        waiting = Transform.objects.filter(state=Transform.State.QUEUED, **same).order_by()
        return Priority.SOON if waiting[: FEW + 1].count() <= FEW else Priority.LATER
    except DatabaseError:
        return Priority.SOON
