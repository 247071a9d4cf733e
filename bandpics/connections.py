"""Keeps a worker's connection to Postgres from one task to the next, and limits its waits.

Celery closes the connection around every task (celery/celery#9824), because a time limit may
interrupt a query and leave a broken connection that Django takes for a good one. But connecting
costs 10 ms of cpu time on either side, a fifth of what a photo does. So tasks based on
KeepsConnection keep it if they succeed, under Django's rules for requests (CONN_MAX_AGE,
CONN_HEALTH_CHECKS), and close it themselves where they go on after an error.

A lock_timeout ends long waits, such as behind a migration, before a time limit does: then the task
ends as it does whenever the database is away.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from celery import Task, signals, states
from django.db import close_old_connections, connections
from django.db.backends.signals import connection_created

if TYPE_CHECKING:
    from celery import Celery
    from django.db.backends.base.base import BaseDatabaseWrapper

# Postgres' lock_timeout. No code holds a lock for longer than a few statements.
LOCK_SECONDS = 10.0


class KeepsConnection(Task):  # type: ignore[type-arg]  # it takes no parameters at run time
    """Base class of a task that closes its connection where it goes on after an error."""

    abstract = True


def keep(app: Celery) -> None:
    """Takes over from Celery when a worker's connections are closed."""
    # Celery closes connections after so many tasks; "never" cannot be set.
    app.conf.update(CELERY_DB_REUSE_MAX=sys.maxsize)
    signals.task_prerun.connect(_before, dispatch_uid="connections-before")
    signals.task_postrun.connect(_after, dispatch_uid="connections-after")
    signals.worker_process_init.connect(_in_child, dispatch_uid="connections-in-child")


def _in_child(**_: Any) -> None:
    connection_created.connect(_limit_waits, dispatch_uid="connections-limit-waits")


def _limit_waits(*, connection: BaseDatabaseWrapper, **_: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, false)", [f"{LOCK_SECONDS:.0f}s"])


def _before(*, task: Task[..., Any], **_: Any) -> None:
    if not task.request.is_eager:
        close_old_connections()


def _after(*, task: Task[..., Any], state: str, **_: Any) -> None:
    # An eager task shares its connection with its caller.
    if task.request.is_eager:
        return
    if state == states.SUCCESS and isinstance(task, KeepsConnection):
        close_old_connections()
    else:
        connections.close_all()
