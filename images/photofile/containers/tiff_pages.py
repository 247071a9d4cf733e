"""The first page of a TIFF (TIFF 6.0): what its directory says, and how to show it alone.

Raw files of cameras look the same from outside; the directory tells them apart.
"""

from __future__ import annotations

import math
import mmap
import re
import struct
from dataclasses import dataclass, field
from typing import BinaryIO, Final

BYTE_ORDERS: Final = {b"II*\0": "<", b"MM\0*": ">"}

# Tags of IFD0. Those in _DRAWING are shown to the decoder, with their values where they are.
_NEW_SUBFILE_TYPE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_STRIP_OFFSETS, _ORIENTATION, _SAMPLES, _STRIP_ROWS, _STRIP_BYTES = 273, 274, 277, 278, 279
_PREDICTOR = 317
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTES, _SAMPLE_FORMAT = 322, 323, 324, 325, 339
_CFA_PATTERN, _ICC, _DNG_VERSION = 33422, 34675, 50706
_DRAWING: Final = frozenset(
    {_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _STRIP_OFFSETS, _SAMPLES, _STRIP_BYTES}
    | {_PREDICTOR, _TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTES, _SAMPLE_FORMAT}
    | {_STRIP_ROWS, 266, 284, 292, 293, 320, 332, 338, 347, *range(512, 522), 529, 530, 531, 532}
)
_IN_STRIPS: Final = frozenset({_STRIP_OFFSETS, _STRIP_BYTES})
_IN_TILES: Final = frozenset({_TILE_OFFSETS, _TILE_BYTES})
_LENGTHS: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_LETTERS: Final = {1: "B", 3: "H", 4: "L"}

# None, CCITT, LZW, JPEG, deflate, PackBits, LZMA, Zstandard and WebP.
_JPEG: Final = 7
_SCAN: Final = re.compile(rb"\xff\xda")  # SOS
COMPRESSIONS: Final = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946, 34925, 50000, 50001})
# What makers of cameras put into their raw files.
_RAW_COMPRESSIONS: Final = frozenset({32767, 32769, 32770, 34713, 34892, 65000, 65535})
_RAW_PHOTOMETRICS: Final = frozenset({32803, 34892})  # colour filter array, linear raw

MAX_ENTRIES: Final = 1000
MAX_PARTS: Final = 300_000  # strips or tiles
# A JPEG is decoded in blocks of up to so many pixels an edge, and small ones cost their set-up.
_BLOCK_EDGE: Final = 16
_LEAST_PART_PIXELS: Final = 4096
MAX_ICC_BYTES: Final = 4 * 1024 * 1024
MAX_PALETTE_BYTES: Final = 6 * 65536


class NotDrawable(Exception):
    """The directory describes no picture."""


