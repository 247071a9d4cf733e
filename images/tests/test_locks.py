"""Who is frozen while others wait for it is killed; what it held is free again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.db.models import F

from bandpics.ids import new_id
from images import tasks
from images.models import Image, Upload, Variant, locks
from images.processing import work
from images.tests import drawn_pictures

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such a timer")

# Holds the lock of a photo's objects for some seconds, and says so.
HOLDER = """
import sys, time, uuid, django
django.setup()
from bandpics import fencing
from images.models import locks
fencing.FROZEN_SECONDS, fencing.BEAT_SECONDS = 1.0, 0.2
with locks.objects_of(uuid.UUID(sys.argv[1])):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
print("let go", flush=True)
"""

# No room for the stack of another thread, as in a container that may have no more of them.
THREADLESS = """
import threading, time
from bandpics import fencing
fencing.FROZEN_SECONDS = 0.5
threading.stack_size(2**46)
try:
    with fencing.killed_if_frozen():
        pass
except RuntimeError:
    print("refused", flush=True)
time.sleep(1.5)
print("alive", flush=True)
"""

SESSION = """
    SELECT name, setting::int FROM pg_settings
    WHERE name LIKE 'tcp_%' OR name = 'idle_in_transaction_session_timeout'
"""


@contextmanager
def holder(image_id: UUID, *, seconds: float) -> Iterator[subprocess.Popen[str]]:
    database = connection.settings_dict
    address = f"{database['HOST']}:{database['PORT']}/{database['NAME']}"
    url = f"postgres://{database['USER']}:{database['PASSWORD']}@{address}"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(image_id), str(seconds)],
        env={**os.environ, "DATABASE_URL": url},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


@linux_only
@pytest.mark.django_db(transaction=True)
def test_a_frozen_holder_is_killed_and_its_lock_is_free():
    image_id = new_id()
    with holder(image_id, seconds=60) as process:
        with pytest.raises(locks.Busy), locks.objects_of(image_id):
            pass
        process.send_signal(signal.SIGSTOP)
        assert process.wait(timeout=10) == -signal.SIGKILL
        assert is_free(image_id, within_seconds=5)


@pytest.mark.django_db(transaction=True)
def test_a_holder_that_runs_is_left_alone_however_long_it_takes():
    with holder(new_id(), seconds=2.5) as process:
        assert process.communicate(timeout=30)[0] == "let go\n"
        assert process.returncode == 0


@linux_only
def test_a_process_that_gets_no_thread_to_put_the_end_off_lives_on():
    done = subprocess.run(
        [sys.executable, "-c", THREADLESS], stdout=subprocess.PIPE, text=True, timeout=30
    )
    assert (done.returncode, done.stdout) == (0, "refused\nalive\n")


@pytest.mark.django_db
def test_postgres_gives_up_a_client_that_is_gone_within_half_a_minute():
    with connection.cursor() as cursor:
        cursor.execute(SESSION)
        settings = dict(cursor.fetchall())
    silence = settings["tcp_keepalives_interval"] * settings["tcp_keepalives_count"]
    assert settings["tcp_keepalives_idle"] + silence <= 30
    assert 0 < settings["tcp_user_timeout"] <= 30_000
    assert 0 < settings["idle_in_transaction_session_timeout"] <= 30_000


def is_free(image_id: UUID, *, within_seconds: float) -> bool:
    end = time.monotonic() + within_seconds
    while time.monotonic() < end:
        try:
            with locks.objects_of(image_id):
                return True
        except locks.Busy:
            time.sleep(0.05)
    return False


MINE = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"


def own_locks():
    with connection.cursor() as cursor:
        cursor.execute(MINE)
        return cursor.fetchone()[0]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("bucket")
def test_who_finishes_a_photo_holds_its_objects_until_then(cleo, monkeypatch):
    upload = cleo.send(drawn_pictures.jpeg(width=64, height=48))
    store, held = work._store, []

    def store_and_look(*args):
        store(*args)
        held.append(own_locks())

    monkeypatch.setattr(work, "_store", store_and_look)
    tasks.process_upload(str(upload.pk))
    upload.refresh_from_db()
    assert (upload.status, held, own_locks()) == ("done", [1], 0)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize("row", ["gone", "kept"])
def test_who_cannot_finish_a_photo_lets_go_of_its_objects(cleo, monkeypatch, row):
    upload = cleo.send(drawn_pictures.jpeg(width=64, height=48))
    store = work._store

    def store_and_lose(*args):
        store(*args)
        if row == "gone":
            Image.objects.filter(pk=upload.image_id).delete()
        else:
            Upload.objects.filter(pk=upload.pk).update(claim_number=F("claim_number") + 1)

    monkeypatch.setattr(work, "_store", store_and_lose)
    tasks.process_upload(str(upload.pk))
    assert own_locks() == 0
    assert not Image.objects.filter(version__gt=0).exists()
    assert not Variant.objects.exists()
