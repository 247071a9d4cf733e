"""HEIC files of the shape phones write, a grid of HEVC tiles, drawn box by box, right or wrong.

ISO/IEC 23008-12, 6.6.2.3; 14496-12, 8.11.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pillow_heif
from PIL import Image

from images.photofile.containers import iso_media
from images.tests import drawn_pictures

EDGE = 128  # of a tile; phones take 512

# Quarters anticlockwise (irot) and axis (imir) that turn the stored pixels, by EXIF's number.
_TURNS: dict[int, tuple[tuple[bytes, int], ...]] = {
    1: (),
    2: ((b"imir", 1),),
    3: ((b"irot", 2),),
    4: ((b"imir", 0),),
    5: ((b"irot", 1), (b"imir", 0)),
    6: ((b"irot", 3),),
    7: ((b"irot", 1), (b"imir", 1)),
    8: ((b"irot", 1),),
}


def box(name: bytes, *parts: bytes) -> bytes:
    return struct.pack(">I4s", 8 + sum(map(len, parts)), name) + b"".join(parts)


def versioned(name: bytes, version: int, *parts: bytes) -> bytes:
    return box(name, struct.pack(">I", version << 24), *parts)


def nclx(primaries: int, transfer: int, matrix: int, *, is_full: bool) -> bytes:
    return box(
        b"colr", b"nclx", struct.pack(">HHHB", primaries, transfer, matrix, 0x80 if is_full else 0)
    )


@dataclass
class Grid:
    """What a file says, to be changed before it is written. Items are numbered from 1: the grid,
    then its tiles."""

    size: tuple[int, int]
    edge: int
    columns: int
    rows: int
    tiles: list[bytes]
    configuration: bytes
    colours: list[bytes] = field(default_factory=list)  # colr boxes of the grid
    turns: tuple[tuple[bytes, int], ...] = ()
    more: list[bytes] = field(default_factory=list)  # further properties of the grid
    exif: bytes = b""
    references: list[int] | None = None
    places: dict[int, tuple[int, int]] = field(default_factory=dict)  # offset and length, by item
    offset_bytes: int = 4
    beside: list[bytes] = field(default_factory=list)  # further boxes of `meta`, behind the others

    def write(self) -> bytes:
        exif_number = 2 + len(self.tiles)
        entries = [(1, b"grid"), *((2 + n, b"hvc1") for n in range(len(self.tiles)))]
        payloads = list(self.tiles)
        references = self.references or [2 + n for n in range(len(self.tiles))]
        iref = [
            box(b"dimg", struct.pack(f">HH{len(references)}H", 1, len(references), *references))
        ]
        if self.exif:
            entries.append((exif_number, b"Exif"))
            payloads.append(b"\0\0\0\6Exif\0\0" + self.exif)
            iref.append(box(b"cdsc", struct.pack(">HHH", exif_number, 1, 1)))
        head = self._head(entries, iref, [0] * len(payloads), payloads)
        at, offsets = len(head) + 8, []
        for payload in payloads:
            offsets.append(at)
            at += len(payload)
        return self._head(entries, iref, offsets, payloads) + box(b"mdat", *payloads)

    def _head(
        self,
        entries: list[tuple[int, bytes]],
        iref: list[bytes],
        offsets: list[int],
        payloads: list[bytes],
    ) -> bytes:
        infes = (
            versioned(b"infe", 2, struct.pack(">HH4sx", number, 0, kind))
            for number, kind in entries
        )
        pixi = versioned(b"pixi", 0, b"\3\x08\x08\x08")
        own = [pixi, *self.colours, *self.more]
        own += [box(name, bytes([value])) for name, value in self.turns]
        properties = [
            box(b"hvcC", self.configuration),
            versioned(b"ispe", 0, struct.pack(">II", self.edge, self.edge)),
            versioned(b"ispe", 0, struct.pack(">II", *self.size)),
            *own,
        ]
        of_grid = [3, *range(4, 4 + len(own))]
        associations = [struct.pack(">HB", 1, len(of_grid)) + bytes(of_grid)]
        associations += [
            struct.pack(">HBBB", number, 2, 0x81, 2) for number, kind in entries if kind == b"hvc1"
        ]
        word = ">I" if self.offset_bytes == 4 else ">Q"
        places = [struct.pack(">HHHH", 1, 1, 0, 1) + struct.pack(word, 0) + struct.pack(word, 12)]
        for (number, _), offset, payload in zip(entries[1:], offsets, payloads, strict=True):
            at, length = self.places.get(number, (offset, len(payload)))
            places.append(
                struct.pack(">HHHH", number, 0, 0, 1)
                + struct.pack(word, at)
                + struct.pack(word, length)
            )
        widths = self.offset_bytes << 12 | self.offset_bytes << 8
        payload = struct.pack(">BBBBII", 0, 1, self.rows - 1, self.columns - 1, *self.size)
        return box(b"ftyp", b"heic\0\0\0\0mif1heic") + versioned(
            *(b"meta", 0),
            versioned(b"hdlr", 0, bytes(4) + b"pict" + bytes(13)),
            versioned(b"pitm", 0, struct.pack(">H", 1)),
            versioned(b"iinf", 0, struct.pack(">H", len(entries)), *infes),
            box(
                b"iprp",
                box(b"ipco", *properties),
                versioned(b"ipma", 0, struct.pack(">I", len(associations)), *associations),
            ),
            versioned(b"iref", 0, *iref),
            box(b"idat", payload),
            versioned(b"iloc", 1, struct.pack(">HH", widths, len(places)), *places),
            *self.beside,
        )


def grid(
    image: Image.Image,
    *,
    edge: int = EDGE,
    orientation: int = 1,
    icc: bytes | None = None,
    matrix: int = 6,
    is_full: bool = True,
    exif: bytes = b"",
    **options: Any,
) -> Grid:
    """An upright picture, cut into tiles; `options` are those of the encoder."""
    pixels = drawn_pictures.stored(image, orientation)
    columns, rows = -(-pixels.width // edge), -(-pixels.height // edge)
    # What is beyond the edges of the picture is there, and must not be seen; colours are those of
    # two by two pixels and more.
    padded = Image.new(pixels.mode, (columns * edge, rows * edge), "magenta")
    for beyond in (8, 4, 2, 1, 0):
        padded.paste(pixels, (beyond, beyond))
        padded.paste(pixels, (0, beyond))
        padded.paste(pixels, (beyond, 0))
    tiles, configurations = [], set()
    for index in range(columns * rows):
        row, column = divmod(index, columns)
        left, top = column * edge, row * edge
        tile = padded.crop((left, top, left + edge, top + edge))
        told = {"matrix_coefficients": matrix, "full_range_flag": int(is_full), **options}
        coded, configuration = _encoded(tile.mode, tile.size, tile.tobytes(), **told)
        tiles.append(coded)
        configurations.add(configuration)
    (configuration,) = configurations
    colours = [box(b"colr", b"prof" + icc)] if icc else []
    turns = _TURNS[orientation]
    return Grid(
        *(pixels.size, edge, columns, rows, tiles, configuration),
        colours=colours,
        turns=turns,
        exif=exif,
    )


def of_equal_tiles(
    width: int, height: int, *, edge: int = 512, seed: int = 0, is_shared: bool = False
) -> bytes:
    """A file of any size in little time: all tiles show the same; if they are shared, they are the
    same bytes, which is left to libheif."""
    tile = drawn_pictures.picture(width=edge, height=edge, seed=seed)
    coded, configuration = _encoded(tile.mode, tile.size, tile.tobytes(), quality=70)
    columns, rows = -(-width // edge), -(-height // edge)
    count = columns * rows
    tiles = [coded, *[b"" if is_shared else coded] * (count - 1)]
    drawn = Grid((width, height), edge, columns, rows, tiles, configuration)
    if is_shared:
        place = drawn.write().index(coded), len(coded)
        drawn.places = dict.fromkeys(range(2, 2 + count), place)
    return drawn.write()


@cache
def _encoded(
    mode: str, size: tuple[int, int], pixels: bytes, **options: Any
) -> tuple[bytes, bytes]:
    """The coded bytes and the configuration of the decoder."""
    out = io.BytesIO()
    pillow_heif.encode(mode, size, pixels, out, **({"quality": 90} | options))
    file = out.getvalue()
    (item,) = iso_media.items(file)
    at = file.index(b"hvcC") - 4
    return (
        item.read(file, max_bytes=len(file)),
        file[at + 8 : at + int.from_bytes(file[at : at + 4])],
    )
