"""Checks that a rendered JPEG holds nothing but pixels, before anybody sees it."""

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
    found = list(jpeg.segments(data))
    markers = [segment.marker for segment in found]
    if data[:2] != b"\xff\xd8" or jpeg.SOS not in markers:
        raise MetadataFound("no JPEG")
    for segment in found:
        is_repeated = markers.count(segment.marker) > 1
        if (
            segment.junk_at != segment.at
            or not _is_needed(segment)
            or (is_repeated and segment.marker not in {jpeg.DQT, jpeg.DHT})
        ):
            raise MetadataFound(f"segment FF{segment.marker:02X} at byte {segment.at}")
    end = _AFTER_CODED_DATA.search(data, found[-1].end)
    if end is None or end[0] != bytes((0xFF, jpeg.EOI)) or end.end() != len(data):
        raise MetadataFound("something behind the pixels")


def _is_needed(segment: jpeg.Segment) -> bool:
    """True if a segment is needed to draw the pixels, and holds nothing else."""
    marker, payload = segment.marker, segment.payload
    length = len(payload) + 2
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
