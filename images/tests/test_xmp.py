"""XMP tells when and where, and whoever wrote it, it costs nobody a photo."""

from __future__ import annotations

import random
import time
import tracemalloc
from datetime import datetime, timedelta

import pytest

from bandpics.testing.matrix import few
from images.photofile.metadata import exif, xmp
from images.tests import drawn_exif
from images.tests.drawn_metadata import PLACE, packet

WHEN = {"exif:DateTimeOriginal": "2026-06-21T21:30:00"}


def moment(*parts: int) -> datetime:
    return datetime(*parts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("properties", "local", "minutes"),
    [
        ({"exif:DateTimeOriginal": "2026-06-21T21:30:05"}, moment(2026, 6, 21, 21, 30, 5), None),
        ({"exif:DateTimeOriginal": "2026-06-21T21:30+02:00"}, moment(2026, 6, 21, 21, 30), 120),
        ({"exif:DateTimeOriginal": "2026-06-21 21:30:00.0+2:00"}, moment(2026, 6, 21, 21, 30), 120),
        ({"exif:DateTimeOriginal": "2026-06-21T21:30:00Z"}, moment(2026, 6, 21, 21, 30), 0),
        (
            {"photoshop:DateCreated": "2026-06-21T21:30:00.066-03:30"},
            moment(2026, 6, 21, 21, 30, 0, 66_000),
            -210,
        ),
        ({"xmp:CreateDate": "2026-06-21T21:30:00+99:00"}, moment(2026, 6, 21, 21, 30), None),
        ({"exif:DateTimeDigitized": "2026-06-21T21:30:00"}, moment(2026, 6, 21, 21, 30), None),
        # The first of the rule wins, and brings its own offset.
        (
            {"xmp:CreateDate": "2020-01-01T00:00:00Z"} | WHEN,
            moment(2026, 6, 21, 21, 30),
            None,
        ),
        (
            {"xmp:CreateDate": "2020-01-01T00:00:00Z", "photoshop:DateCreated": "1987-07-04T12:00"},
            moment(1987, 7, 4, 12),
            None,
        ),
        # A day without a time is none; a scan of another day does not stand in for it.
        ({"photoshop:DateCreated": "1987-07-04"}, None, None),
        (
            {"photoshop:DateCreated": "1987-07-04", "xmp:CreateDate": "2020-01-01T00:00:00Z"},
            None,
            None,
        ),
        (
            {"photoshop:DateCreated": "2020-01-01", "xmp:CreateDate": "2020-01-01T10:00:00"},
            moment(2020, 1, 1, 10),
            None,
        ),
        # Of the file, not of the picture.
        ({"xmp:ModifyDate": "2020-01-01T00:00:00Z"}, None, None),
        *(
            ({"exif:DateTimeOriginal": text}, None, None)
            for text in (
                *("2026", "2026-06", "0000-00-00T00:00:00", "2107-01-01T00:00:00"),
                *("2026-02-30T10:00:00", "2026-06-21T25:00:00", "yesterday", "x" * 5000, ""),
            )
        ),
    ],
)
def test_dates(properties: dict[str, str], local: datetime | None, minutes: int | None):
    read = exif.parse(b"", packet(properties))
    assert read.datetime_original == local
    assert read.utc_offset == (None if minutes is None else timedelta(minutes=minutes))


@pytest.mark.parametrize(
    ("lat", "lon", "place"),
    [
        ("48,12.492N", "16,22.428E", (48.2082, 16.3738)),
        ("48,12,29.52N", "16,22,25.68W", (48.2082, -16.3738)),
        ("33,51.5S", "151,12.5E", (-33.858333, 151.208333)),
        ("48.2082N", "16.3738E", (48.2082, 16.3738)),
        ("0,0,0N", "16,0,0E", (0, 16)),
        ("0,0,0N", "0,0,0E", None),
        ("91,0,0N", "16,0,0E", None),
        ("48,61.0N", "16,0,0E", None),
        ("48,12.492N", "", None),
        ("48,12.492", "16,22.428", None),
        ("48,12.492E", "16,22.428N", None),
        ("-48,12.492N", "16,22.428E", None),
        ("nanN", "infE", None),
        ("48,12," + "9" * 300 + "N", "16,0,0E", None),
    ],
)
def test_positions(lat: str, lon: str, place: tuple[float, float] | None):
    gps = exif.parse(b"", packet({"exif:GPSLatitude": lat, "exif:GPSLongitude": lon})).gps
    assert (gps and (gps.lat, gps.lon)) == (place and pytest.approx(place, abs=1e-6))


@pytest.mark.parametrize(
    ("properties", "altitude", "direction"),
    [
        ({"exif:GPSAltitude": "1715/10", "exif:GPSImgDirection": "34825/100"}, 171.5, 348.25),
        ({"exif:GPSAltitude": "430/1", "exif:GPSAltitudeRef": "1"}, -430, None),
        ({"exif:GPSAltitude": "12.5", "exif:GPSImgDirection": "361"}, 12.5, None),
        ({"exif:GPSAltitude": "1/0", "exif:GPSImgDirection": "nan"}, None, None),
        ({"exif:GPSAltitude": "1000000000/1"}, None, None),
    ],
)
def test_altitude_and_direction(
    properties: dict[str, str], altitude: float | None, direction: float | None
):
    gps = exif.parse(b"", packet(PLACE | properties)).gps
    assert gps is not None
    assert (gps.altitude, gps.direction) == (altitude, direction)


