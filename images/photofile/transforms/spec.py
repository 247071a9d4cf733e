"""What is done to a picture, as data: a canonical form, its hash, and the size it gives.

The steps have one order, whatever order they are written in: crop, resize, rotate, flip, mirror,
filters, watermark, and then the file's format and quality. Pixels are those of the upright picture.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

Size = tuple[int, int]  # width, height
Mode = Literal["fit", "fill", "exact"]
FormatName = Literal["jpeg", "png", "webp", "avif"]

MODES: Final[tuple[Mode, ...]] = ("fit", "fill", "exact")
FORMATS: Final[tuple[FormatName, ...]] = ("jpeg", "png", "webp", "avif")
FILTERS: Final = ("grayscale", "sepia")
POSITIONS: Final = (
    *("top-left", "top", "top-right", "left", "center", "right"),
    *("bottom-left", "bottom", "bottom-right"),
)
LOSSLESS: Final = frozenset({"png"})
DEFAULT_QUALITY: Final = 85

MAX_EDGE: Final = 10_000  # pixels of the result
MAX_PIXELS: Final = 40_000_000
MAX_WATERMARK_LETTERS: Final = 100
# What the sentences of errors name.
_CHOICES: Final = {
    "formats": ", ".join(FORMATS),
    "filters": ", ".join(FILTERS),
    "modes": ", ".join(MODES),
    "positions": ", ".join(POSITIONS),
    "edge": MAX_EDGE,
    "letters": MAX_WATERMARK_LETTERS,
}


class SpecError(Exception):
    """A step cannot be done. `field` is its path, such as `crop.width`.

    A person reads the text: `sentence`, in their language, with `values` in its places.
    """

    def __init__(self, field_path: str, sentence: str, **values: object) -> None:
        super().__init__(sentence.format(**values))
        self.field, self.sentence, self.values = field_path, sentence, values


def gettext(sentence: str) -> str:
    """Marks a sentence for translation, which is done where it is shown."""
    return sentence


@dataclass(frozen=True)
class Crop:
    """A rectangle of the picture, in its pixels; `x` and `y` count from the top left."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Resize:
    """`fit` keeps the proportions within the box and enlarges nothing; `fill` covers the box and
    cuts what is beyond it; `exact` stretches. A side of 0 follows from the other one.

    `enough_edge` is for the sizes we keep ourselves: a decoder that halves, quarters or eighths the
    picture for free may stay this much below the box of a `fit`, because resampling to the exact
    size would cost more time than the pixels are worth. It is not part of the canonical form.
    """

    width: int = 0
    height: int = 0
    mode: Mode = "fit"
    enough_edge: int | None = None


@dataclass(frozen=True)
class Rotate:
    """Degrees clockwise. With `expand` the result holds all corners; without it, it keeps its size.
    `background` (`#rrggbb`) fills what shows behind the corners."""

    degrees: float
    background: str = "#ffffff"
    expand: bool = True

    @property
    def turn(self) -> float:
        """Degrees from 0 to less than 360, to a thousandth."""
        return round(float(self.degrees) % 360, 3) % 360


@dataclass(frozen=True)
class Watermark:
    """A text, or another photo of the group by id and version; one of the two is empty.

    `size` is the width of the watermark as a share of the picture's, `opacity` goes from 0 to 1.
    """

    text: str = ""
    image: str = ""
    version: int = 0
    position: str = "bottom-right"
    size: float = 0.25
    opacity: float = 0.6


