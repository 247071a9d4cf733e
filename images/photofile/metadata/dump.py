"""Lists every tag of a picture by name, within a limit, for people who look at the raw EXIF."""

from __future__ import annotations

import json
import unicodedata
from typing import TYPE_CHECKING, Any, Final

from PIL import ExifTags

from images.photofile.metadata import tag_values, tiff

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BYTES: Final = 64 * 1024  # as JSON
MAX_TEXT_LENGTH: Final = 2000
MAX_NUMBERS: Final = 64  # of one tag
XMP: Final = "XMP"

_NAMES: Final = {
    tiff.IFD0: ExifTags.TAGS,
    tiff.EXIF: ExifTags.TAGS,
    tiff.GPS: ExifTags.GPSTAGS,
    tiff.INTEROP: {tag.value: tag.name for tag in ExifTags.Interop},
}
_MAKER_NOTE: Final = 0x927C
_WITH_CHARACTER_CODE: Final = frozenset({0x9286, 0x001B, 0x001C})  # UserComment, two of GPS
_UTF_16: Final = range(0x9C9B, 0x9CA0)  # XPTitle .. XPSubject, written by Windows


def dump(directories: dict[str, tiff.Directory], xmp: Mapping[str, str]) -> dict[str, Any]:
    """Return all tags by name as JSON holds them, up to `MAX_BYTES`, and what was read of XMP."""
    raw: dict[str, Any] = {}
    bytes_left = MAX_BYTES
    for directory_name, directory in directories.items():
        shown: dict[str, Any] = {}
        for tag, value in directory.items():
            name = _NAMES[directory_name].get(tag, f"0x{tag:04X}")
            shown_value = _shown(tag, value)
            bytes_left -= len(json.dumps({name: shown_value}))
            if bytes_left < 0:
                break
            shown[name] = shown_value
        if shown:
            raw[directory_name] = shown
    if xmp:
        raw[XMP] = {name: tag_values.cleaned(value) for name, value in xmp.items()}
    return raw


def _shown(tag: int, value: tiff.Field) -> Any:
    if not isinstance(value.value, bytes):
        if len(value.value) > MAX_NUMBERS:
            return f"<{value.byte_size} bytes>"
        numbers = [tag_values.finite(number) for number in value.value]
        return numbers[0] if len(numbers) == 1 else numbers
    text = None if tag == _MAKER_NOTE else _shown_text(tag, value.value)
    return f"<{value.byte_size} bytes>" if text is None else text


def _shown_text(tag: int, data: bytes) -> str | None:
    """Bytes as text, or None if they are something else."""
    if tag in _UTF_16:
        text = data.decode("utf-16-le", "replace")
    elif tag in _WITH_CHARACTER_CODE and data[:8] in {b"ASCII\0\0\0", b"\0" * 8}:
        text = tag_values.decoded(data[8:])
    elif tag in _WITH_CHARACTER_CODE and data.startswith(b"UNICODE\0"):
        text = data[8:].decode("utf-16", "replace")
    else:
        text = tag_values.decoded(data)
        if any(unicodedata.category(c) == "Cc" and c not in "\t\r\n" for c in text):
            return None
        if data.strip(b"\0 ") and not text.strip():
            return None
    return tag_values.cleaned(text.split("\0", 1)[0])[:MAX_TEXT_LENGTH]
