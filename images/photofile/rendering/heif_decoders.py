"""The decoders of HEIF files: libheif for HEIC, Pillow's for AVIF."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

import pillow_heif
from PIL import _avif

from images.photofile.rendering import bad_picture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from mmap import mmap

# pillow-heif must neither look at nor decode anything beside the picture itself.
pillow_heif.options.THUMBNAILS = False
pillow_heif.options.DEPTH_IMAGES = False
pillow_heif.options.AUX_IMAGES = False


def open_heic(file: BinaryIO | mmap) -> pillow_heif.HeifFile:
    """Opens a HEIC and reads its boxes. Its pixels are decoded on request, within
    `translate_libheif_errors`."""
    file.seek(0)
    return pillow_heif.open_heif(file, remove_stride=False)


def open_avif(file: BinaryIO | mmap) -> _avif.AvifDecoder:
    """Pillow's, without its image class: that would unpack the EXIF, whatever its size."""
    file.seek(0)
    # One thread: a worker has a child per core already.
    return _avif.AvifDecoder(file.read(), "auto", 1)


@contextmanager
def translate_libheif_errors() -> Iterator[None]:
    """HEIF holds pixels of any codec; only HEVC is decoded here. What there was no memory for is
    a MemoryError."""
    try:
        yield
    except (ValueError, RuntimeError, OSError) as error:
        if re.search(r"Allocating \d+ bytes failed", str(error)):
            raise MemoryError(str(error)) from error
        if "nsupported" in str(error):
            raise bad_picture.rare("a HEIF of a rare kind") from error
        raise
