"""Writes pictures as files that hold nothing else, and checks each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from images.photofile import formats
from images.photofile.rendering import verify

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from PIL import Image

    from images.photofile.formats import Format
    from images.photofile.transforms.spec import FormatName, Spec


@dataclass(frozen=True)
class Rendered:
    """One result, as a file."""

    name: str
    path: Path
    width: int
    height: int
    byte_size: int
    content_type: str


@dataclass(frozen=True)
class _Encoder:
    """`options` are those of Pillow's writer, for a quality."""

    format: Format
    options: Callable[[int], dict[str, Any]]


_ENCODERS: Final[dict[FormatName, _Encoder]] = {
    "jpeg": _Encoder(formats.JPEG, lambda quality: {"quality": quality, "subsampling": "4:2:0"}),
    # More effort takes many times as long for a few bytes less. One thread: a worker has a child
    # per core already.
    "png": _Encoder(formats.PNG, lambda quality: {"compress_level": 3}),
    "webp": _Encoder(formats.WEBP, lambda quality: {"quality": quality, "method": 2}),
    "avif": _Encoder(
        formats.AVIF, lambda quality: {"quality": quality, "speed": 8, "max_threads": 1}
    ),
}


def write(image: Image.Image, spec: Spec, *, into: Path, name: str) -> Rendered:
    """Writes a picture in L or RGB into the folder `into`, in the format of the spec."""
    encoder = _ENCODERS[spec.format]
    path = into / f"{name}.{encoder.format.extension}"
    # Pillow's writers would write what they find here, such as a comment.
    image.info = {}
    image.save(path, encoder.format.name, **encoder.options(spec.quality))
    verify.assert_metadata_free(path)
    byte_size = path.stat().st_size
    return Rendered(name, path, *image.size, byte_size, encoder.format.content_type)
