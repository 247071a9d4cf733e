"""Reads values of tags: typed, finite, and safe for PostgreSQL's text and jsonb."""

from __future__ import annotations

import math
import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from images.photofile.metadata import tiff

MAX_TEXT_LENGTH: Final = 200


def numbers(value: tiff.Field | None) -> tuple[tiff.Number, ...]:
    """Return a field as finite numbers, with None for each that is not."""
    if value is None:
        return ()
    if isinstance(value.value, bytes):
        if value.byte_size == 1:
            return (value.value[0],)
        try:
            return (finite(float(value.value.rstrip(b"\0 "))),)
        except ValueError:
            return ()
    return tuple(finite(each) for each in value.value)


def finite(value: tiff.Number) -> tiff.Number:
    return value if value is not None and math.isfinite(value) else None


def number(value: tiff.Field | None) -> tiff.Number:
    return next(iter(numbers(value)), None)


def positive(value: tiff.Field | None) -> float | None:
    """Return a measure above zero: where EXIF writes 0 it means "unknown"."""
    found = number(value)
    return float(found) if found is not None and 0 < found < 1e9 else None


def code(value: tiff.Field | None, *, among: range = range(65536)) -> int | None:
    """Return a whole number of a range."""
    found = number(value)
    # Whole first: Python looks for a fraction in a range by walking all of it.
    if found is None or found != int(found) or int(found) not in among:
        return None
    return int(found)


def decoded(data: bytes) -> str:
    """Decode text up to the first NUL: ASCII, UTF-8 since EXIF 3.0, or Latin-1 in the wild."""
    data = data.split(b"\0", 1)[0]
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def cleaned(text: str) -> str:
    """Remove control characters and surrogates, which databases and pages refuse."""
    kept = "".join(
        " " if character in "\t\r\n" else character
        for character in text
        if character in "\t\r\n" or unicodedata.category(character) not in {"Cc", "Cs"}
    )
    return kept.strip()


def text(value: tiff.Field | None, *, max_length: int = MAX_TEXT_LENGTH) -> str | None:
    """One line of at most `max_length` characters; None where nothing is left of it."""
    if value is None or not isinstance(value.value, bytes):
        return None
    return cleaned(decoded(value.value))[:max_length].rstrip() or None
