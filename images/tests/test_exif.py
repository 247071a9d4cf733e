from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from images.photofile.metadata import exif
from images.tests import drawn_exif, drawn_pictures
from images.tests.drawn_exif import ASCII, BYTE, LONG, RATIONAL, SHORT, UNDEFINED, exif_block

if TYPE_CHECKING:
    from pathlib import Path

CAMERA = {
    "taken_at": "2026:06:21 21:30:00",
    "offset": "+02:00",
    "lat": 48.2082,
    "lon": -16.3738,
    "altitude": 171.5,
    "direction": 348.25,
    "gps_at": "2026:06:21 19:29:58",
    "make": "Drawn",
    "model": "Pencil 1",
    "lens": "Sharpener 4.2mm f/1.8",
    "software": "17.4",
    "iso": 320,
}


@pytest.mark.parametrize("draw", [drawn_pictures.jpeg, drawn_pictures.png, drawn_pictures.heic])
@pytest.mark.parametrize("endian", ["<", ">"])
def test_every_format_gives_its_tags(draw, endian: str, tmp_path: Path):
    path = tmp_path / "photo"
    path.write_bytes(draw(width=60, height=40, orientation=6, endian=endian, **CAMERA))
    read = exif.read(path)
    assert (read.camera_make, read.camera_model) == ("Drawn", "Pencil 1")
    assert read.lens_model == "Sharpener 4.2mm f/1.8"
    assert read.software == "17.4"
    assert read.iso == 320
    assert read.orientation == 6
    assert read.exif_version == "0232"
    assert read.datetime_original == datetime(2026, 6, 21, 21, 30)
    assert read.offset_time == "+02:00"
    assert read.utc_offset == timedelta(hours=2)
    assert read.taken_at == datetime(2026, 6, 21, 19, 30, tzinfo=UTC)
    assert read.gps is not None
    assert (read.gps.lat, read.gps.lon) == pytest.approx((48.2082, -16.3738), abs=1e-7)
    assert read.gps.altitude == pytest.approx(171.5)
    assert read.gps.direction == pytest.approx(348.25)
    assert read.gps.datetime == datetime(2026, 6, 21, 19, 29, 58, tzinfo=UTC)
    assert read.raw["IFD0"]["Make"] == "Drawn"
    assert read.raw["Exif"]["DateTimeOriginal"] == "2026:06:21 21:30:00"
    assert read.raw["GPS"]["GPSLatitudeRef"] == "N"


def test_a_picture_without_exif_gives_none(tmp_path: Path):
    for draw in (drawn_pictures.jpeg, drawn_pictures.png, drawn_pictures.heic):
        path = tmp_path / draw.__name__
        path.write_bytes(draw(width=60, height=40, exif=b"", orientation=None))
        assert exif.read(path) == exif.Exif()


def test_a_file_that_is_no_picture_gives_none(tmp_path: Path):
    path = tmp_path / "page.html"
    path.write_bytes(b"<html>")
    assert exif.read(path) == exif.Exif()


def test_exposure_is_read_in_its_units():
    read = exif.parse(
        exif_block(
            ifd0={
                0x011A: (RATIONAL, [(72, 1)]),
                0x011B: (RATIONAL, [(300, 1)]),
                0x0128: (SHORT, 2),
            },
            exif={
                0x829A: (RATIONAL, [(1, 250)]),
                0x829D: (RATIONAL, [(18, 10)]),
                0x920A: (RATIONAL, [(425, 100)]),
                0x9209: (SHORT, 16),
                0x9207: (SHORT, 5),
                0x8822: (SHORT, 2),
                0xA403: (SHORT, 0),
                0xA409: (SHORT, 1),
                0xA40A: (SHORT, 2),
                0xA408: (SHORT, 0),
            },
        )
    )
    assert read.exposure_time == pytest.approx(0.004)
    assert read.aperture == pytest.approx(1.8)
    assert read.focal_length == pytest.approx(4.25)
    assert (read.x_resolution, read.y_resolution) == (72, 300)
    assert (read.flash, read.metering_mode, read.exposure_program) == (16, 5, 2)
    assert (read.white_balance, read.saturation, read.sharpness, read.contrast) == (0, 1, 2, 0)


