"""HEIF, which HEIC and AVIF are (ISO/IEC 14496-12 §8.11, 23008-12): its boxes and items, the header
that is checked, and the removal of its location.

Sizes, turns and colour stand in boxes before any coded pixel. To remove a location EXIF and XMP are
edited in place and keep their length, so that no box that counts bytes is wrong afterwards;
whatever is neither that nor pixels becomes zeros.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from images.photofile import pieces
from images.photofile.containers import iso_media
from images.photofile.containers.container import (
    MAX_EXIF_BYTES,
    MAX_XMP_BYTES,
    Data,
    Metadata,
    NotDrawable,
    Size,
)
from images.photofile.containers.iso_media import MAX_EXTENTS, MAX_ITEMS, boxes, find_meta, items
from images.photofile.metadata import exif_editor, tag_values
from images.photofile.metadata.location_patterns import CannotRemoveLocation, Redaction, Removed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from mmap import mmap
    from pathlib import Path

    from images.photofile.containers.iso_media import Box, Item
    from images.photofile.pieces import Piece

MAX_ASSOCIATIONS: Final = 4  # as many boxes as there may be (23008-12, 9.3.1): one of each kind


# --- The header -----------------------------------------------------------------------------

# What `irot` (quarters anticlockwise) and `imir` (axis; 0 swaps top and bottom) do to an EXIF
# orientation: {orientation so far: orientation after a quarter anticlockwise}, then per axis.
_QUARTER: Final = {1: 8, 8: 3, 3: 6, 6: 1, 2: 5, 5: 4, 4: 7, 7: 2}
_MIRRORED: Final = {
    0: {1: 4, 4: 1, 2: 3, 3: 2, 5: 8, 8: 5, 6: 7, 7: 6},
    1: {1: 2, 2: 1, 3: 4, 4: 3, 5: 6, 6: 5, 7: 8, 8: 7},
}


@dataclass
class Header:
    """`largest` is the size of the largest item, in pixels as stored.

    `orientation` is what irot and imir say of the primary item, in the numbers of EXIF. `nclx`:
    its colour primaries and transfer characteristics, code points of ITU-T H.273.
    """

    largest: Size = (0, 0)
    orientation: int = 1
    nclx: tuple[int, int] | None = None


def read_header(data: Data) -> Header:
    """Raises NotDrawable. Of a film without a still picture, as `avis` may be, nothing is told."""
    header = Header()
    meta = find_meta(data)
    if meta is None:
        return header
    found = _whole_level(data, meta)
    pitm = next((box for box in found if box.name == b"pitm"), None)
    if pitm is None:
        raise NotDrawable
    properties: list[Box] = []
    associated: list[int] = []
    associations_left = MAX_ASSOCIATIONS
    for iprp in (box for box in found if box.name == b"iprp"):
        for box in _whole_level(data, iprp):
            if box.name == b"ipco":
                properties = _whole_level(data, box)
            elif box.name == b"ipma" and associations_left:
                associations_left -= 1
                primary = iso_media.primary_number(data, pitm)
                found_here = (numbers for _, numbers in associations(data, box, {primary}))
                associated = associated or next(found_here, [])
    sizes = [
        struct.unpack_from(">II", data, box.at + 4) for box in properties if box.name == b"ispe"
    ]
    header.largest = max(sizes, key=lambda size: size[0] * size[1], default=(0, 0))
    for index in associated:
        if 0 < index <= len(properties):
            box = properties[index - 1]
            _apply(header, box.name, data[box.at : min(box.end, box.at + 16)])
    return header


def _whole_level(data: Data, parent: Box) -> list[Box]:
    """The boxes inside another. Raises NotDrawable if any cannot be read."""
    found = list(boxes(data, parent.at, parent.end))
    if (found[-1].end if found else parent.at) + 8 <= parent.end:
        raise NotDrawable
    return found


def associations(data: Data, ipma: Box, wanted: set[int]) -> Iterator[tuple[int, list[int]]]:
    """Yields the wanted items, and the numbers of their properties, from 1, in their order. Raises
    struct.error, and NotDrawable behind MAX_ITEMS of all items."""
    cursor = iso_media.Cursor(data, ipma)
    id_bytes, flags = iso_media.id_bytes(data, ipma), cursor.take(4)
    width, mask = (2, 0x7FFF) if flags & 1 else (1, 0x7F)
    count = cursor.take(4)
    for _ in range(min(count, MAX_ITEMS)):
        owner, length = cursor.take(id_bytes), cursor.take(1)
        if owner in wanted:
            yield owner, [cursor.take(width) & mask for _ in range(length)]
        else:
            cursor.at += width * length
    if count > MAX_ITEMS:
        raise NotDrawable


def _apply(header: Header, name: bytes, payload: bytes) -> None:
    if name == b"irot" and payload:
        for _ in range(payload[0] & 3):
            header.orientation = _QUARTER[header.orientation]
    elif name == b"imir" and payload:
        header.orientation = _MIRRORED[payload[0] & 1][header.orientation]
    elif name == b"colr" and payload[:4] == b"nclx" and len(payload) >= 10:
        primaries, transfer = struct.unpack_from(">HH", payload, 4)
        header.nclx = primaries, transfer


# --- Metadata -------------------------------------------------------------------------------


def find_metadata(data: Data) -> Metadata:
    """Exif and mime items, those of the primary picture first (23008-12, annex A)."""
    found = items(data)
    exif = next((item for item in found if item.kind == b"Exif"), None)
    xmp = next((item for item in found if item.is_xmp), None)
    return Metadata(
        tiff_in_item(exif.read(data, max_bytes=MAX_EXIF_BYTES)) if exif else b"",
        xmp.read(data, max_bytes=MAX_XMP_BYTES) if xmp else b"",
    )


def tiff_in_item(payload: bytes) -> bytes:
    """The TIFF structure of an Exif item: behind an offset to it (23008-12 annex A.2.1)."""
    if len(payload) < 8:
        return b""
    start = 4 + int.from_bytes(payload[:4])
    if payload[start : start + 2] in {b"II", b"MM"}:
        return payload[start:]
    # Some writers forget the offset, or count it from elsewhere.
    marks = (payload.find(mark, 0, 64) for mark in (b"II*\0", b"MM\0*"))
    return payload[min((at for at in marks if at >= 0), default=len(payload)) :]


# --- The location ---------------------------------------------------------------------------

_PIXELS: Final = frozenset({b"hvc1", b"av01", b"grid", b"iden", b"iovl", b"tmap"})
# Boxes that are kept: of the file those with payloads, of its `meta`, and properties (23008-12,
# 6.5; MIAF; HDR).
_PAYLOADS: Final = frozenset({b"mdat", b"free", b"skip", b"idat"})
_PROPERTIES: Final = frozenset(
    {
        *(b"ispe", b"colr", b"pixi", b"hvcC", b"av1C", b"irot", b"imir", b"clap", b"auxC", b"pasp"),
        *(b"clli", b"mdcv", b"cclv", b"amve", b"a1lx", b"a1op", b"lsel", b"rloc", b"rref"),
    }
)
_OF: Final = {
    b"meta": {b"hdlr", b"pitm", b"iinf", b"iloc", b"iref", b"iprp", b"idat", b"dinf", b"grpl"},
    b"iprp": {b"ipco", b"ipma"},
    b"ipco": _PROPERTIES,
}
# A file that calls itself a film first is read as one.
_FILMS: Final = frozenset({b"avis", b"msf1", b"hevc", b"hevx", b"hevm", b"hevs"})
_NAME: Final = re.compile(rb"[\t\n\r\x20-\x7e\x80-\xff]{6,1000}")
_EMPTY_PACKET: Final = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'
_MAX_EDITED_BYTES: Final = 16 * 1024 * 1024


def remove_location(source: Path, into: Path, redaction: Redaction) -> None:
    """Edit the metadata in place. Raises CannotRemoveLocation if its picture is not understood."""

    def edit(data: mmap) -> int:
        kept = _kept_items(data)
        for item in {item.extents: item for item in kept if item.kind not in _PIXELS}.values():
            _edit_item(data, item, redaction)
        ranges = [(at, at + byte_size) for item in kept for at, byte_size in item.extents]
        return _edit_boxes(data, ranges, redaction)

    pieces.edit_copy(source, into, edit)


def drawing(data: Data) -> Iterator[Piece]:
    """Yields the bytes that decide the picture: coded pixels, how they belong together, and their
    properties."""
    for item in sorted(items(data), key=lambda item: item.number):
        if item.kind in _PIXELS:
            yield b"%d %b" % (item.number, item.kind)
            yield from item.extents
    for _, box in _levels(data, find_meta(data)):
        if box.name in _PROPERTIES | {b"pitm", b"iref", b"ipma"}:
            yield box.name
            yield box.at, box.end - box.at


def _levels(data: Data, meta: Box | None) -> Iterator[tuple[bytes, Box]]:
    """The boxes of `meta`, of its properties, and each property, with the name of its parent."""
    for box in _whole_level(data, meta) if meta else ():
        yield b"meta", box
        for inner in _whole_level(data, box) if box.name == b"iprp" else ():
            yield b"iprp", inner
            for one in _whole_level(data, inner) if inner.name == b"ipco" else ():
                yield b"ipco", one


def _kept_items(data: mmap) -> list[Item]:
    """Pixels, and metadata that is understood. Raises CannotRemoveLocation."""
    if data[8:12] in _FILMS:
        raise CannotRemoveLocation("It is a film.")
    found = items(data)
    pixels = [item for item in found if item.kind in _PIXELS]
    metadata = [item for item in found if item.kind == b"Exif" or item.is_xmp]
    if not pixels or len(found) >= MAX_ITEMS:
        raise CannotRemoveLocation("It has no picture that is understood, or too many.")
    if any(not item.extents and item.kind != b"iden" for item in pixels):
        raise CannotRemoveLocation("An item of it is of no usual shape.")
    edited = {extent for item in metadata for extent in item.extents}
    too_large = sum(size for item in metadata for _, size in item.extents) > _MAX_EDITED_BYTES
    if too_large or len(edited) > MAX_EXTENTS:
        raise CannotRemoveLocation("It has more metadata than is looked at.")
    extents = edited | {extent for item in pixels for extent in item.extents}
    if sum(byte_size for _, byte_size in extents) > len(data):
        raise CannotRemoveLocation("Its items overlap.")
    return pixels + metadata


def _edit_item(data: mmap, item: Item, redaction: Redaction) -> None:
    """Write a payload of the same length."""
    payload = item.read(data, max_bytes=_MAX_EDITED_BYTES)
    if item.kind == b"Exif":
        block = tiff_in_item(payload)
        head = payload[: len(payload) - len(block)] if block else b""
        if head[4:] not in {b"", b"Exif\0\0"}:  # what stands before the structure, by the book
            head = head[:4].ljust(len(head), b"\0")
        edited = head + exif_editor.edit_block(block, redaction)
    elif redaction.allows_xmp(payload):
        return
    else:
        redaction.removed.add(Removed.XMP)
        edited = _EMPTY_PACKET.ljust(len(payload))[: len(payload)]
    edited, read = edited.ljust(len(payload), b"\0"), 0
    for at, byte_size in item.extents:
        data[at : at + byte_size] = edited[read : read + byte_size]
        read += byte_size


def _edit_boxes(data: mmap, kept: list[tuple[int, int]], redaction: Redaction) -> int:
    """Blank what is not kept, and return where the last box that stays ends."""
    meta = find_meta(data)
    end = 0
    for box in boxes(data, 0, len(data)):
        if box.name in _PAYLOADS:
            _blank_payload(data, box, kept, redaction)
        elif box.name != b"ftyp" and (meta is None or box.end != meta.end):
            _blank(data, box, redaction)
            continue
        end = box.end
    if end < len(data):
        redaction.removed.add(Removed.ATTACHMENTS)
    for parent, box in list(_levels(data, meta)):
        if box.name in _PAYLOADS:
            _blank_payload(data, box, kept, redaction)
        elif box.name == b"iinf":
            names = (found[0] for found in _NAME.finditer(data, box.at, box.end))
            if any(redaction.reveals(tag_values.decoded(name)) for name in names):
                raise CannotRemoveLocation("The name of an item tells where.")
        elif parent == b"ipco" and box.name not in _PROPERTIES:
            _blank_payload(data, box, [], redaction)  # it keeps its place, which is counted
        elif box.name not in _OF[parent]:
            _blank(data, box, redaction)
    return end


def _blank_payload(data: mmap, box: Box, kept: list[tuple[int, int]], redaction: Redaction) -> None:
    if pieces.blank_gaps(data, kept, start=box.at, end=box.end):
        redaction.removed.add(Removed.OTHER)


def _blank(data: mmap, box: Box, redaction: Redaction) -> None:
    """Turn a box into space that readers skip."""
    name_at = box.at - (4 if data[box.at - 4 : box.at] == box.name else 12)  # a size of 64 bits
    data[name_at : name_at + 4] = b"free"
    pieces.blank_gaps(data, (), start=box.at, end=box.end)
    redaction.removed.add(Removed.ATTACHMENTS)
