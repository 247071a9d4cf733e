"""A worker's application that records its tasks instead of processing photos:
`celery -A images.tests.recorded_tasks`.

Redis' list of that name says which task began and which ended, in order. A task that should overlap
with another waits until that has begun.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import django
import redis
from django.conf import settings

django.setup()

from bandpics.celery import app  # noqa: E402 - tasks need the settings
from images import tasks  # noqa: E402
from images.processing import work  # noqa: E402

if TYPE_CHECKING:
    from images.models import Upload

__all__ = ["app", "tasks"]

LIST = "recorded-tasks"
# As many tasks as should be at work at a time; a task waits so long for the others.
TOGETHER, WAIT_SECONDS = int(os.environ.get("TOGETHER", "1")), 20.0


def _record(upload: Upload) -> None:
    with redis.Redis.from_url(settings.REDIS_URL) as store:
        store.rpush(LIST, f"begins {upload.pk}")
        end = time.monotonic() + WAIT_SECONDS
        while _most_together(store) < TOGETHER and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(0.02)  # long enough for another process to begin meanwhile, if there were one
        store.rpush(LIST, f"ends {upload.pk}")


def _most_together(store: redis.Redis) -> int:
    """Returns how many tasks were at work at the same time, at most, so far."""
    at_work = most = 0
    for line in store.lrange(LIST, 0, -1):
        at_work += 1 if line.startswith(b"begins") else -1
        most = max(most, at_work)
    return most


work.process = _record
