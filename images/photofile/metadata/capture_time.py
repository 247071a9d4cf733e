"""When a picture was taken: the clock on the wall, its offset from UTC, and the moment in UTC.

The rule (EXIF 2.32 and 3.0, tables 7 and 8; XMP part 2 §3.3). The local time is the first that
holds of

1. DateTimeOriginal 0x9003 with SubSecTimeOriginal 0x9291 and OffsetTimeOriginal 0x9011,
2. DateTimeDigitized 0x9004 with SubSecTimeDigitized 0x9292 and OffsetTimeDigitized 0x9012,
3. of XMP: exif:DateTimeOriginal, photoshop:DateCreated, xmp:CreateDate, exif:DateTimeDigitized,
   each with the offset that is part of it,
4. DateTime 0x0132 with SubSecTime 0x9290 and OffsetTime 0x9010, in a file that names its camera:
   it is the time of the last change, which of an old phone's file is the only one; from a scanner
   or an editor it would be a wrong date, which is worse than none.

The offset is the camera's (0x9011 and 0x9012 stand in for each other), never that of another
line: editors write the offset of their computer into OffsetTime and into XMP. Where the camera
says none, GPSDateStamp 0x1D and GPSTimeStamp 0x07, which are UTC, tell it: local time less GPS
time, to the quarter of an hour, if a place on earth lives by it and the clock was no more than
`MAX_CLOCK_ERROR` off. UTC is known only where both are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from images.photofile.metadata import tag_values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from images.photofile.metadata import tiff

# Nobody photographed earlier; a camera whose clock overflowed says 2107.
YEARS: Final = range(1826, 2100)

# Every offset that a place on earth uses or used since there are digital cameras, in minutes.
OFFSETS_IN_USE: Final = frozenset(
    {*range(-12 * 60, 14 * 60 + 1, 60)}
    | {-570, -270, -210, -150, 210, 270, 330, 345, 390, 510, 525, 570, 630, 690, 765, 825}
)
QUARTER: Final = timedelta(minutes=15)
MAX_CLOCK_ERROR: Final = timedelta(minutes=5)


@dataclass(frozen=True)
class CaptureTime:
    """`local` is naive; `offset_time` as the camera says it, "+02:00"; `utc_offset` the camera's,
    or else told by GPS time."""

    local: datetime | None = None
    offset_time: str | None = None
    utc_offset: timedelta | None = None


def read(
    ifd0: tiff.Directory, exif: tiff.Directory, xmp: Mapping[str, str], *, gps_time: datetime | None
) -> CaptureTime:
    """Read the time of capture by the rule above. `gps_time` is aware."""
    local, offset = _of_exif(exif)
    if local is None:
        local, offset = _of_xmp(xmp)
    if local is None and (0x010F in ifd0 or 0x0110 in ifd0):
        local, offset = _local_time(ifd0.get(0x0132), exif.get(0x9290)), _offset(exif.get(0x9010))
    # The camera's own offset stands beside a date that cannot be read, too.
    offset = offset or _offset(exif.get(0x9011)) if local is None else offset
    utc_offset = _parsed_offset(offset)
    if utc_offset is None and local and gps_time:
        utc_offset = _offset_told_by_gps(local, gps_time)
    return CaptureTime(local, offset, utc_offset)


def of_gps(gps: tiff.Directory) -> datetime | None:
    """GPSDateStamp and GPSTimeStamp, which are UTC."""
    date = re.match(
        r"\s*(\d{4})[:\-/.](\d{1,2})[:\-/.](\d{1,2})", tag_values.text(gps.get(0x1D)) or ""
    )
    match tag_values.numbers(gps.get(0x07)):
        case (int() | float() as hours, int() | float() as minutes, int() | float() as seconds):
            pass
        case _:
            return None
    if date is None or not (0 <= hours < 24 and 0 <= minutes < 60 and 0 <= seconds < 61):
        return None
    try:
        day = datetime(int(date[1]), int(date[2]), int(date[3]), tzinfo=UTC)
    except ValueError:
        return None
    if day.year not in YEARS:
        return None
    return day + timedelta(hours=hours, minutes=minutes, seconds=seconds)


def of_gps_in_xmp(xmp: Mapping[str, str]) -> datetime | None:
    """exif:GPSTimeStamp, which in XMP is a whole date and UTC unless it says otherwise."""
    local, offset = _xmp_date(xmp.get("exif:GPSTimeStamp", ""))
    if local is None:
        return None
    return (local - (_parsed_offset(offset) or timedelta())).replace(tzinfo=UTC)


# EXIF

_DATE_TIME: Final = re.compile(
    r"\s*(\d{4})[:\-/.](\d{1,2})[:\-/.](\d{1,2})[ T]+(\d{1,2}):(\d{1,2}):(\d{1,2})"
)
_OFFSET: Final = re.compile(r"\s*([+-])(\d{1,2}):?(\d{2})\s*\Z")


def _of_exif(exif: tiff.Directory) -> tuple[datetime | None, str | None]:
    original, digitized = _offset(exif.get(0x9011)), _offset(exif.get(0x9012))
    local = _local_time(exif.get(0x9003), exif.get(0x9291))
    if local is not None:
        return local, original or digitized
    local = _local_time(exif.get(0x9004), exif.get(0x9292))
    return local, (digitized or original) if local else None


def _local_time(value: tiff.Field | None, fraction: tiff.Field | None) -> datetime | None:
    found = _DATE_TIME.match(tag_values.text(value) or "")
    if found is None:
        return None
    return _date(*found.groups(), fraction=tag_values.text(fraction) or "")


def _date(*parts: str | None, fraction: str) -> datetime | None:
    """`fraction` are the digits behind the decimal point."""
    digits = re.match(r"\d{1,6}", fraction)
    microsecond = int(digits[0].ljust(6, "0")) if digits else 0
    year, month, day, hour, minute, second = (int(part or 0) for part in parts)
    try:
        # Naive on purpose: EXIF means the clock on the wall.
        taken = datetime(year, month, day, hour, minute, second, microsecond)  # noqa: DTZ001
    except ValueError:
        return None
    return taken if taken.year in YEARS else None


# XMP

_XMP_DATE: Final = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})"
    r"(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d+))?)?\s*(Z|[+-]\d{1,2}:?\d{2})?)?\s*\Z"
)
_XMP_DATES: Final = (
    *("exif:DateTimeOriginal", "photoshop:DateCreated"),
    *("xmp:CreateDate", "exif:DateTimeDigitized"),
)


def _of_xmp(xmp: Mapping[str, str]) -> tuple[datetime | None, str | None]:
    """The first whole date; one without a time of day does not count, but a later one that names
    another day is then that of a scan or an edit."""
    day = ""
    for name in _XMP_DATES:
        told = xmp.get(name, "")
        local, offset = _xmp_date(told)
        if local is not None:
            return (local, offset) if not day or told.startswith(day) else (None, None)
        day = day or (told if re.fullmatch(r"\d{4}-\d{2}-\d{2}", told) else "")
    return None, None


def _xmp_date(text: str) -> tuple[datetime | None, str | None]:
    """A date with its time of day (XMP part 1, 8.2.1.1, after ISO 8601)."""
    found = _XMP_DATE.match(text)
    if found is None or found[4] is None:
        return None, None
    local = _date(*found.groups()[:6], fraction=found[7] or "")
    return local, _offset_in(found[8] or "") if local else None


# Offsets


def _offset(value: tiff.Field | None) -> str | None:
    return _offset_in(tag_values.text(value) or "")


def _offset_in(text: str) -> str | None:
    """An offset as "+02:00", if it is one a place on earth could have."""
    found = _OFFSET.match("+00:00" if text in {"Z", "z"} else text)
    if found is None:
        return None
    sign, hours, minutes = found.groups()
    if int(minutes) > 59 or int(hours) * 60 + int(minutes) > 14 * 60:
        return None
    return f"{sign}{int(hours):02}:{int(minutes):02}"


def _parsed_offset(offset: str | None) -> timedelta | None:
    if offset is None:
        return None
    size = timedelta(hours=int(offset[1:3]), minutes=int(offset[4:6]))
    return -size if offset[0] == "-" else size


def _offset_told_by_gps(local: datetime, gps_time: datetime) -> timedelta | None:
    """Returns the offset from UTC that the GPS time implies. None if no time zone has it: then the
    fix was old, or the clock is wrong."""
    difference = local.replace(tzinfo=UTC) - gps_time
    offset = round(difference / QUARTER) * QUARTER
    if abs(difference - offset) > MAX_CLOCK_ERROR:
        return None
    return offset if offset / timedelta(minutes=1) in OFFSETS_IN_USE else None


@lru_cache(maxsize=256)  # asked for each photo of a list; there are few
def offset_text(minutes: int | None) -> str | None:
    """An offset from UTC in EXIF's form: `+02:00`."""
    if minutes is None:
        return None
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02}:{rest:02}"
