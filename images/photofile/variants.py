"""The sizes we keep of every picture, as data."""

from __future__ import annotations

from dataclasses import dataclass

Size = tuple[int, int]  # width, height


@dataclass(frozen=True)
class Spec:
    """One size of a picture. `max_edge` bounds the longer edge in pixels; nothing is enlarged."""

    name: str
    max_edge: int
    quality: int  # of the JPEG, 1..95

    # A decoder that halves, quarters or eighths the picture for free may stay this much below
    # `max_edge`; resampling to the exact size would cost more time than the pixels are worth.
    enough_edge: int | None = None


SMALL = Spec("small", max_edge=200, quality=80)
THUMB = Spec("thumb", max_edge=320, quality=80)
# For galleries on phones with two or three pixels to the point, where `medium` is twice the bytes.
TILE = Spec("tile", max_edge=560, quality=80)
MEDIUM = Spec("medium", max_edge=800, quality=80)
FULLSIZE = Spec("fullsize", max_edge=2048, quality=85, enough_edge=1920)

ALL: tuple[Spec, ...] = (FULLSIZE, MEDIUM, TILE, THUMB, SMALL)


def target_size(size: Size, spec: Spec) -> Size:
    """The size of a variant: within `max_edge`, never enlarged, never thinner than a pixel."""
    long_edge = max(size)
    if long_edge <= spec.max_edge:
        return size
    for scale in (2, 4, 8):
        if spec.enough_edge and spec.enough_edge <= -(-long_edge // scale) <= spec.max_edge:
            return -(-size[0] // scale), -(-size[1] // scale)
    width, height = (max(1, round(edge * spec.max_edge / long_edge)) for edge in size)
    return width, height
