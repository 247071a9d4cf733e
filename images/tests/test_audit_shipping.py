"""The way of the audit trail to the bucket of logs: nothing twice, nothing lost."""

from __future__ import annotations

import gzip
import json
import threading

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from bandpics.audit import trail
from bandpics.audit.models import Action, AuditEvent, AuditOutbox, AuditShipment
from images import tasks
from images.lifecycle import audit_shipping
from images.storage import bucket_setup
from images.storage.objects import StorageUnavailable, logs_storage
from images.tests import conftest

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def logs(settings):
    """The bucket of logs, empty."""
    settings.LOGS_BUCKET = f"{settings.S3_BUCKET}-logs"
    _point_at(settings, bucket_name=settings.LOGS_BUCKET)
    bucket_setup.create_bucket(logs_storage())
    conftest.empty(logs_storage())
    yield logs_storage()
    conftest.empty(logs_storage())


def _point_at(settings, **options):
    old = settings.STORAGES["logs"]
    new = {**old, "OPTIONS": {**old["OPTIONS"], **options}}
    settings.STORAGES = {**settings.STORAGES, "logs": new}


def happen(count=1):
    for _ in range(count):
        trail.record(Action.SIGN_IN_FAILED)


def shipped(logs):
    """The ids of all events in the bucket, object by object."""
    found = []
    for each in logs.list_keys("audit/"):
        with logs.open(each.key) as file:
            lines = gzip.decompress(file.read()).decode().splitlines()
        found += [json.loads(line)["id"] for line in lines]
    return found


def recorded():
    return sorted(str(pk) for pk in AuditEvent.objects.values_list("pk", flat=True))


def test_each_event_is_shipped_once_with_all_it_says(logs, group):
    trail.record(
        Action.GROUP_CHANGED,
        team_id=group.team_id,
        group_id=group.pk,
        details={"fields": ["venue"]},
    )
    tasks.ship_audit_trail()
    tasks.ship_audit_trail()
    (stored,) = logs.list_keys("audit/")
    event, shipment = AuditEvent.objects.get(), AuditShipment.objects.get()
    assert stored.key == f"audit/{shipment.created_at:%Y/%m/%d}/{shipment.pk}.jsonl.gz"
    with logs.open(stored.key) as file:
        (line,) = gzip.decompress(file.read()).decode().splitlines()
    assert json.loads(line) == {
        "id": str(event.pk),
        "at": event.at.isoformat(),
        "action": "group_changed",
        "user": None,
        "invitation": None,
        "credential": "server",
        "key_prefix": "",
        "address": "",
        "request_id": "",
        "team": str(group.team_id),
        "group": str(group.pk),
        "objects": [],
        "details": {"fields": ["venue"]},
    }
    assert shipment.events == 1
    assert not AuditOutbox.objects.exists()


def test_many_events_become_several_objects(logs, monkeypatch):
    monkeypatch.setattr(audit_shipping, "EVENTS_PER_OBJECT", 4)
    happen(10)
    assert audit_shipping.ship() == 3
    assert sorted(shipped(logs)) == recorded()


@pytest.mark.parametrize("moment", ["before the object", "after the object", "while it is noted"])
def test_a_crash_loses_no_event_and_ships_none_twice(logs, monkeypatch, moment):
    happen(3)
    put = type(logs).put_stream
    note = AuditOutbox.objects.filter

    def crash_at_put(self, *args, **kwargs):
        if moment != "before the object":
            put(self, *args, **kwargs)
        raise SystemExit

    def crash_at_note(**asked):
        rows = note(**asked)
        rows.delete = crash
        return rows

    def crash():
        raise SystemExit

    with monkeypatch.context() as broken:
        if moment == "while it is noted":
            broken.setattr(AuditOutbox.objects, "filter", crash_at_note)
        else:
            broken.setattr(type(logs), "put_stream", crash_at_put)
        with pytest.raises(SystemExit):
            audit_shipping.ship()
    happen(2)  # life goes on before the next attempt
    assert audit_shipping.ship() == 2
    assert sorted(shipped(logs)) == recorded()
    assert len(list(logs.list_keys("audit/"))) == 2
    assert not AuditOutbox.objects.exists()


def test_a_store_that_is_away_is_tried_again(logs, settings, caplog):
    happen(3)
    _point_at(settings, endpoint_url="http://127.0.0.1:1", bucket_name=settings.LOGS_BUCKET)
    with pytest.raises(StorageUnavailable):
        audit_shipping.ship()
    tasks.ship_audit_trail()
    assert "LOGS_BUCKET" in caplog.text
    _point_at(settings, **logs_options(settings))
    assert audit_shipping.ship() == 1
    assert sorted(shipped(logs)) == recorded()


def logs_options(settings):
    return {**settings.STORAGES["default"]["OPTIONS"], "bucket_name": settings.LOGS_BUCKET}


def test_an_event_whose_transaction_ends_later_comes_later(logs):
    """Its id is smaller than that of events which were shipped."""
    started, go_on = threading.Event(), threading.Event()

    def slowly():
        try:
            with transaction.atomic():
                happen()
                started.set()
                assert go_on.wait(20)
        finally:
            connection.close()

    thread = threading.Thread(target=slowly)
    thread.start()
    assert started.wait(20)
    happen()
    assert audit_shipping.ship() == 1
    go_on.set()
    thread.join(20)
    assert audit_shipping.ship() == 1
    assert sorted(shipped(logs)) == recorded()
    assert len(recorded()) == 2


def test_two_ship_in_turn(logs):
    happen(3)
    with audit_shipping.alone(audit_shipping.LOCK):
        other = []
        thread = threading.Thread(
            target=lambda: (other.append(audit_shipping.ship()), connection.close())
        )
        thread.start()
        thread.join(20)
    assert other == [0]
    assert audit_shipping.ship() == 1


def test_without_a_bucket_all_waits_and_is_shipped_once_there_is_one(logs, settings):
    settings.LOGS_BUCKET, bucket = "", settings.LOGS_BUCKET
    happen(3)
    assert audit_shipping.ship() == 0
    settings.LOGS_BUCKET = bucket
    assert audit_shipping.ship() == 1
    assert sorted(shipped(logs)) == recorded()


def test_set_up_bucket_makes_the_bucket_of_logs(settings, capsys):
    settings.LOGS_BUCKET = f"{settings.S3_BUCKET}-fresh-logs"
    _point_at(settings, bucket_name=settings.LOGS_BUCKET)
    call_command("set_up_bucket")
    assert f"Bucket {settings.LOGS_BUCKET}: made." in capsys.readouterr().out
    logs_storage().check()
