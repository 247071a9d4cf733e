"""Pieces of large files: read, copied, compared, searched and blanked without holding the whole.

A search goes a piece at a time: between two pieces the other threads of the process run, among
them the one that tells the kernel that it is not frozen.
"""

from __future__ import annotations

import io
import mmap
import os
import re
import shutil
import zlib
from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

# Bytes of our own, or the offset and length of bytes of the file.
Piece = bytes | tuple[int, int]

PIECE_BYTES: Final = 16 * 1024 * 1024
_BLANKED_BYTES: Final = 1024 * 1024
_READ_BYTES: Final = 64 * 1024
_NOT_ZERO: Final = re.compile(rb"[^\0]")


def mapped(file: BinaryIO) -> mmap.mmap:
    """Map a file for reading. Raises ValueError for an empty one."""
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def edit_copy(source: Path, into: Path, edit: Callable[[mmap.mmap], int]) -> None:
    """Copy a file, let `edit` change the copy in place, and truncate it to what `edit` returns."""
    shutil.copyfile(source, into)
    with into.open("r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        end = edit(data)
        data.flush()
    os.truncate(into, end)


def copy(source: Path, into: Path, kept: Callable[[mmap.mmap], Iterable[Piece]]) -> None:
    """Write the pieces of a file that are kept to another."""
    with source.open("rb") as file, mapped(file) as data, into.open("wb") as out:
        for view in _views(data, kept(data)):
            out.write(view)


def checksum(path: Path, chosen: Callable[[mmap.mmap], Iterable[Piece]]) -> int:
    """Compute a checksum over some pieces of a file."""
    result = 0
    with path.open("rb") as file, mapped(file) as data:
        for view in _views(data, chosen(data)):
            result = zlib.crc32(view, result)
    return result


def _views(data: mmap.mmap, pieces: Iterable[Piece]) -> Iterable[bytes | memoryview]:
    with memoryview(data) as whole:
        for piece in pieces:
            if isinstance(piece, bytes):
                yield piece
                continue
            at, byte_size = piece
            for start in range(at, at + byte_size, PIECE_BYTES):
                with whole[start : min(start + PIECE_BYTES, at + byte_size)] as view:
                    yield view


def search(
    pattern: re.Pattern[bytes],
    data: bytes | bytearray | mmap.mmap,
    at: int,
    end: int,
    *,
    byte_size: int,
) -> re.Match[bytes] | None:
    """Search as pattern.search() does, for a pattern whose every match has this many bytes."""
    while at < end:
        if found := pattern.search(data, at, min(at + PIECE_BYTES + byte_size - 1, end)):
            return found
        at += PIECE_BYTES
    return None


def skip_zeros(data: bytes | bytearray | mmap.mmap, at: int, end: int) -> int:
    """Return the offset of the first byte that is not zero, or the end."""
    found = search(_NOT_ZERO, data, at, end, byte_size=1)
    return found.start() if found else end


def blank_gaps(
    data: bytearray | mmap.mmap, kept: Iterable[tuple[int, int]], *, start: int, end: int
) -> bool:
    """Write zeros from `start` to `end` except over the kept ranges, each from and to. True if
    there was anything else than zeros."""
    was_filled = False
    at = start
    for kept_at, kept_end in sorted([*kept, (end, end)]):
        gap_end = min(kept_at, end)
        while (filled_at := skip_zeros(data, at, gap_end)) < gap_end:
            was_filled = True
            at = min(filled_at + _BLANKED_BYTES, gap_end)
            data[filled_at:at] = bytes(at - filled_at)
        at = max(at, kept_end)
    return was_filled


def splice(file: BinaryIO, pieces: list[Piece]) -> io.BufferedReader:
    """Join pieces to a file, so that a decoder sees what draws and not a word besides. Nothing is
    copied before it is read."""
    return io.BufferedReader(_Spliced(file, pieces), _READ_BYTES)


class _Spliced(io.RawIOBase):
    def __init__(self, file: BinaryIO, pieces: list[Piece]) -> None:
        super().__init__()
        self._file = file
        self._pieces = pieces
        lengths = [len(piece) if isinstance(piece, bytes) else piece[1] for piece in pieces]
        self._starts = list(accumulate(lengths, initial=0))
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._starts[-1]}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self._at >= self._starts[-1]:
            return 0
        index = bisect_right(self._starts, self._at) - 1
        piece, skipped = self._pieces[index], self._at - self._starts[index]
        if isinstance(piece, bytes):
            data = piece[skipped : skipped + len(buffer)]
        else:
            offset, length = piece
            self._file.seek(offset + skipped)
            data = self._file.read(min(len(buffer), length - skipped))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
