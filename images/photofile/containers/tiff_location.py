"""Takes GPS, and what may hide it, out of a TIFF structure: of an EXIF block, or of a TIFF file.

Directories close the gaps of forgotten tags, and every byte that nothing refers to any more
becomes zero; what stays keeps its place, so that no offset changes.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from images.photofile.containers import blanking, jpeg, jpeg_segments, tiff_pages
from images.photofile.containers.location_patterns import CannotRemoveLocation, Redaction, Removed
from images.photofile.metadata import tag_values, tiff

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SUB_IFDS: Final = 0x014A
_ORIENTATION: Final = 0x0112
_ICC_PROFILE: Final = 0x8773

_IN_WORDS: Final = {
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
        *(0x4746, 0x4749, 0x8298, 0x829A, 0x829D, 0x8769, _ICC_PROFILE),
        *range(0x8822, 0x8834),
        *range(0x9000, 0x9293),
        *range(0x9C9B, 0x9CA0),
        *range(0xA000, 0xA501),
    }
) - set(_IN_WORDS)
_MAX_TEXT_BYTES: Final = 1024 * 1024
_TEXT_KINDS: Final = frozenset({2, 129})  # ASCII, UTF-8
# Texts of another kind: UserComment, and Windows' title, comment, author and subject.
_TEXT_TAGS: Final = frozenset({0x9286, *range(0x9C9B, 0x9CA0)})
MAX_PAGES: Final = 100
# Of all directories of a structure: they may refer to each other, and many entries to one place.
MAX_STEPS: Final = 20_000

# How often each byte may be read: values and pixels twice each, with a little to spare.
_MAX_READS: Final = 5

INNER: Final = frozenset({0x8769, 0xA005})


@dataclass
class _Tree:
    """A TIFF structure, and which of its bytes something that stays refers to.

    `steps` counts the entries gone over, `bytes_read` what was read of values and pixels.
    """

    data: bytearray | mmap.mmap
    order: str
    redaction: Redaction
    covered: list[tuple[int, int]] = field(default_factory=list)
    steps: int = 0
    bytes_read: int = 0
    text_bytes: int = 0

    def numbers(self, letters: str, at: int) -> tuple[int, ...]:
        letters = self.order + letters
        if not 0 <= at <= len(self.data) - struct.calcsize(letters):
            raise CannotRemoveLocation("Its EXIF points outside itself.")
        return struct.unpack_from(letters, self.data, at)

    def number(self, letter: str, at: int) -> int:
        return self.numbers(letter, at)[0]

    def count_entries(self, count: int) -> None:
        self.steps += count
        if self.steps > MAX_STEPS:
            raise CannotRemoveLocation("It has more directories than are looked at.")

    def count_bytes(self, byte_size: int) -> None:
        """Raises CannotRemoveLocation once more was read than the file holds."""
        self.bytes_read += byte_size
        if self.bytes_read > _MAX_READS * len(self.data):
            raise CannotRemoveLocation("Its values overlap.")

    def write(self, letter: str, at: int, value: int) -> None:
        struct.pack_into(self.order + letter, self.data, at, value)

    def keep(self, at: int, byte_size: int) -> None:
        if at < 0 or byte_size < 0 or at + byte_size > len(self.data):
            raise CannotRemoveLocation("Its EXIF points outside itself.")
        self.covered.append((at, at + byte_size))
        if len(self.covered) > tiff_pages.MAX_PARTS:
            raise CannotRemoveLocation("It has more parts than are looked at.")

    def blank_gaps(self) -> None:
        blanking.blank_gaps(self.data, self.covered, start=0, end=len(self.data))


def edit_block(block: bytes, redaction: Redaction) -> bytes:
    """The same EXIF block, of the same length, without position, maker note, what is not
    understood, and what nothing refers to. Of one that cannot be read in full only the
    orientation is left."""
    try:
        edited = _edited(block, redaction)
    except (CannotRemoveLocation, struct.error):
        edited = None
    if edited is None or tiff.GPS in tiff.read(edited):
        redaction.removed.add(Removed.OTHER)
        return _orientation_alone(block)
    return edited


def _orientation_alone(block: bytes) -> bytes:
    found = tiff.read(block).get(tiff.IFD0, {}).get(_ORIENTATION)
    orientation = tag_values.code(found, among=range(1, 9)) or 1
    alone = b"MM\0*" + struct.pack(">LHHHLHHL", 8, 1, _ORIENTATION, 3, 1, orientation, 0, 0)
    return alone.ljust(len(block), b"\0") if len(alone) <= len(block) else bytes(len(block))


def _edited(block: bytes, redaction: Redaction) -> bytes:
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None:
        raise CannotRemoveLocation("Its EXIF is no TIFF.")
    tree = _Tree(bytearray(block), order, redaction)
    tree.keep(0, 8)
    following_at = _edit_directory(tree, tree.number("L", 4))
    ifd1_at = tree.number("L", following_at)
    if ifd1_at:
        try:
            trial = _Tree(bytearray(tree.data), order, redaction, covered=list(tree.covered))
            last_at = _edit_directory(trial, ifd1_at, inner=frozenset())
            _keep_thumbnail(trial, ifd1_at)
            trial.write("L", last_at, 0)
        except CannotRemoveLocation:
            tree.write("L", following_at, 0)  # a thumbnail is worth less than the rest
        else:
            tree = trial
    tree.blank_gaps()
    return bytes(tree.data)


def edit_file(path: Path, redaction: Redaction) -> None:
    """A TIFF file of one or more pages, in place. Raises CannotRemoveLocation."""
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        tree = _opened(data, redaction)
        tree.keep(0, 8)
        for at in _pages(tree):
            _edit_directory(tree, at)
            for pixels_at, byte_size in _pixels(tree, at):
                tree.keep(pixels_at, byte_size)
        tree.blank_gaps()
        data.flush()


def pixel_digest(path: Path) -> list[tuple[int, int]]:
    """A checksum over what draws each page: the pixels, and the tags that say how."""
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        memoryview(data) as view,
    ):
        tree = _opened(data, Redaction())
        found = []
        for at in _pages(tree):
            tags = pixels = 0
            for tag, entry_at in sorted(_entries(tree, at)):
                if _draws(tree, tag, entry_at):
                    tags = zlib.crc32(_value(tree, entry_at), zlib.crc32(b"%d" % tag, tags))
            for pixels_at, byte_size in _pixels(tree, at):
                tree.count_bytes(byte_size)
                pixels = zlib.crc32(view[pixels_at : pixels_at + byte_size], pixels)
            found.append((tags, pixels))
        return found


def _draws(tree: _Tree, tag: int, entry_at: int) -> bool:
    is_text = tree.number("H", entry_at + 2) in _TEXT_KINDS
    return tag == _ICC_PROFILE or (0x00FE <= tag < 0x0215 and tag in KEPT_TAGS and not is_text)


def _opened(data: mmap.mmap, redaction: Redaction) -> _Tree:
    shape = tiff.shape(data)
    if shape is None or shape.count != "H" or shape.skipped:
        raise CannotRemoveLocation("It is a TIFF of a rare kind.")
    return _Tree(data, shape.order, redaction)


def _pages(tree: _Tree) -> Iterator[int]:
    """Where the directory of each page is. A page may be edited before the next is asked for."""
    seen: set[int] = set()
    at = tree.number("L", 4)
    while at:
        if at in seen or len(seen) >= MAX_PAGES:
            raise CannotRemoveLocation("It has too many pages.")
        seen.add(at)
        yield at
        at = tree.number("L", at + 2 + 12 * tree.number("H", at))


# Compressions that hold pixels and nothing else, and JPEG, which is looked into: none, CCITT, LZW,
# JPEG, Deflate (two numbers), PackBits, Zstandard.
_METADATA_OF_JPEG: Final = (jpeg.EXIF_START, jpeg.XMP_START, b"Photoshop 3.0")
_COMPRESSIONS: Final = frozenset({1, 2, 3, 4, 5, 7, 8, 32946, 32773, 50000})


def _pixels(tree: _Tree, at: int) -> list[tuple[int, int]]:
    """Offset and byte size of the strips or tiles of a page.

    Raises CannotRemoveLocation where a reader would have to guess.
    """
    told = {tag: _whole_numbers(tree, entry_at) for tag, entry_at in _entries(tree, at)}
    offsets = told.get(0x0111) or told.get(0x0144) or ()
    sizes = told.get(0x0117) or told.get(0x0145) or ()
    compression = (told.get(0x0103) or (1,))[0]
    if not offsets or len(offsets) != len(sizes) or 0 in sizes:
        raise CannotRemoveLocation("It does not say where its pixels are.")
    if compression not in _COMPRESSIONS or 0x0201 in told:
        raise CannotRemoveLocation("Its pixels are of a rare kind.")
    if compression == 1:
        (width, *_), (height, *_) = told.get(0x0100) or (0,), told.get(0x0101) or (0,)
        samples = (told.get(0x0115) or (1,))[0]
        bits = told.get(0x0102) or (1,)
        bits_of_pixel = sum(bits) if len(bits) == samples else bits[0] * samples
        if sum(sizes) < width * height * bits_of_pixel // 8:
            raise CannotRemoveLocation("It does not say where all its pixels are.")
    pixels = list(zip(offsets, sizes, strict=True))
    for pixels_at, byte_size in pixels:
        if pixels_at + byte_size > len(tree.data):
            raise CannotRemoveLocation("It ends before its pixels.")
        if compression == 7:
            tree.count_bytes(byte_size)
            part = pixels_at, pixels_at + byte_size
            if any(tree.data.find(mark, *part) >= 0 for mark in _METADATA_OF_JPEG):
                raise CannotRemoveLocation("Its pixels hold metadata of their own.")
    return pixels


def _entries(tree: _Tree, at: int) -> list[tuple[int, int]]:
    """Tag, and where the entry stands."""
    count = tree.number("H", at)
    if count > tiff.MAX_ENTRIES:
        raise CannotRemoveLocation("Its EXIF is of no usual shape.")
    tree.count_entries(count)
    entries_at = range(at + 2, at + 2 + 12 * count, 12)
    return [(tree.number("H", entry_at), entry_at) for entry_at in entries_at]


def _value(tree: _Tree, entry_at: int) -> bytes:
    kind, count, value_at = tree.numbers("HLL", entry_at + 2)
    byte_size = tiff.UNIT_BYTES.get(kind, 0) * count
    if byte_size <= 4:
        value_at = entry_at + 8
    tree.count_bytes(byte_size)
    return bytes(tree.data[value_at : value_at + byte_size])


def _whole_numbers(tree: _Tree, entry_at: int) -> tuple[int, ...]:
    letter = {3: "H", 4: "L"}.get(tree.number("H", entry_at + 2))
    if letter is None:
        return ()
    data = _value(tree, entry_at)
    if len(data) > 4 * tiff_pages.MAX_PARTS:
        raise CannotRemoveLocation("It has more parts than are looked at.")
    return struct.unpack(f"{tree.order}{len(data) // struct.calcsize('=' + letter)}{letter}", data)


def _stays(tree: _Tree, tag: int, entry_at: int) -> bool:
    """Notes what does not."""
    kind, count = tree.numbers("HL", entry_at + 2)
    reason = None
    # Index and version of Interop, whose numbers are also those of hemisphere and latitude.
    is_of_interop = tag in {1, 2} and kind in {2, 7} and count <= 4
    if tag not in KEPT_TAGS and not is_of_interop:
        reason = _IN_WORDS.get(tag, Removed.OTHER)
    elif (kind in _TEXT_KINDS or tag in _TEXT_TAGS) and _tells(tree, kind, count, entry_at):
        reason = Removed.TEXTS
    if reason is not None:
        tree.redaction.removed.add(reason)
    return reason is None


def _tells(tree: _Tree, kind: int, count: int, entry_at: int) -> bool:
    """Of a text; those of one structure are looked at as far as `_MAX_TEXT_BYTES` go."""
    byte_size = tiff.UNIT_BYTES.get(kind, 0) * count
    tree.text_bytes += byte_size
    return tree.text_bytes > _MAX_TEXT_BYTES or tree.redaction.bytes_tell(_value(tree, entry_at))


def _edit_directory(
    tree: _Tree,
    at: int,
    *,
    inner: frozenset[int] = INNER,
    depth: int = 0,
) -> int:
    """Close the gaps that forgotten tags leave; returns where the next directory is told."""
    count = tree.number("H", at)
    if count > tiff.MAX_ENTRIES or depth > 2:
        raise CannotRemoveLocation("Its EXIF is of no usual shape.")
    entries = []
    for tag, entry_at in _entries(tree, at):
        if tag == SUB_IFDS:
            raise CannotRemoveLocation("Its EXIF holds directories that are not understood.")
        if _stays(tree, tag, entry_at) and _keep_value(tree, entry_at):
            entries.append(bytes(tree.data[entry_at : entry_at + 12]))
            if tag in inner:
                inner_at = tree.number("L", entry_at + 8)
                _edit_directory(tree, inner_at, inner=inner, depth=depth + 1)
    following = tree.number("L", at + 2 + 12 * count)
    kept = b"".join(entries)
    tree.write("H", at, len(entries))
    tree.data[at + 2 : at + 2 + 12 * count + 4] = kept.ljust(12 * count + 4, b"\0")
    following_at = at + 2 + len(kept)
    tree.write("L", following_at, following)
    tree.keep(at, 2 + len(kept) + 4)
    return following_at


def _keep_value(tree: _Tree, entry_at: int) -> bool:
    """False for an entry of unknown type, or whose value is not there: it says nothing."""
    unit = tiff.UNIT_BYTES.get(tree.number("H", entry_at + 2))
    if unit is None:
        return False
    byte_size = unit * tree.number("L", entry_at + 4)
    if byte_size > 4:
        value_at = tree.number("L", entry_at + 8)
        if value_at + byte_size > len(tree.data):
            return False
        tree.keep(value_at, byte_size)
    return True


def _keep_thumbnail(tree: _Tree, ifd1_at: int) -> None:
    """Raises CannotRemoveLocation for one that is no plain JPEG."""
    told = {}
    for index in range(tree.number("H", ifd1_at)):
        entry_at = ifd1_at + 2 + 12 * index
        told[tree.number("H", entry_at)] = tree.number("L", entry_at + 8)
    if 0x0201 not in told:
        if 0x0111 in told:
            raise CannotRemoveLocation("Its thumbnail is of an old kind.")
        return
    at, byte_size = told[0x0201], told.get(0x0202, 0)
    tree.keep(at, byte_size)
    thumbnail = bytes(tree.data[at : at + byte_size])
    plain = {jpeg.APP0, jpeg.APP14}
    for segment in jpeg_segments.before_pixels(thumbnail, 0, len(thumbnail)):
        if segment.is_application and segment.marker not in plain:
            raise CannotRemoveLocation("Its thumbnail holds metadata of its own.")
