"""What a camera wrote about its picture: EXIF 2.32 and 3.0 (CIPA DC-008) of JPEG, PNG and HEIC.

Nothing here fails a picture: a field that is missing, malformed or impossible is None, and the rest
stands. Texts and the raw dump are safe for PostgreSQL's text and jsonb.
"""

from __future__ import annotations

import json
import logging
import math
import re
import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import pillow_heif
from PIL import ExifTags

from images.media import formats, jpeg, tiff

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)

MAX_TEXT_LENGTH: Final = 200
MAX_RAW_BYTES: Final = 64 * 1024  # of the raw dump, as JSON
MAX_RAW_TEXT_LENGTH: Final = 2000
MAX_RAW_NUMBERS: Final = 64  # of one tag
MAX_PNG_CHUNKS: Final = 20_000
MAX_PNG_EXIF_BYTES: Final = 1024 * 1024

# Nobody photographed earlier; a camera whose clock overflowed says 2107.
YEARS: Final = range(1826, 2100)

# Every offset that a place on earth uses or used since there are digital cameras, in minutes.
OFFSETS_IN_USE: Final = frozenset(
    {*range(-12 * 60, 14 * 60 + 1, 60)}
    | {-570, -270, -210, -150, 210, 270, 330, 345, 390, 510, 525, 570, 630, 690, 765, 825}
)


@dataclass(frozen=True)
class Gps:
    """A position in WGS 84: degrees north and east, altitude in metres above sea level."""

    lat: float
    lon: float
    altitude: float | None = None
    direction: float | None = None  # of view, degrees clockwise from north, 0 <= direction < 360
    datetime: datetime | None = None  # aware, UTC


@dataclass(frozen=True)
class Exif:
    """The tags we use, typed; codes (flash, metering_mode, …) as EXIF numbers them."""

    camera_make: str | None = None
    camera_model: str | None = None
    lens_model: str | None = None
    software: str | None = None
    datetime_original: datetime | None = None  # naive: the clock on the wall
    offset_time: str | None = None  # as the camera says: "+02:00"
    utc_offset: timedelta | None = None  # the camera's, or else told by GPS time
    iso: int | None = None
    focal_length: float | None = None  # mm
    aperture: float | None = None  # f-number
    exposure_time: float | None = None  # seconds
    flash: int | None = None
    metering_mode: int | None = None
    exposure_program: int | None = None
    white_balance: int | None = None
    saturation: int | None = None
    sharpness: int | None = None
    contrast: int | None = None
    orientation: int | None = None  # 1..8
    x_resolution: float | None = None  # pixels per resolution_unit
    y_resolution: float | None = None
    resolution_unit: int | None = None  # 2 inch, 3 centimetre
    exif_version: str | None = None
    gps: Gps | None = None
    # JSON-safe: {"IFD0": {tag name: value}, "Exif": {…}, "GPS": {…}, "Interop": {…}}
    raw: dict[str, Any] = field(default_factory=dict)

    @property
    def taken_at(self) -> datetime | None:
        """The moment in UTC; None unless both the local time and its offset are known."""
        if self.datetime_original is None or self.utc_offset is None:
            return None
        return (self.datetime_original - self.utc_offset).replace(tzinfo=UTC)


def read(path: Path) -> Exif:
    """Read the EXIF of a file. Bad metadata never raises; a file that cannot be opened does."""
    with path.open("rb") as file:
        try:
            return parse(_payload(path, file))
        except Exception:
            # A picture is worth more than its tags: whatever a hostile block can still trigger
            # here must not cost a guest the photo. The tests read the log and fail on this line.
            logger.exception("EXIF could not be read")
            return Exif()


