"""Receives the store's events from their queue until it is told to stop."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django.db import InterfaceError, OperationalError, close_old_connections

from bandpics.ids import new_id
from bandpics.telemetry import context
from images.storage.objects import StorageUnavailable
from images.storage_events import events
from images.storage_events.sqs import QueueUnavailable

if TYPE_CHECKING:
    import threading

    from images.storage_events.sqs import EventQueue, Message

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 60.0


def consume(queue: EventQueue, *, stop: threading.Event) -> None:
    """Completes the uploads of each message, then deletes it. While the bucket or the database
    is away no message is received: every receipt counts towards the dead-letter queue.
    """
    pause = FIRST_PAUSE_SECONDS
    while not stop.is_set():
        try:
            close_old_connections()
            for message in queue.receive():
                if stop.is_set():
                    queue.give_back(message)
                else:
                    with context.saying(message_id=message.id, request_id=new_id().hex):
                        _process(queue, message)
        except (QueueUnavailable, StorageUnavailable, OperationalError, InterfaceError) as error:
            logger.warning("No events for %.0f s: %s", pause, error)
            stop.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        else:
            pause = FIRST_PAUSE_SECONDS


def _process(queue: EventQueue, message: Message) -> None:
    try:
        queued = events.complete_uploads(message.body)
    except events.NotAnEvent as error:
        # Left in the queue, which moves it to its dead-letter queue after some more receipts.
        logger.error("Message %s is no storage event: %s", message.id, error)
        return
    queue.delete(message)
    if queued:
        logger.info("Message %s brought %s photos", message.id, queued)
