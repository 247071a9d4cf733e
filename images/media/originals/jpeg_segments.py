"""The segments of a JPEG, and where its pixels end; raises Unproven where others would guess."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from images.media import jpeg
from images.media.originals.telling import Unproven

if TYPE_CHECKING:
    import io
    import mmap
    from collections.abc import Iterator


@dataclass(frozen=True)
class Segment:
    """`at` is where its marker stands, `payload_at` what follows its length."""

    marker: int
    at: int
    payload_at: int
    end: int
    payload: bytes

    @property
    def is_application(self) -> bool:
        return self.marker == jpeg.COM or jpeg.APP0 <= self.marker <= 0xEF


_AFTER_PIXELS: Final = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


def before_pixels(data: mmap.mmap | io.BytesIO, start: int, limit: int) -> Iterator[Segment]:
    """The segments of one picture up to its first scan, which comes last. Raises Unproven."""
    at = start + 2
    for _ in range(jpeg.MAX_SEGMENTS):
        data.seek(at)
        if data.read(1) != b"\xff":
            raise Unproven("There is junk between its segments.")
        filled = data.read(1)
        while filled == b"\xff":  # fill bytes
            at += 1
            filled = data.read(1)
        marker = filled[0] if filled else jpeg.EOI
        if marker in jpeg.WITHOUT_LENGTH:
            raise Unproven("It ends before its pixels.")
        length = int.from_bytes(data.read(2))
        payload = data.read(length - 2) if length >= 2 else b""
        end = at + 2 + length
        if length < 2 or len(payload) != length - 2 or end > limit:
            raise Unproven("A segment goes on behind the end.")
        yield Segment(marker, at, at + 4, end, payload)
        if marker == jpeg.SOS:
            return
        at = end
    raise Unproven("It has too many segments.")


def end_of_picture(data: mmap.mmap, at: int) -> int:
    """Behind the end marker: over every scan, and the tables between scans."""
    while True:
        marker = data[at + 1]
        if marker == jpeg.EOI:
            return at + 2
        if jpeg.APP0 <= marker <= 0xEF or marker == jpeg.COM:
            raise Unproven("There is metadata between its scans.")
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
        if marker == jpeg.SOS:
            found = _AFTER_PIXELS.search(data, at)
            if found is None:
                raise Unproven("Its pixels do not end.")
            at = found.start()
        elif at + 4 > len(data) or data[at] != 0xFF:
            raise Unproven("Its pixels do not end.")
