"""PNG (third edition): what draws, where EXIF and XMP stand, and the removal of its location.

Text and the frames of an APNG are passed over unread, whatever their number and size.
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from images.photofile import pieces
from images.photofile.containers import jpeg
from images.photofile.containers.container import (
    MAX_EXIF_BYTES,
    MAX_ICC_BYTES,
    Data,
    Metadata,
    NotDrawable,
)
from images.photofile.metadata import exif_editor
from images.photofile.metadata.location_patterns import CannotRemoveLocation, Redaction, Removed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from mmap import mmap
    from pathlib import Path

    from images.photofile.pieces import Piece

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_START: Final = (b"IHDR", len(SIGNATURE) + 8, 13)

# Writers cut pixels into pieces of 8 kB and more: a file of 250 MB has 32,000 of them.
MAX_CHUNKS: Final = 100_000
MAX_UNPACKED_BYTES: Final = 4 * 1024 * 1024  # of all texts

_TEXTS: Final = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_XMP: Final = b"XML:com.adobe.xmp"
_RAW_PROFILES: Final = frozenset(b"Raw profile type " + kind for kind in (b"exif", b"APP1", b"xmp"))


def chunks(data: Data) -> Iterator[tuple[bytes, int, int]]:
    """Name, offset and byte size of each payload up to IEND, whether or not it is all there."""
    at = len(SIGNATURE)
    for _ in range(MAX_CHUNKS):
        head = data[at : at + 8]
        if len(head) < 8:
            return
        name, byte_size = head[4:], int.from_bytes(head[:4])
        yield name, at + 8, byte_size
        if name == b"IEND":
            return
        at += 12 + byte_size


# --- The header -----------------------------------------------------------------------------


@dataclass
class Header:
    """Width and height in pixels as stored. `cicp`: code points of ITU-T H.273, if it has any."""

    width: int = 0
    height: int = 0
    exif: bytes = b""
    icc: bytes | None = None
    cicp: tuple[int, int] | None = None  # colour primaries, transfer characteristics
    drawing: list[Piece] = field(default_factory=list)


def read_header(data: Data) -> Header:
    """Walk over all chunks. Raises NotDrawable."""
    header = Header(drawing=[SIGNATURE])
    has_profile = False
    found = None
    for found in chunks(data):
        name, at, byte_size = found
        if len(header.drawing) == 1 and found != _START:
            raise NotDrawable
        if name == b"IHDR":
            header.width, header.height = struct.unpack_from(">LL", data, at)
        elif name == b"eXIf" and not header.exif:
            header.exif = data[at : at + min(byte_size, MAX_EXIF_BYTES)]
        elif name == b"iCCP" and not has_profile:  # broken ones, too, cost their unpacking
            has_profile = True
            header.icc = _unpacked_icc(data[at : at + min(byte_size, MAX_ICC_BYTES)])
        elif name == b"cICP" and byte_size == 4:
            primaries, transfer, _, _ = data[at : at + 4]
            header.cicp = primaries, transfer
        if name in {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}:
            header.drawing.append((at - 8, byte_size + 12))
    if found is None or (found[0] != b"IEND" and sum(found[1:]) + 12 <= len(data)):
        raise NotDrawable  # it has more chunks; where one is cut off, the decoder says so
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


# --- Metadata -------------------------------------------------------------------------------


def find_metadata(data: Data) -> Metadata:
    """The eXIf chunk (11.3.3.5), or what ImageMagick wrote before there was one; XMP as iTXt.

    All may stand before or behind the pixels; of each kind the first counts.
    """
    exif, older, xmp, older_xmp = b"", b"", b"", b""
    unpacker = _Unpacker()
    for name, at, byte_size in chunks(data):
        if name == b"eXIf":
            exif = exif or data[at : at + min(byte_size, MAX_EXIF_BYTES)]
        elif name in _TEXTS:
            payload = data[at : at + min(byte_size, 2 * MAX_EXIF_BYTES)]
            keyword, _, rest = payload.partition(b"\0")
            if keyword == _XMP:
                xmp = xmp or unpacker.text(name, rest)
            elif keyword in _RAW_PROFILES and not (older and older_xmp):
                profile = _raw_profile(unpacker.text(name, rest))
                if profile.startswith(jpeg.XMP_START):
                    older_xmp = older_xmp or profile[len(jpeg.XMP_START) :]
                elif keyword.endswith(b" xmp"):
                    older_xmp = older_xmp or profile
                else:
                    older = older or profile
        if exif and xmp:
            break
    return Metadata(exif or older, xmp or older_xmp)


class _Unpacker:
    """Unpacks the texts of one PNG, `MAX_UNPACKED_BYTES` of all of them, packed or not: a hundred
    kilobytes may unpack to as many megabytes, over and over."""

    def __init__(self) -> None:
        self._bytes_left = MAX_UNPACKED_BYTES

    def text(self, name: bytes, rest: bytes) -> bytes:
        """Returns the text of a textual chunk (11.3.3) after its keyword; nothing of a broken
        one."""
        is_packed = name == b"zTXt" or (name == b"iTXt" and rest[:1] == b"\1")
        if name == b"zTXt":
            rest = rest[1:]
        elif name == b"iTXt":
            rest = b"".join(rest[2:].split(b"\0", 2)[2:])  # behind the language and the translation
        if not is_packed:
            text = rest[: self._bytes_left]
            self._bytes_left -= len(text)
            return text
        unpacker = zlib.decompressobj()
        text = b""
        try:
            # In pieces, so that what was unpacked counts even if it turns out to be broken.
            while rest and self._bytes_left and len(text) < 2 * MAX_EXIF_BYTES:
                part = unpacker.decompress(rest, min(self._bytes_left, 256 * 1024))
                rest = unpacker.unconsumed_tail
                self._bytes_left -= len(part)
                text += part
        except zlib.error:
            return b""
        return text


def _raw_profile(text: bytes) -> bytes:
    """Line feed, name, line feed, byte size, line feed, then hexadecimal digits in lines."""
    found = re.match(rb"\s*[a-zA-Z0-9]{1,40}\s+(\d{1,8})\s", text)
    if found is None:
        return b""
    digits = re.sub(rb"\s+", b"", text[found.end() :])
    if re.fullmatch(rb"[0-9a-fA-F]*", digits) is None:
        return b""
    return bytes.fromhex(digits[: len(digits) // 2 * 2].decode())[: int(found[1])]


# --- The location ---------------------------------------------------------------------------

# What draws (5.6 and 11.3), and what says how large. All else but EXIF is left out.
_DRAWING_CHUNKS: Final = frozenset(
    {
        *(b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT"),
        *(b"sRGB", b"cICP", b"mDCV", b"cLLI", b"bKGD", b"hIST", b"pHYs", b"sPLT"),
        *(b"acTL", b"fcTL", b"fdAT", b"tIME"),
    }
)


def remove_location(source: Path, into: Path, redaction: Redaction) -> None:
    """Copy the chunks that draw, and the camera's EXIF. Raises CannotRemoveLocation."""
    pieces.copy(source, into, lambda data: _kept(data, redaction))


