"""The records of a ZIP file (PKWARE APPNOTE 6.3) whose files are stored as they are.

Each header is written when the CRC of its file is known, so that readers that do not look at the
end of the file first, such as Java's ZipInputStream, can read it, too. The length of every record
follows from names and sizes alone: so the place of each byte is known before the first is written,
and writing can go on anywhere. No library that we know of offers that.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

NAME_IS_UTF8 = 0x0800
STORED = 0
VERSION, VERSION_ZIP64 = 20, 45
MADE_ON_UNIX = 3 << 8
REGULAR_FILE = 0o100644 << 16
LIMIT, COUNT_LIMIT = 0xFFFFFFFF, 0xFFFF
ZIP64_EXTRA = 0x0001

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")


def local_header(name: str, *, byte_size: int, crc32: int, modified: datetime) -> bytes:
    """Returns what stands before the bytes of a file."""
    encoded, extra, size, version = name.encode(), b"", byte_size, VERSION
    if byte_size >= LIMIT:
        extra = struct.pack("<2H2Q", ZIP64_EXTRA, 16, byte_size, byte_size)
        size, version = LIMIT, VERSION_ZIP64
    head = _LOCAL.pack(
        *(b"PK\3\4", version, NAME_IS_UTF8, STORED, *_dos_time(modified), crc32),
        *(size, size, len(encoded), len(extra)),
    )
    return head + encoded + extra


def local_header_length(name: str, *, byte_size: int) -> int:
    return _LOCAL.size + len(name.encode()) + (20 if byte_size >= LIMIT else 0)


def central_header(
    name: str, *, byte_size: int, crc32: int, modified: datetime, offset: int
) -> bytes:
    """Returns the entry of a file in the directory at the end."""
    encoded, extra, size, version = name.encode(), b"", byte_size, VERSION
    if _is_large(byte_size, offset):
        # All three, where one would do: behind a file of 2**32 - 1 bytes, Info-ZIP's unzip 6.0
        # takes a place that stands there alone for a size.
        extra = struct.pack("<2H3Q", ZIP64_EXTRA, 24, byte_size, byte_size, offset)
        size, offset, version = LIMIT, LIMIT, VERSION_ZIP64
    head = _CENTRAL.pack(
        *(b"PK\1\2", MADE_ON_UNIX | version, version, NAME_IS_UTF8, STORED),
        *(*_dos_time(modified), crc32, size, size, len(encoded), len(extra)),
        *(0, 0, 0, REGULAR_FILE, offset),
    )
    return head + encoded + extra


def central_header_length(name: str, *, byte_size: int, offset: int) -> int:
    return _CENTRAL.size + len(name.encode()) + (28 if _is_large(byte_size, offset) else 0)


def end(*, count: int, directory_offset: int, directory_size: int) -> bytes:
    """Returns what stands after the directory."""
    records = b""
    if count >= COUNT_LIMIT or directory_offset >= LIMIT or directory_size >= LIMIT:
        records = _END64.pack(
            *(b"PK\6\6", _END64.size - 12, MADE_ON_UNIX | VERSION_ZIP64, VERSION_ZIP64, 0, 0),
            *(count, count, directory_size, directory_offset),
        ) + _LOCATOR.pack(b"PK\6\7", 0, directory_offset + directory_size, 1)
    number = min(count, COUNT_LIMIT)
    return records + _END.pack(
        *(b"PK\5\6", 0, 0, number, number),
        *(min(directory_size, LIMIT), min(directory_offset, LIMIT), 0),
    )


def _is_large(byte_size: int, offset: int) -> bool:
    return max(byte_size, offset) >= LIMIT


def _dos_time(moment: datetime) -> tuple[int, int]:
    """Time and date, as a clock on the wall showed them; ZIP knows 1980 to 2107."""
    if moment.year < 1980:
        return 0, (1 << 5) | 1
    if moment.year > 2107:
        return (23 << 11) | (59 << 5) | 29, (127 << 9) | (12 << 5) | 31
    return (
        (moment.hour << 11) | (moment.minute << 5) | (moment.second // 2),
        ((moment.year - 1980) << 9) | (moment.month << 5) | moment.day,
    )
