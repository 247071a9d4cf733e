"""Kills this process if it is frozen while it holds locks (self-fencing).

A process can stop at any statement: SIGSTOP, a paused container, a sleeping machine. It keeps its
locks, and when it wakes up it goes on and may overwrite what another process has written since. So
code that holds a lock while it uses the bucket sets a kernel timer, which a thread resets every few
seconds. If the thread does not run for too long, the timer sends SIGKILL, which ends a frozen
process, too: Postgres releases its locks, and none of its requests goes on.

Linux only; elsewhere nothing is killed. A virtual machine whose clock stood still goes unnoticed.
"""

from __future__ import annotations

import ctypes
import functools
import logging
import os
import signal
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)

# As long as a worker's lease: no running process is this late, however busy the machine.
FROZEN_SECONDS = 15.0
BEAT_SECONDS = 3.0

SIGEV_SIGNAL = 0


class _SignalEvent(ctypes.Structure):
    """struct sigevent, 64 bytes."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signal_number", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("rest", ctypes.c_byte * 48),
    )


class _TimerSpec(ctypes.Structure):
    """struct itimerspec: interval and expiry, each in seconds and nanoseconds."""

    _fields_ = (
        ("interval_seconds", ctypes.c_long),
        ("interval_nanoseconds", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("nanoseconds", ctypes.c_long),
    )


@contextmanager
def killed_if_frozen() -> Iterator[None]:
    """Kills this process if it does not run for FROZEN_SECONDS within the block."""
    if sys.platform != "linux":
        yield
        return
    armed, done = threading.Event(), threading.Event()
    thread = threading.Thread(target=_beat, args=[armed, done], name="fencing", daemon=True)
    thread.start()
    try:
        armed.wait()
        yield
    finally:
        done.set()
        thread.join()  # otherwise an ending program might leave the timer set


def _beat(armed: threading.Event, done: threading.Event) -> None:
    # The thread sets and deletes the timer: the exception of a time limit cannot come between, and
    # no timer remains if the thread cannot be started.
    try:
        timer = _set_timer()
    finally:
        armed.set()
    if timer is None:
        return
    while not done.wait(BEAT_SECONDS):
        _reset(timer)
    _libc().timer_delete(timer)


def _set_timer() -> ctypes.c_void_p | None:
    """Returns None if a sandbox allows no timers, or the C library has none (glibc before 2.34)."""
    if not hasattr(_libc(), "timer_create"):
        logger.warning("fencing: no timer: this C library has none")
        return None
    event = _SignalEvent(signal_number=signal.SIGKILL, notify=SIGEV_SIGNAL)
    timer = ctypes.c_void_p()
    # CLOCK_BOOTTIME counts while the machine sleeps.
    clock = time.CLOCK_BOOTTIME  # type: ignore[attr-defined,unused-ignore] # Linux only
    if _libc().timer_create(clock, ctypes.byref(event), ctypes.byref(timer)):
        logger.warning("fencing: no timer: %s", os.strerror(ctypes.get_errno()))
        return None
    _reset(timer)
    return timer


def _reset(timer: ctypes.c_void_p) -> None:
    seconds, rest = divmod(FROZEN_SECONDS, 1)
    spec = _TimerSpec(seconds=int(seconds), nanoseconds=int(rest * 1e9))
    _libc().timer_settime(timer, 0, ctypes.byref(spec), None)


@functools.cache
def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)
