"""Renders the variants of a photo: upright JPEGs in sRGB, each checked to hold no metadata."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from PIL import Image

from images.photofile import formats, variants
from images.photofile.rendering import bad_picture, colour, decode, resize, verify
from images.photofile.rendering.bad_picture import BadPicture
from images.photofile.rendering.inspect import Header, inspect
from images.photofile.variants import target_size

if TYPE_CHECKING:
    from pathlib import Path

    from images.photofile.variants import Spec

__all__ = ["TURNS", "BadPicture", "Header", "Rendered", "inspect", "render", "target_size"]

TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Rendered:
    """One variant, as a file."""

    name: str
    path: Path
    width: int
    height: int
    byte_size: int
    content_type: str


def render(
    path: Path, *, header: Header, into: Path, specs: tuple[Spec, ...] = variants.ALL
) -> list[Rendered]:
    """Write each variant as a JPEG without metadata into the folder `into`.

    `header` is that of `inspect`. Only the first frame or page counts. A truncated file is a bad
    picture: half a photo is not what a guest sent. Raises BadPicture.
    """
    largest, *smaller = sorted(specs, key=lambda spec: spec.max_edge, reverse=True)
    with path.open("rb") as file, bad_picture.translate_decoder_errors():
        loaded = decode.load(file, header.format, largest)
        image = _upright(loaded, header.orientation)
    rendered = [_write(image, largest, into)]
    for spec in smaller:
        image = resize.shrink(image, target_size(image.size, spec))
        rendered.append(_write(image, spec, into))
    return rendered


def _upright(loaded: decode.Loaded, orientation: int) -> Image.Image:
    """Return the picture flattened onto white, in sRGB, and turned upright."""
    image = loaded.image
    if image.mode == "RGBA":
        flat = Image.new("RGB", image.size, "white")
        flat.paste(image, mask=image.getchannel("A"))
        image = flat
    image = colour.in_srgb(image, icc=loaded.icc, nclx=loaded.nclx)
    if orientation in TURNS:
        image = image.transpose(TURNS[orientation])
    # Pillow's writer would write what it finds here, such as a comment.
    image.info = {}
    return image


def _write(image: Image.Image, spec: Spec, into: Path) -> Rendered:
    path = into / f"{spec.name}.jpg"
    image.save(path, "JPEG", quality=spec.quality, subsampling="4:2:0")
    verify.assert_metadata_free(path)
    byte_size = path.stat().st_size
    return Rendered(spec.name, path, *image.size, byte_size, formats.JPEG.content_type)
