"""A file made of pieces of another, so that a decoder sees what draws and not a word besides."""

from __future__ import annotations

import io
from bisect import bisect_right
from typing import BinaryIO, Final

# Bytes of our own, or the offset and length of bytes of the file.
Piece = bytes | tuple[int, int]

BLOCK_BYTES: Final = 64 * 1024


def splice(file: BinaryIO, pieces: list[Piece]) -> io.BufferedReader:
    """The pieces one behind the other, as a file to read. Nothing is copied before it is read."""
    return io.BufferedReader(_Spliced(file, pieces), BLOCK_BYTES)


class _Spliced(io.RawIOBase):
    def __init__(self, file: BinaryIO, pieces: list[Piece]) -> None:
        super().__init__()
        self._file = file
        self._pieces = pieces
        self._starts = [0]
        for piece in pieces:
            length = len(piece) if isinstance(piece, bytes) else piece[1]
            self._starts.append(self._starts[-1] + length)
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

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
