"""Blanks what nothing that stays refers to, a piece at a time."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from images.photofile.containers import pieces

if TYPE_CHECKING:
    import mmap
    from collections.abc import Iterable

_NOT_ZERO: Final = re.compile(rb"[^\0]")
_PIECE_BYTES: Final = 1024 * 1024


def blank_gaps(
    data: bytearray | mmap.mmap, kept: Iterable[tuple[int, int]], *, start: int, end: int
) -> bool:
    """Write zeros from `start` to `end` but for the parts that are kept, each from and to. True if
    there was anything else than zeros."""
    was_filled = False
    at = start
    for part_at, part_end in sorted([*kept, (end, end)]):
        gap_end = min(part_at, end)
        while found := pieces.search(_NOT_ZERO, data, at, gap_end, byte_size=1):
            was_filled = True
            at = min(found.start() + _PIECE_BYTES, gap_end)
            data[found.start() : at] = bytes(at - found.start())
        at = max(at, part_end)
    return was_filled
