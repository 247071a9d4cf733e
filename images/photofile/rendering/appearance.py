"""Reads from the variants of a photo what it looks like, in a few bytes."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from PIL import Image

from images.photofile import placeholder, variants
from images.photofile.rendering import resize
from images.photofile.variants import Spec, target_size

if TYPE_CHECKING:
    from pathlib import Path

# 70 bytes on average; those of 60 photos take 3 kB of a compressed page.
PLACEHOLDER: Final = Spec("placeholder", max_edge=16, quality=10)

# The variant that is read.
SOURCES: Final = (variants.SMALL.name,)


@dataclass(frozen=True)
class Appearance:
    """What a photo looks like."""

    placeholder: bytes = b""


def read(files: dict[str, Path]) -> Appearance:
    """Reads the variants of SOURCES, given by their names."""
    with Image.open(files[variants.SMALL.name], formats=["JPEG"]) as small:
        small.load()
        return Appearance(placeholder=_placeholder(small))


def _placeholder(small: Image.Image) -> bytes:
    tiny = resize.shrink(small, target_size(small.size, PLACEHOLDER))
    file = io.BytesIO()
    tiny.save(file, "WEBP", quality=PLACEHOLDER.quality, method=6)
    return placeholder.pixels_of(file.getvalue())
