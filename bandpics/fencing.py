"""Kills this process if it is frozen while it holds what others wait for (self-fencing).

A process can stop at any statement: SIGSTOP, a paused container, a machine put to sleep. It keeps
its locks then, and on waking it goes on where it was and overwrites what another process has made
since. So whoever holds a lock while talking to the bucket arms a timer of the kernel, and a thread
puts it off every few seconds. Where the thread does not come to run for too long, SIGKILL strikes,
which a frozen process obeys, too: Postgres lets go of its locks, and no request of it goes on.

Linux only; elsewhere nothing is killed. Nothing here notices a virtual machine whose own clock
stood still.
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

# As long as a worker's lease: nobody who runs, on however busy a machine, is this late.
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


class _Moments(ctypes.Structure):
    """struct itimerspec: an interval, then when; each in seconds and nanoseconds."""

    _fields_ = (
        ("every_seconds", ctypes.c_long),
        ("every_nanoseconds", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("nanoseconds", ctypes.c_long),
    )


@contextmanager
def killed_if_frozen() -> Iterator[None]:
    """While the block runs, SIGKILL ends this process once it has not run for FROZEN_SECONDS."""
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
        thread.join()  # else the timer might be left armed by a program at its end


def _beat(armed: threading.Event, done: threading.Event) -> None:
    # The thread arms and disarms it: no exception of a time limit strikes here, between two
    # statements, and where a process may have no more threads no timer is left behind.
    try:
        timer = _armed_timer()
    finally:
        armed.set()
    if timer is None:
        return
    while not done.wait(BEAT_SECONDS):
        _put_off(timer)
    _libc().timer_delete(timer)


def _armed_timer() -> ctypes.c_void_p | None:
    """None where a sandbox allows no timers, or the C library keeps them elsewhere (glibc before
    2.34)."""
    if not hasattr(_libc(), "timer_create"):
        logger.warning("fencing: no timer: this C library has none")
        return None
    event = _SignalEvent(signal_number=signal.SIGKILL, notify=SIGEV_SIGNAL)
    timer = ctypes.c_void_p()
    # BOOTTIME goes on while the machine sleeps.
    clock = time.CLOCK_BOOTTIME  # type: ignore[attr-defined,unused-ignore] # Linux only
    if _libc().timer_create(clock, ctypes.byref(event), ctypes.byref(timer)):
        logger.warning("fencing: no timer: %s", os.strerror(ctypes.get_errno()))
        return None
    _put_off(timer)
    return timer


def _put_off(timer: ctypes.c_void_p) -> None:
    seconds, rest = divmod(FROZEN_SECONDS, 1)
    moments = _Moments(seconds=int(seconds), nanoseconds=int(rest * 1e9))
    _libc().timer_settime(timer, 0, ctypes.byref(moments), None)


@functools.cache
def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)
