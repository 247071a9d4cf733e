"""As many photos at a time as the operator says; one with WORKER_PROCESSES=1, and then in the order
they came. A real worker takes them from the real queue."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
import redis
from django.conf import settings

from bandpics import entrypoint
from bandpics.ids import new_id
from bandpics.local.environment import PROJECT
from images.uploads import queue

pytestmark = pytest.mark.django_db
APPLICATION, RECORD = "images.tests.recorded_tasks", "recorded-tasks"


@pytest.fixture
def store():
    with redis.Redis.from_url(settings.REDIS_URL) as store:
        store.flushdb()
        yield store
        store.flushdb()


@contextmanager
def worker(processes, *, together, log):
    """The role `worker`, with tasks that record instead of processing a photo."""
    words = entrypoint.command("worker", [], {"WORKER_PROCESSES": str(processes)})
    words[words.index("bandpics")] = APPLICATION
    environment = {**os.environ, "TOGETHER": str(together)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=PROJECT,
            env=environment,
            stdout=output,
            stderr=output,
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def recorded(store, count, log):
    end = time.monotonic() + 90
    while store.llen(RECORD) < count:
        assert time.monotonic() < end, log.read_text()[-3000:]
        time.sleep(0.05)
    return [tuple(line.decode().split()) for line in store.lrange(RECORD, 0, -1)]


def test_with_one_process_photos_are_taken_one_at_a_time_in_the_order_they_came(store, tmp_path):
    queued, log = [new_id() for _ in range(8)], tmp_path / "log"
    for upload_id in queued:
        queue.enqueue(upload_id)
    with worker(1, together=1, log=log):
        said = recorded(store, 16, log)
    assert said == [(what, str(one)) for one in queued for what in ("begins", "ends")]


def test_with_two_processes_two_are_at_work_together(store, tmp_path):
    """So that the test above could fail."""
    queued, log = [new_id() for _ in range(4)], tmp_path / "log"
    for upload_id in queued:
        queue.enqueue(upload_id)
    with worker(2, together=2, log=log):
        said = recorded(store, 8, log)
    assert [what for what, _ in said[:2]] == ["begins", "begins"]
    assert {one for _, one in said} == set(map(str, queued))
