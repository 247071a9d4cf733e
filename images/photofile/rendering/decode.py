"""Decodes the pixels of a file once, and cuts out of them what is wanted, at its size.

Pillow's classes are opened directly, not through `Image.open`: no guessing of formats, and our
budgets in place of its process-wide bomb guard.
"""

from __future__ import annotations

import io
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, TypeVar

from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageChops,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from images.photofile import formats, pieces
from images.photofile.containers import bmp, gif, heif, heif_tiles, jpeg, png, tiff, webp
from images.photofile.rendering import bad_picture, colour, heif_decoders, resize, steps
from images.photofile.rendering.resize import Window

if TYPE_CHECKING:
    from collections.abc import Callable
    from mmap import mmap

    from pillow_heif import HeifFile

    from images.photofile.formats import Format
    from images.photofile.rendering.colour import Nclx
    from images.photofile.rendering.resize import Plan
    from images.photofile.transforms.spec import Size

_Header = TypeVar("_Header")


@dataclass(frozen=True)
class Loaded:
    """Pixels in L, RGB, RGBA or CMYK, and what says which colours they are."""

    image: Image.Image
    icc: bytes | None = None
    nclx: Nclx | None = None


def load(file: BinaryIO, format_: Format, plan: Plan) -> Loaded:
    """Decode of the first picture of a file what `plan` wants of its pixels, as they are stored.

    Decoder errors pass as they are.
    """
    return _LOADERS[format_](file, plan)


def _header(read: Callable[[mmap], _Header], file: BinaryIO) -> _Header:
    with pieces.mapped(file) as data:
        return read(data)


