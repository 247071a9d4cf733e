"""The header of a BMP (Windows BITMAPFILEHEADER and BITMAPINFOHEADER, its elders and heirs)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO, Final

_CORE_HEADER: Final = 12
HEADER_LENGTHS: Final = frozenset({_CORE_HEADER, 40, 52, 56, 64, 108, 124})
_RUN_LENGTH: Final = frozenset({1, 2})
_COMPRESSIONS: Final = frozenset({0, 3, 6}) | _RUN_LENGTH  # none, bit fields
_MAX_ICC_BYTES: Final = 4 * 1024 * 1024


class NotDrawable(Exception):
    """The header describes no picture."""


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


def read_header(file: BinaryIO) -> Header:
    """Raises NotDrawable."""
    file.seek(0)
    head = file.read(14 + 124)
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
        is_rare=compression not in _COMPRESSIONS,
        icc=_embedded_icc(file, head),
    )


def _embedded_icc(file: BinaryIO, head: bytes) -> bytes | None:
    """BITMAPV5HEADER: a profile by offset from the header, and its size."""
    if head[14:15] != b"\x7c" or head[14 + 56 : 14 + 60] != b"DEBM":  # "MBED", little-endian
        return None
    at, length = struct.unpack_from("<II", head, 14 + 112)
    file.seek(14 + at)
    return file.read(length) if 0 < length <= _MAX_ICC_BYTES else None
