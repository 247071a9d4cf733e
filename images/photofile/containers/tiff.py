"""TIFF (TIFF 6.0): the first page, shown alone to a decoder, and the removal of its location.

Raw files of cameras look the same from outside; the directory tells them apart.
"""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from images.photofile import pieces
from images.photofile.containers import jpeg
from images.photofile.containers.container import (
    MAX_ICC_BYTES,
    MAX_XMP_BYTES,
    Data,
    Metadata,
    NotDrawable,
    Size,
)
from images.photofile.metadata import exif_editor
from images.photofile.metadata import tiff as structures
from images.photofile.metadata.exif_editor import Editor
from images.photofile.metadata.location_patterns import CannotRemoveLocation, Redaction

if TYPE_CHECKING:
    from collections.abc import Iterator
    from mmap import mmap
    from pathlib import Path

    from images.photofile.metadata.tiff import Entry, Structure
    from images.photofile.pieces import Piece

# Tags of IFD0. Those in _DRAWING are shown to the decoder, with their values where they are.
_NEW_SUBFILE_TYPE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_STRIP_OFFSETS, _ORIENTATION, _SAMPLES, _STRIP_ROWS, _STRIP_BYTES = 273, 274, 277, 278, 279
_PREDICTOR, _JPEG_OFFSET, _XMP = 317, 513, 700
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTES, _SAMPLE_FORMAT = 322, 323, 324, 325, 339
_CFA_PATTERN, _ICC, _DNG_VERSION = 33422, 34675, 50706
_DRAWING: Final = frozenset(
    {_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _STRIP_OFFSETS, _SAMPLES, _STRIP_BYTES}
    | {_PREDICTOR, _TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTES, _SAMPLE_FORMAT}
    | {_STRIP_ROWS, 266, 284, 292, 293, 320, 332, 338, 347, *range(512, 522), 529, 530, 531, 532}
)
_IN_STRIPS: Final = (_STRIP_OFFSETS, _STRIP_BYTES)
_IN_TILES: Final = (_TILE_OFFSETS, _TILE_BYTES)
_LETTERS: Final = {1: "B", 3: "H", 4: "L"}

# None, CCITT, LZW, JPEG, deflate, PackBits, LZMA, Zstandard and WebP.
_JPEG: Final = 7
_SCAN: Final = re.compile(rb"\xff\xda")  # SOS
COMPRESSIONS: Final = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946, 34925, 50000, 50001})
# What makers of cameras put into their raw files.
_RAW_COMPRESSIONS: Final = frozenset({32767, 32769, 32770, 34713, 34892, 65000, 65535})
_RAW_PHOTOMETRICS: Final = frozenset({32803, 34892})  # colour filter array, linear raw

MAX_PARTS: Final = 300_000  # strips or tiles
_MAX_SHORT_BYTES: Final = 8 * 64  # of numbers that matter here
MAX_PALETTE_BYTES: Final = 6 * 65536
# A JPEG is decoded in blocks of up to so many pixels an edge, and small ones cost their set-up.
_BLOCK_EDGE: Final = 16
_LEAST_PART_PIXELS: Final = 4096


def find_metadata(data: Data) -> Metadata:
    """A TIFF is EXIF; its XMP is a tag (XMP specification part 3, 1.1.5)."""
    return Metadata(data, structures.read_value(data, _XMP, max_bytes=MAX_XMP_BYTES))


# --- The header -----------------------------------------------------------------------------


