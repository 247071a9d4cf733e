"""Boxes and items of ISO media files (ISO/IEC 14496-12 §8.11), of which HEIF is one.

Only the boxes that say where an item lies are read, within limits, and no pixel is decoded.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from images.photofile.containers.container import Data

MAX_BOXES: Final = 20_000  # of one level
MAX_ITEMS: Final = 20_000  # a picture of 200 megapixels in tiles has about 1000
MAX_EXTENTS: Final = 64  # of one item
MAX_ALL_EXTENTS: Final = 100_000
MAX_REFERENCES: Final = 20_000  # of all items

XMP_TYPE: Final = b"application/rdf+xml"


class Box(NamedTuple):
    """A box: its four letters, and where its payload lies: `at` <= payload < `end`."""

    name: bytes
    at: int
    end: int


def boxes(data: Data, at: int, end: int) -> Iterator[Box]:
    """Read the boxes of one level, as far as they fit."""
    for _ in range(MAX_BOXES):
        if at + 8 > end:
            return
        byte_size, name = struct.unpack_from(">I4s", data, at)
        head = 8
        if byte_size == 1 and at + 16 <= end:
            (byte_size,) = struct.unpack_from(">Q", data, at + 8)
            head = 16
        elif byte_size == 0:  # up to the end
            byte_size = end - at
        if byte_size < head or at + byte_size > end:
            return
        yield Box(name, at + head, at + byte_size)
        at += byte_size


def find_meta(data: Data) -> Box | None:
    """The boxes that describe all items: the payload of the first `meta` box."""
    meta = next((box for box in boxes(data, 0, len(data)) if box.name == b"meta"), None)
    return meta and meta._replace(at=meta.at + 4)  # behind version and flags


class Cursor:
    """Reads big-endian numbers of any width. Raises struct.error behind the end."""

    def __init__(self, data: Data, box: Box) -> None:
        self.data, self.at, self.end = data, box.at, box.end

    def take(self, byte_size: int) -> int:
        if self.at + byte_size > self.end:
            raise struct.error("A box ends early.")
        self.at += byte_size
        return int.from_bytes(self.data[self.at - byte_size : self.at])


def id_bytes(data: Data, box: Box) -> int:
    """The width of item numbers in a box of version 0, or of a later one."""
    return 2 if data[box.at : box.at + 1] == b"\0" else 4


def primary_number(data: Data, pitm: Box) -> int:
    """The number of the primary item."""
    at = pitm.at + 4
    return int.from_bytes(data[at : min(at + id_bytes(data, pitm), pitm.end)])


@dataclass
class Item:
    """`kind` is `Exif`, `mime`, or a codec's name for pixels; `extents` are (at, byte size) within
    the file, in order."""

    number: int
    kind: bytes
    content_type: bytes = b""
    encoding: bytes = b""
    extents: tuple[tuple[int, int], ...] = ()
    describes_primary: bool = False

    @property
    def is_xmp(self) -> bool:
        return self.content_type == XMP_TYPE and not self.encoding

    def read(self, data: Data, *, max_bytes: int) -> bytes:
        read = b""
        for at, byte_size in self.extents:
            read += data[at : at + min(byte_size, max_bytes - len(read))]
        return read


def items(data: Data) -> list[Item]:
    """All items, those about the primary picture first. What is broken is left out."""
    meta = find_meta(data)
    parts: dict[bytes, Box] = {}
    for box in boxes(data, meta.at, meta.end) if meta else ():
        parts.setdefault(box.name, box)
    if b"iinf" not in parts or b"iloc" not in parts:
        return []
    found = {item.number: item for item in _described(data, parts[b"iinf"])}
    if b"pitm" in parts and b"iref" in parts:
        primary = primary_number(data, parts[b"pitm"])
        for number in _describing(data, parts[b"iref"], primary) & found.keys():
            found[number].describes_primary = True
    _locate(data, parts[b"iloc"], parts.get(b"idat"), found)
    return sorted(found.values(), key=lambda item: not item.describes_primary)


def _described(data: Data, iinf: Box) -> Iterator[Item]:
    for infe in boxes(data, iinf.at + 4 + id_bytes(data, iinf), iinf.end):
        cursor = Cursor(data, infe)
        try:
            version = cursor.take(4) >> 24
            if infe.name != b"infe" or version not in {2, 3}:
                continue
            number = cursor.take(2 if version == 2 else 4)
            cursor.take(2)  # protection
            kind = cursor.take(4).to_bytes(4)
        except struct.error:
            continue
        rest = data[cursor.at : min(infe.end, cursor.at + 1000)]
        _, content_type, encoding = (rest.split(b"\0") + [b""] * 3)[:3]
        yield Item(number, kind, content_type, encoding)


def _describing(data: Data, iref: Box, primary: int) -> set[int]:
    """The items whose `cdsc` reference leads to the primary picture."""
    width = id_bytes(data, iref)
    found = set()
    references_left = MAX_REFERENCES
    for box in boxes(data, iref.at + 4, iref.end):
        if box.name != b"cdsc":
            continue
        cursor = Cursor(data, box)
        try:
            number = cursor.take(width)
            count = min(cursor.take(2), references_left)
            references_left -= count
            if primary in [cursor.take(width) for _ in range(count)]:
                found.add(number)
        except struct.error:
            continue
    return found


def derived_from(data: Data, iref: Box, number: int) -> list[int]:
    """The items that another, such as a grid, is made of, in their order: its first `dimg`
    reference. Raises struct.error."""
    width = id_bytes(data, iref)
    for box in boxes(data, iref.at + 4, iref.end):
        cursor = Cursor(data, box)
        if box.name == b"dimg" and cursor.take(width) == number:
            return [cursor.take(width) for _ in range(min(cursor.take(2), MAX_REFERENCES))]
    return []


def _locate(data: Data, iloc: Box, idat: Box | None, items: dict[int, Item]) -> None:
    """Tell the items where they lie, as far as the table can be read."""
    cursor = Cursor(data, iloc)
    try:
        version = cursor.take(4) >> 24
        if version > 2:
            return
        sizes = cursor.take(2)
        offset, length, base = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
        index = sizes & 15 if version else 0
        extents_left = MAX_ALL_EXTENTS
        for _ in range(min(cursor.take(2 if version < 2 else 4), MAX_ITEMS)):
            number = cursor.take(2 if version < 2 else 4)
            method = cursor.take(2) & 15 if version else 0
            cursor.take(2)  # the file it lies in
            start = cursor.take(base)
            count = cursor.take(2)
            item = items.get(number)
            if item is None or count > min(MAX_EXTENTS, extents_left):
                cursor.at += count * (index + offset + length)
                continue
            extents_left -= count
            extents = []
            for _ in range(count):
                cursor.take(index)
                extents.append((start + cursor.take(offset), cursor.take(length)))
            item.extents = _within_file(extents, method, idat, len(data))
    except struct.error:
        return


def _within_file(
    extents: list[tuple[int, int]], method: int, idat: Box | None, file_bytes: int
) -> tuple[tuple[int, int], ...]:
    if method == 0:
        start, end = 0, file_bytes
    elif method == 1 and idat is not None:
        start, end = idat.at, idat.end
    else:
        return ()
    # A length of 0 means the rest.
    placed = [(start + at, byte_size or end - start - at) for at, byte_size in extents]
    if any(byte_size < 0 or at + byte_size > end for at, byte_size in placed):
        return ()
    return tuple(placed)
