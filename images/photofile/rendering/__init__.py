"""Renders the variants of a photo: upright JPEGs in sRGB, each checked to hold no metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING

from images.photofile import variants
from images.photofile.rendering import encode, resize, steps, upright
from images.photofile.rendering.bad_picture import BadPicture
from images.photofile.rendering.encode import Rendered
from images.photofile.rendering.inspect import Header, inspect

if TYPE_CHECKING:
    from pathlib import Path

    from images.photofile.variants import Variant

__all__ = ["BadPicture", "Header", "Rendered", "inspect", "render"]


def render(
    path: Path, *, header: Header, into: Path, specs: tuple[Variant, ...] = variants.ALL
) -> list[Rendered]:
    """Write each variant as a JPEG without metadata into the folder `into`.

    `header` is that of `inspect`. The file is decoded once: each size is made of the next larger
    one. Raises BadPicture.
    """
    largest, *smaller = sorted(specs, key=lambda spec: spec.max_edge, reverse=True)
    image = upright.open_photo(path, header=header, spec=largest)
    rendered = [encode.write(image, largest, into=into, name=largest.name)]
    for variant in smaller:
        image = resize.cut(image, steps.window(variant, image.size))
        rendered.append(encode.write(image, variant, into=into, name=variant.name))
    return rendered
