"""Yields the bytes of a ZIP from any place on, reading photos from the bucket ahead of time.

Memory holds the photos that are being read and what the caller has not sent yet, and nothing that
grows with the archive but a short record of each file.
"""

from __future__ import annotations

import hashlib
import zlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from images.archives import zip_format

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from images.storage.objects import PhotoStorage

MIB = 1024 * 1024
# A larger photo is read twice, because its CRC stands before it, and in pieces: what waits to be
# sent keeps whole pieces in memory.
WHOLE_BYTES, PIECE_BYTES = 6 * MIB, 2 * MIB
READ_AT_ONCE = 3
READ_AHEAD_BYTES = 12 * MIB
DIRECTORY_BATCH = 1000


@dataclass(slots=True)
class Member:
    """One file of the ZIP. Its CRC and SHA-256 are known once it was read."""

    name: str
    key: str
    byte_size: int
    modified: datetime
    crc32: int | None = None
    sha256: str = ""
    offset: int = 0

    @property
    def header_length(self) -> int:
        return zip_format.local_header_length(self.name, byte_size=self.byte_size)

    @property
    def stop(self) -> int:
        return self.offset + self.header_length + self.byte_size

    def header(self) -> bytes:
        assert self.crc32 is not None  # noqa: S101 - for the type checker
        return zip_format.local_header(
            self.name, byte_size=self.byte_size, crc32=self.crc32, modified=self.modified
        )

    def directory_entry(self) -> bytes:
        assert self.crc32 is not None  # noqa: S101 - for the type checker
        return zip_format.central_header(
            self.name,
            byte_size=self.byte_size,
            crc32=self.crc32,
            modified=self.modified,
            offset=self.offset,
        )


class Unreadable(Exception):
    """A CRC is lacking of a file that was written before: the ZIP must begin anew."""


class ZipStream:
    """A ZIP of photos and, at its end, one file of our own, whose `closing_lines` are asked for
    twice, when all photos before it were read."""

    def __init__(
        self,
        storage: PhotoStorage,
        members: Sequence[Member],
        closing: Member,
        closing_lines: Callable[[], Iterable[bytes]],
    ) -> None:
        self._storage = storage
        self._members = members
        self._closing = closing
        self._closing_lines = closing_lines
        offset = size = 0
        for member in [*members, closing]:
            member.offset = offset
            offset = member.stop
            size += zip_format.central_header_length(
                member.name, byte_size=member.byte_size, offset=member.offset
            )
        self._directory_offset, self._directory_size = offset, size
        self._end = zip_format.end(
            count=len(members) + 1, directory_offset=offset, directory_size=size
        )
        self.byte_size = offset + size + len(self._end)

    @contextmanager
    def pieces(self, start: int = 0) -> Iterator[Iterator[bytes | bytearray | memoryview]]:
        """Yields all bytes from `start` on. Its threads end with the block."""
        pool = ThreadPoolExecutor(READ_AT_ONCE, thread_name_prefix="archive-read")
        try:
            yield self._pieces(pool, start)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _pieces(
        self, pool: ThreadPoolExecutor, start: int
    ) -> Iterator[bytes | bytearray | memoryview]:
        written = [member for member in self._members if member.stop <= start]
        if any(member.crc32 is None for member in written):
            raise Unreadable
        left = list(self._members[len(written) :])
        first = left[0].offset if left else self._closing.offset
        skip = start - first
        for piece in self._all_pieces(pool, left):
            if skip >= len(piece):
                skip -= len(piece)
            elif skip:
                yield memoryview(piece)[skip:]
                skip = 0
            else:
                yield piece

    def _all_pieces(
        self, pool: ThreadPoolExecutor, left: list[Member]
    ) -> Iterator[bytes | bytearray]:
        reads = _ahead(pool, self._reads(left), self._read)
        for member in left:
            if member.byte_size <= WHOLE_BYTES:
                content = next(reads)
                member.crc32 = zlib.crc32(content)
                # What is known already is that of the file that arrived.
                member.sha256 = member.sha256 or hashlib.sha256(content).hexdigest()
                yield member.header()
                yield content
                continue
            crc, hashed = 0, hashlib.sha256()
            for _ in _segments(member):
                content = next(reads)
                crc = zlib.crc32(content, crc)
                hashed.update(content)
            member.crc32, member.sha256 = crc, member.sha256 or hashed.hexdigest()
            yield member.header()
            for _ in _segments(member):
                yield next(reads)
        yield from self._ending()

    def _ending(self) -> Iterator[bytes]:
        crc = 0
        for line in self._closing_lines():
            crc = zlib.crc32(line, crc)
        self._closing.crc32 = crc
        yield self._closing.header()
        yield from self._closing_lines()
        members = [*self._members, self._closing]
        for first in range(0, len(members), DIRECTORY_BATCH):
            batch = members[first : first + DIRECTORY_BATCH]
            yield b"".join(member.directory_entry() for member in batch)
        yield self._end

    def _reads(self, members: list[Member]) -> Iterator[_Read]:
        for member in members:
            yield from _segments(member)
            if member.byte_size > WHOLE_BYTES:
                yield from _segments(member)

    def _read(self, read: _Read) -> bytearray:
        return self._storage.read(
            read.member.key, start=read.start, stop=read.stop, byte_size=read.member.byte_size
        )


@dataclass(frozen=True, slots=True)
class _Read:
    member: Member
    start: int
    stop: int


def _segments(member: Member) -> Iterator[_Read]:
    step = WHOLE_BYTES if member.byte_size <= WHOLE_BYTES else PIECE_BYTES
    for start in range(0, member.byte_size, step):
        yield _Read(member, start, min(start + step, member.byte_size))


def _ahead(
    pool: ThreadPoolExecutor, reads: Iterator[_Read], read: Callable[[_Read], bytearray]
) -> Iterator[bytearray]:
    """Yields the results in order, while others are read, as far as memory allows."""
    waiting: deque[tuple[int, Future[bytearray]]] = deque()
    held = 0
    for each in reads:
        size = each.stop - each.start
        # More than are being read would only wait.
        while waiting and (held + size > READ_AHEAD_BYTES or len(waiting) > READ_AT_ONCE):
            done_size, done = waiting.popleft()
            held -= done_size
            yield done.result()
        waiting.append((size, pool.submit(read, each)))
        held += size
    while waiting:
        yield waiting.popleft()[1].result()
