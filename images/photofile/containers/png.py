"""The chunks of a PNG (PNG, third edition): what draws, and what says how.

Text and the frames of an APNG are passed over unread, whatever their number and size.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from images.photofile.containers.excerpt import Piece

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"

# Writers cut pixels into pieces of 8 kB and more: a file of 250 MB has 32,000 of them.
MAX_CHUNKS: Final = 100_000
MAX_EXIF_BYTES: Final = 1024 * 1024
MAX_ICC_BYTES: Final = 4 * 1024 * 1024

_DRAWING: Final = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT"})
_LENGTH_OF_HEADER: Final = 13


class NotDrawable(Exception):
    """The chunks make no picture."""


@dataclass
class Header:
    """Width and height in pixels as stored. `cicp`: code points of ITU-T H.273, if it has any."""

    width: int = 0
    height: int = 0
    exif: bytes = b""
    icc: bytes | None = None
    cicp: tuple[int, int] | None = None  # colour primaries, transfer characteristics
    drawing: list[Piece] = field(default_factory=list)


def read_header(file: BinaryIO) -> Header:
    """Walk over all chunks. Raises NotDrawable."""
    header = Header(drawing=[SIGNATURE])
    at = len(SIGNATURE)
    has_profile = False
    for _ in range(MAX_CHUNKS):
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            break  # the decoder says how much is missing
        length, name = int.from_bytes(head[:4]), head[4:]
        if at == len(SIGNATURE) and (name, length) != (b"IHDR", _LENGTH_OF_HEADER):
            raise NotDrawable
        if name == b"IHDR":
            size = file.read(8)
            header.width, header.height = int.from_bytes(size[:4]), int.from_bytes(size[4:])
        elif name == b"eXIf" and not header.exif:
            header.exif = file.read(min(length, MAX_EXIF_BYTES))
        elif name == b"iCCP" and not has_profile:  # broken ones, too, cost their unpacking
            has_profile = True
            header.icc = _unpacked_icc(file.read(min(length, MAX_ICC_BYTES)))
        elif name == b"cICP" and length == 4:
            primaries, transfer, _, _ = file.read(4)
            header.cicp = primaries, transfer
        if name in _DRAWING or name == b"IEND":
            header.drawing.append((at, length + 12))
        at += length + 12
        if name == b"IEND":
            return header
    else:
        raise NotDrawable
    return header


def _unpacked_icc(payload: bytes) -> bytes | None:
    """The profile, behind its name and a zero for "zlib"; None if broken or larger than any is."""
    _, _, packed = payload[:80].partition(b"\0")
    start = len(payload[:80]) - len(packed) + 1
    unpacker = zlib.decompressobj()
    try:
        icc = unpacker.decompress(payload[start:], MAX_ICC_BYTES)
    except zlib.error:
        return None
    return icc if unpacker.eof else None
