"""The tags of a TIFF structure, which is how EXIF is written (TIFF 6.0 §2; EXIF 2.32 §4.6).

Believes nothing it reads: a bad tag is left out and the others stay, a directory that points to
itself is read once, and neither time nor memory grows beyond the limits below, whatever the counts
say. It does not follow IFD1, where the thumbnail lives, nor look into maker notes.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Final

IFD0: Final = "IFD0"
EXIF: Final = "Exif"
GPS: Final = "GPS"
INTEROP: Final = "Interop"

# Which tag of which directory points to which other directory.
POINTERS: Final = {IFD0: {0x8769: EXIF, 0x8825: GPS}, EXIF: {0xA005: INTEROP}}

MAX_ENTRIES: Final = 1000  # per directory; a busy raw file has about 100
MAX_VALUE_BYTES: Final = 16 * 1024  # kept of one value
MAX_TOTAL_BYTES: Final = 512 * 1024  # kept of all values

_BYTES = {1, 2, 6, 7, 129}  # BYTE, ASCII, SBYTE, UNDEFINED, UTF-8 (EXIF 3.0)
_RATIONALS = {5: "L", 10: "l"}
_NUMBERS = {3: "H", 4: "L", 8: "h", 9: "l", 11: "f", 12: "d", 13: "L"}

Number = int | float | None


@dataclass(frozen=True, slots=True)
class Field:
    """One tag: bytes as they stand, or numbers (None where a rational's denominator is zero).

    `byte_size` is what the file claims; `value` may be a shorter beginning of it.
    """

    value: bytes | tuple[Number, ...]
    byte_size: int


Directory = dict[int, Field]


def read(data: bytes) -> dict[str, Directory]:
    """Read the directories by name. Bytes that are no TIFF give none."""
    # Writers repeat the "Exif" of the JPEG segment, or write it where it does not belong.
    data = re.sub(rb"\A(?:Exif\0\0){1,2}", b"", data)
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8 or struct.unpack_from(order + "H", data, 2)[0] != 42:
        return {}
    (ifd0_at,) = struct.unpack_from(order + "L", data, 4)
    return _Reader(data, order).read_all(ifd0_at)


class _Reader:
    def __init__(self, data: bytes, order: str) -> None:
        self.data = data
        self.order = order
        self.bytes_left = MAX_TOTAL_BYTES

    def read_all(self, ifd0_at: int) -> dict[str, Directory]:
        directories: dict[str, Directory] = {}
        waiting = [(IFD0, ifd0_at)]
        seen: set[int] = set()
        while waiting:
            name, at = waiting.pop(0)
            if at in seen:
                continue
            seen.add(at)
            directories[name] = directory = self.read_directory(at)
            for tag, target in POINTERS.get(name, {}).items():
                pointer = directory.pop(tag, None)
                match pointer:
                    case Field(value=(int(target_at), *_)):
                        waiting.append((target, target_at))
        return directories

    def read_directory(self, at: int) -> Directory:
        directory: Directory = {}
        if not 8 <= at <= len(self.data) - 2:
            return directory
        (count,) = struct.unpack_from(self.order + "H", self.data, at)
        fitting = (len(self.data) - at - 2) // 12
        for index in range(min(count, fitting, MAX_ENTRIES)):
            entry_at = at + 2 + 12 * index
            tag, kind, length = struct.unpack_from(self.order + "HHL", self.data, entry_at)
            if tag not in directory:
                field = self.read_field(kind, length, field_at=entry_at + 8)
                if field is not None:
                    directory[tag] = field
        return directory

    def read_field(self, kind: int, count: int, *, field_at: int) -> Field | None:
        """Read one value, or None if its type is unknown or it does not lie within the data."""
        letter = _RATIONALS.get(kind) or _NUMBERS.get(kind)
        if letter is None and kind not in _BYTES:
            return None
        unit = struct.calcsize("=" + letter) * (2 if kind in _RATIONALS else 1) if letter else 1
        byte_size = unit * count
        value_at = field_at
        if byte_size > 4:
            (value_at,) = struct.unpack_from(self.order + "L", self.data, field_at)
        if value_at + byte_size > len(self.data):
            return None
        kept = min(byte_size, MAX_VALUE_BYTES) // unit
        self.bytes_left -= kept * unit
        if self.bytes_left < 0:
            return None
        if letter is None:
            return Field(self.data[value_at : value_at + kept], byte_size)
        if kind in _NUMBERS:
            numbers = struct.unpack_from(f"{self.order}{kept}{letter}", self.data, value_at)
            return Field(numbers, byte_size)
        parts = struct.unpack_from(f"{self.order}{2 * kept}{letter}", self.data, value_at)
        pairs = zip(parts[::2], parts[1::2], strict=True)
        return Field(tuple(n / d if d else None for n, d in pairs), byte_size)
