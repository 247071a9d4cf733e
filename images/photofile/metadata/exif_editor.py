"""Removes from EXIF, a TIFF structure, every tag that may tell a location.

Directories close the gaps of removed tags, and every byte that nothing refers to any more becomes
zero; what stays keeps its place, so that no offset changes.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from images.photofile import pieces
from images.photofile.metadata import tag_values, tiff
from images.photofile.metadata.location_patterns import CannotRemoveLocation, Redaction, Removed

if TYPE_CHECKING:
    from mmap import mmap

    from images.photofile.metadata.tiff import Entry

ORIENTATION: Final = 0x0112
ICC_PROFILE: Final = 0x8773
_SUB_IFDS: Final = 0x014A
_INNER_DIRECTORIES: Final = frozenset({0x8769, 0xA005})  # Exif, Interop

_REASONS: Final = {
    0x8825: Removed.POSITION,
    0x927C: Removed.MAKER_NOTES,
    0x02BC: Removed.XMP,
    0x83BB: Removed.IPTC,
    0x8649: Removed.IPTC,  # Photoshop's block
    0x9C9E: Removed.KEYWORDS,  # as Windows writes them
}
# What stays: tags of TIFF 6.0, of EXIF 3.0 and of Interop, ICC profile, copyright, ratings, and
# Windows' texts. Any other, such as GeoTIFF's or an application's own, may tell anything.
KEPT_TAGS: Final = frozenset(
    {
        *range(0x00FE, 0x0215),
        *range(0x1000, 0x1003),
        *(0x4746, 0x4749, 0x8298, 0x829A, 0x829D, 0x8769, ICC_PROFILE),
        *range(0x8822, 0x8834),
        *range(0x9000, 0x9293),
        *range(0x9C9B, 0x9CA0),
        *range(0xA000, 0xA501),
    }
) - set(_REASONS)
TEXT_KINDS: Final = frozenset({2, 129})  # ASCII, UTF-8
# Texts of another kind: UserComment, and Windows' title, comment, author and subject.
_TEXT_TAGS: Final = frozenset({0x9286, *range(0x9C9B, 0x9CA0)})
_MAX_TEXT_BYTES: Final = 1024 * 1024  # looked at in one structure

# Of all directories of a structure: they may refer to each other, and many entries to one place.
MAX_ENTRIES: Final = 20_000
MAX_RANGES: Final = 300_000  # that stay: values, strips and tiles
_MAX_READS: Final = 5  # of each byte: values and pixels twice each, with a little to spare


def edit_block(block: bytes, redaction: Redaction) -> bytes:
    """Return an EXIF block of the same length without position, maker note, thumbnail, whatever
    is not understood, and whatever nothing refers to. Of a block that cannot be read in full only
    the orientation is left."""
    prefix = 6 * block[:12].count(b"Exif\0\0") if block.startswith(b"Exif\0\0") else 0
    try:
        editor = Editor(bytearray(block[prefix:]), redaction)
        at = editor.edit_directory(editor.number("L", 4))
        if editor.number("L", at):  # IFD1: a thumbnail, which may hold metadata of its own
            redaction.removed.add(Removed.OTHER)
            struct.pack_into(editor.order + "L", editor.data, at, 0)
        editor.blank_rest()
        edited = bytes(editor.data)
    except (CannotRemoveLocation, struct.error):
        edited = b""
    if not edited or tiff.GPS in tiff.read(edited):
        redaction.removed.add(Removed.OTHER)
        edited = _orientation_alone(block)
    return edited.ljust(len(block), b"\0")


def _orientation_alone(block: bytes) -> bytes:
    found = tiff.read(block).get(tiff.IFD0, {}).get(ORIENTATION)
    orientation = tag_values.code(found, among=range(1, 9)) or 1
    alone = b"MM\0*" + struct.pack(">LHHHLHHL", 8, 1, ORIENTATION, 3, 1, orientation, 0, 0)
    return alone if len(alone) <= len(block) else b""


class Editor(tiff.Structure):
    """A TIFF structure that is edited in place, and which of its bytes something refers to."""

    data: bytearray | mmap

    def __init__(self, data: bytearray | mmap, redaction: Redaction) -> None:
        """Raises CannotRemoveLocation."""
        order = tiff.BYTE_ORDERS.get(bytes(data[:4]))
        if order is None:
            raise CannotRemoveLocation("It is no TIFF, or one of a rare kind.")
        super().__init__(data, order)
        self.redaction = redaction
        self.kept: list[tuple[int, int]] = []
        self._entries_left = MAX_ENTRIES
        self._bytes_left = _MAX_READS * len(data)
        self._text_bytes_left = _MAX_TEXT_BYTES
        self.keep(0, 8)

    def keep(self, at: int, byte_size: int) -> None:
        if at + byte_size > len(self.data):
            raise CannotRemoveLocation("It points outside itself.")
        self.kept.append((at, at + byte_size))
        if len(self.kept) > MAX_RANGES:
            raise CannotRemoveLocation("It has more parts than are looked at.")

    def blank_rest(self) -> None:
        pieces.blank_gaps(self.data, self.kept, start=0, end=len(self.data))

    def whole_directory(self, at: int) -> list[Entry]:
        """Raises CannotRemoveLocation unless every entry is there."""
        found = list(self.entries(at))
        if len(found) < self.number("H", at):
            raise CannotRemoveLocation("Its EXIF is of no usual shape.")
        self._entries_left -= len(found)
        if self._entries_left < 0:
            raise CannotRemoveLocation("It has more directories than are looked at.")
        return found

    def count_read(self, byte_size: int) -> None:
        """Raises CannotRemoveLocation once more was read than the file holds."""
        self._bytes_left -= byte_size
        if self._bytes_left < 0:
            raise CannotRemoveLocation("Its values overlap.")

    def counted_value(self, entry: Entry) -> bytes:
        self.count_read(entry.byte_size)
        return self.value(entry)

    def edit_directory(self, at: int, *, depth: int = 0) -> int:
        """Remove tags and close their gaps; return where the next directory's offset stands."""
        if depth > 2:
            raise CannotRemoveLocation("Its EXIF is of no usual shape.")
        found = self.whole_directory(at)
        stay = []
        for entry in found:
            if entry.tag == _SUB_IFDS:
                raise CannotRemoveLocation("Its EXIF holds directories that are not understood.")
            if self._stays(entry) and self._keep_value(entry):
                stay.append(bytes(self.data[entry.at : entry.at + 12]))
                if entry.tag in _INNER_DIRECTORIES:
                    self.edit_directory(self.number("L", entry.at + 8), depth=depth + 1)
        old_end = at + 2 + 12 * len(found) + 4
        following = self.number("L", old_end - 4)
        table = struct.pack(self.order + "H", len(stay)) + b"".join(stay)
        table += struct.pack(self.order + "L", following)
        self.data[at:old_end] = table.ljust(old_end - at, b"\0")
        self.keep(at, len(table))
        return at + len(table) - 4

    def _stays(self, entry: Entry) -> bool:
        """Records why if it does not."""
        # Index and version of Interop, whose numbers are also those of hemisphere and latitude.
        is_of_interop = entry.tag in {1, 2} and entry.kind in {2, 7} and entry.length <= 4
        is_text = entry.kind in TEXT_KINDS or entry.tag in _TEXT_TAGS
        if entry.tag not in KEPT_TAGS and not is_of_interop:
            self.redaction.removed.add(_REASONS.get(entry.tag, Removed.OTHER))
        elif is_text and self._reveals(entry):
            self.redaction.removed.add(Removed.TEXTS)
        else:
            return True
        return False

    def _reveals(self, text: Entry) -> bool:
        self._text_bytes_left -= text.byte_size
        if self._text_bytes_left < 0:
            return True  # for all that is known
        return self.redaction.bytes_reveal(self.counted_value(text))

    def _keep_value(self, entry: Entry) -> bool:
        """False for an entry of unknown type, or whose value is not there: it says nothing."""
        at = self.value_at(entry)
        if entry.kind not in tiff.UNIT_BYTES or at is None:
            return False
        if entry.byte_size > 4:
            self.keep(at, entry.byte_size)
        return True
