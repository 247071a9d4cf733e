"""Decides whether two photos show the same: copies in other sizes and qualities, or a burst.

The thresholds were measured; docs/near-duplicates.md has the numbers.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from PIL import Image

from images.photofile import placeholder

if TYPE_CHECKING:
    from datetime import datetime

# Bits of the hashes that may differ, of 64.
COPY_DISTANCE: Final = 4
BURST_DISTANCE: Final = 10
BURST_SECONDS: Final = 10
_COLOUR_DISTANCE: Final = 20.0  # mean difference of the levels, of 255
_RATIO_DISTANCE: Final = 0.03  # a copy may be rounded to whole pixels
_GRID: Final = (8, 8)


@dataclass(frozen=True)
class Look:
    """What is compared of a photo. `taken_at` is None where the camera did not say."""

    perceptual_hash: int
    placeholder: bytes
    ratio: float
    taken_at: datetime | None = None

    @cached_property
    def colours(self) -> bytes:
        """The red, green and blue of 8 by 8 areas."""
        file = io.BytesIO(placeholder.webp(self.placeholder))
        with Image.open(file, formats=["WEBP"]) as image:
            return image.convert("RGB").resize(_GRID, Image.Resampling.BOX).tobytes()


def distance(one: int, other: int) -> int:
    """Returns how many bits of two hashes differ."""
    return ((one ^ other) & (2**64 - 1)).bit_count()


def are_alike(one: Look, other: Look) -> bool:
    """Tells whether two photos show the same. What costs least is compared first."""
    at_most = BURST_DISTANCE if _are_of_one_burst(one, other) else COPY_DISTANCE
    if distance(one.perceptual_hash, other.perceptual_hash) > at_most:
        return False
    if abs(one.ratio / other.ratio - 1) > _RATIO_DISTANCE:
        return False
    pairs = zip(one.colours, other.colours, strict=True)
    return sum(abs(a - b) for a, b in pairs) <= _COLOUR_DISTANCE * len(one.colours)


def _are_of_one_burst(one: Look, other: Look) -> bool:
    if one.taken_at is None or other.taken_at is None:
        return False
    return abs((one.taken_at - other.taken_at).total_seconds()) <= BURST_SECONDS