@pytest.mark.parametrize(
    ("tags", "iso"),
    [
        ({0x8827: (SHORT, 100)}, 100),
        ({0x8827: (SHORT, [200, 0])}, 200),
        ({0x8827: (LONG, 51200)}, 51200),
        ({0x8827: (SHORT, 65535), 0x8832: (LONG, 102400)}, 102400),
        ({0x8827: (SHORT, 65535)}, None),
        ({0x8827: (SHORT, 0)}, None),
        ({0x8827: (ASCII, "400")}, 400),
        ({0x8827: (ASCII, "auto")}, None),
        ({0x8833: (LONG, 640)}, 640),
        ({0x8832: (RATIONAL, [(3, 2)])}, None),  # looked for by walking two billion numbers
    ],
)
def test_iso(tags: drawn_exif.Tags, iso: int | None):
    assert exif.parse(exif_block(exif=tags)).iso == iso


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        (b"Canon\0", "Canon"),
        (b"  NIKON CORPORATION  \0\0\0", "NIKON CORPORATION"),
        (b"Canon\0garbage behind\0", "Canon"),
        (b"a\x01b\x1bc\r\nd\0", "abc  d"),
        ("Größe 📷".encode(), "Größe 📷"),
        (b"Gr\xf6\xdfe", "Größe"),
        (b"\xed\xa0\x80lone", "í\xa0lone"),
        (b"x" * 5000, "x" * 200),
        (b"\0\0\0\0\0", None),
        (b"     ", None),
    ],
)
def test_texts_are_safe_for_a_database_and_a_page(stored: bytes, shown: str | None):
    assert exif.parse(exif_block(ifd0={0x010F: (ASCII, stored)})).camera_make == shown


@pytest.mark.parametrize(
    ("tags", "aperture", "exposure_time"),
    [
        ({0x829D: (RATIONAL, [(28, 10)]), 0x9202: (RATIONAL, [(4, 1)])}, 2.8, None),
        ({0x9202: (RATIONAL, [(4, 1)])}, 4.0, None),
        ({0x9202: (RATIONAL, [(0, 1)])}, None, None),
        ({0x9202: (RATIONAL, [(4_000_000_000, 1)])}, None, None),
        ({0x829D: (RATIONAL, [(2_000_000_000, 1)])}, None, None),
        ({0x829A: (RATIONAL, [(1, 0)]), 0x9201: (drawn_exif.SRATIONAL, [(5, 1)])}, None, 1 / 32),
        ({0x9201: (drawn_exif.SRATIONAL, [(-3, 1)])}, None, 8.0),
        ({0x9201: (drawn_exif.SRATIONAL, [(2_000_000_000, 1)])}, None, None),
    ],
)
def test_apex_values_fill_in(
    tags: drawn_exif.Tags, aperture: float | None, exposure_time: float | None
):
    read = exif.parse(exif_block(exif=tags))
    assert read.aperture == pytest.approx(aperture)
    assert read.exposure_time == pytest.approx(exposure_time)


