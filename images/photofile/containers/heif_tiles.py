"""How the pixels of a HEIC are coded: as one picture of HEVC, or as a grid of such tiles
(ISO/IEC 23008-12, 6.6.2.3; 14496-15, 8.3.3.1), as phones write them.

Only what is plain is understood. Whatever else the standard allows, such as layers, auxiliary
pictures and more than 8 bits, is left to libheif.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from images.photofile.containers import heif, iso_media
from images.photofile.containers.container import Data, NotDrawable

if TYPE_CHECKING:
    from images.photofile.containers.container import Size
    from images.photofile.containers.iso_media import Box, Item

MAX_TILES: Final = 4096  # those of 512 pixels cover a gigapixel
MAX_PROPERTIES: Final = 16  # of one item
MAX_PADDED: Final = 2  # times the pixels of the picture, or of one tile: those of all tiles
MAX_CONFIGURATION_BYTES: Final = 64 * 1024
MAX_COLOUR_BYTES: Final = 16

# What says how items belong together, of which a file has one each.
_NEEDED: Final = frozenset({b"pitm", b"iprp", b"iinf", b"iloc"})
_PARTS: Final = _NEEDED | {b"iref", b"idat"}

# Properties that need nothing of a decoder, or are read here and in `heif`.
_OF_TILES: Final = frozenset({b"ispe", b"pixi", b"colr", b"hvcC"})
_OF_PICTURES: Final = _OF_TILES | {b"irot", b"imir", b"clli", b"mdcv", b"amve", b"cclv"}

# Types of units (ITU-T H.265, table 7-1): what sets up a decoder, notes to it (SEI), delimiters and
# fillers, and pictures that need no other. Sets within a tile would hold for the tiles behind it,
# which one decoder decodes; `hvc1` allows none (14496-15, 8.3.3.1).
_SETS: Final = frozenset({32, 33, 34})
_MESSAGES: Final = frozenset({39, 40})
_FILLERS: Final = frozenset({35, 38})
_PICTURES: Final = frozenset(range(16, 22))
MAX_UNITS: Final = 4096  # of one tile

# Matrix coefficients (ITU-T H.273), and whether numbers take the full range.
YccKind = tuple[int, bool]


@dataclass(frozen=True)
class Coded:
    """How one HEIC is coded. `size` is that of the picture as stored; `orientation` makes it
    upright, in the numbers of EXIF. `tiles` are (at, byte size) of the coded pixels, row by row.
    `kinds` are what boxes say of the colours; the tiles themselves may say more."""

    size: Size
    tile: Size
    columns: int
    tiles: tuple[tuple[tuple[int, int], ...], ...]
    configuration: bytes
    orientation: int
    kinds: frozenset[YccKind]


def read(data: Data) -> Coded | None:
    """Returns how a HEIC is coded; None where that is not plain."""
    try:
        return _read(data)
    except (NotDrawable, struct.error, LookupError, ValueError):
        return None


def _read(data: Data) -> Coded | None:
    meta = iso_media.find_meta(data)
    level = list(iso_media.boxes(data, meta.at, meta.end)) if meta else []
    parts = {box.name: box for box in level if box.name in _PARTS}
    # Of two that are alike, readers may take either.
    if not parts.keys() >= _NEEDED or sum(box.name in _PARTS for box in level) > len(parts):
        return None
    found = {item.number: item for item in iso_media.items(data)}
    primary = found.get(iso_media.primary_number(data, parts[b"pitm"]))
    if primary is None:
        return None
    if primary.kind == b"hvc1":
        tiles, size, columns = [primary], None, 1
    elif primary.kind == b"grid" and b"iref" in parts:
        size, columns, rows = _grid(data, primary)
        numbers = iso_media.derived_from(data, parts[b"iref"], primary.number)
        tiles = [found[number] for number in numbers if number in found]
        if len(tiles) != columns * rows or any(tile.kind != b"hvc1" for tile in tiles):
            return None
    else:
        return None
    owned = _properties(data, parts[b"iprp"], {primary.number, *(tile.number for tile in tiles)})
    return _checked(data, primary, tiles, owned, size, columns)


def _checked(
    data: Data,
    primary: Item,
    tiles: list[Item],
    owned: dict[int, tuple[Box, ...]],
    size: Size | None,
    columns: int,
) -> Coded | None:
    """Returns how the tiles are coded if they fill the picture, all in one way."""
    of_tiles = {owned.get(tile.number, ()) for tile in tiles}
    if len(of_tiles) != 1 or {box.name for box in owned.get(primary.number, ())} - _OF_PICTURES:
        return None
    (of_tile,) = of_tiles
    if tiles != [primary] and {box.name for box in of_tile} - _OF_TILES:
        return None
    (configuration,) = (_payload(data, box) for box in of_tile if box.name == b"hvcC")
    (tile,) = (_size(data, box) for box in of_tile if box.name == b"ispe")
    (told,) = (_size(data, box) for box in owned[primary.number] if box.name == b"ispe")
    size = size or told
    places = tuple(tile.extents for tile in tiles)
    fits = (
        size == told
        and min(*size, *tile) > 0
        and (columns, len(tiles) // columns) == (-(-size[0] // tile[0]), -(-size[1] // tile[1]))
        and len(tiles) * tile[0] * tile[1]
        <= MAX_PADDED * max(size[0] * size[1], 2 * tile[0] * tile[1])
        # No bytes are decoded twice.
        and all(places)
        and sum(byte_size for place in places for _, byte_size in place) <= len(data)
    )
    if not fits or not _is_of_8_bits(configuration) or not _has_plain_sets(configuration):
        return None
    boxes = (*of_tile, *owned[primary.number])
    kinds = {kind for box in boxes if box.name == b"colr" and (kind := _kind(data, box))}
    orientation = heif.read_header(data).orientation
    return Coded(size, tile, columns, places, configuration, orientation, frozenset(kinds))


def _grid(data: Data, item: Item) -> tuple[Size, int, int]:
    """Returns the size of the picture, columns and rows. Raises struct.error, ValueError."""
    payload = item.read(data, max_bytes=16)
    version, flags, rows, columns = struct.unpack_from(">BBBB", payload)
    if version or (columns + 1) * (rows + 1) > MAX_TILES:
        raise ValueError("No grid that is understood.")
    width, height = struct.unpack_from(">II" if flags & 1 else ">HH", payload, 4)
    return (width, height), columns + 1, rows + 1


def _properties(data: Data, iprp: Box, wanted: set[int]) -> dict[int, tuple[Box, ...]]:
    """Returns the properties of items, in their order. Raises NotDrawable, struct.error,
    IndexError, ValueError."""
    level = list(iso_media.boxes(data, iprp.at, iprp.end))
    (ipco,) = (box for box in level if box.name == b"ipco")
    known = list(iso_media.boxes(data, ipco.at, ipco.end))
    owned: dict[int, tuple[Box, ...]] = {}
    for ipma in [box for box in level if box.name == b"ipma"][: heif.MAX_ASSOCIATIONS]:
        for number, indexes in heif.associations(data, ipma, wanted):
            if number in owned or len(indexes) > MAX_PROPERTIES:
                raise ValueError("Properties that are not understood.")
            owned[number] = tuple(known[index - 1] for index in indexes if index)
    return owned


def _payload(data: Data, box: Box) -> bytes:
    return data[box.at : min(box.end, box.at + MAX_CONFIGURATION_BYTES)]


def _size(data: Data, ispe: Box) -> Size:
    width, height = struct.unpack_from(">II", data[ispe.at : min(ispe.end, ispe.at + 12)], 4)
    return width, height


def _is_of_8_bits(configuration: bytes) -> bool:
    """True if each number of a pixel has 8 bits, and colours are YCbCr 4:2:0."""
    version, chroma, luma_bits, chroma_bits = (configuration[at] for at in (0, 16, 17, 18))
    return version == 1 and chroma & 3 == 1 and not (luma_bits | chroma_bits) & 7


def _has_plain_sets(configuration: bytes) -> bool:
    """True if a configuration (14496-15, 8.3.3.1) holds parameter sets and nothing else, to its
    last byte. Raises IndexError, struct.error."""
    at, kinds = 23, set()
    for _ in range(configuration[22]):
        kind, count = struct.unpack_from(">BH", configuration, at)
        at += 3
        for _ in range(count):
            (byte_size,) = struct.unpack_from(">H", configuration, at)
            if _kind_of_unit(configuration, at + 2) != kind & 0x3F:
                return False
            kinds.add(kind & 0x3F)
            at += 2 + byte_size
    is_whole = at == len(configuration) < MAX_CONFIGURATION_BYTES
    return is_whole and configuration[21] & 3 == 3 and _SETS <= kinds <= _SETS | _MESSAGES


def is_plain_tile(coded: bytes) -> bool:
    """True if coded bytes are one picture that needs no other: units of HEVC (ITU-T H.265, 7.3.1),
    each behind its length, to the last byte."""
    at = 0
    kinds: list[int] = []
    while at + 6 <= len(coded) and len(kinds) < MAX_UNITS:
        kinds.append(_kind_of_unit(coded, at + 4))
        at += 4 + int.from_bytes(coded[at : at + 4])
    pictures = {kind for kind in kinds if kind not in _MESSAGES | _FILLERS}
    return at == len(coded) and len(pictures) == 1 and pictures <= _PICTURES


def _kind_of_unit(data: bytes, at: int) -> int:
    """Returns the type of the unit; -1 for one of another layer, such as that of the other eye."""
    (head,) = struct.unpack_from(">H", data, at)
    return -1 if head >> 3 & 0x3F or head & 0x8000 else head >> 9


def _kind(data: Data, colr: Box) -> YccKind | None:
    payload = data[colr.at : min(colr.end, colr.at + MAX_COLOUR_BYTES)]
    if payload[:4] != b"nclx":
        return None
    _, _, matrix, full = struct.unpack_from(">HHHB", payload, 4)
    return matrix, bool(full & 0x80)
