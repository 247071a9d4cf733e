"""The boxes of a HEIF file, HEIC or AVIF, that describe its picture (ISO/IEC 23008-12).

Sizes, turns and colour stand in them before any coded pixel.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_META_BYTES: Final = 16 * 1024 * 1024
MAX_BOXES: Final = 20_000
MAX_TOP_BOXES: Final = 1000
MAX_ASSOCIATED_ITEMS: Final = 20_000  # a picture of 200 megapixels in tiles has about 1000
MAX_ASSOCIATIONS: Final = 4  # as many boxes as there may be (23008-12, 9.3.1): one of each kind

Size = tuple[int, int]

# What `irot` (quarters anticlockwise) and `imir` (axis; 0 swaps top and bottom) do to an EXIF
# orientation: {orientation so far: orientation after a quarter anticlockwise}, then per axis.
_QUARTER: Final = {1: 8, 8: 3, 3: 6, 6: 1, 2: 5, 5: 4, 4: 7, 7: 2}
_MIRRORED: Final = {
    0: {1: 4, 4: 1, 2: 3, 3: 2, 5: 8, 8: 5, 6: 7, 7: 6},
    1: {1: 2, 2: 1, 3: 4, 4: 3, 5: 6, 6: 5, 7: 8, 8: 7},
}


class NotDrawable(Exception):
    """The boxes describe no picture."""


@dataclass
class Header:
    """`largest` is the size of the largest item, in pixels as stored.

    `orientation` is what irot and imir say of the primary item, in the numbers of EXIF. `nclx`:
    its colour primaries and transfer characteristics, code points of ITU-T H.273.
    """

    largest: Size = (0, 0)
    orientation: int = 1
    nclx: tuple[int, int] | None = None


def read_header(file: BinaryIO) -> Header:
    """Raises NotDrawable. Of a film without a still picture, as `avis` may be, nothing is told."""
    header = Header()
    meta = _read_meta(file)
    if not meta:
        return header
    boxes = list(_boxes(meta[4:]))
    primary = _primary(boxes)
    properties: list[tuple[bytes, bytes]] = []
    associated: list[int] = []
    associations = 0
    for name, content in boxes:
        if name == b"iprp":
            for inner, payload in _boxes(content):
                if inner == b"ipco":
                    properties = list(_boxes(payload))
                elif inner == b"ipma" and associations < MAX_ASSOCIATIONS:
                    associations += 1
                    associated = associated or _associated(payload, primary)
    sizes = [
        struct.unpack_from(">II", payload, 4) for name, payload in properties if name == b"ispe"
    ]
    header.largest = max(sizes, key=lambda size: size[0] * size[1], default=(0, 0))
    for index in associated:
        if 0 < index <= len(properties):
            _note(header, *properties[index - 1])
    return header


def _read_meta(file: BinaryIO) -> bytes:
    file.seek(0)
    for _ in range(MAX_TOP_BOXES):
        head = file.read(8)
        if len(head) < 8:
            return b""
        size, name = struct.unpack(">I4s", head)
        skipped = 8
        if size == 1:
            size, skipped = int.from_bytes(file.read(8)), 16
        if name == b"meta":
            if size > MAX_META_BYTES:
                raise NotDrawable
            return file.read(size - skipped if size else MAX_META_BYTES)
        if size < skipped:  # up to the end, or nonsense
            return b""
        file.seek(size - skipped, 1)
    raise NotDrawable


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    for _ in range(MAX_BOXES):
        if at + 8 > len(data):
            return
        size, name = struct.unpack_from(">I4s", data, at)
        skipped = 8
        if size == 1 and at + 16 <= len(data):
            (size,), skipped = struct.unpack_from(">Q", data, at + 8), 16
        end = at + size if size else len(data)
        if size and size < skipped:
            raise NotDrawable
        yield name, data[at + skipped : end]
        at = end
    raise NotDrawable


def _primary(boxes: list[tuple[bytes, bytes]]) -> int:
    for name, content in boxes:
        if name == b"pitm" and len(content) >= 6:
            return int.from_bytes(content[4:8] if content[0] else content[4:6])
    raise NotDrawable


def _associated(ipma: bytes, item: int) -> list[int]:
    """The numbers of the properties of an item, from 1, in their order."""
    version, is_wide = ipma[0], ipma[3] & 1
    (count,) = struct.unpack_from(">I", ipma, 4)
    at = 8
    for _ in range(min(count, MAX_ASSOCIATED_ITEMS)):
        id_bytes = 4 if version else 2
        owner = int.from_bytes(ipma[at : at + id_bytes])
        at += id_bytes
        width = 2 if is_wide else 1
        end = at + 1 + width * ipma[at]
        if owner == item:
            mask = 0x7FFF if is_wide else 0x7F
            return [int.from_bytes(ipma[n : n + width]) & mask for n in range(at + 1, end, width)]
        at = end
    if count > MAX_ASSOCIATED_ITEMS:
        raise NotDrawable
    return []


def _note(header: Header, name: bytes, payload: bytes) -> None:
    if name == b"irot" and payload:
        for _ in range(payload[0] & 3):
            header.orientation = _QUARTER[header.orientation]
    elif name == b"imir" and payload:
        header.orientation = _MIRRORED[payload[0] & 1][header.orientation]
    elif name == b"colr" and payload[:4] == b"nclx" and len(payload) >= 10:
        primaries, transfer = struct.unpack_from(">HH", payload, 4)
        header.nclx = primaries, transfer
