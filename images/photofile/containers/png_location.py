"""PNG: written anew with the chunks that draw, and the camera's EXIF."""

from __future__ import annotations

import os
import re
import struct
import zlib
from typing import TYPE_CHECKING, Final

from images.photofile.containers import tiff_location
from images.photofile.containers.location_patterns import CannotRemoveLocation, Redaction, Removed
from images.photofile.metadata import blocks

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator
    from pathlib import Path

# What draws (PNG 3rd edition, 5.6 and 11.3), and what says how large. All else is left out.
_DRAWING_CHUNKS: Final = frozenset(
    {
        *(b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT"),
        *(b"sRGB", b"cICP", b"mDCV", b"cLLI", b"bKGD", b"hIST", b"pHYs", b"sPLT"),
        *(b"acTL", b"fcTL", b"fdAT", b"tIME"),
    }
)
_PNG_START: Final = b"\x89PNG\r\n\x1a\n"


def rewrite(source: Path, into: Path, redaction: Redaction) -> None:
    has_exif = False
    with source.open("rb") as file, into.open("wb") as out:
        out.write(_PNG_START)
        for name, payload in _chunks(file):
            if name == b"eXIf" and not has_exif:  # of which there may be one (11.3.3.5)
                has_exif = True
                block = re.sub(rb"\A(?:Exif\0\0){1,2}", b"", payload)
                payload = tiff_location.edit_block(block, redaction)
            elif name not in _DRAWING_CHUNKS:
                redaction.removed.add(_reason(name, payload))
                continue
            out.write(struct.pack(">I", len(payload)) + name)
            out.write(payload)
            out.write(_checksum(name, payload))
        if file.read(1):
            redaction.removed.add(Removed.ATTACHMENTS)


def _reason(name: bytes, payload: bytes) -> Removed:
    if name not in {b"tEXt", b"zTXt", b"iTXt"}:
        return Removed.OTHER
    keyword = payload.partition(b"\0")[0]
    is_xmp = keyword == blocks.XMP_OF_PNG or keyword.endswith(b" xmp")
    return Removed.XMP if is_xmp else Removed.TEXTS


def _chunks(file: io.BufferedReader) -> Iterator[tuple[bytes, bytes]]:
    file_bytes = os.fstat(file.fileno()).st_size
    file.seek(len(_PNG_START))
    for _ in range(blocks.MAX_STEPS):
        head = file.read(8)
        if len(head) < 8:
            raise CannotRemoveLocation("It ends before its end.")
        length, name = int.from_bytes(head[:4]), head[4:]
        if length > file_bytes - file.tell():
            raise CannotRemoveLocation("It ends before its end.")
        payload = file.read(length)
        if file.read(4) != _checksum(name, payload):
            raise CannotRemoveLocation("One of its chunks is damaged.")
        yield name, payload
        if name == b"IEND":
            return
    raise CannotRemoveLocation("It has too many chunks.")


def _checksum(name: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(payload, zlib.crc32(name)))


def pixel_digest(path: Path) -> int:
    """A checksum over the chunks that draw."""
    checksum = 0
    with path.open("rb") as file:
        for name, payload in _chunks(file):
            if name in _DRAWING_CHUNKS:
                checksum = zlib.crc32(payload, zlib.crc32(name, checksum))
    return checksum