def parse(block: bytes) -> Exif:
    """Read an EXIF block, the TIFF structure without its container."""
    directories = tiff.read(block)
    ifd0 = directories.get(tiff.IFD0, {})
    exif = directories.get(tiff.EXIF, {})
    gps = directories.get(tiff.GPS, {})
    taken, offset = _time_taken(ifd0, exif)
    gps_time = _gps_time(gps)
    utc_offset = _parsed_offset(offset)
    if utc_offset is None and taken and gps_time:
        utc_offset = _offset_told_by_gps(taken, gps_time)
    return Exif(
        camera_make=_text(ifd0.get(0x010F)),
        camera_model=_text(ifd0.get(0x0110)),
        lens_model=_text(exif.get(0xA434)),
        software=_text(ifd0.get(0x0131)),
        datetime_original=taken,
        offset_time=offset,
        utc_offset=utc_offset,
        iso=_iso(exif),
        focal_length=_positive(exif.get(0x920A)),
        aperture=_positive(exif.get(0x829D)),
        exposure_time=_positive(exif.get(0x829A)),
        flash=_code(exif.get(0x9209)),
        metering_mode=_code(exif.get(0x9207)),
        exposure_program=_code(exif.get(0x8822)),
        white_balance=_code(exif.get(0xA403)),
        saturation=_code(exif.get(0xA409)),
        sharpness=_code(exif.get(0xA40A)),
        contrast=_code(exif.get(0xA408)),
        orientation=_code(ifd0.get(0x0112), among=range(1, 9)),
        x_resolution=_positive(ifd0.get(0x011A)),
        y_resolution=_positive(ifd0.get(0x011B)),
        resolution_unit=_code(ifd0.get(0x0128)),
        exif_version=_text(exif.get(0x9000)),
        gps=_position(gps, gps_time),
        raw=_raw(directories),
    )


# Containers


def _payload(path: Path, file: BinaryIO) -> bytes:
    """The EXIF block of a file, empty if it has none or is of no format we take."""
    try:
        format_ = formats.sniff(path)
    except (formats.NotAnImage, formats.UnsupportedFormat):
        return b""
    if format_ is formats.JPEG:
        return jpeg.read_header(file).exif
    if format_ is formats.PNG:
        return _png_exif(file)
    try:
        # Opens the container only; no pixel is decoded.
        return pillow_heif.open_heif(file).info.get("exif") or b""
    except (OSError, ValueError, EOFError, SyntaxError, RuntimeError, IndexError):
        return b""  # a broken picture, about which rendering says more


def _png_exif(file: BinaryIO) -> bytes:
    """The eXIf chunk (PNG 3rd edition, 11.3.3.5); it may stand before or behind the pixels."""
    file.seek(8)
    for _ in range(MAX_PNG_CHUNKS):
        head = file.read(8)
        if len(head) < 8 or head[4:] == b"IEND":
            break
        length = int.from_bytes(head[:4])
        if head[4:] == b"eXIf":
            return file.read(min(length, MAX_PNG_EXIF_BYTES))
        file.seek(length + 4, 1)
    return b""


# Single values


def _numbers(value: tiff.Field | None) -> tuple[tiff.Number, ...]:
    """A field as finite numbers, None in place of each that is not."""
    if value is None:
        return ()
    if isinstance(value.value, bytes):
        if value.byte_size == 1:
            return (value.value[0],)
        try:
            return (_finite(float(value.value.rstrip(b"\0 "))),)
        except ValueError:
            return ()
    return tuple(_finite(number) for number in value.value)


def _finite(number: tiff.Number) -> tiff.Number:
    return number if number is not None and math.isfinite(number) else None


def _number(value: tiff.Field | None) -> tiff.Number:
    return next(iter(_numbers(value)), None)


def _positive(value: tiff.Field | None) -> float | None:
    """A measure above zero: where EXIF writes 0 it means "unknown"."""
    number = _number(value)
    return float(number) if number is not None and 0 < number < 1e9 else None


def _code(value: tiff.Field | None, *, among: range = range(65536)) -> int | None:
    number = _number(value)
    return int(number) if number is not None and number in among else None


def _decoded(data: bytes) -> str:
    """Text up to the first NUL: ASCII by the book, UTF-8 since EXIF 3.0, Latin-1 in the wild."""
    data = data.split(b"\0", 1)[0]
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _cleaned(text: str) -> str:
    """Text without control characters and surrogates, which databases and pages refuse."""
    kept = "".join(
        " " if character in "\t\r\n" else character
        for character in text
        if character in "\t\r\n" or unicodedata.category(character) not in {"Cc", "Cs"}
    )
    return kept.strip()


def _text(value: tiff.Field | None) -> str | None:
    if value is None or not isinstance(value.value, bytes):
        return None
    return _cleaned(_decoded(value.value))[:MAX_TEXT_LENGTH].rstrip() or None


