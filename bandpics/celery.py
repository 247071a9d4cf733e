"""The Celery application. Every task may be lost: the sweeper queues it again."""

from __future__ import annotations

import gc
import os
from typing import Any

from celery import Celery, signals

from bandpics import connections, stopping, watchdog
from bandpics.telemetry import tasks

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bandpics.settings")
# Celery would run Django's checks when a worker starts, and look at none of their results: that
# imports all views, which no worker needs. `migrate` runs them.
os.environ.setdefault("CELERY_SKIP_CHECKS", "true")

app = Celery("bandpics")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
connections.keep(app)
watchdog.guard(app)
stopping.watch()
tasks.watch()


@signals.worker_before_create_process.connect(dispatch_uid="share-memory")
def _share_memory(**_: Any) -> None:
    """Exempts what the worker has imported from the garbage collector, before each fork: marking
    it would write to every page, and so copy it for each child."""
    gc.collect()
    gc.freeze()
