"""What is done to a picture, as data: a canonical form, its hash, and the size it gives.

The steps have one order, whatever order they are written in: crop, resize, rotate, flip, mirror,
filters, watermark, and then the file's format and quality. Pixels are those of the upright picture.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Self

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


class SpecError(Exception):
    """A step cannot be done. `field` is its path, such as `crop.width`; a person reads the text."""

    def __init__(self, field_path: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field_path


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
    cuts what is beyond it; `exact` stretches. A side of 0 follows from the other one."""

    width: int = 0
    height: int = 0
    mode: Mode = "fit"


@dataclass(frozen=True)
class Rotate:
    """Degrees clockwise. With `expand` the result holds all corners; without it, it keeps its size.
    `background` (`#rrggbb`) fills what shows behind the corners."""

    degrees: float
    background: str = "#ffffff"
    expand: bool = True


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
        """Returns the spec as JSON has it, without the steps that change nothing: equal results
        have equal canonical forms."""
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

        Raises SpecError for a crop outside the picture, and for a result that is too large.
        """
        if self.crop is not None:
            size = _cropped(self.crop, size)
        if self.resize is not None:
            size = resized(self.resize, size)
        if self.rotate is not None and self.rotate.expand:
            size = turned(self.rotate.degrees, size)
        if max(size) > MAX_EDGE or math.prod(size) > MAX_PIXELS:
            where = "resize" if self.resize is not None else "rotate" if self.rotate else "crop"
            raise SpecError(
                where,
                f"The result would have {size[0]} x {size[1]} pixels. At most {MAX_EDGE} to a side "
                f"and {MAX_PIXELS // 1_000_000} megapixels are made: ask for a smaller one.",
            )
        return size


def resized(resize: Resize, size: Size) -> Size:
    """Returns the size that a resize gives."""
    width, height = size
    if not (resize.width or resize.height):
        return size
    if resize.mode == "fit":
        scale = min(
            resize.width / width if resize.width else math.inf,
            resize.height / height if resize.height else math.inf,
            1.0,
        )
        return max(1, round(width * scale)), max(1, round(height * scale))
    return (
        resize.width or max(1, round(width * resize.height / height)),
        resize.height or max(1, round(height * resize.width / width)),
    )


def turned(degrees: float, size: Size) -> Size:
    """Returns the size that holds all corners of a picture turned by so many degrees."""
    width, height = size
    if degrees % 90 == 0:
        return size if degrees % 180 == 0 else (height, width)
    cosine, sine = abs(math.cos(math.radians(degrees))), abs(math.sin(math.radians(degrees)))
    return math.ceil(width * cosine + height * sine), math.ceil(width * sine + height * cosine)


def _cropped(crop: Crop, size: Size) -> Size:
    width, height = size
    for name, start, length, end in [
        ("width", crop.x, crop.width, width),
        ("height", crop.y, crop.height, height),
    ]:
        if start + length > end:
            raise SpecError(
                f"crop.{name}",
                f"The crop ends at {start + length}, outside the picture of {width} x {height} "
                "pixels.",
            )
    return crop.width, crop.height


def _does_nothing(step: Any) -> bool:
    if isinstance(step, Resize):
        return not (step.width or step.height)
    return isinstance(step, Rotate) and step.degrees % 360 == 0


def _plain(step: Any) -> dict[str, Any]:
    """Returns the fields of a step; numbers that mean the same are written the same."""
    found = dict(vars(step))
    if isinstance(step, Rotate):
        found["degrees"] = round(step.degrees % 360, 3)
        found["background"] = step.background.lower()
    if isinstance(step, Watermark):
        found |= {"size": round(step.size, 4), "opacity": round(step.opacity, 4)}
    return found
