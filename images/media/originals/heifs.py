"""HEIC and AVIF: their EXIF and XMP items are edited in place and keep their length, so that no box
that counts bytes is wrong afterwards; then nothing of a position may be left in any of them."""

from __future__ import annotations

import mmap
import re
import struct
import zlib
from typing import TYPE_CHECKING, Final

from images.media import heif, heif_properties
from images.media.originals import telling, tiff_tags
from images.media.originals.telling import Unproven

if TYPE_CHECKING:
    from pathlib import Path

    from images.media.heif import Item

# Text, rather than pixels that happen to read `gps`; and how films tell where.
_TEXT: Final = re.compile(rb"[\t\n\r\x20-\x7e]{12,}")
_FILM_TELLS_WHERE: Final = re.compile(rb"\xa9xyz|loci|[+-]\d{2,6}\.\d+[+-]\d{3,7}\.\d+")
_BOXES: Final = frozenset({b"ftyp", b"meta", b"mdat", b"free", b"skip"})
_ITEMS: Final = frozenset({b"hvc1", b"av01", b"grid", b"iden", b"iovl", b"tmap", b"Exif", b"mime"})
_METADATA: Final = frozenset({b"Exif", b"mime"})
_EMPTY_PACKET: Final = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'
_MAX_ITEM_BYTES: Final = 16 * 1024 * 1024
_MAX_ENTRY_BYTES: Final = 1000  # of an item's entry, with its name
_WINDOW_BYTES: Final = 1024 * 1024
_OVERLAP_BYTES: Final = 4096  # more than any word of where, and what stands around it
_NOT_ZERO: Final = re.compile(rb"[^\0]")


def edit(path: Path) -> bool:
    """In place. Raises Unproven."""
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        items = heif.items(data)
        edited = [item for item in items if item.kind in _METADATA]
        _check_apart(edited, items)
        changed = False
        for item in edited:
            before = item.read(data, max_bytes=_MAX_ITEM_BYTES)
            after = _edited(item, before)
            if after != before:
                _write(data, item, after)
                changed = True
        data.flush()
        _look_into(data)
    return changed


def drawing(path: Path) -> int:
    """A checksum over everything but the items that are edited; as these lie apart, nothing else
    has changed."""
    checksum = at = 0
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        memoryview(data) as view,
    ):
        edited = sorted(
            extent for item in heif.items(data) if item.kind in _METADATA for extent in item.extents
        )
        for start, byte_size in [*edited, (len(data), 0)]:
            checksum = zlib.crc32(view[at:start], checksum)
            at = start + byte_size
    return checksum


def _edited(item: Item, payload: bytes) -> bytes:
    """The payload of an item, of the same length."""
    if item.kind == b"mime":
        if not telling.xmp_tells_where(payload):
            return payload
        return _EMPTY_PACKET.ljust(len(payload))[: len(payload)]
    block = heif.tiff_in_item(payload)
    if not block:
        raise Unproven("Its EXIF is no TIFF.")
    # What stands before the TIFF structure is an offset and "Exif".
    return payload[: len(payload) - len(block)] + tiff_tags.edit_block(block)


def _check_apart(edited: list[Item], items: list[Item]) -> None:
    """Raises Unproven if bytes of those to edit are another's, too, or are nowhere."""
    too_many = sum(len(item.extents) for item in edited) > heif.MAX_EXTENTS
    if too_many or sum(len(item.extents) for item in items) > heif.MAX_ITEMS:
        raise Unproven("It has more items than are looked at.")
    if edited and any(not item.extents and item.kind != b"iden" for item in items):
        raise Unproven("An item of it is of no usual shape.")
    for item in edited:
        if sum(size for _, size in item.extents) > _MAX_ITEM_BYTES:
            raise Unproven("An item of it is of no usual shape.")
        for at, byte_size in item.extents:
            for other in items:
                for other_at, other_size in other.extents:
                    is_itself = other is item and (other_at, other_size) == (at, byte_size)
                    if not is_itself and at < other_at + other_size and other_at < at + byte_size:
                        raise Unproven("Its items overlap.")


def _write(data: mmap.mmap, item: Item, payload: bytes) -> None:
    at = 0
    for start, byte_size in item.extents:
        data[start : start + byte_size] = payload[at : at + byte_size]
        at += byte_size


def _look_into(data: mmap.mmap) -> None:
    """Raises Unproven unless it is a still picture without a position in any text."""
    if not _is_plain_still(data):
        raise Unproven("It holds more than a still picture.")
    text = b""
    for at in range(0, len(data), _WINDOW_BYTES):
        read = data[at : at + _WINDOW_BYTES].replace(b"\0", b"")  # UTF-16, too
        text = text[-_OVERLAP_BYTES:] + read
        if _FILM_TELLS_WHERE.search(text) or any(
            telling.WHERE.search(found[0]) for found in _TEXT.finditer(text)
        ):
            raise Unproven("A position may still be there.")


def _is_plain_still(data: mmap.mmap) -> bool:
    """Nothing hangs on it, such as a film, and none of its metadata is compressed or unknown."""
    at, end = 0, len(data)
    for _ in range(heif.MAX_BOXES):
        if at >= end:
            return True
        size, name = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, at + 8)
            head = 16
        elif size == 0:  # up to the end
            size = end - at
        if name not in _BOXES or size < head or at + size > end:
            return False
        if name == b"meta" and (
            size > heif_properties.MAX_META_BYTES
            or not _are_items_plain(data[at + head : at + size])
        ):
            return False
        if name in {b"free", b"skip"} and _NOT_ZERO.search(data, at + head, at + size):
            return False
        at += size
    return False


def _are_items_plain(meta: bytes) -> bool:
    """By their `infe` boxes (ISO 14496-12, 8.11.6): at most one EXIF, and XMP as plain text."""
    exifs = 0
    for found in re.finditer(rb"infe", meta):
        at = found.end()
        byte_size = int.from_bytes(meta[at - 8 : at - 4]) - 8
        box = meta[at : at + min(byte_size, _MAX_ENTRY_BYTES)]
        version = box[0]
        if version not in {2, 3} or byte_size > _MAX_ENTRY_BYTES:
            return False
        kind_at = 8 if version == 2 else 10  # version, flags, id, protection
        kind = box[kind_at : kind_at + 4]
        exifs += kind == b"Exif"
        if kind not in _ITEMS or exifs > 1:
            return False
        if kind == b"mime":  # name, type, encoding
            _, type_, encoding = (box[kind_at + 4 :].split(b"\0") + [b""] * 3)[:3]
            if type_ != b"application/rdf+xml" or encoding:
                return False
    return True
