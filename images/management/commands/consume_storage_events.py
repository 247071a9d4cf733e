"""Receives the store's events from an SQS queue until SIGTERM."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from bandpics.telemetry import errors, metrics, tracing
from images.storage_events import consumer
from images.storage_events.sqs import EventQueue


class Command(BaseCommand):
    help = (
        "Complete uploads as soon as the store says that their bytes are here: takes its events "
        "from STORAGE_EVENTS_QUEUE_URL until SIGTERM. Any number may run."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.STORAGE_EVENTS_QUEUE_URL:
            raise CommandError("Set STORAGE_EVENTS_QUEUE_URL to the queue of the bucket's events.")
        errors.start()
        tracing.start()
        metrics.prepare()
        metrics.begin()
        metrics.serve()
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        self.stdout.write(f"Waiting for events in {settings.STORAGE_EVENTS_QUEUE_URL}")
        consumer.consume(EventQueue(), stop=stop)
        self.stdout.write("Stopped.")
