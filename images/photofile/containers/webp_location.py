"""WebP: written anew with the chunks that draw (RFC 9649), the camera's EXIF and harmless XMP."""

from __future__ import annotations

import mmap
import re
import struct
import zlib
from typing import TYPE_CHECKING, Final

from images.photofile.containers import tiff_location
from images.photofile.containers.location_patterns import CannotRemoveLocation, Redaction, Removed
from images.photofile.metadata import blocks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_DRAWING_CHUNKS: Final = frozenset({b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP"})
_CHUNKS_OF_A_FRAME: Final = frozenset({b"ALPH", b"VP8 ", b"VP8L"})
_MAX_CHUNKS_OF_A_FRAME: Final = 8  # a frame has one or two
_MAX_XMP_BYTES: Final = 32 * 1024 * 1024
# Of the flags of VP8X: that there is EXIF, that there is XMP.
_EXIF_FLAG, _XMP_FLAG = 0x08, 0x04


def rewrite(source: Path, into: Path, redaction: Redaction) -> None:
    flags = 0
    told_flags = []  # where they stand, and what they were
    with (
        source.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        into.open("wb") as out,
    ):
        out.write(bytes(12))
        for name, payload in _chunks(data):
            is_another = name == b"EXIF" and flags & _EXIF_FLAG  # there may be one (2.7.1.5)
            kept = None if is_another else _kept(name, payload, redaction)
            if kept is None:
                redaction.removed.add(Removed.XMP if name == b"XMP " else Removed.OTHER)
                continue
            flags |= {b"EXIF": _EXIF_FLAG, b"XMP ": _XMP_FLAG}.get(name, 0)
            out.write(struct.pack("<4sL", name, len(kept)))
            if name == b"VP8X":
                told_flags.append((out.tell(), kept[0]))
            out.write(kept)
            out.write(bytes(len(kept) % 2))
        byte_size = out.tell()
        for at, told in told_flags:
            out.seek(at)
            out.write(bytes([told & ~(_EXIF_FLAG | _XMP_FLAG) | flags]))
        out.seek(0)
        out.write(struct.pack("<4sL4s", b"RIFF", byte_size - 8, b"WEBP"))
        if int.from_bytes(data[4:8], "little") + 8 < len(data):
            redaction.removed.add(Removed.ATTACHMENTS)


def pixel_digest(path: Path) -> int:
    """A checksum over the chunks that draw."""
    checksum = 0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for name, payload in _chunks(data):
            if name == b"VP8X":
                payload = bytes([payload[0] & ~(_EXIF_FLAG | _XMP_FLAG)]) + payload[1:]
            if name in _DRAWING_CHUNKS:
                checksum = zlib.crc32(payload, zlib.crc32(name, checksum))
    return checksum


def _kept(name: bytes, payload: bytes, redaction: Redaction) -> bytes | None:
    """What stays of a chunk."""
    if name == b"EXIF":
        return tiff_location.edit_block(re.sub(rb"\A(?:Exif\0\0){1,2}", b"", payload), redaction)
    if name == b"XMP ":
        is_short = len(payload) <= _MAX_XMP_BYTES
        return payload if is_short and redaction.keeps_xmp(payload) else None
    if name == b"ANMF":
        _look_into_frame(payload)
    return payload if name in _DRAWING_CHUNKS else None


def _look_into_frame(payload: bytes) -> None:
    """Raises CannotRemoveLocation if it holds more than a picture.

    A frame begins with 16 bytes of numbers.
    """
    at = 16
    for _ in range(_MAX_CHUNKS_OF_A_FRAME):
        if at + 8 > len(payload):
            return
        name, byte_size = struct.unpack_from("<4sL", payload, at)
        if name not in _CHUNKS_OF_A_FRAME:
            raise CannotRemoveLocation("One of its frames holds something that is not understood.")
        at += 8 + byte_size + byte_size % 2
    raise CannotRemoveLocation("One of its frames has too many chunks.")


def _chunks(data: mmap.mmap) -> Iterator[tuple[bytes, bytes]]:
    """Up to the end that the file names. Raises CannotRemoveLocation if it is not whole."""
    end = 8 + int.from_bytes(data[4:8], "little")
    at = 12
    for name, payload_at, byte_size in blocks.riff_chunks(data):
        if payload_at - 8 >= end:
            break
        at = payload_at + byte_size + byte_size % 2
        if payload_at + byte_size > min(end, len(data)) or (name == b"VP8X" and byte_size < 10):
            raise CannotRemoveLocation("One of its chunks is damaged.")
        yield name, data[payload_at : payload_at + byte_size]
    if at < end:
        raise CannotRemoveLocation("It ends before its end, or has too many chunks.")
