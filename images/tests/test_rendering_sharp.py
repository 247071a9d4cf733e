"""Variants are as sharp as their pixels allow, however the decoder shrinks on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageChops, ImageFilter, ImageStat

from bandpics.testing.matrix import few
from images.photofile import rendering
from images.photofile.variants import named
from images.tests import drawn_pictures

if TYPE_CHECKING:
    from pathlib import Path

EDGE = 240
SPECS = (
    named("large", max_edge=EDGE, quality=95, enough_edge=EDGE - 15),
    named("small", max_edge=EDGE // 2, quality=95),
)
# Long edges of sources: at, just above and just below what a decoder halves, quarters or eighths,
# and in between.
SOURCES = [EDGE, 360, 449, 450, 480, 481, 500, 700, 899, 900, 960, 1000, 1440, 1919, 1920, 2400]


def lines(long_edge: int) -> Image.Image:
    """Black and white lines, two to four pixels of the largest variant wide: in both directions."""
    image = Image.new("L", (long_edge, long_edge * 3 // 4), 255)
    width = max(2, round(2 * long_edge / EDGE))
    for at in range(0, long_edge, 2 * width):
        image.paste(0, (at, 0, at + width, image.height // 2))
        image.paste(0, (0, image.height // 2 + at, long_edge, image.height // 2 + at + width))
    return image.convert("RGB")


def sharpness(image: Image.Image) -> float:
    """How much a picture changes from pixel to pixel."""
    grey = image.convert("L")
    return float(ImageStat.Stat(ImageChops.difference(grey, ImageChops.offset(grey, 1, 1))).mean[0])


def rendered(data: bytes, folder: Path) -> dict[str, Image.Image]:
    path = folder / "original"
    path.write_bytes(data)
    variants = rendering.render(path, header=rendering.inspect(path), into=folder, specs=SPECS)
    return {variant.name: Image.open(variant.path).convert("RGB") for variant in variants}


@pytest.mark.parametrize(
    ("draw", "long_edge"),
    few(
        [
            *((drawn_pictures.jpeg, edge) for edge in SOURCES),
            *(
                (draw, 960)
                for draw in (
                    drawn_pictures.png,
                    drawn_pictures.heic,
                    drawn_pictures.webp,
                    drawn_pictures.avif,
                )
            ),
        ],
        6,
    ),
)
def test_lines_stay_lines(draw: Any, long_edge: int, tmp_path: Path):
    source = lines(long_edge)
    options = {} if draw is drawn_pictures.png else {"quality": 95}
    found = rendered(draw(image=source, **options), tmp_path)
    for spec in SPECS:
        size = spec.output_size(source.size)
        reference = source.resize(size, Image.Resampling.LANCZOS)
        assert found[spec.name].size == size
        assert sharpness(found[spec.name]) > 0.8 * sharpness(reference)
        # Decoding at half of this would look like that.
        half = source.resize(tuple(edge // 2 for edge in size), Image.Resampling.LANCZOS)
        soft = half.resize(size, Image.Resampling.LANCZOS)
        assert sharpness(soft) < 0.75 * sharpness(reference)


def test_a_photo_is_as_its_reference(tmp_path: Path):
    """Detail of every size, against Pillow's own resampling of all pixels."""
    source = drawn_pictures.detailed(width=960, height=720).filter(ImageFilter.GaussianBlur(1))
    found = rendered(drawn_pictures.jpeg(image=source, quality=95), tmp_path)
    for spec in SPECS:
        reference = source.resize(spec.output_size(source.size), Image.Resampling.LANCZOS)
        seen, wanted = (one.convert("L") for one in (found[spec.name], reference))
        difference = ImageStat.Stat(ImageChops.difference(seen, wanted)).mean
        assert difference[0] < 2.5
        assert sharpness(seen) > 0.9 * sharpness(wanted)
