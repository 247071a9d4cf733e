"""The memory in which the parts of a ZIP are put together: a few, used again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# One that is being sent, and two that are being filled.
PARTS_HELD = 3
# What is read at a time, so that its CRC is made while the caches of the processor have it.
CHUNK_BYTES = 256 * 1024


class PartWindow:
    """Parts of one object, numbered from 0, from `first` on. Places are counted from the start of
    the object; what stands before the first part is not kept."""

    def __init__(self, *, byte_size: int, part_bytes: int, first: int) -> None:
        self.first, self.count = first, -(-byte_size // part_bytes)
        self._byte_size, self._part_bytes = byte_size, part_bytes
        size, held = min(part_bytes, byte_size), min(PARTS_HELD, self.count - first)
        self._buffers = [memoryview(bytearray(size)) for _ in range(held)]

    def part(self, number: int) -> memoryview:
        """Returns the memory of a part: the same as that of three parts before."""
        start = number * self._part_bytes
        return self._buffers[number % len(self._buffers)][: self._byte_size - start]

    def part_at(self, place: int) -> int:
        return place // self._part_bytes

    def start_of(self, number: int) -> int:
        return number * self._part_bytes

    def chunks(self, start: int, stop: int) -> Iterator[memoryview]:
        """Yields the memory from one place up to another, piece by piece."""
        while start < stop:
            number = self.part_at(start)
            within = start - self.start_of(number)
            size = min(CHUNK_BYTES, stop - start, self._part_bytes - within)
            yield self.part(number)[within : within + size]
            start += size

    def write(self, number: int, place: int, content: bytes) -> bool:
        """Writes into one part what it has of this content. True if that ends in this part."""
        start = self.start_of(number)
        part = self.part(number)
        begin, end = max(place, start), min(place + len(content), start + len(part))
        if begin < end:
            part[begin - start : end - start] = content[begin - place : end - place]
        return place + len(content) <= start + len(part)
