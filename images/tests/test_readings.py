"""The numbers of the database that the sweeper's worker shows to Prometheus."""

from __future__ import annotations

import math
import os
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from bandpics.audit import trail
from bandpics.audit.models import Action, AuditOutbox
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


def test_events_that_wait_to_be_shipped(settings, monkeypatch):
    trail.record(Action.SIGN_IN_FAILED)
    assert ("bandpics_outbox_oldest_seconds", "audit") not in found()
    settings.LOGS_BUCKET = "somewhere"
    assert found()["bandpics_outbox_depth", "audit"] == AuditOutbox.objects.count() > 0
    later = timezone.now() + timedelta(minutes=20)
    monkeypatch.setattr(service.timezone, "now", lambda: later)
    assert 1200 <= found()["bandpics_outbox_oldest_seconds", "audit"] < 1500
    AuditOutbox.objects.all().delete()
    assert found()["bandpics_outbox_oldest_seconds", "audit"] == 0


def test_how_old_the_newest_dump_is(settings, tmp_path):
    assert ("bandpics_backup_age_seconds",) not in found()
    settings.BACKUP_DIR = tmp_path
    assert found()["bandpics_backup_age_seconds",] == math.inf
    for name, hours, content in [
        ("bandpics-1.dump", 30, b"PGDMP"),
        ("bandpics-2.dump", 50, b"PGDMP"),
        ("bandpics-3.dump.part", 0, b"PGDMP"),  # a dump that is being made
        ("bandpics-4.dump", 0, b""),
    ]:
        (tmp_path / name).write_bytes(content)
        moment = time.time() - hours * 3600
        os.utime(tmp_path / name, (moment, moment))
    assert 30 * 3600 <= found()["bandpics_backup_age_seconds",] < 31 * 3600
    settings.BACKUP_DIR = tmp_path / "elsewhere"
    with pytest.raises(OSError, match="elsewhere"):
        found()
