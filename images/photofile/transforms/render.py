"""Renders one spec of a photo: from its original, or from the largest variant, to a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from images.photofile.rendering import encode, steps, upright
from images.photofile.rendering.inspect import inspect
from images.photofile.transforms import capabilities
from images.photofile.transforms import watermark as watermarks
from images.photofile.transforms.spec import Resize, Spec, SpecError

if TYPE_CHECKING:
    from pathlib import Path

    from PIL import Image

    from images.photofile.rendering import Rendered
    from images.photofile.transforms.spec import Size, Watermark


def render(
    path: Path,
    *,
    spec: Spec,
    into: Path,
    declared: Size | None = None,
    watermark: Path | None = None,
) -> Rendered:
    """Writes the result of a spec into the folder `into`, as a file without metadata.

    `declared` is the size of the upright picture that the crop refers to, where that is not the
    file's own: the largest variant stands in for an original that is there no longer. `watermark`
    is the file of the photo that `spec.watermark` names. Raises BadPicture and SpecError.
    """
    capabilities.check(spec)
    header = inspect(path)
    size = (header.width, header.height)
    spec.output_size(declared or size)
    fitted = steps.scaled_crop(spec, declared=declared or size, size=size)
    fitted.output_size(size)
    image = upright.open_photo(path, header=header, spec=fitted)
    image = steps.draw(image, fitted)
    if "watermark" in spec.canonical() and spec.watermark is not None:
        image = _marked(image, spec.watermark, watermark)
    return encode.write(image, spec, into=into, name=spec.hash)


def _marked(image: Image.Image, mark: Watermark, path: Path | None) -> Image.Image:
    if not mark.image:
        return watermarks.lay_text(image, mark)
    if path is None:
        raise SpecError("watermark.image", "The photo of the watermark is there no longer.")
    # No larger than it is shown.
    room = Spec(resize=Resize(*image.size))
    picture = upright.open_photo(path, header=inspect(path), spec=room)
    return watermarks.lay_picture(image, mark, picture)