def moment(*parts: int) -> datetime:
    return datetime(*parts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ("2026:06:21 21:30:00", moment(2026, 6, 21, 21, 30)),
        ("2026-06-21T21:30:05", moment(2026, 6, 21, 21, 30, 5)),
        ("2026/06/21 21:30:05Z", moment(2026, 6, 21, 21, 30, 5)),
        ("0000:00:00 00:00:00", None),
        ("    :  :     :  :  ", None),
        ("2026:13:45 25:61:61", None),
        ("2026:02:30 10:00:00", None),
        ("2107:12:31 23:59:58", None),
        ("0001:01:01 00:00:00", None),
        ("1:1:1", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_dates(stored: str, expected: datetime | None):
    assert exif.parse(exif_block(taken_at=stored)).datetime_original == expected


def test_fractions_of_a_second_become_microseconds():
    for stored, microsecond in (("7", 700_000), ("066", 66_000), ("1234567", 123_456), ("x", 0)):
        read = exif.parse(exif_block(exif={0x9291: (ASCII, stored)}))
        assert read.datetime_original is not None
        assert read.datetime_original.microsecond == microsecond


def test_a_missing_date_is_looked_for_where_cameras_put_it():
    digitized = {0x9004: (ASCII, "2020:01:02 03:04:05"), 0x9012: (ASCII, "-05:00")}
    changed = {0x0132: (ASCII, "2021:01:02 03:04:05")}
    read = exif.parse(exif_block(taken_at=None, offset=None, exif=digitized, ifd0=changed))
    assert read.datetime_original == moment(2020, 1, 2, 3, 4, 5)
    assert read.offset_time == "-05:00"
    read = exif.parse(exif_block(offset=None, exif=digitized))
    assert read.datetime_original == moment(2026, 6, 21, 21, 30)
    assert read.offset_time == "-05:00"
    read = exif.parse(exif_block(taken_at=None, offset=None, ifd0=changed))
    assert read.datetime_original == moment(2021, 1, 2, 3, 4, 5)


def test_the_date_of_an_edit_is_no_date_of_capture():
    changed = {0x0132: (ASCII, "2021:01:02 03:04:05")}
    read = exif.parse(exif_block(taken_at=None, make=None, model=None, ifd0=changed))
    assert read.datetime_original is None


def test_the_offset_of_an_editors_computer_is_not_the_cameras():
    assert exif.parse(exif_block(offset=None, exif={0x9010: (ASCII, "-08:00")})).utc_offset is None


@pytest.mark.parametrize(
    ("stored", "shown", "minutes"),
    [
        ("+02:00", "+02:00", 120),
        ("-03:30", "-03:30", -210),
        ("+0545", "+05:45", 345),
        ("Z", "+00:00", 0),
        ("+14:00", "+14:00", 840),
        ("+15:00", None, None),
        ("+02:75", None, None),
        ("-3:00", "-03:00", -180),
        ("   :  ", None, None),
        ("CEST", None, None),
    ],
)
def test_offsets(stored: str, shown: str | None, minutes: int | None):
    read = exif.parse(exif_block(offset=stored))
    assert read.offset_time == shown
    assert read.utc_offset == (None if minutes is None else timedelta(minutes=minutes))
    assert (read.taken_at is None) == (minutes is None)


@pytest.mark.parametrize(
    ("local", "gps_at", "minutes"),
    [
        ("2026:06:21 21:30:00", "2026:06:21 19:29:40", 120),
        ("2026:06:21 21:30:00", "2026:06:21 19:33:00", 120),  # the clock is three minutes off
        ("2026:06:22 01:15:00", "2026:06:21 19:30:00", 345),  # Kathmandu
        ("2026:06:21 23:30:00", "2026:06:22 02:00:00", -150),  # Newfoundland in summer
        ("2026:06:22 09:30:00", "2026:06:21 19:30:00", 840),  # Line Islands
        ("2026:06:21 21:30:00", "2026:06:21 21:30:00", 0),
        ("2026:06:21 21:30:00", "2026:06:21 19:24:00", None),  # a fix of a while ago
        ("2026:06:21 21:30:00", "2026:06:21 20:15:00", None),  # nobody lives at +01:15
        ("2026:06:21 21:30:00", "2026:06:20 19:30:00", None),  # a fix of yesterday
    ],
)
def test_gps_time_fills_a_missing_offset(local: str, gps_at: str, minutes: int | None):
    read = exif.parse(exif_block(taken_at=local, offset=None, lat=1, lon=1, gps_at=gps_at))
    assert read.offset_time is None
    assert read.utc_offset == (None if minutes is None else timedelta(minutes=minutes))


def test_what_the_camera_says_goes_before_gps_time():
    read = exif.parse(exif_block(offset="+09:00", lat=1, lon=1, gps_at="2026:06:21 19:30:00"))
    assert read.utc_offset == timedelta(hours=9)


@pytest.mark.parametrize(
    ("lat", "lon"), [(48.2, 16.3), (-33.8, 151.2), (40.7, -74.0), (-22.9, -43.2)]
)
def test_hemispheres_give_the_sign(lat: float, lon: float):
    gps = exif.parse(exif_block(lat=lat, lon=lon)).gps
    assert gps is not None
    assert (gps.lat, gps.lon) == pytest.approx((lat, lon), abs=1e-7)


@pytest.mark.parametrize(
    "damage",
    [
        {0x01: (ASCII, "")},
        {0x01: (ASCII, b"\0\0")},
        {0x01: (ASCII, "X")},
        {0x02: (RATIONAL, [(91, 1), (0, 1), (0, 1)])},
        {0x02: (RATIONAL, [(48, 0), (12, 1), (0, 1)])},
        {0x02: (RATIONAL, [(48, 1), (12, 1), (0, 0)])},
        {0x02: (RATIONAL, [(48, 1), (4_000_000_000, 1), (0, 1)])},
        {0x02: (RATIONAL, [(48, 1), (61, 1), (0, 1)])},
        {0x02: (ASCII, "north")},
        {0x02: (drawn_exif.DOUBLE, [float("nan"), 0.0, 0.0])},
        {0x02: (drawn_exif.SRATIONAL, [(-48, 1), (12, 1), (0, 1)])},
        {0x04: (RATIONAL, [(181, 1), (0, 1), (0, 1)])},
        {0x03: (SHORT, 69)},
    ],
)
def test_half_a_position_is_none(damage: drawn_exif.Tags):
    assert exif.parse(exif_block(lat=48.2, lon=16.3)).gps is not None
    assert exif.parse(exif_block(lat=48.2, lon=16.3, gps=damage)).gps is None


def test_null_island_is_no_place():
    assert exif.parse(exif_block(lat=0.0, lon=0.0)).gps is None
    assert exif.parse(exif_block(lat=0.0, lon=16.3)).gps is not None


@pytest.mark.parametrize(
    ("tags", "altitude"),
    [
        ({0x05: (BYTE, 0), 0x06: (RATIONAL, [(1715, 10)])}, 171.5),
        ({0x05: (BYTE, 1), 0x06: (RATIONAL, [(430, 1)])}, -430),
        ({0x05: (BYTE, 3), 0x06: (RATIONAL, [(430, 1)])}, -430),
        ({0x06: (RATIONAL, [(12, 1)])}, 12),
        ({0x06: (RATIONAL, [(1_000_000_000, 1)])}, None),
        ({0x06: (RATIONAL, [(12, 0)])}, None),
    ],
)
def test_altitudes(tags: drawn_exif.Tags, altitude: float | None):
    gps = exif.parse(exif_block(lat=48.2, lon=16.3, gps=tags)).gps
    assert gps is not None
    assert gps.altitude == (None if altitude is None else pytest.approx(altitude))


def test_the_raw_dump_keeps_what_can_be_read_and_the_size_of_what_cannot():
    raw = exif.parse(
        exif_block(
            ifd0={
                0x9C9B: (BYTE, "Titel ü".encode("utf-16-le") + b"\0\0"),
                0xC4A5: (UNDEFINED, b"\1\2" * 50),
            },
            exif={
                0x927C: (UNDEFINED, b"secret of the maker"),
                0x9286: (UNDEFINED, b"ASCII\0\0\0Hello\0\0"),
                0x829A: (RATIONAL, [(1, 0)]),
                0xA432: (RATIONAL, [(24, 1), (70, 1), (0, 0), (0, 0)]),
                0xFDFD: (SHORT, 7),
            },
        )
    ).raw
    assert raw["IFD0"]["XPTitle"] == "Titel ü"
    assert raw["IFD0"]["PrintImageMatching"] == "<100 bytes>"
    assert raw["Exif"]["MakerNote"] == "<19 bytes>"
    assert raw["Exif"]["UserComment"] == "Hello"
    assert raw["Exif"]["ExposureTime"] is None
    assert raw["Exif"]["LensSpecification"] == [24.0, 70.0, None, None]
    assert raw["Exif"]["0xFDFD"] == 7
