"""The steps of a spec, on pixels: crop and resize as one window, then rotate, flip, mirror and
filters.

A window is planned for the upright picture, and cut out of the pixels as they are stored, so that
what is not wanted is neither resampled nor turned.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from PIL import Image

from images.photofile.rendering.resize import Window
from images.photofile.transforms.spec import Crop, resized, turned

if TYPE_CHECKING:
    from images.photofile.transforms.spec import Rotate, Size, Spec

# EXIF orientations: what makes the stored pixels upright.
TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Those that swap width and height, and those that then count from the right, or from below.
_SIDEWAYS: Final = frozenset({5, 6, 7, 8})
_FROM_THE_RIGHT: Final = frozenset({2, 3, 7, 8})
_FROM_BELOW: Final = frozenset({3, 4, 6, 7})

_QUARTERS: Final = {
    90: Image.Transpose.ROTATE_270,  # Pillow counts anticlockwise
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_90,
}
# The matrix of `sepia(1)` in CSS (Filter Effects 1, 8.4), so that a browser's preview agrees.
_SEPIA: Final = (
    *(0.393, 0.769, 0.189, 0),
    *(0.349, 0.686, 0.168, 0),
    *(0.272, 0.534, 0.131, 0),
)


def window(spec: Spec, size: Size) -> Window:
    """Returns what crop and resize want of an upright picture."""
    crop = spec.crop or Crop(0, 0, *size)
    left, top, width, height = map(float, (crop.x, crop.y, crop.width, crop.height))
    if spec.resize is None:
        return Window((left, top, left + width, top + height), (crop.width, crop.height))
    target = resized(spec.resize, (crop.width, crop.height))
    if spec.resize.mode == "fill":
        # The largest rectangle of these proportions, in the middle.
        scale = min(width / target[0], height / target[1])
        covered_width, covered_height = target[0] * scale, target[1] * scale
        left, top = left + (width - covered_width) / 2, top + (height - covered_height) / 2
        width, height = covered_width, covered_height
    return Window((left, top, left + width, top + height), target)


def stored_window(spec: Spec, stored: Size, orientation: int) -> Window:
    """Returns the window of a spec in the pixels as they are stored."""
    return as_stored(window(spec, upright_size(stored, orientation)), stored, orientation)


def upright_size(stored: Size, orientation: int) -> Size:
    """Returns the size of a picture once it is turned."""
    return stored[::-1] if orientation in _SIDEWAYS else stored


def as_stored(found: Window, stored: Size, orientation: int) -> Window:
    """Returns the window of an upright picture in its pixels as they are stored."""
    (left, top, right, bottom), size = found.box, found.size
    if orientation in _SIDEWAYS:
        left, top, right, bottom = top, left, bottom, right
        size = size[::-1]
    if orientation in _FROM_THE_RIGHT:
        left, right = stored[0] - right, stored[0] - left
    if orientation in _FROM_BELOW:
        top, bottom = stored[1] - bottom, stored[1] - top
    return Window((max(left, 0), max(top, 0), min(right, stored[0]), min(bottom, stored[1])), size)


def scaled_crop(spec: Spec, *, declared: Size, size: Size) -> Spec:
    """Returns the spec with its crop in the pixels of `size`, where it was in those of
    `declared`. Both are the same picture."""
    if spec.crop is None or declared == size:
        return spec
    (across, down), crop = (size[0] / declared[0], size[1] / declared[1]), spec.crop
    left, top = min(round(crop.x * across), size[0] - 1), min(round(crop.y * down), size[1] - 1)
    right = max(left + 1, min(round((crop.x + crop.width) * across), size[0]))
    bottom = max(top + 1, min(round((crop.y + crop.height) * down), size[1]))
    return replace(spec, crop=Crop(left, top, right - left, bottom - top))


def draw(image: Image.Image, spec: Spec) -> Image.Image:
    """Rotates, flips, mirrors and filters a picture that is cropped and resized."""
    if spec.rotate is not None and spec.rotate.turn:
        image = _rotated(image, spec.rotate)
    if spec.flip:
        image = image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    if spec.mirror:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if "grayscale" in spec.filters:
        image = image.convert("L")
    if "sepia" in spec.filters:
        image = image.convert("RGB").convert("RGB", _SEPIA)
    return image


def _rotated(image: Image.Image, rotate: Rotate) -> Image.Image:
    size = turned(rotate.turn, image.size) if rotate.expand else image.size
    if rotate.turn in _QUARTERS:
        image = image.transpose(_QUARTERS[int(rotate.turn)])
        if image.size == size:
            return image
        canvas = Image.new("RGB", size, rotate.background)
        canvas.paste(image, ((size[0] - image.width) // 2, (size[1] - image.height) // 2))
        return canvas
    angle = math.radians(rotate.turn)
    cosine, sine = math.cos(angle), math.sin(angle)
    across, down = size[0] / 2, size[1] / 2
    # For each pixel of the result where it comes from: turned back about the middle.
    matrix = (
        *(cosine, sine, image.width / 2 - cosine * across - sine * down),
        *(-sine, cosine, image.height / 2 + sine * across - cosine * down),
    )
    return image.convert("RGB").transform(
        *(size, Image.Transform.AFFINE, matrix),
        resample=Image.Resampling.BICUBIC,
        fillcolor=rotate.background,
    )
