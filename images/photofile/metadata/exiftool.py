"""Compares what we read of files with what exiftool reads of them.

Only EXIF proper is compared: the groups IFD0, ExifIFD and GPS, of the formats we take.
"""

from __future__ import annotations

import contextlib
import json
import math
import shutil
import subprocess
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from images.photofile.metadata import capture_time, exif, tag_values

if TYPE_CHECKING:
    from collections.abc import Iterator

# What a file must be to be compared, in exiftool's words.
KINDS: Final = ("jpeg", "png", "heic", "heif", "avif", "webp", "tiff", "gif", "bmp")
CONTENT_TYPES: Final = frozenset(f"image/{kind}" for kind in KINDS)
PLACES: Final = 1e-6  # relative, and of degrees: a decimetre


class NotInstalled(Exception):
    """exiftool is not installed."""


class NotAFolder(Exception):
    """The path to compare is no folder."""


Tags = dict[str, str]


@dataclass(frozen=True)
class Difference:
    file: str
    field: str
    ours: Any
    theirs: Any


@dataclass
class Comparison:
    """`compared` and `agreed` count values by field."""

    files: int = 0
    compared: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FIELDS, 0))
    agreed: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FIELDS, 0))
    differences: list[Difference] = field(default_factory=list)


def compare(folder: Path) -> Comparison:
    """Compare every value that exiftool finds below a folder with ours.

    Raises NotInstalled, NotAFolder, and OSError for a file that cannot be read.
    """
    comparison = Comparison()
    for path, tags in _read(folder):
        comparison.files += 1
        read = exif.read(path)
        for name, (ours_of, theirs_of, *told) in FIELDS.items():
            if not any(tag in tags for tag in told):
                continue
            ours, theirs = ours_of(read), theirs_of(tags, *told)
            comparison.compared[name] += 1
            if _agree(ours, theirs):
                comparison.agreed[name] += 1
            else:
                file = str(path.relative_to(folder))
                comparison.differences.append(Difference(file, name, ours, theirs))
    return comparison


def _read(folder: Path) -> Iterator[tuple[Path, Tags]]:
    program = shutil.which("exiftool")
    if program is None:
        raise NotInstalled(
            "exiftool is not installed, and nothing can be compared without it. "
            "Install it (Debian: apt-get install libimage-exiftool-perl) and try again."
        )
    if not folder.is_dir():
        raise NotAFolder(f"{folder} is no folder.")
    # -n: numbers as they are, not for people.
    wanted = ("-json", "-n", "-G1", "-r", "-q", "-q")
    groups = ("-IFD0:all", "-ExifIFD:all", "-GPS:all", "-File:MIMEType")
    told = subprocess.run(
        [program, *wanted, *groups, str(folder.resolve())], capture_output=True, check=False
    )
    # Numbers stay texts: "1.00" may be the name of a program.
    entries = json.loads(told.stdout or b"[]", parse_float=str, parse_int=str)
    for entry in entries:
        if entry.get("File:MIMEType") in CONTENT_TYPES:
            path = folder / Path(entry["SourceFile"]).relative_to(folder.resolve())
            yield path, {name: str(value) for name, value in entry.items()}


def _agree(ours: Any, theirs: Any) -> bool:
    if isinstance(theirs, float) and isinstance(ours, int | float):
        return math.isclose(ours, theirs, rel_tol=PLACES, abs_tol=PLACES)
    return bool(ours == theirs)


# Their values, of the first tag that tells one. None where a tag says, by the book, that the value
# is not known, or holds no value of this kind; then ours must be None.


def _text(tags: Tags, name: str) -> str | None:
    return tag_values.cleaned(tags[name])[: tag_values.MAX_TEXT_LENGTH].rstrip() or None


def _measure(tags: Tags, *names: str) -> float | None:
    """A number above zero."""
    for told in (tags[name] for name in names if name in tags):
        with contextlib.suppress(ValueError, IndexError):  # "undef", "inf", or a text
            number = float(told.split()[0])
            if 0 < number < 1e9:
                return number
    return None


def _orientation(tags: Tags, name: str) -> float | None:
    number = _measure(tags, name)
    return number if number in range(1, 9) else None


def _date(tags: Tags, *names: str) -> datetime | None:
    for told in (tags[name] for name in names if name in tags):
        with contextlib.suppress(ValueError):
            date = datetime.strptime(told.strip(), "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007
            if date.year in capture_time.YEARS:
                return date
    return None


def _degrees(tags: Tags, name: str) -> float | None:
    """Signed; None if any half of the position is missing or impossible."""
    signed = {}
    for half, limit in (("GPS:GPSLatitude", 90), ("GPS:GPSLongitude", 180)):
        try:
            degrees = float(tags[half])
            sign = -1 if tags[half + "Ref"] in {"S", "W"} else 1
        except (KeyError, ValueError):
            return None
        if not 0 <= degrees <= limit:
            return None
        signed[half] = sign * degrees
    return signed[name] if any(signed.values()) else None


def _local_time(read: exif.Exif) -> datetime | None:
    return read.datetime_original and read.datetime_original.replace(microsecond=0)


# What is compared: ours of what we read, theirs of their tags, and which tags.
FIELDS: Final[dict[str, tuple[Any, ...]]] = {
    # exiftool calls DateTimeDigitized CreateDate.
    "date": (_local_time, _date, "ExifIFD:DateTimeOriginal", "ExifIFD:CreateDate"),
    "latitude": (lambda read: read.gps and read.gps.lat, _degrees, "GPS:GPSLatitude"),
    "longitude": (lambda read: read.gps and read.gps.lon, _degrees, "GPS:GPSLongitude"),
    "make": (attrgetter("camera_make"), _text, "IFD0:Make"),
    "model": (attrgetter("camera_model"), _text, "IFD0:Model"),
    "lens": (attrgetter("lens_model"), _text, "ExifIFD:LensModel"),
    "software": (attrgetter("software"), _text, "IFD0:Software"),
    "orientation": (attrgetter("orientation"), _orientation, "IFD0:Orientation"),
    "iso": (attrgetter("iso"), _measure, "ExifIFD:ISO"),
    "aperture": (attrgetter("aperture"), _measure, "ExifIFD:FNumber", "ExifIFD:ApertureValue"),
    "exposure": (
        *(attrgetter("exposure_time"), _measure),
        *("ExifIFD:ExposureTime", "ExifIFD:ShutterSpeedValue"),
    ),
    "focal length": (attrgetter("focal_length"), _measure, "ExifIFD:FocalLength"),
    "x resolution": (attrgetter("x_resolution"), _measure, "IFD0:XResolution"),
    "y resolution": (attrgetter("y_resolution"), _measure, "IFD0:YResolution"),
}
