"""Opens photos: upright, flattened onto white, in sRGB, and no larger than a spec needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image

from images.photofile.rendering import bad_picture, colour, decode, steps

if TYPE_CHECKING:
    from pathlib import Path

    from images.photofile.rendering.inspect import Header
    from images.photofile.transforms.spec import Spec


def open_photo(path: Path, *, header: Header, spec: Spec) -> Image.Image:
    """Returns the photo cropped and resized, in L or RGB. Raises BadPicture.

    Only the first frame or page counts. A truncated file is a bad picture: half a photo is not
    what a guest sent.
    """
    with path.open("rb") as file, bad_picture.translate_decoder_errors():
        loaded = decode.load(
            file,
            header.format,
            lambda stored: steps.stored_window(spec, stored, header.orientation),
        )
        return _upright(loaded, header.orientation)


def _upright(loaded: decode.Loaded, orientation: int) -> Image.Image:
    image = loaded.image
    if image.mode == "RGBA":
        flat = Image.new("RGB", image.size, "white")
        flat.paste(image, mask=image.getchannel("A"))
        image = flat
    image = colour.in_srgb(image, icc=loaded.icc, nclx=loaded.nclx)
    if orientation in steps.TURNS:
        image = image.transpose(steps.TURNS[orientation])
    return image
