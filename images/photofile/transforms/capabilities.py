"""What can be rendered here: formats that Pillow was built to write, letters that the font has.

Nothing here opens a decoder or FreeType, so that it may be asked while a request waits.
"""

from __future__ import annotations

import functools
import struct
import unicodedata
from pathlib import Path
from typing import Final

from PIL import features

from images.photofile.transforms.spec import FORMATS, FormatName, Spec, SpecError, gettext

# Latin, Greek, Cyrillic, Armenian, Georgian, Arabic, Hebrew and signs; neither Chinese, Japanese,
# Korean, nor the scripts of India.
FONT: Final = Path(__file__).parents[3] / "node_modules/dejavu-fonts-ttf/ttf/DejaVuSans.ttf"

_FEATURES: Final = {"jpeg": "jpg", "png": "zlib", "webp": "webp", "avif": "avif"}
_RIGHT_TO_LEFT: Final = frozenset({"R", "AL", "AN"})  # classes of UAX #9


def check(spec: Spec) -> None:
    """Raises SpecError if the format cannot be written here, or a letter cannot be drawn."""
    if spec.format not in available_formats():
        raise SpecError(
            "format",
            gettext("This server cannot write {format}. Choose one of: {formats}."),
            format=spec.format,
            formats=", ".join(available_formats()),
        )
    if spec.watermark is not None and (missing := missing_letters(spec.watermark.text)):
        named = ", ".join(f"{letter!r} (U+{ord(letter):04X})" for letter in missing[:10])
        raise SpecError(
            "watermark.text",
            gettext("The font for watermarks cannot draw {letters}. Write the text without them."),
            letters=named + (" …" if len(missing) > 10 else ""),
        )


@functools.cache
def available_formats() -> tuple[FormatName, ...]:
    """Returns those of FORMATS that Pillow can write on this machine."""
    return tuple(name for name in FORMATS if features.check(_FEATURES[name]))


def missing_letters(text: str) -> str:
    """Returns the letters of a text that cannot be drawn, each once, in their order.

    Without FriBiDi, which Pillow loads where it is installed, letters that run from right to left
    would come out in the wrong order, and so are missing as well.
    """
    return "".join(dict.fromkeys(letter for letter in text if not _is_drawn(letter)))


def _is_drawn(letter: str) -> bool:
    if unicodedata.bidirectional(letter) in _RIGHT_TO_LEFT and not features.check("raqm"):
        return False
    return any(first <= ord(letter) <= last for first, last in _letters_of_font())


@functools.cache
def _letters_of_font() -> tuple[tuple[int, int], ...]:
    """Reads the ranges of code points from the table `cmap`, subtable of format 12 (OpenType)."""
    data = FONT.read_bytes()
    (table_count,) = struct.unpack_from(">H", data, 4)
    records = (struct.unpack_from(">4sIII", data, 12 + 16 * n) for n in range(table_count))
    cmap = next(offset for name, _, offset, _ in records if name == b"cmap")
    (subtable_count,) = struct.unpack_from(">H", data, cmap + 2)
    offsets = (
        cmap + struct.unpack_from(">HHI", data, cmap + 4 + 8 * n)[2] for n in range(subtable_count)
    )
    at = next(offset for offset in offsets if data[offset : offset + 2] == b"\0\x0c")
    (group_count,) = struct.unpack_from(">I", data, at + 12)
    groups = struct.iter_unpack(">III", data[at + 16 : at + 16 + 12 * group_count])
    return tuple((first, last) for first, last, _ in groups)
