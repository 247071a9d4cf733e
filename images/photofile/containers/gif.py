"""GIF (GIF89a): the blocks of its first picture, XMP, and the removal of its location."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from images.photofile import pieces
from images.photofile.containers.container import MAX_XMP_BYTES, Data, Metadata, NotDrawable
from images.photofile.metadata.location_patterns import CannotRemoveLocation, Redaction, Removed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from images.photofile.pieces import Piece

PICTURE, TRAILER, COMMENT, CONTROL = b",", b";", b"!\xfe", b"!\xf9"
TEXT, APPLICATION = b"!\x01", b"!\xff"

MAX_BLOCKS: Final = 1_000_000  # blocks, and their parts of up to 255 bytes
MAX_PICTURE_BYTES: Final = 16 * 1024 * 1024  # coded, of a picture that is decoded

_XMP: Final = b"XMP DataXMP"
_WAY_OUT_BYTES: Final = 258


def blocks(data: Data) -> Iterator[tuple[bytes, int, int]]:
    """The blocks (GIF89a, 12 to 26) up to the trailer: kind, where each starts and ends.

    Kinds: "," a picture; "!" and a label, an extension; ";" the trailer. What is cut off, or
    stands behind `MAX_BLOCKS` blocks and parts of blocks, is not told.
    """
    end = len(data)
    if end < 13:
        return
    at = 13 + _palette_bytes(data[10])
    steps = 0
    while (at + 1 < end or data[at : at + 1] == TRAILER) and steps < MAX_BLOCKS:
        start = at
        steps += 1
        kind = data[at : at + 1]
        if kind == TRAILER:
            yield kind, at, at + 1
            return
        if kind == b"!":
            kind = data[at : at + 2]
            at += 2
        elif kind == PICTURE and at + 10 < end:
            at += 11 + _palette_bytes(data[at + 9])  # and the size of LZW's first codes
        else:
            return
        while at < end and data[at] and steps < MAX_BLOCKS:
            at += 1 + data[at]
            steps += 1
        if at >= end or data[at]:
            return
        at += 1
        yield kind, start, at


def _palette_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


# --- The header -----------------------------------------------------------------------------


@dataclass
class Header:
    """Width and height of the whole, in pixels; `drawing` shows the first picture alone."""

    width: int
    height: int
    drawing: list[Piece] = field(default_factory=list)


def read_header(data: Data) -> Header:
    """Walk over the blocks before the first picture, and over its own. Raises NotDrawable."""
    if len(data) < 13:
        raise NotDrawable
    header = Header(*struct.unpack_from("<HH", data, 6))
    header.drawing = [(0, 13 + _palette_bytes(data[10]))]
    for kind, start, end in blocks(data):
        if kind == CONTROL:
            header.drawing.append((start, end - start))
        if kind != PICTURE:
            continue
        left, top, width, height = struct.unpack_from("<HHHH", data, start + 1)
        if not width or not height or end - start > MAX_PICTURE_BYTES:
            break
        # A picture may stand out from its screen; viewers enlarge the screen.
        header.width = max(header.width, left + width)
        header.height = max(header.height, top + height)
        header.drawing += [(start, end - start), TRAILER]
        return header
    raise NotDrawable


def find_metadata(data: Data) -> Metadata:
    """XMP is an application extension whose packet is no chain of blocks (XMP specification part 3,
    1.1.2): what stands behind it leads any reader out of it."""
    for kind, start, end in blocks(data):
        if kind == APPLICATION and data[start + 3 : start + 14] == _XMP:
            packet_end = min(end - _WAY_OUT_BYTES, start + 14 + MAX_XMP_BYTES)
            return Metadata(b"", data[start + 14 : max(packet_end, start + 14)])
    return Metadata()


# --- The location ---------------------------------------------------------------------------

_DRAWING_BLOCKS: Final = frozenset({PICTURE, TRAILER, CONTROL})
_DRAWING_APPLICATIONS: Final = frozenset({b"NETSCAPE2.0", b"ANIMEXTS1.0", b"ICCRGBG1012"})


def remove_location(source: Path, into: Path, redaction: Redaction) -> None:
    """Copy the blocks that draw. Raises CannotRemoveLocation."""
    pieces.copy(source, into, lambda data: _kept(data, redaction))


def drawing(data: Data) -> Iterator[Piece]:
    return _kept(data, Redaction())


def _kept(data: Data, redaction: Redaction) -> Iterator[Piece]:
    """Raises CannotRemoveLocation, perhaps only at its end, where the file is not whole."""
    kind, end = b"", 13 + _palette_bytes(data[10])
    yield 0, end  # size and colours
    for kind, start, end in blocks(data):
        application = data[start + 3 : start + 14] if kind == APPLICATION else b""
        if kind == TEXT:
            raise CannotRemoveLocation("It has text for pixels.")
        if kind in _DRAWING_BLOCKS or application in _DRAWING_APPLICATIONS:
            yield start, end - start
        elif kind == COMMENT:
            redaction.removed.add(Removed.TEXTS)
        else:
            redaction.removed.add(Removed.XMP if application == _XMP else Removed.OTHER)
    if kind != TRAILER:
        raise CannotRemoveLocation("It ends before its end, or has too many blocks.")
    if end < len(data):
        redaction.removed.add(Removed.ATTACHMENTS)
