"""Reads from the variants of a photo what it looks like, in a few bytes."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from statistics import pstdev
from typing import TYPE_CHECKING, Final

import dhash
from PIL import Image, ImageFilter, ImageStat

from images.photofile import placeholder, variants
from images.photofile.rendering import resize
from images.photofile.transforms.spec import Resize, resized

if TYPE_CHECKING:
    from pathlib import Path

# 70 bytes on average; those of 60 photos take 3 kB of a compressed page.
PLACEHOLDER: Final = Resize(16, 16)
PLACEHOLDER_QUALITY: Final = 10

# The variants that are read.
SOURCES: Final = (variants.SMALL.name, variants.TILE.name)

_HASH_EDGE: Final = 8
# A flat picture, or one that only fades, has a hash that says nothing: many others have the same.
_LEAST_CONTRAST: Final = 6.0  # standard deviation of the grey values that are compared
_LEAST_TURNS: Final = 12  # of 56: how often brighter follows darker along a row, or the reverse

_LAPLACIAN: Final = ImageFilter.Kernel((3, 3), (0, 1, 0, 1, -4, 1, 0, 1, 0), scale=1, offset=128)


@dataclass(frozen=True)
class Appearance:
    """What a photo looks like. Without a hash, it is like no other."""

    placeholder: bytes = b""
    perceptual_hash: int | None = None
    focus: float | None = None


def read(files: dict[str, Path], *, pixels: int) -> Appearance:
    """Reads the variants of SOURCES, given by their names, of a photo of so many pixels."""
    with Image.open(files[variants.SMALL.name], formats=["JPEG"]) as small:
        small.load()
        tiny, hash_ = _placeholder(small), _perceptual_hash(small)
    with Image.open(files[variants.TILE.name], formats=["JPEG"]) as tile:
        tile.draft("L", tile.size)
        return Appearance(tiny, hash_, _focus(tile.convert("L"), pixels))


def _placeholder(small: Image.Image) -> bytes:
    tiny = resize.shrink(small, resized(PLACEHOLDER, small.size))
    file = io.BytesIO()
    tiny.save(file, "WEBP", quality=PLACEHOLDER_QUALITY, method=6)
    return placeholder.pixels_of(file.getvalue())


def _perceptual_hash(small: Image.Image) -> int | None:
    """The difference hash: for each of 8 by 8 areas, whether the one to its right is brighter."""
    edge = _HASH_EDGE + 1
    greys = list(resize.shrink(small.convert("L"), (edge, edge)).tobytes())
    rows, _ = dhash.dhash_row_col(greys, size=_HASH_EDGE)
    # A bit differs from its neighbour, but for the first of each row.
    turns = ((rows ^ rows >> 1) & 0x7F7F7F7F7F7F7F7F).bit_count()
    if turns < _LEAST_TURNS or pstdev(greys) < _LEAST_CONTRAST:
        return None
    return int.from_bytes(rows.to_bytes(8, "big"), "big", signed=True)


def _focus(grey: Image.Image, pixels: int) -> float:
    """How sharp the middle of a photo is, and how much it shows: of two copies, the larger one is
    better, though both look equally sharp when they are small."""
    if (scale := variants.TILE.max_edge / max(grey.size)) > 1:
        width, height = (max(3, round(edge * scale)) for edge in grey.size)
        grey = grey.resize((width, height), Image.Resampling.BILINEAR)
    width, height = grey.size
    middle = grey.crop((width // 4, height // 4, width - width // 4, height - height // 4))
    variance = ImageStat.Stat(middle.filter(_LAPLACIAN)).var[0]
    return float(variance * math.sqrt(pixels / 1_000_000))
