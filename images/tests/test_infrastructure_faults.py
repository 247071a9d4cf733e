"""What becomes of a photo whose store, disk or database goes away while it is processed."""

from __future__ import annotations

import resource
import threading
from contextlib import contextmanager

import psycopg
import pytest
from django.db import OperationalError, connection

from images.models import Image, Variant
from images.processing import outcomes, work
from images.reconcile import repair
from images.storage.objects import StorageUnavailable
from images.tests import drawn_pictures

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bucket")]


def test_a_store_that_does_not_answer_costs_no_attempt(cleo, settings):
    upload = cleo.send(drawn_pictures.jpeg())
    stores = settings.STORAGES
    options = {**stores["default"]["OPTIONS"], "endpoint_url": "http://127.0.0.1:1"}
    settings.STORAGES = {**stores, "default": {**stores["default"], "OPTIONS": options}}

    with pytest.raises(StorageUnavailable):
        work.process(upload)

    upload.refresh_from_db()
    assert (upload.status, upload.attempt) == ("queued", 0)
    settings.STORAGES = stores
    work.process(upload)
    upload.refresh_from_db()
    assert upload.status == "done"


def test_bytes_that_vanished_end_the_upload(cleo, bucket, caplog):
    upload = cleo.send(drawn_pictures.jpeg())
    bucket.delete_keys([upload.incoming_key])
    work.process(upload)
    upload.refresh_from_db()
    assert upload.status == "queued"  # perhaps the store was only mounted late
    work.process(upload)
    upload.refresh_from_db()
    assert (upload.status, upload.failure) == ("failed", "original-missing")
    (alert,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert alert.getMessage().startswith("original-missing: ")
    assert upload.incoming_key in alert.getMessage()


def test_bytes_that_are_back_can_be_tried_again(cleo, ada, bucket, signed_in, tmp_path):
    """The store was mounted empty, for longer than anybody waits."""
    data = drawn_pictures.jpeg()
    upload = cleo.send(data)
    bucket.delete_keys([upload.incoming_key])
    for _ in range(2):
        work.process(upload)
    (tmp_path / "back").write_bytes(data)
    bucket.put_file(upload.incoming_key, tmp_path / "back", content_type="image/jpeg")
    assert repair.remove_from_quarantine([upload.incoming_key]) == 0

    answer = signed_in(ada).post(f"/api/v1/images/{upload.image_id}/retry/")
    assert answer.status_code == 202, answer.json()
    work.process(upload)
    upload.refresh_from_db()
    assert upload.status == "done"


def test_a_full_disk_costs_no_attempt(cleo, settings, tmp_path):
    """A work folder that cannot be written to, for root as well."""
    (tmp_path / "file").write_bytes(b"")
    upload = cleo.send(drawn_pictures.jpeg())
    settings.WORK_DIR = tmp_path / "file"
    with pytest.raises(OSError, match="Not a directory"):
        work.process(upload)
    upload.refresh_from_db()
    assert (upload.status, upload.attempt) == ("queued", 0)


@pytest.mark.parametrize("share", [0.5, 1])
def test_a_disk_that_fills_up_meanwhile_costs_no_attempt(cleo, share, tmp_path, settings):
    """Room for a part of the download, or for that but not for what is made of it."""
    detailed = drawn_pictures.detailed(width=1200, height=800)
    data = drawn_pictures.jpeg(image=detailed, quality=20)  # smaller than our own
    room_bytes = round(share * len(data))
    upload = cleo.send(data)
    settings.WORK_DIR = tmp_path
    with _files_limited_to(room_bytes), pytest.raises(OSError, match="File too"):
        work.process(upload)
    upload.refresh_from_db()
    assert (upload.status, upload.attempt, upload.failure) == ("queued", 0, "")
    assert list(tmp_path.iterdir()) == []
    work.process(upload)
    upload.refresh_from_db()
    assert upload.status == "done"


@contextmanager
def _files_limited_to(byte_size: int):
    """Needs no right, unlike a small disk: writing on fails with EFBIG instead of ENOSPC."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (byte_size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.django_db(transaction=True)
def test_a_database_connection_cut_in_between_costs_no_attempt(cleo, monkeypatch):
    """Postgres restarts while a worker renders: its own connection is dead, Postgres is not."""
    upload = cleo.send(drawn_pictures.jpeg())
    store = work._store

    def store_then_lose_the_database(*args, **kwargs):
        store(*args, **kwargs)
        _end_all_sessions()

    monkeypatch.setattr(work, "_store", store_then_lose_the_database)
    with pytest.raises(OperationalError):
        work.process(upload)
    upload.refresh_from_db()
    assert (upload.status, upload.attempt) == ("queued", 0)
    monkeypatch.setattr(work, "_store", store)
    work.process(upload)
    upload.refresh_from_db()
    assert upload.status == "done"


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_away_for_a_while_costs_no_attempt(cleo, monkeypatch):
    """It ends every session and lets nobody in, as while it restarts."""
    upload = cleo.send(drawn_pictures.jpeg())
    store, back = work._store, threading.Timer(1, _let_people_in, [True])

    def store_then_lose_the_database(*args, **kwargs):
        store(*args, **kwargs)
        _let_people_in(False)
        back.start()

    monkeypatch.setattr(work, "_store", store_then_lose_the_database)
    try:
        with pytest.raises(OperationalError):
            work.process(upload)
    finally:
        back.join()
    upload.refresh_from_db()
    assert (upload.status, upload.attempt) == ("queued", 0)


@pytest.mark.django_db(transaction=True)
def test_a_database_that_goes_away_before_a_bad_pictures_end_costs_no_attempt(cleo, monkeypatch):
    upload = cleo.send(drawn_pictures.jpeg()[:2000])
    end = outcomes.end

    def lose_the_database_and_end(*args, **kwargs):
        _end_all_sessions()
        return end(*args, **kwargs)

    monkeypatch.setattr(outcomes, "end", lose_the_database_and_end)
    with pytest.raises(OperationalError):
        work.process(upload)
    upload.refresh_from_db()
    assert (upload.status, upload.attempt) == ("queued", 0)
    monkeypatch.setattr(outcomes, "end", end)
    work.process(upload)
    upload.refresh_from_db()
    assert (upload.status, upload.failure) == ("failed", "damaged")


def _end_all_sessions() -> None:
    with psycopg.connect(dsn()) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def _let_people_in(is_open: bool) -> None:
    name = connection.settings_dict["NAME"]
    with psycopg.connect(dsn(dbname="postgres"), autocommit=True) as other:
        other.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS {is_open}')
        if not is_open:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
            )


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_committed", [True, False])
def test_whether_the_last_commit_was_heard_of_or_not_the_photo_is_done_once(
    cleo, bucket, monkeypatch, is_committed
):
    """The connection dies around COMMIT, and nobody knows on which side of it."""
    upload = cleo.send(drawn_pictures.jpeg())
    finish = outcomes.finish

    def finish_and_hear_nothing(*args, **held):
        if is_committed:
            finish(*args, **held)
        _end_all_sessions()
        Image.objects.exists()  # raises OperationalError

    monkeypatch.setattr(outcomes, "finish", finish_and_hear_nothing)
    with pytest.raises(OperationalError):
        work.process(upload)
    upload.refresh_from_db()
    assert upload.status == ("done" if is_committed else "queued")

    monkeypatch.setattr(outcomes, "finish", finish)
    work.process(upload)
    upload.refresh_from_db()
    assert (upload.status, upload.attempt) == ("done", 1)
    assert Variant.objects.count() == 5


def dsn(**other: str) -> str:
    params = connection.settings_dict
    asked = {
        "host": params["HOST"],
        "port": params["PORT"],
        "user": params["USER"],
        "password": params["PASSWORD"],
        "dbname": params["NAME"],
    }
    return psycopg.conninfo.make_conninfo(**asked | other)
