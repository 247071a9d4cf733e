"""The tags of a TIFF structure, which is how EXIF is written (TIFF 6.0 §2; EXIF 2.32 §4.6).

Nothing it says is believed: a bad tag is left out and the others stay, a directory that points to
itself is read once, and neither time nor memory grows beyond the limits below, whatever the counts
say. A file may stand for its bytes as `mmap`: only what is looked at is read. IFD1, where the
thumbnail lives, and maker notes are not read.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from mmap import mmap

IFD0: Final = "IFD0"
EXIF: Final = "Exif"
GPS: Final = "GPS"
INTEROP: Final = "Interop"

# Which tag of which directory points to which other directory.
POINTERS: Final = {IFD0: {0x8769: EXIF, 0x8825: GPS}, EXIF: {0xA005: INTEROP}}

BYTE_ORDERS: Final = {b"II*\0": "<", b"MM\0*": ">"}

MAX_ENTRIES: Final = 1000  # per directory; a busy raw file has about 100
MAX_VALUE_BYTES: Final = 16 * 1024  # kept of one value
MAX_TOTAL_BYTES: Final = 512 * 1024  # kept of all values

_BYTES: Final = {1, 2, 6, 7, 129}  # BYTE, ASCII, SBYTE, UNDEFINED, UTF-8 (EXIF 3.0)
_RATIONALS: Final = {5: "L", 10: "l"}
_NUMBERS: Final = {3: "H", 4: "L", 8: "h", 9: "l", 11: "f", 12: "d", 13: "L"}
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


class Entry(NamedTuple):
    """A tag of a directory, as it stands at `at`: its type, and how many values it has."""

    tag: int
    kind: int
    length: int
    at: int

    @property
    def byte_size(self) -> int:
        """Bytes of the value; 0 for an unknown type."""
        return UNIT_BYTES.get(self.kind, 0) * self.length


class Structure:
    """Directories and values by offset. `order` is that of bytes, "<" or ">"; `skipped` bytes
    stand before the structure."""

    def __init__(self, data: bytes | bytearray | mmap, order: str, skipped: int = 0) -> None:
        self.data = data
        self.order = order
        self.skipped = skipped
        self.byte_size = len(data) - skipped

    def unpack(self, letters: str, at: int) -> tuple[int, ...]:
        """Raises struct.error beyond the end."""
        return struct.unpack_from(self.order + letters, self.data, self.skipped + at)

    def number(self, letter: str, at: int) -> int:
        return self.unpack(letter, at)[0]

    def entries(self, at: int) -> Iterator[Entry]:
        """Read the directory at an offset, as far as it fits and `MAX_ENTRIES` go."""
        if not 8 <= at <= self.byte_size - 2:
            return
        fitting = (self.byte_size - at - 2) // 12
        for index in range(min(self.number("H", at), fitting, MAX_ENTRIES)):
            entry_at = at + 2 + 12 * index
            tag, kind, length = self.unpack("HHL", entry_at)
            yield Entry(tag, kind, length, entry_at)

    def value_at(self, entry: Entry) -> int | None:
        """Return where the value stands; None if it does not lie within the data."""
        at = entry.at + 8
        if entry.byte_size > 4:
            at = self.number("L", at)
        return at if at + entry.byte_size <= self.byte_size else None

    def value(self, entry: Entry, *, max_bytes: int | None = None) -> bytes:
        """Read the bytes of a value; none if it does not lie within the data."""
        at = self.value_at(entry)
        if at is None:
            return b""
        byte_size = entry.byte_size if max_bytes is None else min(entry.byte_size, max_bytes)
        return bytes(self.data[self.skipped + at : self.skipped + at + byte_size])


def structure(data: bytes | bytearray | mmap) -> Structure | None:
    """Return the structure that the bytes are; None if they are no TIFF."""
    # Writers repeat the "Exif" of the JPEG segment, or write it where it does not belong.
    skipped = next((6 * n for n in (2, 1) if data[: 6 * n] == b"Exif\0\0" * n), 0)
    order = BYTE_ORDERS.get(bytes(data[skipped : skipped + 4]))
    return Structure(data, order, skipped) if order and len(data) >= skipped + 8 else None


def read(data: bytes | mmap) -> dict[str, Directory]:
    """Read the directories by name. Bytes that are no TIFF give none."""
    found = structure(data)
    if found is None:
        return {}
    directories: dict[str, Directory] = {}
    waiting = [(IFD0, found.number("L", 4))]
    seen: set[int] = set()
    bytes_left = MAX_TOTAL_BYTES
    while waiting:
        name, at = waiting.pop(0)
        if at in seen:
            continue
        seen.add(at)
        directories[name] = directory = {}
        for entry in found.entries(at):
            if entry.tag not in directory and (kept := _read_field(found, entry, bytes_left)):
                field, byte_size = kept
                bytes_left -= byte_size
                directory[entry.tag] = field
        for tag, target in POINTERS.get(name, {}).items():
            match directory.pop(tag, None):
                case Field(value=(int(target_at), *_)):
                    waiting.append((target, target_at))
    return directories


def read_value(data: bytes | mmap, tag: int, *, max_bytes: int) -> bytes:
    """Read the bytes of one tag of IFD0, up to more than `read` keeps; empty without it."""
    if found := structure(data):
        for entry in found.entries(found.number("L", 4)):
            if entry.tag == tag and found.value_at(entry) is not None:
                return found.value(entry, max_bytes=max_bytes)
    return b""


def _read_field(found: Structure, entry: Entry, bytes_left: int) -> tuple[Field, int] | None:
    """Read one value, and how many bytes of it are kept. None if its type is unknown, it does not
    lie within the data, or no more bytes are left for it."""
    unit = UNIT_BYTES.get(entry.kind)
    at = found.value_at(entry)
    if unit is None or at is None:
        return None
    kept = min(entry.byte_size, MAX_VALUE_BYTES) // unit
    if kept * unit > bytes_left:
        return None
    value: bytes | tuple[Number, ...]
    if entry.kind in _BYTES:
        value = found.value(entry, max_bytes=kept)
    elif entry.kind in _NUMBERS:
        value = found.unpack(f"{kept}{_NUMBERS[entry.kind]}", at)
    else:
        parts = found.unpack(f"{2 * kept}{_RATIONALS[entry.kind]}", at)
        value = tuple(n / d if d else None for n, d in zip(parts[::2], parts[1::2], strict=True))
    return Field(value, entry.byte_size), kept * unit
