"""Decodes the HEVC tiles of a HEIC by FFmpeg, and cuts out of their planes what is wanted.

FFmpeg takes about 0.6 of the time of libde265, and hands over brightness and colour as they are
coded: what is shrunk is shrunk before colours are converted, which are a quarter of the pixels.
Importing this module loads FFmpeg: only `decode` does, when it has a HEIC to decode. No demuxer and
no other decoder is ever opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import av
import av.error
from PIL import Image

from images.photofile.containers import heif_tiles
from images.photofile.rendering import resize
from images.photofile.rendering.resize import Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from images.photofile.containers.container import Data
    from images.photofile.containers.heif_tiles import Coded, YccKind

# What FFmpeg may read behind the end of what it is given (AV_INPUT_BUFFER_PADDING_SIZE).
_PADDING: Final = bytes(64)
# Coded pictures are multiples of the largest block, and cropped to their size.
_LARGEST_BLOCK: Final = 64
# Beside those that say it is not 8 bits or not 4:2:0: full range and limited.
_CHROMA_PLANES: Final = {"yuv420p": 2, "yuvj420p": 2}
# Pixels of the wanted window that lie around it and are resampled into it, and to spare.
_MARGIN: Final = 4 * resize.LANCZOS_SUPPORT
_BAND_PIXELS: Final = 1_000_000

# Of matrix coefficients (ITU-T H.273), how red and blue weigh in brightness.
_WEIGHTS: Final = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
_UNSPECIFIED: Final = 2
_UNSPECIFIED_IS: Final = 6  # as libheif takes it
_FULL_RANGE: Final = 2  # AVCOL_RANGE_JPEG


class NotPlain(Exception):
    """The tiles are not what the boxes say, or are damaged; libheif may know better."""


def cut(data: Data, coded: Coded, window: Window) -> Image.Image:
    """Returns the window of the stored picture as RGB. Raises NotPlain."""
    try:
        planes, kind = _decoded(data, coded, window)
    except (av.error.FFmpegError, ValueError) as error:
        raise NotPlain from error
    brightness, *colours = planes
    small = [resize.cut(brightness, window)]
    planes.clear()
    for plane in colours:
        left, top, right, bottom = window.box
        half = Window((left / 2, top / 2, right / 2, bottom / 2), window.size)
        small.append(resize.cut(plane, half))
    return _in_rgb(small, kind)


def _decoded(data: Data, coded: Coded, window: Window) -> tuple[list[Image.Image], YccKind]:
    """Returns the planes of the whole picture; tiles outside of the window stay black."""
    planes: list[Image.Image] = []
    kinds = set(coded.kinds)
    for left, top, frame in _frames(data, coded, window):
        count = _CHROMA_PLANES.get(frame.format.name)
        if count is None or (frame.width, frame.height) != coded.tile or frame.is_corrupt:
            raise NotPlain
        if not planes:
            half = -(-coded.size[0] // 2), -(-coded.size[1] // 2)
            planes = [Image.new("L", coded.size), *(Image.new("L", half) for _ in range(count))]
        if len(planes) != count + 1:
            raise NotPlain
        kinds.add((int(frame.colorspace), int(frame.color_range) == _FULL_RANGE))
        for scale, plane, source in zip((1, 2, 2), planes, frame.planes, strict=False):
            size = source.width, source.height
            rows = memoryview(source)
            pixels = Image.frombuffer("L", size, rows, "raw", "L", source.line_size, 1)  # type: ignore[arg-type]  # any buffer
            plane.paste(pixels, (left // scale, top // scale))
    return planes, _only(kinds)


def _frames(data: Data, coded: Coded, window: Window) -> Iterator[tuple[int, int, av.VideoFrame]]:
    """Yields the left and top edge and the pixels of each tile that the window touches."""
    decoder = av.CodecContext.create("hevc", "r")
    decoder.extradata = coded.configuration + _PADDING
    # One thread: a worker has a child per core already.
    decoder.thread_count = 1
    padded = [edge + 2 * _LARGEST_BLOCK for edge in coded.tile]
    decoder.options = {"err_detect": "explode", "max_pixels": str(padded[0] * padded[1])}
    wanted = list(_touched(coded, window))
    found = 0
    for index in [*wanted, None]:
        packet = None if index is None else _packet(data, coded, index)
        for frame in decoder.decode(packet):
            if found == len(wanted) or frame.pts != wanted[found]:
                raise NotPlain
            row, column = divmod(wanted[found], coded.columns)
            found += 1
            yield column * coded.tile[0], row * coded.tile[1], frame
    if found != len(wanted):
        raise NotPlain


def _packet(data: Data, coded: Coded, index: int) -> av.Packet[Any]:
    """Returns the coded bytes of a tile. Raises NotPlain."""
    content = b"".join(data[at : at + byte_size] for at, byte_size in coded.tiles[index])
    if not heif_tiles.is_plain_tile(content):
        raise NotPlain
    packet = av.Packet(len(content))  # with padding, which one made of bytes has not
    packet.update(content)
    packet.pts = index
    return packet


def _touched(coded: Coded, window: Window) -> Iterator[int]:
    """Yields the numbers of the tiles that are in the window or near it."""
    (left, top, right, bottom), (width, height) = window.box, coded.tile
    across, down = (
        max(1, edge / size) * _MARGIN for edge, size in zip(window.edges, window.size, strict=True)
    )
    for index in range(len(coded.tiles)):
        row, column = divmod(index, coded.columns)
        is_beside = (column + 1) * width < left - across or column * width > right + across
        is_above = (row + 1) * height < top - down or row * height > bottom + down
        if not is_beside and not is_above:
            yield index


def _only(kinds: set[YccKind]) -> YccKind:
    """Returns the matrix and range that boxes and tiles agree upon. Raises NotPlain."""
    told = {(_UNSPECIFIED_IS if matrix == _UNSPECIFIED else matrix, full) for matrix, full in kinds}
    told = {(6 if matrix == 5 else matrix, full) for matrix, full in told}
    if len(told) != 1:
        raise NotPlain
    (kind,) = told
    if kind[0] not in _WEIGHTS:
        raise NotPlain
    return kind


def _in_rgb(planes: list[Image.Image], kind: YccKind) -> Image.Image:
    matrix = _matrix(kind)
    whole = Image.merge("RGB", planes)
    width, height = whole.size
    if width * height <= _BAND_PIXELS:
        return whole.convert("RGB", matrix)
    # By bands: what is converted stays in the cache of the processor, and is not there twice.
    step = max(1, _BAND_PIXELS // width)
    for top in range(0, height, step):
        box = (0, top, width, min(top + step, height))
        whole.paste(whole.crop(box).convert("RGB", matrix), box)
    return whole


def _matrix(kind: YccKind) -> tuple[float, ...]:
    """Returns what Pillow's convert() takes to make RGB of YCbCr, of 0 to 255 each (ITU-T H.273,
    8.3)."""
    red, blue = _WEIGHTS[kind[0]]
    green = 1 - red - blue
    luma, chroma, black = (1, 1, 0) if kind[1] else (255 / 219, 255 / 224, 16)
    to_red, to_blue = 2 * (1 - red) * chroma, 2 * (1 - blue) * chroma
    rows = (
        (0, to_red),
        (-to_blue * blue / green, -to_red * red / green),
        (to_blue, 0),
    )
    return tuple(
        number for cb, cr in rows for number in (luma, cb, cr, -luma * black - 128 * (cb + cr))
    )
