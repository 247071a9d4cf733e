"""The numbers of the database that the sweeper's worker shows to Prometheus."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from images.listing import readings, service
from images.models import Upload
from images.tests import drawn_pictures

pytestmark = pytest.mark.django_db(transaction=True)


def found():
    return {(one.name, *one.labels.values()): one.value for one in readings.backlog()}


def test_what_waits_and_for_how_long(cleo):
    cleo.send(drawn_pictures.jpeg())
    cleo.send(drawn_pictures.jpeg(seed=2))
    Upload.objects.update(arrived_at=timezone.now() - timedelta(minutes=5))
    numbers = found()
    assert numbers["bandpics_queue_depth", "images"] == 2
    assert numbers["bandpics_queue_at_work", "images"] == 0
    assert 300 <= numbers["bandpics_queue_oldest_seconds", "images"] < 600
    assert numbers["bandpics_queue_oldest_seconds", "archives"] == 0
    assert numbers["bandpics_outbox_depth", "mails"] == 0


def test_what_takes_too_long_is_left_out(monkeypatch):
    monkeypatch.setattr(service, "SECONDS", 0.05)

    @service.in_time
    def slow():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(5)")

    monkeypatch.setattr(service, "queues", slow)
    numbers = found()
    assert ("bandpics_queue_depth", "images") not in numbers
    assert ("bandpics_outbox_depth", "deletions") in numbers
