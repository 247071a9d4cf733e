"""Nothing but pixels: a rendered JPEG is read again before anybody sees it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from images.photofile.containers import jpeg

if TYPE_CHECKING:
    from pathlib import Path


class MetadataFound(Exception):
    """A rendered file carries something other than pixels."""


_LENGTHS_ALLOWED: Final = {
    jpeg.DRI: {4},
    jpeg.SOF0: {11, 17},  # one component or three
    jpeg.SOS: {8, 12},
}
_AFTER_CODED_DATA: Final = re.compile(rb"\xff[^\x00\xd0-\xd7]")


def assert_metadata_free(path: Path) -> None:
    """Read a rendered JPEG again: a plain JFIF head, tables, one frame, one scan, and the end."""
    data = path.read_bytes()
    if data[:2] != b"\xff\xd8":
        raise MetadataFound("does not start like a JPEG")
    at = 2
    once: set[int] = set()
    while True:
        if data[at : at + 1] != b"\xff" or len(data) < at + 4:
            raise MetadataFound(f"no marker at byte {at}")
        marker = data[at + 1]
        length = int.from_bytes(data[at + 2 : at + 4])
        payload = data[at + 4 : at + 2 + length]
        if len(payload) != length - 2 or not _is_bare(marker, length, payload):
            raise MetadataFound(f"segment FF{marker:02X} at byte {at}")
        if marker in once:
            raise MetadataFound(f"a second FF{marker:02X} at byte {at}")
        if marker not in {jpeg.DQT, jpeg.DHT}:
            once.add(marker)
        at += 2 + length
        if marker == jpeg.SOS:
            break
    end = _AFTER_CODED_DATA.search(data, at)
    if end is None or end[0] != bytes((0xFF, jpeg.EOI)) or end.end() != len(data):
        raise MetadataFound("something behind the pixels")


def _is_bare(marker: int, length: int, payload: bytes) -> bool:
    """True if a segment belongs to the pixels and is filled by what it must hold."""
    if marker == jpeg.APP0:
        # JFIF 1.02: version, density, and a thumbnail of 0 by 0.
        return payload[:5] == b"JFIF\0" and length == 16 and payload[12:] == b"\0\0"
    if marker == jpeg.DQT:
        return length <= 2 + 4 * 65 and (length - 2) % 65 == 0
    if marker == jpeg.DHT:
        return _is_filled_by_tables(payload)
    return length in _LENGTHS_ALLOWED.get(marker, set())


def _is_filled_by_tables(payload: bytes) -> bool:
    """True if Huffman tables fill a DHT segment to its last byte."""
    at = 0
    while at + 17 <= len(payload):
        at += 17 + sum(payload[at + 1 : at + 17])
    return at == len(payload) > 0
