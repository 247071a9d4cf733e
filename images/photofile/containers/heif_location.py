"""HEIC and AVIF: their EXIF and XMP are edited in place and keep their length, so that no box that
counts bytes is wrong afterwards; whatever is neither that nor pixels becomes zeros."""

from __future__ import annotations

import mmap
import re
import zlib
from typing import TYPE_CHECKING, Final

from images.photofile.containers import blanking, heif_items, tiff_location
from images.photofile.containers.location_patterns import CannotRemoveLocation, Redaction, Removed
from images.photofile.metadata import tag_values

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from images.photofile.containers.heif_items import Box, Item

_PIXELS: Final = frozenset({b"hvc1", b"av01", b"grid", b"iden", b"iovl", b"tmap"})
# Boxes that are kept: of the file, of its `meta`, and properties (23008-12, 6.5; MIAF; HDR).
_OF_FILE: Final = frozenset({b"ftyp", b"meta", b"mdat", b"free", b"skip"})
_OF_META: Final = frozenset(
    {b"hdlr", b"pitm", b"iinf", b"iloc", b"iref", b"iprp", b"idat", b"dinf", b"grpl"}
)
_PROPERTIES: Final = frozenset(
    {
        *(b"ispe", b"colr", b"pixi", b"hvcC", b"av1C", b"irot", b"imir", b"clap", b"auxC", b"pasp"),
        *(b"clli", b"mdcv", b"cclv", b"amve", b"a1lx", b"a1op", b"lsel", b"rloc", b"rref"),
    }
)
# A file that calls itself a film first is read as one.
_FILMS: Final = frozenset({b"avis", b"msf1", b"hevc", b"hevx", b"hevm", b"hevs"})
_TEXT: Final = re.compile(rb"[\t\n\r\x20-\x7e\x80-\xff]{6,1000}")
_EMPTY_PACKET: Final = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'
_MAX_EDITED_BYTES: Final = 16 * 1024 * 1024


def edit(path: Path, redaction: Redaction) -> None:
    """In place. Raises CannotRemoveLocation if its picture is not understood."""
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        items = _kept_items(data)
        for item in {item.extents: item for item in items if _is_metadata(item)}.values():
            before = item.read(data, max_bytes=_MAX_EDITED_BYTES)
            _write(data, item, _edited(item, before, redaction))
        kept = [(at, at + size) for item in items for at, size in item.extents]
        end = _edit_boxes(data, kept, redaction)
        data.flush()
        if end < len(data):
            redaction.removed.add(Removed.ATTACHMENTS)
            file.truncate(end)


def pixel_digest(path: Path) -> int:
    """A checksum over what draws: coded pixels, how they belong together, and their properties."""
    checksum = 0
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        memoryview(data) as view,
    ):
        for item in sorted(heif_items.items(data), key=lambda item: item.number):
            if item.kind in _PIXELS:
                checksum = zlib.crc32(b"%d %b" % (item.number, item.kind), checksum)
                for at, byte_size in item.extents:
                    checksum = zlib.crc32(view[at : at + byte_size], checksum)
        for box in _drawing_boxes(data):
            checksum = zlib.crc32(view[box.at : box.end], zlib.crc32(box.name, checksum))
    return checksum


def _drawing_boxes(data: mmap.mmap) -> Iterator[Box]:
    for box in _all_boxes(data, *_inside(_meta(data), 4)):
        if box.name in {b"pitm", b"iref"}:
            yield box
        elif box.name == b"iprp":
            for inner in heif_items.boxes(data, box.at, box.end):
                if inner.name != b"ipco":
                    yield inner
                    continue
                for one in heif_items.boxes(data, inner.at, inner.end):
                    if one.name in _PROPERTIES:
                        yield one


def _meta(data: mmap.mmap) -> Box:
    return next(box for box in heif_items.boxes(data, 0, len(data)) if box.name == b"meta")


def _inside(box: Box, skipped: int = 0) -> tuple[int, int]:
    return box.at + skipped, box.end


def _is_metadata(item: Item) -> bool:
    is_xmp = item.content_type == heif_items.XMP_TYPE and not item.encoding
    return item.kind == b"Exif" or (item.kind == b"mime" and is_xmp)


