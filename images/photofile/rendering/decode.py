"""Decodes the pixels of a file once, and shrinks them to the largest variant.

Pillow's classes are opened directly, not through `Image.open`: no guessing of formats, and our
budgets in place of its process-wide bomb guard.
"""

from __future__ import annotations

import io
import math
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, TypeVar

import cykooz_resizer
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
from images.photofile.containers import bmp, gif, heif, jpeg, png, tiff, webp
from images.photofile.rendering import bad_picture, colour, heif_decoders
from images.photofile.variants import target_size

if TYPE_CHECKING:
    from collections.abc import Callable
    from mmap import mmap

    from images.photofile.formats import Format
    from images.photofile.rendering.colour import Nclx
    from images.photofile.variants import Size, Spec

_Header = TypeVar("_Header")

_LANCZOS: Final = cykooz_resizer.ResizeOptions(
    cykooz_resizer.ResizeAlg.convolution(cykooz_resizer.FilterType.lanczos3)
)
_LANCZOS_SUPPORT: Final = 3  # source pixels to each side, times the scale
_BAND_PIXELS: Final = 4_000_000


@dataclass(frozen=True)
class Loaded:
    """Pixels in L, RGB, RGBA or CMYK, and what says which colours they are."""

    image: Image.Image
    icc: bytes | None = None
    nclx: Nclx | None = None


def load(file: BinaryIO, format_: Format, largest: Spec) -> Loaded:
    """Decode the first picture of a file, shrunk to the largest variant, as the file stores it.

    Decoder errors pass as they are.
    """
    return _LOADERS[format_](file, largest)


def shrunk(image: Image.Image, size: Size) -> Image.Image:
    """Resize by Lanczos in SIMD: 4 to 8 times faster than Pillow, the same to within a level."""
    if image.size == size:
        return image
    small = Image.new(image.mode, size)
    cykooz_resizer.Resizer().resize_pil(image, small, _LANCZOS)
    return small


def _header(read: Callable[[mmap], _Header], file: BinaryIO) -> _Header:
    with pieces.mapped(file) as data:
        return read(data)