@dataclass(frozen=True)
class Spec:
    """Everything that is done to one picture. Without any step it is written anew as a JPEG."""

    crop: Crop | None = None
    resize: Resize | None = None
    rotate: Rotate | None = None
    flip: bool = False  # upside down
    mirror: bool = False  # left to right
    filters: frozenset[str] = field(default_factory=frozenset)
    watermark: Watermark | None = None
    format: FormatName = "jpeg"
    quality: int = DEFAULT_QUALITY

    def canonical(self) -> dict[str, Any]:
        """Returns the spec as JSON has it, without the steps that change nothing, and with numbers
        that mean the same written the same."""
        found: dict[str, Any] = {"format": self.format}
        for name in ("crop", "resize", "rotate", "watermark"):
            step = getattr(self, name)
            if step is not None and not _does_nothing(step):
                found[name] = _plain(step)
        found |= {name: True for name in ("flip", "mirror") if getattr(self, name)}
        if self.filters:
            found["filters"] = sorted(self.filters)
        if self.format not in LOSSLESS:
            found["quality"] = self.quality
        return found

    def check(self) -> None:
        """Raises SpecError for a value that no picture allows, such as NaN degrees."""
        for field_path, is_allowed, sentence in _rules(self):
            if not is_allowed:
                raise SpecError(field_path, sentence, **_CHOICES)

    @property
    def hash(self) -> str:
        """The SHA-256 of the canonical form, in hexadecimal digits."""
        text = json.dumps(self.canonical(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @classmethod
    def from_canonical(cls, value: dict[str, Any]) -> Self:
        """Reads what `canonical` wrote."""
        steps = {"crop": Crop, "resize": Resize, "rotate": Rotate, "watermark": Watermark}
        read = {name: steps[name](**value[name]) for name in steps.keys() & value.keys()}
        plain = {name: value[name] for name in ("flip", "mirror", "format") if name in value}
        filters = frozenset(value.get("filters", ()))
        quality = value.get("quality", DEFAULT_QUALITY)
        return cls(**read, **plain, filters=filters, quality=quality)

    def output_size(self, size: Size) -> Size:
        """Returns the size of the result for an upright picture of this size.

        Raises SpecError for a value that no picture allows, a crop outside this one, and a result
        that is too large.
        """
        self.check()
        if self.crop is not None:
            size = _cropped(self.crop, size)
        if self.resize is not None:
            size = resized(self.resize, size)
        _check_result("resize", size)
        if self.rotate is not None and self.rotate.expand:
            size = turned(self.rotate.turn, size)
            _check_result("rotate", size)
        return size


def _rules(spec: Spec) -> Iterator[tuple[str, bool, str]]:
    """Yields the path of each field, whether its value is allowed, and what is."""
    yield "format", spec.format in FORMATS, gettext("Choose one of: {formats}.")
    yield "quality", 1 <= spec.quality <= 100, gettext("The quality goes from 1 to 100.")
    yield "filters", spec.filters <= {*FILTERS}, gettext("Choose from: {filters}.")
    if crop := spec.crop:
        for name in ("x", "y"):
            yield f"crop.{name}", getattr(crop, name) >= 0, gettext("A crop begins at 0 or more.")
        for name in ("width", "height"):
            yield (
                f"crop.{name}",
                getattr(crop, name) > 0,
                gettext("A crop is at least 1 pixel wide and high."),
            )
    if resize := spec.resize:
        yield "resize.mode", resize.mode in MODES, gettext("Choose one of: {modes}.")
        for name in ("width", "height"):
            is_within = 0 <= getattr(resize, name) <= MAX_EDGE
            yield f"resize.{name}", is_within, gettext("A side has from 0 to {edge} pixels.")
    if rotate := spec.rotate:
        yield (
            "rotate.degrees",
            math.isfinite(rotate.degrees),
            gettext("The degrees must be a number."),
        )
        is_colour = re.fullmatch("#[0-9a-fA-F]{6}", rotate.background) is not None
        yield "rotate.background", is_colour, gettext("Write a colour as #rrggbb.")
    if mark := spec.watermark:
        is_short = len(mark.text) <= MAX_WATERMARK_LETTERS
        yield "watermark.text", is_short, gettext("A watermark has at most {letters} letters.")
        is_one = not (mark.text and mark.image)
        yield "watermark", is_one, gettext("A watermark is a text or a photo, not both.")
        yield (
            "watermark.position",
            mark.position in POSITIONS,
            gettext("Choose one of: {positions}."),
        )
        is_share = 0.01 <= mark.size <= 1
        yield (
            "watermark.size",
            is_share,
            gettext("The size is a share of the width, from 0.01 to 1."),
        )
        yield "watermark.opacity", 0 <= mark.opacity <= 1, gettext("The opacity goes from 0 to 1.")


def resized(resize: Resize, size: Size) -> Size:
    """Returns the size that a resize gives."""
    width, height = size
    if not (resize.width or resize.height):
        return size
    if resize.mode == "fit":
        return _fitted(resize, size)
    return (
        resize.width or max(1, round(width * resize.height / height)),
        resize.height or max(1, round(height * resize.width / width)),
    )


def _fitted(resize: Resize, size: Size) -> Size:
    width, height = size
    by_width = resize.width and (
        not resize.height or resize.width * height <= resize.height * width
    )
    box, edge = (resize.width, width) if by_width else (resize.height, height)
    if edge <= box:
        return size
    for scale in (2, 4, 8):
        if resize.enough_edge and resize.enough_edge <= -(-edge // scale) <= box:
            return -(-width // scale), -(-height // scale)
    return max(1, round(width * box / edge)), max(1, round(height * box / edge))


def turned(degrees: float, size: Size) -> Size:
    """Returns the size that holds all corners of a picture turned by so many degrees."""
    width, height = size
    if degrees % 90 == 0:
        return size if degrees % 180 == 0 else (height, width)
    cosine, sine = abs(math.cos(math.radians(degrees))), abs(math.sin(math.radians(degrees)))
    # Less than a thousandth of a pixel, as rounding leaves, takes no pixel more.
    return (
        math.ceil(width * cosine + height * sine - 0.001),
        math.ceil(width * sine + height * cosine - 0.001),
    )


def _check_result(field_path: str, size: Size) -> None:
    if max(size) > MAX_EDGE or math.prod(size) > MAX_PIXELS:
        raise SpecError(
            field_path,
            gettext(
                "The result would have {width} x {height} pixels. At most {edge} to a side and "
                "{megapixels} megapixels are made: ask for a smaller one."
            ),
            width=size[0],
            height=size[1],
            edge=MAX_EDGE,
            megapixels=MAX_PIXELS // 1_000_000,
        )


def _cropped(crop: Crop, size: Size) -> Size:
    width, height = size
    for name, start, length, end in [
        ("width", crop.x, crop.width, width),
        ("height", crop.y, crop.height, height),
    ]:
        if start + length > end:
            raise SpecError(
                f"crop.{name}",
                gettext(
                    "The crop ends at {end}, outside the picture of {width} x {height} pixels."
                ),
                end=start + length,
                width=width,
                height=height,
            )
    return crop.width, crop.height


def _does_nothing(step: Any) -> bool:
    if isinstance(step, Resize):
        return not (step.width or step.height)
    if isinstance(step, Watermark):
        return not (step.text.strip() or step.image) or not round(step.opacity, 4)
    return isinstance(step, Rotate) and step.turn == 0


def _plain(step: Any) -> dict[str, Any]:
    """Returns the fields of a step; numbers that mean the same are written the same."""
    found = dict(vars(step))
    if isinstance(step, Resize):
        del found["enough_edge"]
        if step.mode == "fill" and not (step.width and step.height):
            found["mode"] = "exact"  # there is nothing to cut
    if isinstance(step, Rotate):
        found["degrees"] = step.turn
        found["background"] = step.background.lower()
    if isinstance(step, Watermark):
        found |= {name: round(float(found[name]), 4) for name in ("size", "opacity")}
    return found
