"""A worker's connection to Postgres: kept from one task to the next, and never waiting long.

Celery closes it around every task (celery/celery#9824): a time limit may strike in the middle of
a query, and leave a connection that Django takes for a good one. But a connection costs 10 ms of
a core on either side, a fifth of what a photo does. So only tasks that are built on KeepsConnection
keep it, after they have ended as they should, and under Django's own rules for requests
(CONN_MAX_AGE, CONN_HEALTH_CHECKS). They close it themselves where they outlive an error.

Who waits for a lock, behind a migration for one, is told so by Postgres after a while, long
before a time limit strikes: then the task ends as it does whenever the database is away.
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

# Postgres' lock_timeout. Nothing of ours holds a lock for longer than a few statements.
LOCK_SECONDS = 10.0


class KeepsConnection(Task):  # type: ignore[type-arg] # at run time it takes no parameters
    """Base of a task that closes the connection itself where it goes on after an error."""

    abstract = True


def keep(app: Celery) -> None:
    """Decide here, instead of Celery, when a worker's connections close."""
    # Celery's own word for "after so many tasks"; it has no setting for never.
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
    # A task that is called, as tests and commands do, shares its connection with others.
    if task.request.is_eager:
        return
    if state == states.SUCCESS and isinstance(task, KeepsConnection):
        close_old_connections()
    else:
        connections.close_all()
