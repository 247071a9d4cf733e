"""Bounds the memory that one picture may take, so that no file can crash the worker; and keeps the
memory of pixels from one photo to the next, for as long as photos come."""

from __future__ import annotations

import ctypes
import functools
import resource
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


# From glibc's malloc.h, for mallopt(3).
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
# The pixels of 24 megapixels at half their size are 24 MB. glibc takes no larger threshold.
KEPT_BYTES = 32 * 1024 * 1024
# Longer than the pause between two photos of a queue.
IDLE_SECONDS = 2.0


class Exceeded(Exception):
    """The block wanted more memory than was granted."""


@contextmanager
def bounded(byte_count: int) -> Iterator[None]:
    """Let the process grow by so many bytes while the block runs. Raises Exceeded.

    Where the process is already bound more tightly, by its operator, a MemoryError passes: that
    is not the picture's fault. Linux only; elsewhere nothing is bounded.
    """
    if sys.platform != "linux":
        yield
        return
    _set_up_malloc()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    ours = _size_of_process() + byte_count
    if soft != resource.RLIM_INFINITY and soft <= ours:
        yield
        return
    resource.setrlimit(resource.RLIMIT_AS, (ours, hard))
    try:
        yield
    except MemoryError as error:
        raise Exceeded from error
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        _idle.wait_anew()


@functools.cache
def _set_up_malloc() -> None:
    """Have all threads allocate from two arenas, as MALLOC_ARENA_MAX=2 does for a whole program,
    and keep what pixels leave free.

    glibc reserves 64 MiB of address space for each arena, and one for nearly every thread of a
    decoder: those of a legal HEIC of 200 megapixels alone would go beyond the bound. Memory that
    goes back to the system with each block comes again page by page: 5,300 page faults for a JPEG
    of 12 megapixels, a tenth of what a worker spends on it.
    """
    if (mallopt := _function("mallopt")) is not None:
        mallopt(M_ARENA_MAX, 2)
        mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)


class _Idle:
    """Gives memory that is free back to the system once no picture was opened for a while: 20 to
    40 MB of each process that has seen a photo."""

    def __init__(self) -> None:
        self._was_opened = threading.Event()
        self._thread: threading.Thread | None = None  # of this process: a fork has none

    def wait_anew(self) -> None:
        self._was_opened.set()
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._watch, name="idle memory", daemon=True)
            with suppress(RuntimeError):  # no room for a thread: the next picture tries again
                self._thread.start()

    def _watch(self) -> None:
        malloc_trim = _function("malloc_trim")
        while self._was_opened.wait():
            self._was_opened.clear()
            time.sleep(IDLE_SECONDS)
            # A picture that takes longer than that loses nothing: what it uses is not free.
            if malloc_trim is not None and not self._was_opened.is_set():
                malloc_trim(0)


_idle = _Idle()


def _function(name: str) -> Any:
    """Returns a function of glibc; None of musl, which has neither arenas nor these."""
    return getattr(ctypes.CDLL(None), name, None)


def _size_of_process() -> int:
    """Bytes of address space, which is what the limit counts."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()
