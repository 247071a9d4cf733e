"""BMP in all its header versions. It holds no metadata; only bytes after the pixels could tell a
location."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from images.photofile import pieces
from images.photofile.containers.container import MAX_ICC_BYTES, Data, Metadata, NotDrawable
from images.photofile.metadata.location_patterns import CannotRemoveLocation, Redaction, Removed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from mmap import mmap
    from pathlib import Path

    from images.photofile.pieces import Piece

_CORE_HEADER: Final = 12
HEADER_LENGTHS: Final = frozenset({_CORE_HEADER, 40, 52, 56, 64, 108, 124})
_RUN_LENGTH: Final = frozenset({1, 2})
_UNCOMPRESSED: Final = frozenset({0, 3, 6})  # none, bit fields


@dataclass(frozen=True)
class Header:
    """Width and height in pixels. `is_run_length` if it is compressed, which is slow to undo."""

    width: int
    height: int
    is_run_length: bool = False
    is_rare: bool = False  # a JPEG or PNG for printers, or of an unknown compression
    icc: bytes | None = None


def is_header(head: bytes) -> bool:
    """True if what follows "BM" looks like one: those two letters also begin texts."""
    return head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in HEADER_LENGTHS


def read_header(data: Data) -> Header:
    """Raises NotDrawable."""
    head = data[: 14 + 124]
    length = int.from_bytes(head[14:18], "little")
    if not is_header(head) or len(head) < 14 + length:
        raise NotDrawable
    if length == _CORE_HEADER:
        return Header(*struct.unpack_from("<HH", head, 18))
    width, height, _, _, compression = struct.unpack_from("<iiHHI", head, 18)
    if width < 0:
        raise NotDrawable
    # A negative height tells that rows run from the top.
    return Header(
        *(width, abs(height)),
        is_run_length=compression in _RUN_LENGTH,
        is_rare=compression not in _UNCOMPRESSED | _RUN_LENGTH,
        icc=_embedded_icc(data, head),
    )


def _embedded_icc(data: Data, head: bytes) -> bytes | None:
    """BITMAPV5HEADER: a profile by offset from the header, and its size."""
    if head[14:15] != b"\x7c" or head[14 + 56 : 14 + 60] != b"DEBM":  # "MBED", little-endian
        return None
    at, length = struct.unpack_from("<II", head, 14 + 112)
    return data[14 + at : 14 + at + length] if 0 < length <= MAX_ICC_BYTES else None


def find_metadata(_: Data) -> Metadata:
    return Metadata()


# --- The location ---------------------------------------------------------------------------

_MAX_PALETTE_BYTES: Final = 256 * 4 + 16  # and masks


def remove_location(source: Path, into: Path, redaction: Redaction) -> None:
    """Cut off what hangs behind. Raises CannotRemoveLocation where the end is not certain."""

    def kept(data: mmap) -> Iterator[Piece]:
        end, is_certain = _end(data)
        if pieces.skip_zeros(data, end, len(data)) >= len(data):
            end = len(data)
        elif is_certain:
            redaction.removed.add(Removed.ATTACHMENTS)
        else:
            raise CannotRemoveLocation("Something hangs behind its pixels.")
        yield 0, end

    pieces.copy(source, into, kept)


def drawing(data: Data) -> Iterator[Piece]:
    yield 0, min(_end(data)[0], len(data))


def _end(data: Data) -> tuple[int, bool]:
    """Returns where pixels and profile end, and whether that is certain. Raises
    CannotRemoveLocation."""
    pixels_at, header_bytes = struct.unpack_from("<LL", data, 10)
    if pixels_at - 14 - header_bytes > _MAX_PALETTE_BYTES:
        raise CannotRemoveLocation("There is something between its header and its pixels.")
    if header_bytes == _CORE_HEADER:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        compression = told = 0
    else:
        width, height, _, bits, compression, told = struct.unpack_from("<llHHLL", data, 18)
    is_certain = compression in _UNCOMPRESSED
    byte_size = (abs(width) * bits + 31) // 32 * 4 * abs(height) if is_certain else told
    end = pixels_at + byte_size
    if header_bytes >= 124:
        profile_at, profile_bytes = struct.unpack_from("<LL", data, 14 + 112)
        if profile_bytes:
            end = max(end, 14 + profile_at + profile_bytes)
    return end, is_certain
