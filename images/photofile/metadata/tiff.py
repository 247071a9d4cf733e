"""The tags of a TIFF structure, which is how EXIF is written (TIFF 6.0 §2; EXIF 2.32 §4.6), and of
its sibling with offsets of 64 bits, BigTIFF (magic number 43).

Believes nothing it reads: a bad tag is left out and the others stay, a directory that points to
itself is read once, and neither time nor memory grows beyond the limits below, whatever the counts
say. A file may stand for its bytes as `mmap`: only what is looked at is read. It does not follow
IFD1, where the thumbnail lives, nor look into maker notes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from mmap import mmap

IFD0: Final = "IFD0"
EXIF: Final = "Exif"
GPS: Final = "GPS"
INTEROP: Final = "Interop"

# Which tag of which directory points to which other directory.
POINTERS: Final = {IFD0: {0x8769: EXIF, 0x8825: GPS}, EXIF: {0xA005: INTEROP}}

MAX_ENTRIES: Final = 1000  # per directory; a busy raw file has about 100
MAX_VALUE_BYTES: Final = 16 * 1024  # kept of one value
MAX_TOTAL_BYTES: Final = 512 * 1024  # kept of all values

_BYTES: Final = {1, 2, 6, 7, 129}  # BYTE, ASCII, SBYTE, UNDEFINED, UTF-8 (EXIF 3.0)
_RATIONALS: Final = {5: "L", 10: "l"}
_NUMBERS: Final = {3: "H", 4: "L", 8: "h", 9: "l", 11: "f", 12: "d", 13: "L"} | {
    16: "Q",  # BigTIFF
    17: "q",
    18: "Q",
}
# Bytes of one value, by its type.
UNIT_BYTES: Final = {
    **dict.fromkeys(_BYTES, 1),
    **{kind: struct.calcsize("=" + letter) for kind, letter in _NUMBERS.items()},
    **dict.fromkeys(_RATIONALS, 8),
}


Number = int | float | None


@dataclass(frozen=True, slots=True)
class Field:
    """One tag: bytes as they stand, or numbers (None where a rational's denominator is zero).

    `byte_size` is what the file claims; `value` may be a shorter beginning of it.
    """

    value: bytes | tuple[Number, ...]
    byte_size: int


Directory = dict[int, Field]


@dataclass(frozen=True)
class Shape:
    """How a TIFF counts: letters are those of `struct`."""

    order: str  # "<" or ">"
    count: str  # of the entries of a directory
    offset: str  # of values and directories; as wide is the field of a small value
    ifd0_at: int
    skipped: int = 0  # bytes in front of the TIFF

    @property
    def count_bytes(self) -> int:
        return struct.calcsize("=" + self.count)

    @property
    def offset_bytes(self) -> int:
        return struct.calcsize("=" + self.offset)

    @property
    def entry_bytes(self) -> int:
        return 4 + 2 * self.offset_bytes  # tag, type, number of values, value or offset


def shape(data: bytes | mmap) -> Shape | None:
    """Tell how the structure counts by its header, or None if the bytes are no TIFF."""
    # Writers repeat the "Exif" of the JPEG segment, or write it where it does not belong.
    skipped = next((6 * n for n in (2, 1) if data[: 6 * n] == b"Exif\0\0" * n), 0)
    head = data[skipped : skipped + 16]
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 8:
        return None
    (magic,) = struct.unpack_from(order + "H", head, 2)
    if magic == 42:
        (ifd0_at,) = struct.unpack_from(order + "L", head, 4)
        return Shape(order, "H", "L", ifd0_at, skipped)
    if magic == 43 and struct.unpack_from(order + "HH", head, 4) == (8, 0) and len(head) == 16:
        (ifd0_at,) = struct.unpack_from(order + "Q", head, 8)
        return Shape(order, "Q", "Q", ifd0_at, skipped)
    return None


def read(data: bytes | mmap) -> dict[str, Directory]:
    """Read the directories by name. Bytes that are no TIFF give none."""
    found = shape(data)
    return {} if found is None else _Reader(data, found).read_all()


def read_value(data: bytes | mmap, tag: int, *, max_bytes: int) -> bytes:
    """Read the bytes of one tag of IFD0, up to more than `read` keeps; empty without it."""
    found = shape(data)
    if found is None:
        return b""
    return _Reader(data, found).value_in_ifd0(tag, max_bytes=max_bytes)


class _Reader:
    def __init__(self, data: bytes | mmap, shape: Shape) -> None:
        self.data = data
        self.shape = shape
        self.bytes_left = MAX_TOTAL_BYTES

    def unpack(self, letters: str, at: int) -> tuple[Number, ...]:
        found: tuple[Number, ...]
        found = struct.unpack_from(self.shape.order + letters, self.data, self.shape.skipped + at)
        return found

    @property
    def byte_size(self) -> int:
        return len(self.data) - self.shape.skipped

    def read_all(self) -> dict[str, Directory]:
        directories: dict[str, Directory] = {}
        waiting = [(IFD0, self.shape.ifd0_at)]
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

    def entries(self, at: int) -> Iterator[tuple[int, int, int, int]]:
        """Tag, type, number of values, and where the value or its offset stands."""
        shape = self.shape
        if not 8 <= at <= self.byte_size - shape.count_bytes:
            return
        (count,) = self.unpack(shape.count, at)
        first_at = at + shape.count_bytes
        fitting = (self.byte_size - first_at) // shape.entry_bytes
        for index in range(min(int(count or 0), fitting, MAX_ENTRIES)):
            entry_at = first_at + shape.entry_bytes * index
            tag, kind, length = self.unpack("HH" + shape.offset, entry_at)
            yield int(tag or 0), int(kind or 0), int(length or 0), entry_at + 4 + shape.offset_bytes

    def read_directory(self, at: int) -> Directory:
        directory: Directory = {}
        for tag, kind, count, field_at in self.entries(at):
            if tag not in directory:
                field = self.read_field(kind, count, field_at=field_at)
                if field is not None:
                    directory[tag] = field
        return directory

    def value_at(self, byte_size: int, field_at: int) -> int | None:
        """Where the value stands; None if it does not lie within the data."""
        at = field_at
        if byte_size > self.shape.offset_bytes:
            at = int(self.unpack(self.shape.offset, field_at)[0] or 0)
        return at if at + byte_size <= self.byte_size else None

    def value_in_ifd0(self, wanted: int, *, max_bytes: int) -> bytes:
        for tag, kind, count, field_at in self.entries(self.shape.ifd0_at):
            byte_size = UNIT_BYTES.get(kind, 0) * count
            value_at = self.value_at(byte_size, field_at)
            if tag == wanted and value_at is not None:
                start = self.shape.skipped + value_at
                return self.data[start : start + min(byte_size, max_bytes)]
        return b""

    def read_field(self, kind: int, count: int, *, field_at: int) -> Field | None:
        """Read one value, or None if its type is unknown or it does not lie within the data."""
        unit = UNIT_BYTES.get(kind)
        if unit is None:
            return None
        byte_size = unit * count
        value_at = self.value_at(byte_size, field_at)
        if value_at is None:
            return None
        kept = min(byte_size, MAX_VALUE_BYTES) // unit
        self.bytes_left -= kept * unit
        if self.bytes_left < 0:
            return None
        if kind in _BYTES:
            start = self.shape.skipped + value_at
            return Field(self.data[start : start + kept], byte_size)
        if kind in _NUMBERS:
            return Field(self.unpack(f"{kept}{_NUMBERS[kind]}", value_at), byte_size)
        parts = self.unpack(f"{2 * kept}{_RATIONALS[kind]}", value_at)
        pairs = zip(parts[::2], parts[1::2], strict=True)
        return Field(tuple(n / d if d else None for n, d in pairs if n is not None), byte_size)
