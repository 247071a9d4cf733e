"""What exiftool reads of the same files, and where it and we differ.

Only EXIF proper is compared: the groups IFD0, ExifIFD and GPS, of the formats we take.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from images.photofile.metadata import capture_time, exif, tag_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# What a file must be to be compared, in exiftool's words.
KINDS: Final = ("jpeg", "png", "heic", "heif", "avif", "webp", "tiff", "gif", "bmp")
CONTENT_TYPES: Final = frozenset(f"image/{kind}" for kind in KINDS)
PLACES: Final = 1e-6  # relative, and of degrees: a decimetre


class NotInstalled(Exception):
    """There is no exiftool."""

    def __init__(self) -> None:
        super().__init__(
            "exiftool is not installed, and nothing can be compared without it. "
            "Install it (Debian: apt-get install libimage-exiftool-perl) and try again."
        )


class NotAFolder(Exception):
    """There is nothing to look into."""


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
        for name, (ours_of, theirs_of) in FIELDS.items():
            theirs = theirs_of(tags)
            if theirs is None:
                continue
            ours = ours_of(read)
            comparison.compared[name] += 1
            if _agree(ours, theirs):
                comparison.agreed[name] += 1
            else:
                shown = None if theirs is UNKNOWN else theirs
                file = str(path.relative_to(folder))
                comparison.differences.append(Difference(file, name, ours, shown))
    return comparison


def _read(folder: Path) -> Iterator[tuple[Path, Tags]]:
    program = shutil.which("exiftool")
    if program is None:
        raise NotInstalled
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
    if theirs is UNKNOWN:
        return ours is None
    if isinstance(theirs, float) and isinstance(ours, int | float):
        return math.isclose(ours, theirs, rel_tol=PLACES, abs_tol=PLACES)
    return bool(ours == theirs)


# Their values. None: exiftool finds no such tag. UNKNOWN: it finds one that says, by the book,
# that the value is not known, or that holds no value of this kind; then ours must be None.

UNKNOWN: Final = object()


def _told_text(name: str) -> Callable[[Tags], Any]:
    def told(tags: Tags) -> Any:
        if name not in tags:
            return None
        return tag_values.cleaned(tags[name])[: tag_values.MAX_TEXT_LENGTH].rstrip() or UNKNOWN

    return told


def _told_measure(*names: str, among: range | None = None) -> Callable[[Tags], Any]:
    """A number above zero; the first of several tags."""

    def told(tags: Tags) -> Any:
        found = next((tags[name] for name in names if name in tags), None)
        if found is None:
            return None
        try:
            number = float(found.split()[0])
        except (ValueError, IndexError):
            return UNKNOWN  # "undef", "inf", or a text
        is_known = 0 < number < 1e9 and (among is None or number in among)
        return number if is_known else UNKNOWN

    return told


def _told_date(tags: Tags) -> Any:
    """DateTimeOriginal, or else DateTimeDigitized, which exiftool calls CreateDate."""
    told = [tags[name] for name in _DATES if name in tags]
    if not told:
        return None
    dates = (re.fullmatch(r"\s*(\d{4}):(\d\d):(\d\d) (\d\d):(\d\d):(\d\d)\s*", one) for one in told)
    for found in dates:
        if found:
            try:
                date = datetime(*(int(part) for part in found.groups()))  # type: ignore[arg-type]  # noqa: DTZ001
            except ValueError:
                continue
            if date.year in capture_time.YEARS:
                return date
    return UNKNOWN


_DATES: Final = ("ExifIFD:DateTimeOriginal", "ExifIFD:CreateDate")


def _told_latitude(tags: Tags) -> Any:
    return _told_place(tags)[0] if "GPS:GPSLatitude" in tags else None


def _told_longitude(tags: Tags) -> Any:
    return _told_place(tags)[1] if "GPS:GPSLongitude" in tags else None


def _told_place(tags: Tags) -> tuple[Any, Any]:
    """Signed degrees; a position of which any half is missing or impossible is none."""
    names = ("GPSLatitude", "GPSLongitude")
    try:
        lat, lon = (float(tags[f"GPS:{name}"]) for name in names)
        south, west = (tags[f"GPS:{name}Ref"] in {"S", "W"} for name in names)
    except (KeyError, ValueError):
        return UNKNOWN, UNKNOWN
    if not (0 <= lat <= 90 and 0 <= lon <= 180) or (lat == 0 and lon == 0):
        return UNKNOWN, UNKNOWN
    return -lat if south else lat, -lon if west else lon


def _without_fraction(read: exif.Exif) -> datetime | None:
    return read.datetime_original and read.datetime_original.replace(microsecond=0)


# What is compared: ours of what we read, theirs of their tags.
FIELDS: Final[dict[str, tuple[Callable[[exif.Exif], Any], Callable[[Tags], Any]]]] = {
    "date": (_without_fraction, _told_date),
    "latitude": (lambda read: read.gps and read.gps.lat, _told_latitude),
    "longitude": (lambda read: read.gps and read.gps.lon, _told_longitude),
    "make": (lambda read: read.camera_make, _told_text("IFD0:Make")),
    "model": (lambda read: read.camera_model, _told_text("IFD0:Model")),
    "lens": (lambda read: read.lens_model, _told_text("ExifIFD:LensModel")),
    "software": (lambda read: read.software, _told_text("IFD0:Software")),
    "orientation": (
        lambda read: read.orientation,
        _told_measure("IFD0:Orientation", among=range(1, 9)),
    ),
    "iso": (lambda read: read.iso, _told_measure("ExifIFD:ISO")),
    "aperture": (
        lambda read: read.aperture,
        _told_measure("ExifIFD:FNumber", "ExifIFD:ApertureValue"),
    ),
    "exposure": (
        lambda read: read.exposure_time,
        _told_measure("ExifIFD:ExposureTime", "ExifIFD:ShutterSpeedValue"),
    ),
    "focal length": (lambda read: read.focal_length, _told_measure("ExifIFD:FocalLength")),
    "x resolution": (lambda read: read.x_resolution, _told_measure("IFD0:XResolution")),
    "y resolution": (lambda read: read.y_resolution, _told_measure("IFD0:YResolution")),
}
