"""Makes the parts of a ZIP, from any part on, reading photos from the bucket ahead of time.

The place of each byte is known beforehand. So photos are read right into their places in the part
that will be sent, and nothing grows with the archive but a short record of each file.
"""

from __future__ import annotations

import hashlib
import zlib
from bisect import bisect_right
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING

from images.archives import zip_format
from images.archives.part_window import CHUNK_BYTES, PARTS_HELD, PartWindow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future
    from datetime import datetime

    from images.storage.objects import PhotoStorage

READ_AT_ONCE = 3
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
    def content(self) -> int:
        """The place of its first byte, behind its header."""
        return self.offset + self.header_length

    @property
    def stop(self) -> int:
        return self.content + self.byte_size

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
        self._end = zip_format.end(
            count=len(members) + 1, directory_offset=offset, directory_size=size
        )
        self.byte_size = offset + size + len(self._end)

    @contextmanager
    def parts(self, *, part_bytes: int, first: int = 0) -> Iterator[Iterator[memoryview]]:
        """Yields the parts from `first` on; 0 is the first of all. Its threads end with the block.

        A part may be sent until the next but one is asked for: then its memory is used again.
        Raises Unreadable, ObjectMissing, ObjectChanged, StorageUnavailable.
        """
        window = PartWindow(byte_size=self.byte_size, part_bytes=part_bytes, first=first)
        start = window.start_of(first)
        if any(member.crc32 is None for member in self._members if member.offset < start):
            raise Unreadable
        left = [member for member in self._members if member.stop > start]
        pool = ThreadPoolExecutor(READ_AT_ONCE, thread_name_prefix="archive-read")
        try:
            yield self._parts(pool, window, left)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _parts(
        self, pool: ThreadPoolExecutor, window: PartWindow, left: list[Member]
    ) -> Iterator[memoryview]:
        reads, ending = self._reads(window, left), self._ending()
        read, piece = next(reads, None), None
        started: list[tuple[int, Future[None]]] = []
        for number in range(window.first, window.count):
            while read is not None and read.last_part <= number + 1:
                started.append((read.due, pool.submit(read.run)))
                read = next(reads, None)
            for due, done in started:
                if due <= number:
                    done.result()
            started = [each for each in started if each[0] > number]
            _write_headers(window, number, left)
            if window.start_of(number + 1) > self._closing.offset:  # all photos have been read
                piece = piece or next(ending, None)
                while piece is not None and window.write(number, *piece):
                    piece = next(ending, None)
            yield window.part(number)

    def _ending(self) -> Iterator[tuple[int, bytes]]:
        """Yields the places and bytes of what follows the photos."""
        crc, place = 0, self._closing.offset
        for line in self._closing_lines():
            crc = zlib.crc32(line, crc)
        self._closing.crc32 = crc
        for piece in chain([self._closing.header()], self._closing_lines(), self._directory()):
            yield place, piece
            place += len(piece)

    def _directory(self) -> Iterator[bytes]:
        members = [*self._members, self._closing]
        for first in range(0, len(members), DIRECTORY_BATCH):
            batch = members[first : first + DIRECTORY_BATCH]
            yield b"".join(member.directory_entry() for member in batch)
        yield self._end

    def _reads(self, window: PartWindow, left: list[Member]) -> Iterator[_Read]:
        """Yields what is to be read. A photo that spans more than two parts is read twice, because
        its CRC stands before it: the first time together with the photo before it."""
        yield from self._reads_of_crc(window, left[:1])
        for index, member in enumerate(left, start=1):
            yield from self._reads_of_crc(window, left[index : index + 1])
            yield from self._reads_of_content(window, member)

    def _reads_of_crc(self, window: PartWindow, members: list[Member]) -> Iterator[_Read]:
        for member in members:
            if member.crc32 is None and not _is_read_whole(window, member):
                due = window.part_at(member.offset)
                yield _Read(partial(self._read_crc, member), last_part=0, due=due)

    def _reads_of_content(self, window: PartWindow, member: Member) -> Iterator[_Read]:
        if _is_read_whole(window, member):
            run = partial(self._read, member, window, member.content, member.stop)
            last, due = window.part_at(member.stop - 1), window.part_at(member.offset)
            yield _Read(run, last_part=last, due=due)
            return
        start = max(member.content, window.start_of(window.first))
        while start < member.stop:
            number = window.part_at(start)
            stop = min(member.stop, window.start_of(number + 1))
            run = partial(self._read, member, window, start, stop)
            yield _Read(run, last_part=number, due=number)
            start = stop

    def _read(self, member: Member, window: PartWindow, start: int, stop: int) -> None:
        """Reads what stands between two places; its hashes, too, if that is the whole photo."""
        hashes = _Hashes(member) if stop - start == member.byte_size else None
        begin, end = start - member.content, stop - member.content
        self._fill(member, begin, end, window.chunks(start, stop), hashes)

    def _read_crc(self, member: Member) -> None:
        scratch, size = memoryview(bytearray(CHUNK_BYTES)), member.byte_size
        chunks = (scratch[: size - start] for start in range(0, size, CHUNK_BYTES))
        self._fill(member, 0, size, chunks, _Hashes(member))

    def _fill(
        self,
        member: Member,
        start: int,
        stop: int,
        chunks: Iterable[memoryview],
        hashes: _Hashes | None,
    ) -> None:
        filled = self._storage.read_into(
            member.key, chunks, start=start, stop=stop, byte_size=member.byte_size
        )
        for chunk in filled:
            if hashes is not None:
                hashes.add(chunk)
        if hashes is not None:
            hashes.keep()


@dataclass(frozen=True, slots=True)
class _Read:
    run: Callable[[], None]
    last_part: int  # that it needs the memory of
    due: int  # the part that is not whole without it


class _Hashes:
    """The CRC and SHA-256 of a photo that is being read. Both let other threads run meanwhile."""

    def __init__(self, member: Member) -> None:
        self._member, self._crc = member, 0
        # One that is known already is that of the file that arrived.
        self._sha256 = None if member.sha256 else hashlib.sha256()

    def add(self, chunk: memoryview) -> None:
        self._crc = zlib.crc32(chunk, self._crc)
        if self._sha256 is not None:
            self._sha256.update(chunk)

    def keep(self) -> None:
        if self._sha256 is not None:
            self._member.sha256 = self._sha256.hexdigest()
        self._member.crc32 = self._crc  # last: it says that both are known


def _is_read_whole(window: PartWindow, member: Member) -> bool:
    """Whether all of a file has room in the memory at one time."""
    first, last = window.part_at(member.offset), window.part_at(member.stop - 1)
    return first >= window.first and last - first < PARTS_HELD - 1


def _write_headers(window: PartWindow, number: int, members: list[Member]) -> None:
    start, stop = window.start_of(number), window.start_of(number + 1)
    first = bisect_right(members, start, key=attrgetter("content"))
    for index in range(first, len(members)):
        if members[index].offset >= stop:
            return
        window.write(number, members[index].offset, members[index].header())