@dataclass
class Header:
    """Width, height in pixels as stored; `tile` is the size of a tile, (0, 0) without tiles."""

    width: int = 0
    height: int = 0
    tile: tuple[int, int] = (0, 0)
    orientation: int | None = None
    icc: bytes | None = None
    bits: tuple[int, ...] = (1,)
    photometric: int = 0
    is_raw: bool = False
    is_rare: bool = False  # a kind that no decoder here can be trusted with
    order: str = "<"
    compression: int = 1
    _strip_rows: int = 0
    _entries: dict[int, bytes] = field(default_factory=dict)  # by tag

    @property
    def padded(self) -> tuple[int, int]:
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
        """A file header that points to `at`, and a directory to stand there, with this page only.

        Without it decoders read every value of every tag, and count the pages.
        """
        magic = next(magic for magic, order in BYTE_ORDERS.items() if order == self.order)
        directory = struct.pack(self.order + "H", len(self._entries))
        directory += b"".join(self._entries.values())
        return magic + struct.pack(self.order + "L", at), directory + b"\0\0\0\0"

    @property
    def _part_pixels(self) -> int:
        """What a decoder of JPEG has to do for each scan of a strip or tile."""
        edges = self.tile
        if edges == (0, 0):
            edges = self.width, min(self._strip_rows or self.height, self.height)
        blocks = math.prod(-(-edge // _BLOCK_EDGE) for edge in edges)
        return max(blocks * _BLOCK_EDGE**2, _LEAST_PART_PIXELS)


def read_header(file: BinaryIO) -> Header:
    """Read IFD0. Raises NotDrawable."""
    file.seek(0)
    head = file.read(16)
    header = Header(order=BYTE_ORDERS.get(head[:4], "<"))
    if head[8:10] == b"CR" or head[8:12] in {b"IIII", b"MMMM"}:  # Canon, Phase One
        header.is_raw = True
        return header
    tags = _read_tags(file, header, head)
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
    for tag in _IN_TILES if header.tile == (0, 0) else _IN_STRIPS:
        header._entries.pop(tag, None)  # of two places of its pixels a decoder takes either
    header.orientation = one.get(_ORIENTATION)
    header.bits = tags.get(_BITS) or (1,)
    header.is_rare = (
        header.compression not in COMPRESSIONS
        or not set(header.bits) <= {1, 2, 4, 8, 16}
        or not set(tags.get(_SAMPLE_FORMAT, (1,))) <= {1}  # floats, signed
    )
    return header


def count_pixels_scanned(file: BinaryIO, header: Header, *, most: int) -> int:
    """How many pixels the scans of all JPEGs in it go over, one more than `most` if beyond.

    0 where it is not made of JPEGs. Each progressive scan goes over all pixels of its strip or
    tile, and many of these may lie at one place of the file. Raises NotDrawable.
    """
    if header.compression != _JPEG:
        return 0
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
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


def _parts(data: mmap.mmap, header: Header) -> list[tuple[int, int]]:
    """Where each strip or tile begins and ends."""
    offsets_tag, bytes_tag = (
        (_STRIP_OFFSETS, _STRIP_BYTES) if header.tile == (0, 0) else (_TILE_OFFSETS, _TILE_BYTES)
    )
    offsets = _numbers(data, header, offsets_tag)
    byte_sizes = _numbers(data, header, bytes_tag)
    if len(offsets) == 1 and byte_sizes in {(), (0,)}:
        byte_sizes = (len(data),)  # libtiff then takes it to go on up to the end
    if len(byte_sizes) < len(offsets):
        raise NotDrawable  # of planes of their own libtiff guesses them
    return [
        (at, min(at + byte_size, len(data)))
        for at, byte_size in zip(offsets, byte_sizes, strict=False)
        if at < len(data)
    ]


def _numbers(data: mmap.mmap, header: Header, tag: int) -> tuple[int, ...]:
    """All values of a tag, however many."""
    entry = header._entries.get(tag)
    if entry is None:
        return ()
    _, kind, length = struct.unpack_from(header.order + "HHL", entry)
    if kind not in _LETTERS:
        raise NotDrawable
    letters = f"{header.order}{length}{_LETTERS[kind]}"
    if struct.calcsize(letters) <= 4:
        return struct.unpack_from(letters, entry, 8)
    (at,) = struct.unpack_from(header.order + "L", entry, 8)
    return struct.unpack_from(letters, data, at)


def _read_tags(file: BinaryIO, header: Header, head: bytes) -> dict[int, tuple[int, ...]]:
    """The numbers of the tags that matter here, and into `header` what a decoder needs."""
    file.seek(0, 2)
    file_bytes = file.tell()
    if head[:4] not in BYTE_ORDERS or len(head) < 8:
        raise NotDrawable
    (at,) = struct.unpack_from(header.order + "L", head, 4)
    file.seek(at)
    directory = file.read(2 + 12 * MAX_ENTRIES)
    if len(directory) < 2:
        raise NotDrawable
    (count,) = struct.unpack_from(header.order + "H", directory)
    if len(directory) < 2 + 12 * count:
        raise NotDrawable
    tags: dict[int, tuple[int, ...]] = {}
    kept = 0
    for index in range(count):
        entry = directory[2 + 12 * index : 14 + 12 * index]
        tag, kind, length = struct.unpack_from(header.order + "HHL", entry)
        byte_size = _LENGTHS.get(kind, 0) * length
        value_at = at + 2 + 12 * index + 8
        if byte_size > 4:
            (value_at,) = struct.unpack_from(header.order + "L", entry, 8)
        if not 0 < byte_size <= file_bytes - value_at or tag in tags:
            continue
        if tag == _ICC and byte_size <= MAX_ICC_BYTES:
            file.seek(value_at)
            header.icc = file.read(byte_size)
        if tag in _DRAWING:
            header._entries[tag] = entry
            kept += byte_size
        tags[tag] = ()
        if kind in _LETTERS and byte_size <= 8 * 64:
            file.seek(value_at)
            tags[tag] = struct.unpack(
                f"{header.order}{length}{_LETTERS[kind]}", file.read(byte_size)
            )
        elif tag in {_STRIP_OFFSETS, _TILE_OFFSETS} and length > MAX_PARTS:
            raise NotDrawable
    if kept > 4 * 8 * MAX_PARTS + MAX_PALETTE_BYTES:
        raise NotDrawable
    return tags
