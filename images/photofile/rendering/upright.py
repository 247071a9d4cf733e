"""Opens photos: upright, flattened onto white, in sRGB, and no larger than a spec needs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from PIL import Image

from images.photofile import formats
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
    _load_libraries(header)
    with path.open("rb") as file, bad_picture.translate_decoder_errors():
        loaded = decode.load(
            file,
            header.format,
            lambda stored: steps.stored_window(spec, stored, header.orientation),
        )
        return _upright(loaded, header.orientation)


def _load_libraries(header: Header) -> None:
    """Loads FFmpeg and NumPy, which only those need who render photos: before the memory of a
    picture is bounded, so that what a library takes is not counted. Safe to call twice. Raises
    MemoryError."""
    try:
        import_module("images.photofile.rendering.display_p3")
        if header.format is formats.HEIC:
            import_module("images.photofile.rendering.hevc")
    except ImportError as error:
        # They are installed, but there is no room to map them: that is not the picture's fault.
        raise MemoryError from error


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
