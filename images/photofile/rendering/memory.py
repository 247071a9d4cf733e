"""Bounds the memory that one picture may take, so that no file can crash the worker."""

from __future__ import annotations

import ctypes
import functools
import resource
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


# From glibc's malloc.h: M_ARENA_MAX of mallopt(3).
M_ARENA_MAX = -8


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
    _share_arenas()
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


@functools.cache
def _share_arenas() -> None:
    """Have all threads allocate from two arenas, as MALLOC_ARENA_MAX=2 does for a whole program.

    glibc reserves 64 MiB of address space for each arena, and one for nearly every thread of a
    decoder: those of a legal HEIC of 200 megapixels alone would go beyond the bound.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # musl has neither arenas nor this
        mallopt(M_ARENA_MAX, 2)


def _size_of_process() -> int:
    """Bytes of address space, which is what the limit counts."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()