@dataclass
class Header:
    """Width, height in pixels as stored; `tile` is the size of a tile, (0, 0) without tiles."""

    width: int = 0
    height: int = 0
    tile: Size = (0, 0)
    orientation: int | None = None
    icc: bytes | None = None
    bits: tuple[int, ...] = (1,)
    photometric: int = 0
    is_raw: bool = False
    is_rare: bool = False  # a kind that no decoder here can be trusted with
    order: str = "<"
    compression: int = 1
    _strip_rows: int = 0
    _entries: dict[int, bytes] = field(default_factory=dict)  # as they stand, by tag

    @property
    def padded(self) -> Size:
        """The size with all of the tiles that stand over its edges, which are decoded as well."""
        if self.tile == (0, 0):
            return self.width, self.height
        width, height = self.tile
        return -(-self.width // width) * width, -(-self.height // height) * height

    @property
    def is_inverted_grey_of_16_bits(self) -> bool:
        """True where 0 is white, which Pillow heeds only up to 8 bits."""
        return self.photometric == 0 and self.bits == (16,)

    def first_page(self, *, at: int) -> tuple[bytes, bytes]:
        """Return a file header that points to `at`, and a directory to stand there, with this page
        only.

        Without it decoders read every value of every tag, and count the pages.
        """
        orders = structures.BYTE_ORDERS
        magic = next(magic for magic, order in orders.items() if order == self.order)
        directory = struct.pack(self.order + "H", len(self._entries))
        directory += b"".join(self._entries.values())
        return magic + struct.pack(self.order + "L", at), directory + b"\0\0\0\0"

    @property
    def _part_pixels(self) -> int:
        """Returns how many pixels a JPEG decoder processes for each scan of a strip or tile."""
        edges = self.tile
        if edges == (0, 0):
            edges = self.width, min(self._strip_rows or self.height, self.height)
        blocks = math.prod(-(-edge // _BLOCK_EDGE) for edge in edges)
        return max(blocks * _BLOCK_EDGE**2, _LEAST_PART_PIXELS)


def read_header(data: Data) -> Header:
    """Read IFD0. Raises NotDrawable."""
    head = data[:16]
    header = Header()
    if head[8:10] == b"CR" or head[8:12] in {b"IIII", b"MMMM"}:  # Canon, Phase One
        header.is_raw = True
        return header
    entries, structure = _first_directory(data)
    header.order = structure.order
    tags = {tag: _short_numbers(structure, entry) for tag, entry in entries.items()}
    one = {tag: values[0] for tag, values in tags.items() if values}
    header.compression = one.get(_COMPRESSION, 1)
    header.photometric = one.get(_PHOTOMETRIC, 0)
    header.is_raw = (
        _DNG_VERSION in tags
        or _CFA_PATTERN in tags
        or bool(one.get(_NEW_SUBFILE_TYPE, 0) & 1)  # a small copy of a picture kept elsewhere
        or header.compression in _RAW_COMPRESSIONS
        or header.photometric in _RAW_PHOTOMETRICS
    )
    if header.is_raw:
        return header
    header.width, header.height = one.get(_WIDTH, 0), one.get(_HEIGHT, 0)
    header.tile = one.get(_TILE_WIDTH, 0), one.get(_TILE_HEIGHT, 0)
    header._strip_rows = one.get(_STRIP_ROWS, 0)
    # Of two places of its pixels a decoder takes either.
    hidden = _IN_TILES if header.tile == (0, 0) else _IN_STRIPS
    header._entries = {
        tag: data[entry.at : entry.at + 12]
        for tag, entry in entries.items()
        if tag in _DRAWING and tag not in hidden
    }
    header.orientation = one.get(_ORIENTATION)
    header.bits = tags.get(_BITS) or (1,)
    if _ICC in entries and entries[_ICC].byte_size <= MAX_ICC_BYTES:
        header.icc = structure.value(entries[_ICC])
    header.is_rare = (
        header.compression not in COMPRESSIONS
        or not set(header.bits) <= {1, 2, 4, 8, 16}
        or not set(tags.get(_SAMPLE_FORMAT, (1,))) <= {1}  # floats, signed
    )
    return header


def _first_directory(data: Data) -> tuple[dict[int, Entry], Structure]:
    """Read the entries of IFD0 that hold a value, by tag. Raises NotDrawable."""
    structure = structures.structure(data)
    if structure is None or structure.skipped:
        raise NotDrawable
    at = structure.number("L", 4)
    found = list(structure.entries(at))
    if not found or len(found) < structure.number("H", at):
        raise NotDrawable
    entries: dict[int, Entry] = {}
    for entry in found:
        if entry.byte_size and structure.value_at(entry) is not None:
            entries.setdefault(entry.tag, entry)
    places = [entries[tag] for tag in (_STRIP_OFFSETS, _TILE_OFFSETS) if tag in entries]
    read = sum(entry.byte_size for tag, entry in entries.items() if tag in _DRAWING)
    if (
        any(place.length > MAX_PARTS for place in places)
        or read > 4 * 8 * MAX_PARTS + MAX_PALETTE_BYTES
    ):
        raise NotDrawable
    return entries, structure


def _short_numbers(structure: Structure, entry: Entry) -> tuple[int, ...]:
    """Read numbers of a tag; none of more than matter here."""
    return _numbers(structure, entry) if entry.byte_size <= _MAX_SHORT_BYTES else ()


def _numbers(structure: Structure, entry: Entry) -> tuple[int, ...]:
    """Read all numbers of a tag, however many; none of a type that is no whole number."""
    value, letter = structure.value(entry), _LETTERS.get(entry.kind)
    return struct.unpack(f"{structure.order}{entry.length}{letter}", value) if letter else ()


def count_pixels_scanned(data: Data, header: Header, *, most: int) -> int:
    """Count how many pixels the scans of all JPEGs in it go over, one more than `most` if beyond.

    0 where it is not made of JPEGs. Each progressive scan goes over all pixels of its strip or
    tile, and many of these may lie at one place of the file. Raises NotDrawable.
    """
    if header.compression != _JPEG:
        return 0
    parts = _parts(data, header)
    places = set(parts)
    if sum(end - at for at, end in places) > len(data):
        raise NotDrawable  # they overlap
    pixels = 0
    scans_at: dict[tuple[int, int], int] = {}
    for place in parts:
        if place not in scans_at:
            scans = 0
            # What only looks like one, in a comment, is counted as well.
            for _ in _SCAN.finditer(data, *place):
                scans += 1
                if pixels + scans * header._part_pixels > most:
                    return most + 1
            scans_at[place] = scans
        pixels += scans_at[place] * header._part_pixels
        if pixels > most:
            return most + 1
    return pixels


def _parts(data: Data, header: Header) -> list[tuple[int, int]]:
    """Say where each strip or tile begins and ends. Raises NotDrawable."""
    entries, structure = _first_directory(data)
    offsets, byte_sizes = (
        _numbers(structure, entries[tag]) if tag in entries else ()
        for tag in (_IN_STRIPS if header.tile == (0, 0) else _IN_TILES)
    )
    if len(offsets) == 1 and byte_sizes in {(), (0,)}:
        byte_sizes = (len(data),)  # libtiff then takes it to go on up to the end
    if len(byte_sizes) < len(offsets):
        raise NotDrawable  # of planes of their own libtiff guesses them
    return [
        (at, min(at + byte_size, len(data)))
        for at, byte_size in zip(offsets, byte_sizes, strict=False)
        if at < len(data)
    ]


# --- The location ---------------------------------------------------------------------------

MAX_PAGES: Final = 100
# Compressions that hold pixels and nothing else, and JPEG, which is looked into: none, CCITT, LZW,
# JPEG, Deflate (two numbers), PackBits, Zstandard.
_PLAIN_COMPRESSIONS: Final = frozenset({1, 2, 3, 4, 5, 7, 8, 32946, 32773, 50000})
_METADATA_OF_JPEG: Final = (jpeg.EXIF_START, jpeg.XMP_START, b"Photoshop 3.0")
_FIRST_TAG, _LAST_TAG = 0x00FE, 0x0214  # of TIFF 6.0


def remove_location(source: Path, into: Path, redaction: Redaction) -> None:
    """Edit every page in place, and blank what no page refers to. Raises CannotRemoveLocation."""

    def edit(data: mmap) -> int:
        editor = Editor(data, redaction)
        for at in _pages(editor):
            editor.edit_directory(at)
            for pixels_at, byte_size in _pixels(editor, at):
                editor.keep(pixels_at, byte_size)
        editor.blank_rest()
        return len(data)

    pieces.edit_copy(source, into, edit)


def drawing(data: mmap) -> Iterator[Piece]:
    """Yields the bytes that decide each page: the tags that say how to draw, and the pixels."""
    editor = Editor(data, Redaction())
    for at in _pages(editor):
        for entry in sorted(editor.whole_directory(at)):
            is_text = entry.kind in exif_editor.TEXT_KINDS
            if entry.tag == exif_editor.ICC_PROFILE or (
                _FIRST_TAG <= entry.tag <= _LAST_TAG
                and entry.tag in exif_editor.KEPT_TAGS
                and not is_text
            ):
                yield b"%d" % entry.tag
                yield editor.counted_value(entry)
        for pixels_at, byte_size in _pixels(editor, at):
            editor.count_read(byte_size)
            yield pixels_at, byte_size


def _pages(editor: Editor) -> Iterator[int]:
    """Yields the offset of each page's directory. A page may be edited before the next is asked
    for."""
    seen: set[int] = set()
    at = editor.number("L", 4)
    while at:
        if at in seen or len(seen) >= MAX_PAGES:
            raise CannotRemoveLocation("It has too many pages.")
        seen.add(at)
        yield at
        at = editor.number("L", at + 2 + 12 * editor.number("H", at))


def _pixels(editor: Editor, at: int) -> list[tuple[int, int]]:
    """Offset and byte size of the strips or tiles of a page.

    Raises CannotRemoveLocation where a reader would have to guess.
    """
    told = {entry.tag: _counted_numbers(editor, entry) for entry in editor.whole_directory(at)}
    offsets = told.get(_STRIP_OFFSETS) or told.get(_TILE_OFFSETS) or ()
    sizes = told.get(_STRIP_BYTES) or told.get(_TILE_BYTES) or ()
    compression = (told.get(_COMPRESSION) or (1,))[0]
    if not offsets or len(offsets) != len(sizes) or 0 in sizes:
        raise CannotRemoveLocation("It does not say where its pixels are.")
    if compression not in _PLAIN_COMPRESSIONS or _JPEG_OFFSET in told:
        raise CannotRemoveLocation("Its pixels are of a rare kind.")
    if compression == 1:
        (width, *_), (height, *_) = told.get(_WIDTH) or (0,), told.get(_HEIGHT) or (0,)
        samples, bits = (told.get(_SAMPLES) or (1,))[0], told.get(_BITS) or (1,)
        bits_of_pixel = sum(bits) if len(bits) == samples else bits[0] * samples
        if sum(sizes) < width * height * bits_of_pixel // 8:
            raise CannotRemoveLocation("It does not say where all its pixels are.")
    pixels = list(zip(offsets, sizes, strict=True))
    for pixels_at, byte_size in pixels:
        if pixels_at + byte_size > len(editor.data):
            raise CannotRemoveLocation("It ends before its pixels.")
        if compression == _JPEG:
            editor.count_read(byte_size)
            part = pixels_at, pixels_at + byte_size
            if any(editor.data.find(mark, *part) >= 0 for mark in _METADATA_OF_JPEG):
                raise CannotRemoveLocation("Its pixels hold metadata of their own.")
    return pixels


def _counted_numbers(editor: Editor, entry: Entry) -> tuple[int, ...]:
    if entry.kind not in {3, 4}:
        return ()
    if entry.byte_size > 4 * MAX_PARTS:
        raise CannotRemoveLocation("It has more parts than are looked at.")
    editor.count_read(entry.byte_size)
    return _numbers(editor, entry)
