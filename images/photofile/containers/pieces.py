"""Searches large files a piece at a time: between two pieces the other threads of the process run,
among them the one that tells the kernel that it is not frozen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import mmap
    import re

PIECE_BYTES: Final = 16 * 1024 * 1024


def search(
    pattern: re.Pattern[bytes], data: bytearray | mmap.mmap, at: int, end: int, *, byte_size: int
) -> re.Match[bytes] | None:
    """As pattern.search(), of a pattern whose every match has this many bytes."""
    while at < end:
        if found := pattern.search(data, at, min(at + PIECE_BYTES + byte_size - 1, end)):
            return found
        at += PIECE_BYTES
    return None
