"""The sizes we keep of every picture: specs with names."""

from __future__ import annotations

from dataclasses import dataclass

from images.photofile.transforms.spec import Resize, Size, Spec

__all__ = ["ALL", "FULLSIZE", "MEDIUM", "SMALL", "THUMB", "TILE", "Size", "Variant", "named"]


@dataclass(frozen=True)
class Variant(Spec):
    """A JPEG whose longer edge has at most `max_edge` pixels; nothing is enlarged."""

    name: str = ""
    max_edge: int = 0


def named(name: str, *, max_edge: int, quality: int, enough_edge: int | None = None) -> Variant:
    resize = Resize(max_edge, max_edge, enough_edge=enough_edge)
    return Variant(name=name, max_edge=max_edge, resize=resize, quality=quality)


SMALL = named("small", max_edge=200, quality=80)
THUMB = named("thumb", max_edge=320, quality=80)
# For galleries on phones with two or three pixels to the point, where `medium` is twice the bytes.
TILE = named("tile", max_edge=560, quality=80)
MEDIUM = named("medium", max_edge=800, quality=80)
FULLSIZE = named("fullsize", max_edge=2048, quality=85, enough_edge=1920)

ALL: tuple[Variant, ...] = (FULLSIZE, MEDIUM, TILE, THUMB, SMALL)
