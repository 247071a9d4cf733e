"""Draws a logo anew: a small PNG in sRGB, without metadata, from a file that nobody vouches for."""

from __future__ import annotations

import io
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from PIL import Image

from images.photofile import formats
from images.photofile.rendering import bad_picture, colour, decode, resize
from images.photofile.rendering.inspect import MEGAPIXEL, inspect
from images.photofile.rendering.steps import TURNS, stored_window
from images.photofile.transforms.spec import Resize, Spec

if TYPE_CHECKING:
    from images.photofile.rendering.inspect import Header
    from images.photofile.transforms.spec import Size

MAX_BYTES: Final = 1024 * 1024
MAX_PIXELS: Final = 4 * MEGAPIXEL
MAX_WIDTH: Final = 320
MAX_HEIGHT: Final = 160
MAX_PNG_BYTES: Final = 64 * 1024
_FORMATS: Final = frozenset({formats.PNG, formats.JPEG, formats.WEBP})
_DECODED: Final = Spec(resize=Resize(2 * MAX_WIDTH, 2 * MAX_WIDTH))
# The bound on memory is that of the whole process, so that threads take turns.
_one_at_a_time = threading.Lock()


class NoLogo(Exception):
    """No logo can be drawn from the file. `reason`: too-large, wrong-kind, too-many-pixels or
    damaged."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Logo:
    """A PNG of at most MAX_PNG_BYTES."""

    content: bytes
    width: int
    height: int


def draw(file: BinaryIO, *, byte_size: int) -> Logo:
    """Draws the picture to at most 320 x 160 pixels. Raises NoLogo."""
    if byte_size > MAX_BYTES:
        raise NoLogo("too-large")
    data = file.read(MAX_BYTES + 1)
    try:
        if formats.sniff_head(data[: formats.HEAD_BYTES]) not in _FORMATS:
            raise NoLogo("wrong-kind")
    except (formats.NotAnImage, formats.UnsupportedFormat):
        raise NoLogo("wrong-kind") from None
    with tempfile.TemporaryDirectory() as folder, _one_at_a_time:
        path = Path(folder) / "logo"
        path.write_bytes(data)
        try:
            header = inspect(path)
            if header.width * header.height > MAX_PIXELS:
                raise NoLogo("too-many-pixels")
            with path.open("rb") as source, bad_picture.translate_decoder_errors():
                image = _drawn(source, header)
        except bad_picture.BadPicture as error:
            is_large = error.reason == "too-many-pixels"
            raise NoLogo("too-many-pixels" if is_large else "damaged") from error
    return Logo(_png(image), *image.size)


def _drawn(source: BinaryIO, header: Header) -> Image.Image:
    loaded = decode.load(
        source,
        header.format,
        lambda stored: stored_window(_DECODED, stored, header.orientation),
    )
    image, alpha = loaded.image, None
    if image.mode == "RGBA":
        image, alpha = image.convert("RGB"), image.getchannel("A")
    image = colour.in_srgb(image, icc=loaded.icc, nclx=loaded.nclx).convert("RGB")
    if alpha is not None:
        image.putalpha(alpha)
    if header.orientation != 1:
        image = image.transpose(TURNS[header.orientation])
    image = resize.shrink(image, fitting((header.width, header.height)))
    image.info = {}  # Pillow's writer would write what it finds here
    return image


def fitting(size: Size) -> Size:
    """Returns the size within 320 x 160. Nothing is enlarged."""
    scale = min(1, MAX_WIDTH / size[0], MAX_HEIGHT / size[1])
    width, height = (max(1, round(edge * scale)) for edge in size)
    return width, height


def _png(image: Image.Image) -> bytes:
    """Writes the picture with all its colours if it is small, else with 256 of them."""
    for candidate in (image, None):
        drawn = candidate or image.quantize(256, method=Image.Quantize.FASTOCTREE)
        buffer = io.BytesIO()
        drawn.save(buffer, "PNG", optimize=True)
        if buffer.tell() <= MAX_PNG_BYTES:
            break
    return buffer.getvalue()