def test_gps_time_of_xmp_fills_a_missing_offset():
    at = {"exif:GPSTimeStamp": "2026-06-21T19:29:58Z"}
    read = exif.parse(b"", packet(WHEN | PLACE | at))
    assert read.utc_offset == timedelta(hours=2)
    assert read.offset_time is None
    read = exif.parse(drawn_exif.exif_block(offset=None), packet(PLACE | at))
    assert read.utc_offset == timedelta(hours=2)


def test_camera_and_orientation_stay_exifs():
    read = exif.parse(b"", packet({"tiff:Make": "Editor", "tiff:Orientation": "6"}))
    assert (read.camera_make, read.orientation) == (None, None)


def test_properties_may_be_elements_and_in_several_descriptions():
    document = packet(
        PLACE, body="<exif:DateTimeOriginal>\n 2026-06-21T21:30:00 </exif:DateTimeOriginal>"
    )
    assert xmp.read(document) == WHEN | PLACE
    document = document.replace(b"</rdf:Description>", b"</rdf:Description><rdf:Description/>")
    assert xmp.read(document) == WHEN | PLACE


def test_what_is_about_another_file_is_not_about_this_one():
    other = '<rdf:Description exif:DateTimeOriginal="2020-01-01T00:00:00"/>'
    nested = f"<xmpMM:DerivedFrom>{other}</xmpMM:DerivedFrom>"
    assert xmp.read(packet({"dc:source": "x"}, body=nested)) == {}


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]
)
def test_every_encoding_of_xmp_is_read(encoding: str):
    text = packet(WHEN).decode()
    assert xmp.read(text.encode(encoding)) == WHEN
    assert xmp.read(("<?xml version='1.0' encoding='utf-16'?>" + text).encode(encoding)) == WHEN


def laughs(levels: int) -> bytes:
    entities = "<!ENTITY l0 'ha'>" + "".join(
        f"<!ENTITY l{level + 1} '{f'&l{level};' * 10}'>" for level in range(levels)
    )
    body = f"<exif:DateTimeOriginal>&l{levels};</exif:DateTimeOriginal>"
    return f"<!DOCTYPE x [{entities}]>".encode() + packet(WHEN, body=body)


HOSTILE = {
    "billion laughs": laughs(9),
    "a file of ours": b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
    + packet(body="<exif:DateTimeOriginal>&e;</exif:DateTimeOriginal>"),
    "a document type": b'<!DOCTYPE x SYSTEM "http://127.0.0.1/x.dtd">' + packet(WHEN),
    "too deep": b"<a>" * 1_000_000,
    "too many": packet(body="<dc:x/>" * 200_000),
    "one attribute": packet({"dc:source": "x" * 1_000_000}),
    "one text": packet(body="<exif:GPSLatitude>" + "9" * 1_000_000 + "</exif:GPSLatitude>"),
    "attributes": ("<a " + " ".join(f'b{n}=""' for n in range(50_000)) + "/>").encode(),
    "names": ("<a " + " ".join(f'xmlns:b{n}="u{n}"' for n in range(20_000)) + "/>").encode(),
    "nothing": b"",
    "bytes": bytes(range(256)) * 10,
    "no utf": packet(WHEN)[:200] + b"\xff\xfe\xed\xa0\x80" * 10,
}


@pytest.mark.parametrize("name", few(HOSTILE, 4))
def test_hostile_documents_give_nothing_and_take_no_time(name: str):
    tracemalloc.start()
    started = time.process_time()
    read = exif.parse(b"", HOSTILE[name])
    elapsed = time.process_time() - started
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (read.datetime_original, read.gps) == (None, None)
    assert elapsed < 2
    assert peak < 16 * 1024**2


def test_a_document_that_breaks_off_keeps_what_was_whole():
    document = packet(WHEN, body="<exif:GPSLatitude>48,12.4")
    assert xmp.read(document[: document.index(b"</rdf:Description")]) == WHEN


def test_texts_are_safe_for_a_database():
    read = exif.parse(b"", packet({"xmp:CreateDate": "&#xFFFD;\U0001f4f7&#9;x"}))
    assert "\0" not in str(read.raw)
    assert exif.parse(b"", packet({"xmp:CreateDate": "a&#0;b"})) == exif.Exif()
    assert exif.parse(b"", packet({"xmp:CreateDate": "a&#xD800;b"})) == exif.Exif()


def test_flipped_bytes_never_raise():
    chance = random.Random(20260622)
    whole = packet(WHEN | PLACE, body="<xmp:CreateDate>2026-06-21T21:30:00Z</xmp:CreateDate>")
    for _ in range(3000):
        damaged = bytearray(whole)
        for _ in range(chance.randrange(1, 12)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        read = exif.parse(b"", bytes(damaged[: chance.randrange(1, len(damaged) * 3)]))
        assert set(read.raw.get("XMP", {})) <= set(xmp.PROPERTIES.values())