def drawing(data: Data) -> Iterator[Piece]:
    for name, at, byte_size in chunks(data):
        if name in _DRAWING_CHUNKS:
            yield at - 8, byte_size + 12


def _kept(data: mmap, redaction: Redaction) -> Iterator[Piece]:
    yield SIGNATURE
    has_exif = False
    name, end = b"", 0
    for name, at, byte_size in chunks(data):
        end = at + byte_size + 4
        if end > len(data):
            raise CannotRemoveLocation("It ends before its end.")
        if name in _DRAWING_CHUNKS:
            yield at - 8, byte_size + 12
        elif name == b"eXIf" and not has_exif:  # of which there may be one (11.3.3.5)
            has_exif = True
            chunk = name + exif_editor.edit_block(data[at : at + byte_size], redaction)
            yield struct.pack(">L", byte_size) + chunk + struct.pack(">L", zlib.crc32(chunk))
        else:
            redaction.removed.add(_reason(name, data[at : at + min(byte_size, 80)]))
    if name != b"IEND":
        raise CannotRemoveLocation("It ends before its end, or has too many chunks.")
    if end < len(data):
        redaction.removed.add(Removed.ATTACHMENTS)


def _reason(name: bytes, payload: bytes) -> Removed:
    if name not in _TEXTS:
        return Removed.OTHER
    keyword = payload.partition(b"\0")[0]
    return Removed.XMP if keyword == _XMP or keyword.endswith(b" xmp") else Removed.TEXTS
