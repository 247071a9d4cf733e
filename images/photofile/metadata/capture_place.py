"""Reads where a picture was taken: EXIF's GPS tags (EXIF 2.32 §4.6.6), or XMP's where it has none.

A position is whole or none: both coordinates with their hemispheres, on earth, and not 0/0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from images.photofile.metadata import capture_time, tag_values

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from images.photofile.metadata import tiff


@dataclass(frozen=True)
class Gps:
    """A position in WGS 84: degrees north and east, altitude in metres above sea level."""

    lat: float
    lon: float
    altitude: float | None = None
    direction: float | None = None  # of view, degrees clockwise from north, 0 <= direction < 360
    datetime: datetime | None = None  # aware, UTC


def of_exif(gps: tiff.Directory) -> Gps | None:
    """Return the position that the tags of the GPS directory tell."""
    return _position(
        _degrees(gps.get(0x02), gps.get(0x01), hemispheres="NS", limit=90),
        _degrees(gps.get(0x04), gps.get(0x03), hemispheres="EW", limit=180),
        altitude=tag_values.number(gps.get(0x06)),
        altitude_reference=tag_values.number(gps.get(0x05)),
        direction=tag_values.number(gps.get(0x11)),
        at=capture_time.of_gps(gps),
    )


def of_xmp(xmp: Mapping[str, str]) -> Gps | None:
    """Return the position of exif:GPSLatitude and its like (XMP part 2, 3.3.5): "26,34.951N"."""
    return _position(
        _degrees_in(xmp.get("exif:GPSLatitude", ""), hemispheres="NS", limit=90),
        _degrees_in(xmp.get("exif:GPSLongitude", ""), hemispheres="EW", limit=180),
        altitude=_rational(xmp.get("exif:GPSAltitude", "")),
        altitude_reference=_rational(xmp.get("exif:GPSAltitudeRef", "")),
        direction=_rational(xmp.get("exif:GPSImgDirection", "")),
        at=capture_time.of_gps_in_xmp(xmp),
    )


def _position(
    lat: float | None,
    lon: float | None,
    *,
    altitude: tiff.Number,
    altitude_reference: tiff.Number,
    direction: tiff.Number,
    at: datetime | None,
) -> Gps | None:
    # No camera stands at 0/0 in the Gulf of Guinea; many write it before they have a fix.
    if lat is None or lon is None or (lat == 0 and lon == 0):
        return None
    return Gps(lat, lon, _altitude(altitude, altitude_reference), _direction(direction), at)


def _altitude(altitude: tiff.Number, reference: tiff.Number) -> float | None:
    """Metres, negative below the sea, between the deepest trench and the edge of space."""
    if altitude is None:
        return None
    # 1 and, since EXIF 3.0, 3 (of the ellipsoid) mean below.
    signed = -float(altitude) if reference in {1, 3} else float(altitude)
    return signed if -11_000 <= signed <= 100_000 else None


def _direction(direction: tiff.Number) -> float | None:
    if direction is None or not 0 <= direction <= 360:
        return None
    return float(direction) % 360


def _degrees(
    value: tiff.Field | None, reference: tiff.Field | None, *, hemispheres: str, limit: int
) -> float | None:
    hemisphere = (tag_values.text(reference) or "")[:1]
    return _joined(tag_values.numbers(value)[:3], hemisphere, hemispheres, limit=limit)


_XMP_DEGREES: Final = re.compile(r"(\d{1,3}(?:\s*,\s*\d{1,2}){0,2}(?:\.\d{1,20})?)\s*([NSEWnsew])")


def _degrees_in(text: str, *, hemispheres: str, limit: int) -> float | None:
    found = _XMP_DEGREES.fullmatch(text)
    if found is None:
        return None
    parts = tuple(float(part) for part in found[1].split(","))
    return _joined(parts, found[2], hemispheres, limit=limit)


def _joined(
    parts: tuple[tiff.Number, ...], hemisphere: str, hemispheres: str, *, limit: int
) -> float | None:
    """Degrees, minutes and seconds as degrees, negative in the second of the hemispheres; None if
    any part is missing or impossible."""
    if not hemisphere or hemisphere.upper() not in hemispheres:
        return None
    degrees = 0.0
    for part, unit in zip(parts, (1, 60, 3600), strict=False):
        if part is None or part < 0 or (unit > 1 and part > 60):
            return None
        degrees += part / unit
    if not parts or degrees > limit:
        return None
    return -degrees if hemisphere.upper() == hemispheres[1] else degrees


def _rational(text: str) -> float | None:
    """ "1715/10", or as some write it, "171.5"."""
    found = re.fullmatch(r"(-?\d{1,20}(?:\.\d{1,20})?)(?:/(\d{1,20}))?", text)
    if found is None or (found[2] and not int(found[2])):
        return None
    return float(found[1]) / int(found[2] or 1)
