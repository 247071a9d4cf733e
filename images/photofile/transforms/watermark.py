"""Draws the watermark of a spec over a picture: a text, or another picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PIL import Image, ImageDraw, ImageFont

from images.photofile.rendering import resize
from images.photofile.transforms.capabilities import FONT

if TYPE_CHECKING:
    from images.photofile.rendering.resize import Box
    from images.photofile.transforms.spec import Size, Watermark

MARGIN: Final = 0.02  # of the shorter edge
_MEASURED_AT: Final = 100  # pixels of font size
_OUTLINE: Final = 1 / 24  # of the font size, around each letter

_ACROSS: Final = {"left": 0.0, "right": 1.0}
_DOWN: Final = {"top": 0.0, "bottom": 1.0}


def lay_text(image: Image.Image, mark: Watermark) -> Image.Image:
    """Draws white letters with a dark outline, which show on any ground."""
    text = " ".join(mark.text.split())
    font = _font(text, mark, image.size)
    (left, top, right, bottom), outline = _bounds(text, font)
    size = max(1, round(right - left)), max(1, round(bottom - top))
    letters, outlined = Image.new("L", size), Image.new("L", size)
    for mask, width in ((letters, 0.0), (outlined, outline)):
        ImageDraw.Draw(mask).text((-left, -top), text, fill=255, font=font, stroke_width=width)
    layer = Image.new("RGB", size, "#202020")
    layer.paste("#ffffff", mask=letters)
    mask = outlined.point(lambda level: round(level * mark.opacity))
    image = image.convert("RGB")
    image.paste(layer, _place(mark.position, image.size, size), mask)
    return image


def lay_picture(image: Image.Image, mark: Watermark, picture: Image.Image) -> Image.Image:
    """Draws another picture, which keeps its proportions, so large that it fits."""
    room = _room(image.size)
    width = min(mark.size * image.width, room[0])
    scale = min(width / picture.width, room[1] / picture.height)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    small = resize.shrink(picture.convert("RGB"), size)
    mask = Image.new("L", size, round(255 * mark.opacity))
    image = image.convert("RGB")
    image.paste(small, _place(mark.position, image.size, size), mask)
    return image


def _room(size: Size) -> Size:
    """Returns the size within the margins."""
    margin = _margin(size)
    return max(1, size[0] - 2 * margin), max(1, size[1] - 2 * margin)


def _margin(size: Size) -> int:
    return round(MARGIN * min(size))


def _place(position: str, size: Size, covered: Size) -> tuple[int, int]:
    """Returns where the watermark's top left is. A name such as `top-left` says one or two sides;
    in the direction that it does not name, the watermark is in the middle."""
    names, margin = position.split("-"), _margin(size)
    left, top = (
        margin
        + round(
            next((shares[name] for name in names if name in shares), 0.5)
            * (edge - length - 2 * margin)
        )
        for shares, edge, length in zip((_ACROSS, _DOWN), size, covered, strict=True)
    )
    return left, top


def _font(text: str, mark: Watermark, size: Size) -> ImageFont.FreeTypeFont:
    """Returns the font at the size at which the text is as wide as asked for, and fits."""
    font = ImageFont.truetype(FONT, _MEASURED_AT)
    (left, top, right, bottom), _ = _bounds(text, font)
    room = _room(size)
    width = min(mark.size * size[0], room[0])
    scale = min(width / (right - left), room[1] / (bottom - top))
    return font.font_variant(size=max(1.0, _MEASURED_AT * scale))


def _bounds(text: str, font: ImageFont.FreeTypeFont) -> tuple[Box, float]:
    """Returns what the text covers, in pixels, and how thick its outline is."""
    outline = max(0.5, _OUTLINE * font.size)
    canvas = ImageDraw.Draw(Image.new("L", (1, 1)))
    return canvas.textbbox((0, 0), text, font=font, stroke_width=outline), outline