def _load_jpeg(file: BinaryIO, largest: Spec) -> Loaded:
    header = _header(jpeg.read_header, file)
    end = file.seek(0, io.SEEK_END)
    drawing: list[pieces.Piece] = [header.drawing, (header.pixels_at, end - header.pixels_at)]
    with JpegImagePlugin.JpegImageFile(pieces.splice(file, drawing)) as image:
        target = max(target_size(image.size, largest))
        for scale in (8, 4, 2):
            if -(-max(image.size) // scale) >= target:
                # The decoder takes the scale by which the picture still covers this size.
                image.draft(None, (max(1, image.width // scale), max(1, image.height // scale)))
                break
        image.load()
        return Loaded(
            shrunk(image, target_size((header.width, header.height), largest)), header.icc
        )


def _load_png(file: BinaryIO, largest: Spec) -> Loaded:
    header = _header(png.read_header, file)
    with PngImagePlugin.PngImageFile(pieces.splice(file, header.drawing)) as image:
        small = _plain(image, largest)
    # PNG, third edition, 4.3: cICP counts for more than a profile.
    cicp = header.cicp if colour.is_known(header.cicp) else None
    return Loaded(small, None if cicp else header.icc, cicp)


def _load_webp(file: BinaryIO, largest: Spec) -> Loaded:
    with pieces.mapped(file) as data:
        header = webp.read_header(data)
        still = webp.still(data, header)
    with WebPImagePlugin.WebPImageFile(io.BytesIO(still)) as image:
        if image.size != header.frame:
            raise bad_picture.damaged()
        if header.frame == header.canvas:
            return Loaded(_plain(image, largest), header.icc)
        image.load()
        canvas = Image.new("RGBA", header.canvas)
        canvas.paste(image, header.offset)
    return Loaded(_plain(canvas, largest), header.icc)


def _load_heic(file: BinaryIO, largest: Spec) -> Loaded:
    nclx = _header(heif.read_header, file).nclx
    with heif_decoders.translate_libheif_errors():
        picture = heif_decoders.open_heic(file)
        pixels = picture.data
    rows = _Rows(memoryview(pixels), picture.mode, picture.size, picture.stride)
    return Loaded(rows.shrunk(largest), picture.info.get("icc_profile"), nclx)


def _load_avif(file: BinaryIO, largest: Spec) -> Loaded:
    nclx = _header(heif.read_header, file).nclx
    decoder = heif_decoders.open_avif(file)
    size, _, mode, icc, *_ = decoder.get_info()
    pixels, *_ = decoder.get_frame(0)
    return Loaded(_plain(Image.frombytes(mode, size, pixels), largest), icc, nclx)


def _load_tiff(file: BinaryIO, largest: Spec) -> Loaded:
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
            small = _plain(image, largest)
    if header.is_inverted_grey_of_16_bits:
        small = ImageChops.invert(small)
    return Loaded(small, header.icc)


def _load_gif(file: BinaryIO, largest: Spec) -> Loaded:
    header = _header(gif.read_header, file)
    with GifImagePlugin.GifImageFile(pieces.splice(file, header.drawing)) as image:
        return Loaded(_plain(image, largest))


def _load_bmp(file: BinaryIO, largest: Spec) -> Loaded:
    header = _header(bmp.read_header, file)
    file.seek(0)
    with BmpImagePlugin.BmpImageFile(file) as image:
        if image.size != (header.width, header.height):
            raise bad_picture.damaged()
        return Loaded(_plain(image, largest), header.icc)


_LOADERS: Final[dict[Format, Callable[[BinaryIO, Spec], Loaded]]] = {
    formats.JPEG: _load_jpeg,
    formats.PNG: _load_png,
    formats.HEIC: _load_heic,
    formats.WEBP: _load_webp,
    formats.AVIF: _load_avif,
    formats.TIFF: _load_tiff,
    formats.GIF: _load_gif,
    formats.BMP: _load_bmp,
}


def _plain(image: Image.Image, largest: Spec) -> Image.Image:
    """Convert to one of L, RGB, RGBA and CMYK, and shrink to the largest variant."""
    image.load()
    return shrunk(_plain_mode(image), target_size(image.size, largest))


def _plain_mode(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits of grey
        return image.point(lambda value: value / 257).convert("L")
    if image.mode == "1":
        return image.convert("L")
    if image.mode == "LAB":
        return colour.from_lab(image)
    if image.mode in {"LA", "La", "RGBa", "PA"} or "transparency" in image.info:
        return image.convert("RGBA")
    return image if image.mode in {"L", "RGB", "RGBA", "CMYK"} else image.convert("RGB")


@dataclass(frozen=True)
class _Rows:
    """Pixels as a decoder left them, `stride` bytes from row to row."""

    pixels: memoryview
    mode: str
    size: Size
    stride: int

    def shrunk(self, largest: Spec) -> Image.Image:
        """Shrink as `_plain` does, by bands: the whole would take 4 bytes a pixel in Pillow."""
        size = target_size(self.size, largest)
        if size == self.size or math.prod(self.size) <= _BAND_PIXELS:
            return _plain(self.between(0, self.size[1]), largest)
        (full_width, full_height), (width, height) = self.size, size
        scale = full_height / height
        support = math.ceil(_LANCZOS_SUPPORT * scale) + 1
        # Bands overlap, and are high enough that little is resized twice.
        step = max(4 * _LANCZOS_SUPPORT, int(_BAND_PIXELS / full_width / scale))
        bands = []
        for top in range(0, height, step):
            bottom = min(top + step, height)
            start = max(0, int(top * scale) - support)
            end = min(full_height, math.ceil(bottom * scale) + support)
            band = _plain_mode(self.between(start, end))
            small = Image.new(band.mode, (width, bottom - top))
            offset = top * scale - start
            # Rounding must not carry the last band beyond the picture.
            box_height = min((bottom - top) * scale, band.height - offset)
            box = cykooz_resizer.CropBox(0, offset, full_width, box_height)
            options = cykooz_resizer.ResizeOptions(_LANCZOS.resize_alg, crop_box=box)
            cykooz_resizer.Resizer().resize_pil(band, small, options)
            bands.append(small)
        whole = Image.new(bands[0].mode, size)
        for top, small in zip(range(0, height, step), bands, strict=True):
            whole.paste(small, (0, top))
        return whole

    def between(self, start: int, end: int) -> Image.Image:
        data = self.pixels[start * self.stride : end * self.stride]
        shape = self.size[0], end - start
        return Image.frombytes(self.mode, shape, data, "raw", self.mode, self.stride)
