"""The segments of a JPEG, and where its pixels end.

Raises CannotRemoveLocation where others would guess.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from images.photofile.containers import jpeg, pieces
from images.photofile.containers.location_patterns import CannotRemoveLocation

if TYPE_CHECKING:
    import mmap
    from collections.abc import Iterator


@dataclass(frozen=True)
class Segment:
    """`at` is where its marker stands, `payload_at` what follows its length. Its payload is read
    where it is asked for: all of them may be the better part of a file of 250 MB."""

    data: mmap.mmap | bytes
    marker: int
    at: int
    payload_at: int
    end: int

    @property
    def payload(self) -> bytes:
        return self.data[self.payload_at : self.end]

    @property
    def is_application(self) -> bool:
        return self.marker == jpeg.COM or jpeg.APP0 <= self.marker <= 0xEF


_AFTER_PIXELS: Final = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_FILL_BYTES: Final = re.compile(rb"\xff{1,%d}" % jpeg.MAX_JUNK_BYTES)


def before_pixels(data: mmap.mmap | bytes, start: int, limit: int) -> Iterator[Segment]:
    """The segments of one picture up to its first scan, which comes last.

    Raises CannotRemoveLocation.
    """
    at = start + 2
    for _ in range(jpeg.MAX_SEGMENTS):
        filled = _FILL_BYTES.match(data, at)
        if filled is None:
            raise CannotRemoveLocation("There is junk between its segments.")
        at = filled.end() - 1
        head = data[at + 1 : at + 4]
        if len(head) < 3 or head[0] in jpeg.WITHOUT_LENGTH:
            raise CannotRemoveLocation("It ends before its pixels.")
        if head[0] == 0xFF:
            raise CannotRemoveLocation("There are too many fill bytes between its segments.")
        length = int.from_bytes(head[1:])
        end = at + 2 + length
        if length < 2 or end > min(limit, len(data)):
            raise CannotRemoveLocation("A segment goes on behind the end.")
        yield Segment(data, head[0], at, at + 4, end)
        if head[0] == jpeg.SOS:
            return
        at = end
    raise CannotRemoveLocation("It has too many segments.")


def end_of_picture(data: mmap.mmap, at: int) -> int:
    """Behind the end marker: over every scan, and the tables between scans."""
    for _ in range(jpeg.MAX_SEGMENTS):
        marker = data[at + 1]
        if marker == jpeg.EOI:
            return at + 2
        if jpeg.APP0 <= marker <= 0xEF or marker == jpeg.COM:
            raise CannotRemoveLocation("There is metadata between its scans.")
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
        if marker == jpeg.SOS:
            found = pieces.search(_AFTER_PIXELS, data, at, len(data), byte_size=2)
            if found is None:
                raise CannotRemoveLocation("Its pixels do not end.")
            at = found.start()
        elif at + 4 > len(data) or data[at] != 0xFF:
            raise CannotRemoveLocation("Its pixels do not end.")
    raise CannotRemoveLocation("It has too many segments.")
