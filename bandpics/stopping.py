"""Tells the tasks of a worker that it was asked to stop, so that long ones end early.

After SIGTERM Celery waits for running tasks, which may take minutes, and tells them nothing: Docker
would kill them with their worker. What they have not done is left to the next worker.
"""

from __future__ import annotations

import mmap
from typing import Any

from celery import signals

# One byte in memory that a worker shares with the child processes it forks.
_asked = mmap.mmap(-1, 1)


def watch() -> None:
    """Notices when the worker of this process is asked to stop."""
    signals.worker_init.connect(_begin, dispatch_uid="stopping-begin")
    signals.worker_shutting_down.connect(_ask, dispatch_uid="stopping")


def is_asked() -> bool:
    return _asked[0] != 0


def _begin(**_: Any) -> None:
    """Takes a byte of its own. Workers that are forks of one process have inherited one and the
    same: the end of one would stop the work of all, and of those that start later."""
    global _asked
    _asked = mmap.mmap(-1, 1)


def _ask(**_: Any) -> None:
    _asked[0] = 1