def _iso(exif: tiff.Directory) -> int | None:
    """PhotographicSensitivity; above 65534 the real value stands in the tags of EXIF 2.3."""
    iso = _code(exif.get(0x8827), among=range(1, 65535))
    if iso is not None:
        return iso
    # RecommendedExposureIndex, StandardOutputSensitivity, ISOSpeed
    wider = (_code(exif.get(tag), among=range(1, 2**31)) for tag in (0x8832, 0x8831, 0x8833))
    return next((iso for iso in wider if iso is not None), None)


# Time

_DATE_TIME = re.compile(
    r"\s*(\d{4})[:\-/.](\d{1,2})[:\-/.](\d{1,2})[ T]+(\d{1,2}):(\d{1,2}):(\d{1,2})"
)
_OFFSET = re.compile(r"\s*([+-])(\d{2}):?(\d{2})\s*\Z")


def _time_taken(ifd0: tiff.Directory, exif: tiff.Directory) -> tuple[datetime | None, str | None]:
    """The local time of capture and the camera's offset, from the first pair of tags that holds.

    DateTimeOriginal, else DateTimeDigitized. DateTime is the time of the last change: it counts
    only in a file that names its camera, where an old phone wrote no other; from a scanner or an
    editor it would be a wrong date, which is worse than none. OffsetTime belongs to DateTime
    alone: editors write the offset of the computer there.
    """
    original_offset, digitized_offset = _offset(exif.get(0x9011)), _offset(exif.get(0x9012))
    taken = _local_time(exif.get(0x9003), fraction=exif.get(0x9291))
    if taken is not None:
        return taken, original_offset or digitized_offset
    taken = _local_time(exif.get(0x9004), fraction=exif.get(0x9292))
    if taken is not None:
        return taken, digitized_offset or original_offset
    names_its_camera = 0x010F in ifd0 or 0x0110 in ifd0
    taken = _local_time(ifd0.get(0x0132), fraction=exif.get(0x9290)) if names_its_camera else None
    return taken, _offset(exif.get(0x9010)) if taken else None


def _local_time(value: tiff.Field | None, *, fraction: tiff.Field | None) -> datetime | None:
    found = _DATE_TIME.match(_text(value) or "")
    if found is None:
        return None
    digits = re.match(r"\d{1,6}", _text(fraction) or "")
    microsecond = int(digits[0].ljust(6, "0")) if digits else 0
    year, month, day, hour, minute, second = (int(part) for part in found.groups())
    try:
        # Naive on purpose: EXIF means the clock on the wall.
        taken = datetime(year, month, day, hour, minute, second, microsecond)  # noqa: DTZ001
    except ValueError:
        return None
    return taken if taken.year in YEARS else None


def _offset(value: tiff.Field | None) -> str | None:
    """An offset as "+02:00", if it is one a place on earth could have."""
    text = _text(value) or ""
    found = _OFFSET.match("+00:00" if text in {"Z", "z"} else text)
    if found is None:
        return None
    sign, hours, minutes = found.groups()
    if int(minutes) > 59 or int(hours) * 60 + int(minutes) > 14 * 60:
        return None
    return f"{sign}{hours}:{minutes}"


def _parsed_offset(offset: str | None) -> timedelta | None:
    if offset is None:
        return None
    size = timedelta(hours=int(offset[1:3]), minutes=int(offset[4:6]))
    return -size if offset[0] == "-" else size


def _offset_told_by_gps(taken: datetime, gps_time: datetime) -> timedelta | None:
    """The offset between the clock on the wall and GPS time, to the quarter of an hour.

    None if no place on earth lives by it: then the position was old, or the clock is wrong.
    """
    difference = taken.replace(tzinfo=UTC) - gps_time
    minutes = round(difference / timedelta(minutes=15)) * 15
    return timedelta(minutes=minutes) if minutes in OFFSETS_IN_USE else None


# Place


def _gps_time(gps: tiff.Directory) -> datetime | None:
    """GPSDateStamp and GPSTimeStamp, which are UTC."""
    date = re.match(r"\s*(\d{4})[:\-/.](\d{1,2})[:\-/.](\d{1,2})", _text(gps.get(0x1D)) or "")
    match _numbers(gps.get(0x07)):
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


