"""Tags drawn in memory, as cameras write them: EXIF, and the TIFF structure it is."""

from __future__ import annotations

import io
import struct
from fractions import Fraction
from typing import Any

from PIL import Image

# A text that no rendered picture may contain.
SECRET = b"bandpics-secret-48.2082-16.3738"

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, SRATIONAL, DOUBLE = 1, 2, 3, 4, 5, 7, 10, 12
_LETTER = {BYTE: "B", SHORT: "H", LONG: "L", DOUBLE: "d"}

# {tag: (type, value)}; the value is bytes, text, a number, or a list of numbers or (n, d) pairs.
Tags = dict[int, tuple[int, Any]]


def exif_block(
    *,
    taken_at: str | None = "2026:06:21 21:30:00",
    offset: str | None = "+02:00",
    lat: float | None = None,
    lon: float | None = None,
    altitude: float | None = None,
    direction: float | None = None,
    gps_at: str | None = None,
    make: str | None = "Drawn",
    model: str | None = "Pencil 1",
    lens: str | None = None,
    software: str | None = None,
    iso: int | None = None,
    orientation: int | None = 1,
    stuffed: bool = False,
    endian: str = "<",
    ifd0: Tags | None = None,
    exif: Tags | None = None,
    gps: Tags | None = None,
) -> bytes:
    """A TIFF structure of tags. `ifd0`, `exif` and `gps` add to or replace single ones."""
    if stuffed:
        lat, lon = (48.2082, 16.3738) if lat is None else (lat, lon)
    image_tags: Tags = {}
    for tag, text in ((0x010F, make), (0x0110, model), (0x0131, software)):
        if text is not None:
            image_tags[tag] = (ASCII, text)
    if orientation is not None:
        image_tags[0x0112] = (SHORT, orientation)
    exif_tags: Tags = {0x9000: (UNDEFINED, b"0232")}
    for tag, text in ((0x9003, taken_at), (0x9011, offset), (0xA434, lens)):
        if text is not None:
            exif_tags[tag] = (ASCII, text)
    if iso is not None:
        exif_tags[0x8827] = (SHORT, iso)
    gps_tags: Tags = {}
    if lat is not None and lon is not None:
        gps_tags = {
            0x01: (ASCII, "N" if lat >= 0 else "S"),
            0x02: (RATIONAL, degrees(abs(lat))),
            0x03: (ASCII, "E" if lon >= 0 else "W"),
            0x04: (RATIONAL, degrees(abs(lon))),
        }
    if altitude is not None:
        gps_tags[0x05] = (BYTE, int(altitude < 0))
        gps_tags[0x06] = (RATIONAL, [_ratio(abs(altitude))])
    if direction is not None:
        gps_tags[0x11] = (RATIONAL, [_ratio(direction)])
    if gps_at is not None:
        date, time = gps_at.split()
        gps_tags[0x1D] = (ASCII, date)
        gps_tags[0x07] = (RATIONAL, [(int(part), 1) for part in time.split(":")])
    if stuffed:
        image_tags[0x010E] = (ASCII, SECRET)
        image_tags[0x9C9C] = (BYTE, SECRET.decode().encode("utf-16-le"))
        exif_tags[0x9286] = (UNDEFINED, b"ASCII\0\0\0" + SECRET)
        exif_tags[0x927C] = (UNDEFINED, b"MakerNote" + SECRET)
    return tiff(
        image_tags | (ifd0 or {}),
        exif=exif_tags | (exif or {}),
        gps=gps_tags | (gps or {}),
        thumbnail=thumbnail_with_secret() if stuffed else b"",
        endian=endian,
    )


def tiff(
    ifd0: Tags,
    *,
    exif: Tags | None = None,
    gps: Tags | None = None,
    thumbnail: bytes = b"",
    endian: str = "<",
) -> bytes:
    """A TIFF structure: IFD0, the Exif and GPS IFDs it points to, and IFD1 with a thumbnail."""
    ifd0 = dict(ifd0)
    ifd1: Tags = {}
    if exif:
        ifd0.setdefault(0x8769, (LONG, 0))
    if gps:
        ifd0.setdefault(0x8825, (LONG, 0))
    if thumbnail:
        ifd1 = {0x0103: (SHORT, 6), 0x0201: (LONG, 0), 0x0202: (LONG, len(thumbnail))}
    at = 8 + len(_ifd(ifd0, at=0, endian=endian))
    for pointer, tags in ((0x8769, exif), (0x8825, gps)):
        if tags:
            # A pointer that the test has set to something else stays as it is.
            if ifd0[pointer] == (LONG, 0):
                ifd0[pointer] = (LONG, at)
            at += len(_ifd(tags, at=0, endian=endian))
    ifd1_at = at
    if ifd1:
        ifd1[0x0201] = (LONG, at + len(_ifd(ifd1, at=0, endian=endian)))
    out = (b"II*\0" if endian == "<" else b"MM\0*") + struct.pack(endian + "L", 8)
    out += _ifd(ifd0, at=8, endian=endian, following=ifd1_at if ifd1 else 0)
    for tags in (exif, gps, ifd1):
        if tags:
            out += _ifd(tags, at=len(out), endian=endian)
    return out + thumbnail


def _ifd(tags: Tags, *, at: int, endian: str, following: int = 0) -> bytes:
    entries = struct.pack(endian + "H", len(tags))
    values = b""
    values_at = at + 2 + 12 * len(tags) + 4
    for tag, (kind, value) in sorted(tags.items()):
        count, data = encoded(kind, value, endian)
        if len(data) > 4:
            field = struct.pack(endian + "L", values_at + len(values))
            values += data + b"\0" * (len(data) % 2)
        else:
            field = data.ljust(4, b"\0")
        entries += struct.pack(endian + "HHL", tag, kind, count) + field
    return entries + struct.pack(endian + "L", following) + values


def encoded(kind: int, value: Any, endian: str) -> tuple[int, bytes]:
    if isinstance(value, str):
        value = value.encode() + b"\0"
    if isinstance(value, bytes):
        return len(value), value
    values = value if isinstance(value, list) else [value]
    if kind in (RATIONAL, SRATIONAL):
        letter = "L" if kind == RATIONAL else "l"
        return len(values), b"".join(struct.pack(endian + 2 * letter, *pair) for pair in values)
    return len(values), struct.pack(f"{endian}{len(values)}{_LETTER[kind]}", *values)


def degrees(value: float) -> list[tuple[int, int]]:
    degrees = int(value)
    minutes = int((value - degrees) * 60)
    seconds = (value - degrees - minutes / 60) * 3600
    return [(degrees, 1), (minutes, 1), (round(seconds * 10000), 10000)]


def _ratio(value: float) -> tuple[int, int]:
    ratio = Fraction(value).limit_denominator(10000)
    return ratio.numerator, ratio.denominator


def thumbnail_with_secret() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (160, 120), (220, 30, 30)).save(out, "JPEG", comment=SECRET)
    return out.getvalue()
