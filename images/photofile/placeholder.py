"""The placeholder of a photo: a WebP of a few bytes, shown until the photo has loaded.

Only the coded pixels are kept; the head of the file follows from their length.
"""

from __future__ import annotations

import base64
import struct
from typing import Final

_HEAD: Final = struct.Struct("<4sI8sI")  # RIFF, its length, WEBP and VP8, the length of the pixels
_CHUNK: Final = b"WEBPVP8 "


def pixels_of(webp: bytes) -> bytes:
    """Returns the coded pixels of a lossy WebP that holds nothing else. Raises ValueError."""
    riff, _, chunk, length = _HEAD.unpack_from(webp)
    pixels = webp[_HEAD.size : _HEAD.size + length]
    if (riff, chunk) != (b"RIFF", _CHUNK) or len(webp) != _HEAD.size + length + length % 2:
        raise ValueError("This is no plain WebP.")
    return pixels


def webp(pixels: bytes) -> bytes:
    """Returns the file that shows these coded pixels."""
    length = len(pixels)
    padded = length + length % 2
    head = _HEAD.pack(b"RIFF", _HEAD.size - 8 + padded, _CHUNK, length)
    return head + pixels.ljust(padded, b"\0")


def data_uri(pixels: bytes | memoryview) -> str:
    """Returns the address of an `img` that shows the placeholder; empty where there is none."""
    if not pixels:
        return ""
    return f"data:image/webp;base64,{base64.b64encode(webp(bytes(pixels))).decode()}"
