"""Checks that a rendered file holds nothing but pixels, before anybody sees it.

Only what our encoders write is allowed, so that whatever a newer one adds is found.
"""

from __future__ import annotations

import re
import struct
import zlib
from typing import TYPE_CHECKING, Final

from images.photofile.containers import iso_media, jpeg, png, webp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from images.photofile.containers.iso_media import Box


class MetadataFound(Exception):
    """A rendered file carries something other than pixels."""


def assert_metadata_free(path: Path) -> None:
    """Read a rendered JPEG, PNG, WebP or AVIF again. Raises MetadataFound."""
    data = path.read_bytes()
    if data.startswith(png.SIGNATURE):
        _check_png(data)
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        _check_webp(data)
    elif data[4:12] == b"ftypavif":
        _check_avif(data)
    else:
        _check_jpeg(data)


# --- JPEG: a plain JFIF head, tables, one frame, one scan, and the end ------------------------

_LENGTHS_ALLOWED: Final = {
    jpeg.DRI: {4},
    jpeg.SOF0: {11, 17},  # one component or three
    jpeg.SOS: {8, 12},
}
_AFTER_CODED_DATA: Final = re.compile(rb"\xff[^\x00\xd0-\xd7]")


def _check_jpeg(data: bytes) -> None:
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


# --- PNG: a header, the pixels as one stream of zlib, and the end -----------------------------

_CHANNELS: Final = {0: 1, 2: 3}  # colour types: grey, RGB
_INFLATED_AT_ONCE: Final = 1024 * 1024


def _check_png(data: bytes) -> None:
    found = list(png.chunks(data))
    names = [name for name, _, _ in found]
    if set(names) != {b"IHDR", b"IDAT", b"IEND"} or names != sorted(names, key=_PNG_ORDER.index):
        raise MetadataFound(f"chunks {b' '.join(dict.fromkeys(names)).decode('latin-1')}")
    (_, head_at, head_size), *_, (_, end_at, end_size) = found
    if (head_size, end_size, end_at + 4) != (13, 0, len(data)) or names.count(b"IHDR") > 1:
        raise MetadataFound("something behind the pixels")
    width, height, depth, colour_type, *rest = struct.unpack_from(">IIBBBBB", data, head_at)
    if depth != 8 or colour_type not in _CHANNELS or any(rest):
        raise MetadataFound("a PNG of another kind")
    expected = height * (1 + width * _CHANNELS[colour_type])
    coded = (data[at : at + size] for name, at, size in found if name == b"IDAT")
    if _inflated_size(coded, most=expected) != expected:
        raise MetadataFound("something among the pixels")


_PNG_ORDER: Final = (b"IHDR", b"IDAT", b"IEND")


def _inflated_size(coded: Iterator[bytes], *, most: int) -> int:
    """Returns how many bytes one stream of zlib holds; -1 if anything is left beside it."""
    inflater = zlib.decompressobj()
    size = 0
    for part in coded:
        if inflater.eof:
            return -1
        rest = part
        while size <= most and (inflated := inflater.decompress(rest, _INFLATED_AT_ONCE)):
            size += len(inflated)
            rest = inflater.unconsumed_tail
    return size if inflater.eof and not inflater.unused_data else -1


# --- WebP: one chunk ---------------------------------------------------------------------------


def _check_webp(data: bytes) -> None:
    """The simple file format (RFC 9649, 2.5 and 2.6): it has no place for anything else."""
    found = list(webp.chunks(data, 12, len(data)))
    if len(found) != 1 or found[0][0] not in {b"VP8 ", b"VP8L"}:
        raise MetadataFound("a WebP with other chunks than its picture")
    _, at, size = found[0]
    padded = at + size + size % 2
    if padded != len(data) or int.from_bytes(data[4:8], "little") + 8 != len(data):
        raise MetadataFound("something behind the pixels")
    if any(data[at + size :]):
        raise MetadataFound("something in the padding")


# --- AVIF: one item, and the boxes that say how to draw it ---------------------------------------

_LEVELS: Final[dict[bytes, tuple[bytes, ...]]] = {
    b"": (b"ftyp", b"meta", b"mdat"),
    b"meta": (b"hdlr", b"pitm", b"iloc", b"iinf", b"iprp"),
    b"iprp": (b"ipco", b"ipma"),
    b"ipco": (b"ispe", b"pixi", b"av1C", b"colr"),
}
_SIZES: Final = {
    b"ftyp": {20, 24},  # brands
    b"pitm": {6},
    b"ispe": {12},
    b"pixi": {6, 8},  # bits of one channel, or of three
    b"colr": {11},
    b"ipma": {15},
    b"iloc": {22},
    b"av1C": {4},
}
# The handler of pictures (23008-12, 6.2), without a name; the only item, with the codec's name.
_HANDLER: Final = bytes(8) + b"pict" + bytes(13)
_ITEM: Final = b"\2\0\0\0\0\1\0\0av01Color\0"
# Open bitstream units (AV1, 5.3): sequence header, temporal delimiter, and those of a frame.
_UNITS: Final = frozenset({1, 2, 3, 4, 6, 7})


def _check_avif(data: bytes) -> None:
    for box in _walk(data, b"", 0, len(data)):
        payload = data[box.at : box.end]
        if (
            (box.name in _SIZES and len(payload) not in _SIZES[box.name])
            or (box.name == b"hdlr" and payload != _HANDLER)
            or (box.name == b"colr" and payload[:4] != b"nclx")
            or (box.name == b"iinf" and payload[14:] != _ITEM)
        ):
            raise MetadataFound(f"something in the box {box.name.decode('latin-1')}")
        if box.name == b"mdat":
            _check_av1(payload)
    (item,) = iso_media.items(data)
    mdat = next(box for box in iso_media.boxes(data, 0, len(data)) if box.name == b"mdat")
    if item.extents != ((mdat.at, mdat.end - mdat.at),):
        raise MetadataFound("something beside the pixels")


def _walk(data: bytes, parent: bytes, at: int, end: int) -> Iterator[Box]:
    """Yields the boxes below another; raises MetadataFound if there are others, or gaps."""
    found = list(iso_media.boxes(data, at, end))
    names = [box.name for box in found]
    if names != list(_LEVELS[parent]) or found[-1].end != end:
        raise MetadataFound(f"boxes {b' '.join(names).decode('latin-1')}")
    for box in found:
        yield box
        if box.name in _LEVELS:
            head = 4 if box.name == b"meta" else 0  # version and flags
            yield from _walk(data, box.name, box.at + head, box.end)


def _check_av1(data: bytes) -> None:
    """Raises MetadataFound for units that do not draw, such as metadata and padding."""
    at = 0
    while at < len(data):
        head = data[at]
        kind, has_extension, has_size = head >> 3 & 15, head & 4, head & 2
        size, at = _leb128(data, at + 1 + bool(has_extension))
        at += size
        if kind not in _UNITS or head & 0x81 or not has_size or at > len(data):
            raise MetadataFound(f"a unit of kind {kind} in the pixels")


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    """Reads a number (AV1, 4.10.5), and returns it with where the next byte is."""
    value = 0
    for index, byte in enumerate(data[at : at + 8]):
        value |= (byte & 0x7F) << 7 * index
        if not byte & 0x80:
            return value, at + index + 1
    raise MetadataFound("a number that does not end")