def _load_jpeg(file: BinaryIO, plan: Plan) -> Loaded:
    header = _header(jpeg.read_header, file)
    end = file.seek(0, io.SEEK_END)
    drawing: list[pieces.Piece] = [header.drawing, (header.pixels_at, end - header.pixels_at)]
    with JpegImagePlugin.JpegImageFile(pieces.splice(file, drawing)) as image:
        window, full = plan((header.width, header.height)), image.size
        for scale in (8, 4, 2):
            if all(-(-a // scale) >= b for a, b in zip(window.edges, window.size, strict=True)):
                # The decoder takes the scale by which the picture still covers this size.
                image.draft(None, (max(1, image.width // scale), max(1, image.height // scale)))
                break
        image.load()
        if image.size != full:
            window = _reduced(window, full, image.size)
        return Loaded(resize.cut(image, window), header.icc)


def _reduced(window: Window, full: Size, size: Size) -> Window:
    """Returns the window in a picture that was decoded at a half, a quarter or an eighth."""
    if window.box == (0, 0, *full):
        return Window.whole(size, window.size)
    scale = next(n for n in (2, 4, 8) if tuple(-(-edge // n) for edge in full) == size)
    left, top, right, bottom = (edge / scale for edge in window.box)
    return Window((left, top, min(right, size[0]), min(bottom, size[1])), window.size)


def _load_png(file: BinaryIO, plan: Plan) -> Loaded:
    header = _header(png.read_header, file)
    with PngImagePlugin.PngImageFile(pieces.splice(file, header.drawing)) as image:
        small = _plain(image, plan)
    # PNG, third edition, 4.3: cICP counts for more than a profile.
    cicp = header.cicp if colour.is_known(header.cicp) else None
    return Loaded(small, None if cicp else header.icc, cicp)


def _load_webp(file: BinaryIO, plan: Plan) -> Loaded:
    with pieces.mapped(file) as data:
        header = webp.read_header(data)
        still = webp.still(data, header)
    with WebPImagePlugin.WebPImageFile(io.BytesIO(still)) as image:
        if image.size != header.frame:
            raise bad_picture.damaged()
        if header.frame == header.canvas:
            return Loaded(_plain(image, plan), header.icc)
        image.load()
        canvas = Image.new("RGBA", header.canvas)
        canvas.paste(image, header.offset)
    return Loaded(_plain(canvas, plan), header.icc)


def _load_heic(file: BinaryIO, plan: Plan) -> Loaded:
    nclx = _header(heif.read_header, file).nclx
    with heif_decoders.translate_libheif_errors():
        picture = heif_decoders.open_heic(file)
        icc, window = picture.info.get("icc_profile"), plan(picture.size)
        image = _cut_tiles(file, picture, window)
        if image is None:
            pixels = picture.data
            rows = resize.Rows(memoryview(pixels), picture.mode, picture.size, picture.stride)
            image = rows.cut(window)
    return Loaded(image, icc, nclx)


def _cut_tiles(file: BinaryIO, picture: HeifFile, window: Window) -> Image.Image | None:
    """Returns what is wanted of a HEIC by FFmpeg's decoder; None where libheif is to decode it:
    it knows more kinds, and its word counts on what is damaged."""
    if picture.mode != "RGB":
        return None
    with pieces.mapped(file) as data:
        coded = heif_tiles.read(data)
        if coded is None or steps.upright_size(coded.size, coded.orientation) != picture.size:
            return None
        # FFmpeg is loaded by who decodes a HEIC, and nobody else.
        from images.photofile.rendering import hevc

        try:
            image = hevc.cut(data, coded, steps.as_stored(window, coded.size, coded.orientation))
        except hevc.NotPlain:
            return None
    if coded.orientation in steps.TURNS:
        image = image.transpose(steps.TURNS[coded.orientation])
    return image


def _load_avif(file: BinaryIO, plan: Plan) -> Loaded:
    nclx = _header(heif.read_header, file).nclx
    decoder = heif_decoders.open_avif(file)
    size, _, mode, icc, *_ = decoder.get_info()
    pixels, *_ = decoder.get_frame(0)
    return Loaded(_plain(Image.frombytes(mode, size, pixels), plan), icc, nclx)


def _load_tiff(file: BinaryIO, plan: Plan) -> Loaded:
    header = _header(tiff.read_header, file)
    # libtiff wants a file of its own to jump about in. The copy differs in its directory alone:
    # it holds one page, does not say how to turn it, and has no tag that does not draw.
    with tempfile.TemporaryFile(dir=Path(file.name).parent) as copy:
        file.seek(0)
        shutil.copyfileobj(file, copy, 1024 * 1024)
        directory_at = copy.tell() + copy.tell() % 2
        start, directory = header.first_page(at=directory_at)
        copy.seek(directory_at)
        copy.write(directory)
        copy.seek(0)
        copy.write(start)
        copy.seek(0)
        with TiffImagePlugin.TiffImageFile(copy) as image:
            small = _plain(image, plan)
    if header.is_inverted_grey_of_16_bits:
        small = ImageChops.invert(small)
    return Loaded(small, header.icc)


def _load_gif(file: BinaryIO, plan: Plan) -> Loaded:
    header = _header(gif.read_header, file)
    with GifImagePlugin.GifImageFile(pieces.splice(file, header.drawing)) as image:
        return Loaded(_plain(image, plan))


def _load_bmp(file: BinaryIO, plan: Plan) -> Loaded:
    header = _header(bmp.read_header, file)
    file.seek(0)
    with BmpImagePlugin.BmpImageFile(file) as image:
        if image.size != (header.width, header.height):
            raise bad_picture.damaged()
        return Loaded(_plain(image, plan), header.icc)


_LOADERS: Final[dict[Format, Callable[[BinaryIO, Plan], Loaded]]] = {
    formats.JPEG: _load_jpeg,
    formats.PNG: _load_png,
    formats.HEIC: _load_heic,
    formats.WEBP: _load_webp,
    formats.AVIF: _load_avif,
    formats.TIFF: _load_tiff,
    formats.GIF: _load_gif,
    formats.BMP: _load_bmp,
}


def _plain(image: Image.Image, plan: Plan) -> Image.Image:
    """Convert to one of L, RGB, RGBA and CMYK, and cut out what is wanted."""
    image.load()
    return resize.cut(colour.in_plain_mode(image), plan(image.size))