def _kept_items(data: mmap.mmap) -> list[Item]:
    """Pixels and metadata that is understood.

    Raises CannotRemoveLocation unless each has bytes of its own.
    """
    if data[8:12] in _FILMS:
        raise CannotRemoveLocation("It is a film.")
    found = heif_items.items(data)
    pixels = [item for item in found if item.kind in _PIXELS]
    metadata = [item for item in found if _is_metadata(item)]
    if not pixels or len(found) >= heif_items.MAX_ITEMS:
        raise CannotRemoveLocation("It has no picture that is understood, or too many.")
    if any(not item.extents and item.kind != b"iden" for item in pixels):
        raise CannotRemoveLocation("An item of it is of no usual shape.")
    to_edit = {extent for item in metadata for extent in item.extents}
    too_large = sum(size for item in metadata for _, size in item.extents) > _MAX_EDITED_BYTES
    if too_large or len(to_edit) > heif_items.MAX_EXTENTS:
        raise CannotRemoveLocation("It has more metadata than is looked at.")
    end_of_all = end_of_edited = 0
    all_extents = to_edit | {extent for item in pixels for extent in item.extents}
    for at, byte_size in sorted(all_extents):
        is_edited = (at, byte_size) in to_edit
        if at < (end_of_all if is_edited else end_of_edited):
            raise CannotRemoveLocation("Its items overlap.")
        end_of_all = max(end_of_all, at + byte_size)
        end_of_edited = max(end_of_edited, at + byte_size if is_edited else 0)
    return pixels + metadata


def _edited(item: Item, payload: bytes, redaction: Redaction) -> bytes:
    """The payload of an item, of the same length."""
    if item.kind == b"mime":
        if redaction.keeps_xmp(payload):
            return payload
        redaction.removed.add(Removed.XMP)
        return _EMPTY_PACKET.ljust(len(payload))[: len(payload)]
    block = heif_items.tiff_in_item(payload)
    head = payload[: len(payload) - len(block)] if block else b""
    if head[4:] not in {b"", b"Exif\0\0"}:  # what stands before the TIFF structure, by the book
        head = head[:4].ljust(len(head), b"\0")
    return (head + tiff_location.edit_block(block, redaction)).ljust(len(payload), b"\0")


def _write(data: mmap.mmap, item: Item, payload: bytes) -> None:
    at = 0
    for start, byte_size in item.extents:
        data[start : start + byte_size] = payload[at : at + byte_size]
        at += byte_size


def _edit_boxes(data: mmap.mmap, kept: list[tuple[int, int]], redaction: Redaction) -> int:
    """Where the last box ends that is kept. Raises CannotRemoveLocation."""
    is_first_meta = True
    end = 0
    for box in heif_items.boxes(data, 0, len(data)):
        if box.name == b"meta" and is_first_meta:
            is_first_meta = False
            _edit_meta(data, box, kept, redaction)
        elif box.name in {b"mdat", b"free", b"skip"}:
            if blanking.blank_gaps(data, kept, start=box.at, end=box.end):
                redaction.removed.add(Removed.OTHER)
        elif box.name != b"ftyp":
            _blank(data, box, redaction)
            continue
        end = box.end
    return end


def _edit_meta(
    data: mmap.mmap, meta: Box, kept: list[tuple[int, int]], redaction: Redaction
) -> None:
    for box in _all_boxes(data, *_inside(meta, 4)):
        if box.name not in _OF_META:
            _blank(data, box, redaction)
        elif box.name == b"idat":
            if blanking.blank_gaps(data, kept, start=box.at, end=box.end):
                redaction.removed.add(Removed.OTHER)
        elif box.name == b"iinf":
            names = (found[0] for found in _TEXT.finditer(data, box.at, box.end))
            if any(redaction.tells(tag_values.decoded(name)) for name in names):
                raise CannotRemoveLocation("The name of an item tells where.")
        elif box.name == b"iprp":
            for inner in _all_boxes(data, *_inside(box)):
                if inner.name == b"ipco":
                    _edit_properties(data, inner, redaction)


def _edit_properties(data: mmap.mmap, ipco: Box, redaction: Redaction) -> None:
    """Those that are not known keep their place, which is counted, and say nothing."""
    for box in _all_boxes(data, *_inside(ipco)):
        is_known = box.name in _PROPERTIES
        if not is_known and blanking.blank_gaps(data, (), start=box.at, end=box.end):
            redaction.removed.add(Removed.OTHER)


def _all_boxes(data: mmap.mmap, at: int, end: int) -> list[Box]:
    """Raises CannotRemoveLocation if there are more than are looked at."""
    found = list(heif_items.boxes(data, at, end))
    if len(found) >= heif_items.MAX_BOXES:
        raise CannotRemoveLocation("It has too many boxes.")
    return found


def _blank(data: mmap.mmap, box: Box, redaction: Redaction) -> None:
    """Space that readers skip."""
    name_at = box.at - (4 if data[box.at - 4 : box.at] == box.name else 12)  # a size of 64 bits
    data[name_at : name_at + 4] = b"free"
    blanking.blank_gaps(data, (), start=box.at, end=box.end)
    redaction.removed.add(Removed.ATTACHMENTS)
