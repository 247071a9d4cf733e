"""The list of EXIF fields that a photo has, and where in a file each is read.

To add one: add it here, and its column to `Image` with a migration. The reader, the worker, the
API and the list of photos follow; a test names the column that is missing.
"""

from __future__ import annotations

import dataclasses
import math
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from images.photofile.metadata import exif_words, tag_values, tiff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Directories = Mapping[str, tiff.Directory]


def _read_by(read: Callable[[Directories], Any]) -> Any:
    return dataclasses.field(default=None, metadata={"read": read})


def _tag(directory: str, number: int, convert: Callable[[tiff.Field | None], Any]) -> Any:
    return _read_by(lambda directories: convert(directories.get(directory, {}).get(number)))


def _code(directory: str, number: int, words: exif_words.Words) -> Any:
    """A code that EXIF has words for: they follow from it, and need no column."""

    def read(directories: Directories) -> int | None:
        return tag_values.code(directories.get(directory, {}).get(number))

    return dataclasses.field(default=None, metadata={"read": read, "words": words})


def _iso(directories: Directories) -> int | None:
    """PhotographicSensitivity; above 65534 the real value stands in the tags of EXIF 2.3."""
    exif = directories.get(tiff.EXIF, {})
    iso = tag_values.code(exif.get(0x8827), among=range(1, 65535))
    if iso is not None:
        return iso
    # RecommendedExposureIndex, StandardOutputSensitivity, ISOSpeed
    tags = (0x8832, 0x8831, 0x8833)
    wider = (tag_values.code(exif.get(tag), among=range(1, 2**31)) for tag in tags)
    return next((iso for iso in wider if iso is not None), None)


def _aperture(directories: Directories) -> float | None:
    """FNumber, else ApertureValue, which says the same in APEX (EXIF 2.32 annex C)."""
    exif = directories.get(tiff.EXIF, {})
    apex = tag_values.number(exif.get(0x9202))
    told_by_apex = math.sqrt(2) ** apex if apex is not None and 0 < apex < 30 else None
    return tag_values.positive(exif.get(0x829D)) or told_by_apex


def _exposure_time(directories: Directories) -> float | None:
    """ExposureTime in seconds, else ShutterSpeedValue, which says the same in APEX."""
    exif = directories.get(tiff.EXIF, {})
    apex = tag_values.number(exif.get(0x9201))
    told_by_apex = float(2**-apex) if apex is not None and 0 < abs(apex) < 30 else None
    return tag_values.positive(exif.get(0x829A)) or told_by_apex


@dataclasses.dataclass(frozen=True)
class ExifFields:
    """Values as the camera wrote them; codes (flash, metering_mode, …) as EXIF numbers them."""

    camera_make: str | None = _tag(tiff.IFD0, 0x010F, tag_values.text)
    camera_model: str | None = _tag(tiff.IFD0, 0x0110, tag_values.text)
    lens_model: str | None = _tag(tiff.EXIF, 0xA434, tag_values.text)
    software: str | None = _tag(tiff.IFD0, 0x0131, tag_values.text)
    iso: int | None = _read_by(_iso)
    focal_length: float | None = _tag(tiff.EXIF, 0x920A, tag_values.positive)  # mm
    aperture: float | None = _read_by(_aperture)  # f-number
    exposure_time: float | None = _read_by(_exposure_time)  # seconds
    flash: int | None = _code(tiff.EXIF, 0x9209, exif_words.FLASH)
    metering_mode: int | None = _code(tiff.EXIF, 0x9207, exif_words.METERING_MODE)
    exposure_program: int | None = _code(tiff.EXIF, 0x8822, exif_words.EXPOSURE_PROGRAM)
    white_balance: int | None = _code(tiff.EXIF, 0xA403, exif_words.WHITE_BALANCE)
    saturation: int | None = _tag(tiff.EXIF, 0xA409, tag_values.code)
    sharpness: int | None = _tag(tiff.EXIF, 0xA40A, tag_values.code)
    contrast: int | None = _tag(tiff.EXIF, 0xA408, tag_values.code)
    orientation: int | None = _tag(tiff.IFD0, 0x0112, partial(tag_values.code, among=range(1, 9)))
    x_resolution: float | None = _tag(tiff.IFD0, 0x011A, tag_values.positive)
    y_resolution: float | None = _tag(tiff.IFD0, 0x011B, tag_values.positive)
    exif_version: str | None = _tag(tiff.EXIF, 0x9000, partial(tag_values.text, max_length=10))


_FIELDS: Final = dataclasses.fields(ExifFields)
NAMES: Final = tuple(field.name for field in _FIELDS)
# Rows hold an empty text where the camera said nothing.
TEXT_NAMES: Final = frozenset(field.name for field in _FIELDS if field.type == "str | None")
# By the name of the field that says a code in words.
CODES: Final = {f"{field.name}_label": field.name for field in _FIELDS if "words" in field.metadata}
WORDS: Final[Mapping[str, exif_words.Words]] = {
    field.name: field.metadata["words"] for field in _FIELDS if "words" in field.metadata
}
# All names, each label behind its code.
SHOWN_NAMES: Final = tuple(
    shown for name in NAMES for shown in ((name, f"{name}_label") if name in WORDS else (name,))
)
# The values of NAMES, in the order of SHOWN_NAMES: a label has the value of its code.
_in_shown_order: Final = itemgetter(*(NAMES.index(CODES.get(name, name)) for name in SHOWN_NAMES))


def with_labels(values: Iterable[Any]) -> dict[str, Any]:
    """Returns the values of NAMES, in their order, by SHOWN_NAMES."""
    shown = dict(zip(SHOWN_NAMES, _in_shown_order(tuple(values)), strict=True))
    for label, code in CODES.items():
        shown[label] = WORDS[code].get(shown[code])
    return shown


def read(directories: Directories) -> dict[str, Any]:
    return {field.name: field.metadata["read"](directories) for field in _FIELDS}
