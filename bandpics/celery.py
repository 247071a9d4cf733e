"""The Celery application. Every task may be lost: the sweeper queues it again."""

from __future__ import annotations

import os

from celery import Celery

from bandpics import connections, watchdog
from bandpics.telemetry import tasks

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bandpics.settings")

app = Celery("bandpics")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
connections.keep(app)
watchdog.guard(app)
tasks.watch()