def _position(gps: tiff.Directory, gps_time: datetime | None) -> Gps | None:
    """A whole position or none: both coordinates with their hemispheres, and not 0/0."""
    lat = _degrees(gps.get(0x02), gps.get(0x01), hemispheres="NS", limit=90)
    lon = _degrees(gps.get(0x04), gps.get(0x03), hemispheres="EW", limit=180)
    # No camera stands at 0/0 in the Gulf of Guinea; many write it before they have a fix.
    if lat is None or lon is None or (lat == 0 and lon == 0):
        return None
    return Gps(
        lat=lat,
        lon=lon,
        altitude=_altitude(gps),
        direction=_direction(gps.get(0x11)),
        datetime=gps_time,
    )


def _degrees(
    value: tiff.Field | None, reference: tiff.Field | None, *, hemispheres: str, limit: int
) -> float | None:
    """Degrees, minutes and seconds as signed degrees; None if any part is missing or impossible."""
    hemisphere = (_text(reference) or "")[:1].upper()
    parts = _numbers(value)[:3]
    if not hemisphere or hemisphere not in hemispheres or not parts:
        return None
    degrees = 0.0
    for part, unit in zip(parts, (1, 60, 3600), strict=False):
        if part is None or part < 0 or (unit > 1 and part > 60):
            return None
        degrees += part / unit
    if degrees > limit:
        return None
    return -degrees if hemisphere == hemispheres[1] else degrees


def _altitude(gps: tiff.Directory) -> float | None:
    """Metres, negative below the sea, between the deepest trench and the edge of space."""
    altitude = _number(gps.get(0x06))
    if altitude is None:
        return None
    # 1 and, since EXIF 3.0, 3 (of the ellipsoid) mean below.
    signed = -float(altitude) if _number(gps.get(0x05)) in {1, 3} else float(altitude)
    return signed if -11_000 <= signed <= 100_000 else None


def _direction(value: tiff.Field | None) -> float | None:
    direction = _number(value)
    if direction is None or not 0 <= direction <= 360:
        return None
    return float(direction) % 360


# Everything, for those who want to see it

_NAMES: Final = {
    tiff.IFD0: ExifTags.TAGS,
    tiff.EXIF: ExifTags.TAGS,
    tiff.GPS: ExifTags.GPSTAGS,
    tiff.INTEROP: {tag.value: tag.name for tag in ExifTags.Interop},
}
_MAKER_NOTE: Final = 0x927C
_WITH_CHARACTER_CODE: Final = frozenset({0x9286, 0x001B, 0x001C})  # UserComment, two of GPS
_UTF_16: Final = range(0x9C9B, 0x9CA0)  # XPTitle .. XPSubject, written by Windows


def _raw(directories: dict[str, tiff.Directory]) -> dict[str, Any]:
    """All tags by name, as JSON holds them, as far as `MAX_RAW_BYTES` go."""
    raw: dict[str, Any] = {}
    bytes_left = MAX_RAW_BYTES
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
    return raw


def _shown(tag: int, value: tiff.Field) -> Any:
    if not isinstance(value.value, bytes):
        if len(value.value) > MAX_RAW_NUMBERS:
            return f"<{value.byte_size} bytes>"
        numbers = [_finite(number) for number in value.value]
        return numbers[0] if len(numbers) == 1 else numbers
    text = None if tag == _MAKER_NOTE else _shown_text(tag, value.value)
    return f"<{value.byte_size} bytes>" if text is None else text


def _shown_text(tag: int, data: bytes) -> str | None:
    """Bytes as text, or None if they are something else."""
    if tag in _UTF_16:
        text = data.decode("utf-16-le", "replace")
    elif tag in _WITH_CHARACTER_CODE and data[:8] in {b"ASCII\0\0\0", b"\0" * 8}:
        text = _decoded(data[8:])
    elif tag in _WITH_CHARACTER_CODE and data.startswith(b"UNICODE\0"):
        text = data[8:].decode("utf-16", "replace")
    else:
        text = _decoded(data)
        if any(unicodedata.category(c) == "Cc" and c not in "\t\r\n" for c in text):
            return None
        if data.strip(b"\0 ") and not text.strip():
            return None
    return _cleaned(text.split("\0", 1)[0])[:MAX_RAW_TEXT_LENGTH]
