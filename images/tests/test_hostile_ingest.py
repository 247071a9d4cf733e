"""Whatever its metadata holds, a photo ends DONE, and what is bad in it is null."""

from __future__ import annotations

import os
import random
import time
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from bandpics.testing.matrix import few
from images.models import Image
from images.photofile import formats, rendering
from images.photofile.containers.gif import MAX_BLOCKS as MAX_GIF_BLOCKS
from images.photofile.metadata import exif
from images.processing import columns
from images.tests import drawn_metadata, drawn_pictures, test_exif_hostile, test_xmp
from images.tests.drawn_exif import (
    ASCII,
    BYTE,
    DOUBLE,
    LONG,
    RATIONAL,
    SHORT,
    SRATIONAL,
    exif_block,
)
from images.tests.drawn_metadata import PLACE, packet
from images.tests.test_originals import exif_of_directories
from images.tests.test_rendering_bare import EXIFTOOL, leaks

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bucket")]

FUZZ_SECONDS = 3
NAN, INFINITE = float("nan"), float("inf")

# What a block holds, and the columns that must be empty for it.
BAD_FIELDS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "NUL and surrogates": (
        {"make": None, "ifd0": {0x010F: (ASCII, b"\0\xed\xa0\x80\xff"), 0x0110: (ASCII, b"\0")}},
        ("camera_make", "camera_model"),
    ),
    "zero denominators": (
        {
            "lat": 48.2,
            "lon": 16.3,
            "exif": {tag: (RATIONAL, [(1, 0)]) for tag in (0x829A, 0x829D, 0x920A)},
            "gps": {0x02: (RATIONAL, [(48, 0), (0, 0), (0, 0)])},
        },
        ("exposure_time", "aperture", "focal_length", "latitude", "longitude"),
    ),
    "no numbers": (
        {
            "lat": 48.2,
            "lon": 16.3,
            "exif": {
                0x829A: (DOUBLE, [NAN]),
                0x829D: (DOUBLE, [INFINITE]),
                0x8827: (DOUBLE, [NAN]),
                0x8832: (DOUBLE, [1.5]),
                0x9209: (DOUBLE, [-INFINITE]),
            },
            "gps": {0x02: (DOUBLE, [NAN, NAN, NAN])},
            "ifd0": {0x011A: (DOUBLE, [NAN])},
        },
        ("exposure_time", "aperture", "iso", "flash", "latitude", "x_resolution"),
    ),
    "too large": (
        {
            "exif": {
                0x829A: (RATIONAL, [(4_294_967_295, 1)]),
                0x8827: (LONG, 4_294_967_295),
                0x8833: (LONG, 4_294_967_295),
                0x9209: (LONG, 4_294_967_295),
            }
        },
        ("exposure_time", "iso", "flash"),
    ),
    "year 0": ({"taken_at": "0000:00:00 00:00:00"}, ("taken_at", "taken_at_local")),
    "year 2107": ({"taken_at": "2107:12:31 23:59:59"}, ("taken_at", "taken_at_local")),
    "junk for a date": ({"taken_at": "\0\x7f;DROP TABLE"}, ("taken_at", "taken_at_local")),
    "a date of another type": (
        {"exif": {0x9003: (SRATIONAL, [(-1, 0)])}},
        ("taken_at", "taken_at_local"),
    ),
    "orientation 0": ({"orientation": 0}, ("orientation",)),
    "orientation 9": ({"orientation": 9}, ("orientation",)),
    "orientation of text": ({"ifd0": {0x0112: (ASCII, "upside down")}}, ("orientation",)),
    "0/0": ({"lat": 0.0, "lon": 0.0}, ("latitude", "longitude", "altitude", "gps_at")),
    "north of the pole": (
        {"lat": 1.0, "lon": 1.0, "gps": {0x02: (RATIONAL, [(91, 1), (0, 1), (0, 1)])}},
        ("latitude", "longitude"),
    ),
    "no hemisphere": (
        {"lat": 1.0, "lon": 1.0, "gps": {0x01: (ASCII, b"\0\0")}},
        ("latitude", "longitude"),
    ),
    "as high as the moon": (
        {"lat": 1.0, "lon": 1.0, "gps": {0x05: (BYTE, 0), 0x06: (RATIONAL, [(10**9, 1)])}},
        ("altitude",),
    ),
    "a maker note of 60 kB": ({"exif": {0x927C: (7, b"\xaa" * 60_000)}}, ("iso",)),
}


@pytest.mark.parametrize("name", few(BAD_FIELDS, 5))
def test_a_bad_field_is_null_and_the_photo_done(cleo, name):
    tags, empty = BAD_FIELDS[name]
    image = cleo.send_and_process(drawn_metadata.png(exif=exif_block(**tags)))
    assert image.status == "done"
    assert {column: getattr(image, column) or None for column in empty} == dict.fromkeys(empty)
    assert image.sort_at


def _hostile_files() -> Iterator[tuple[str, bytes]]:
    for name, block in test_exif_hostile.HOSTILE.items():
        yield name, drawn_metadata.png(exif=block, xmp=packet(PLACE))
    for name in ("billion laughs", "a file of ours", "bytes", "no utf", "too deep"):
        document = test_xmp.HOSTILE[name]
        yield name, drawn_metadata.png(exif=exif_block(), xmp=document)
    yield "a packet in another encoding", drawn_metadata.jpeg(xmp=packet(PLACE)[:-5] + b"\xff\0")


@pytest.mark.parametrize(
    ("name", "data"), few(list(_hostile_files()), 6), ids=lambda value: str(value)[:30]
)
def test_a_photo_with_hostile_metadata_is_done(cleo, name, data):
    assert cleo.send_and_process(data).status == "done"


# What costs a program that reads it without limits seconds to hours: its bytes, what becomes of
# the photo, and of its original once its place is forgotten.
LOCATED = exif_block(lat=48.2, lon=16.3)
BETWEEN_SCANS = drawn_pictures.segment(0xFE, b"\xff\xd9")


def _text_of_a_png() -> bytes:
    text = b"\nname\n 1000000\n" + b"0" * 2_000_000
    return drawn_pictures.chunk(b"zTXt", b"Raw profile type xmp\0\0" + zlib.compress(text, 9))


def _hostile_containers() -> dict[str, tuple[bytes, str, str]]:
    png = drawn_metadata.png(exif=LOCATED)
    gif = drawn_metadata.gif(xmp=packet(PLACE))
    jpeg = drawn_pictures.jpeg(width=60, height=40, exif=LOCATED, progressive=True)
    last_scan = jpeg.rindex(b"\xff\xda")
    junk = (bytes(60_000) + drawn_pictures.segment(0xE5, b"")) * 90
    directories = exif_of_directories(1000)
    return {
        "texts of a PNG": (png[:33] + _text_of_a_png() * 300 + png[33:], "done", "edited"),
        "empty blocks of a GIF": (
            gif[:-1] + b"!\5\0" * MAX_GIF_BLOCKS + gif[-1:],
            "done",
            "dropped",
        ),
        "junk in a JPEG": (jpeg[:2] + junk + jpeg[2:], "failed", "none"),
        "scans of a JPEG": (
            jpeg[:last_scan] + BETWEEN_SCANS + jpeg[last_scan:-2] * 400 + jpeg[-2:],
            "failed",
            "none",
        ),
        "segments between the scans of a JPEG": (
            jpeg[:last_scan] + drawn_pictures.segment(0xFE, b"") * 1_000_000 + jpeg[last_scan:],
            "failed",
            "none",
        ),
        "directories of EXIF": (drawn_metadata.jpeg(exif=directories), "done", "edited"),
        "boxes of a HEIF": (
            drawn_metadata.heic(exif=LOCATED) + b"\0\0\0\x08free" * 600_000,
            "done",
            "edited",
        ),
    }


def test_hostile_containers_end_within_bounds(cleo):
    for name, (data, status, original) in _hostile_containers().items():
        started = time.process_time()
        image = cleo.send_and_process(data)
        forgotten = cleo.client.delete(f"/api/v1/images/{image.pk}/location/")
        seconds = time.process_time() - started
        assert image.status == status, name
        assert forgotten.json()["original"] == original, name
        assert seconds < 2.5, name


STUFFED = [
    *(drawn_pictures.jpeg, drawn_pictures.png, drawn_pictures.heic, drawn_pictures.webp),
    *(drawn_pictures.avif, drawn_pictures.tiff_file, drawn_pictures.gif, drawn_pictures.bmp),
]


@pytest.mark.skipif(
    EXIFTOOL is None and not os.environ.get("CI"), reason="exiftool is not installed"
)
def test_what_is_shown_of_stuffed_files_holds_no_metadata(cleo, bucket, tmp_path):
    paths = []
    for draw in STUFFED:
        image = cleo.send_and_process(draw(width=300, height=200, stuffed=True))
        assert image.status == "done"
        for variant in image.variants.all():
            paths.append(tmp_path / f"{draw.__name__}-{variant.name}")
            bucket.download(variant.key, paths[-1])
            assert drawn_pictures.SECRET not in paths[-1].read_bytes()
    assert len(paths) == 5 * len(STUFFED)
    found = leaks(*paths)
    assert len(found) == len(paths)
    assert set().union(*found.values()) == set()


def test_xmp_fills_what_exif_does_not_tell(cleo):
    properties = {"photoshop:DateCreated": "2026-06-21T21:30:00", **PLACE}
    properties["exif:GPSTimeStamp"] = "2026-06-21T19:29:58Z"
    image = cleo.send_and_process(drawn_metadata.jpeg(xmp=packet(properties)))
    assert image.status == "done"
    assert (image.latitude, image.longitude) == pytest.approx((48.2082, -16.3738))
    assert image.gps_source == "exif"
    assert image.utc_offset_minutes == 120
    assert image.taken_at is not None
    assert image.taken_at.isoformat() == "2026-06-21T19:30:00+00:00"


def _mutated(chance: random.Random, data: bytes) -> bytes:
    """Cut off, flipped, or with a piece of itself somewhere else."""
    damaged = bytearray(data)
    for _ in range(chance.randrange(1, 10)):
        at = chance.randrange(len(damaged))
        match chance.randrange(4):
            case 0:
                damaged[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
            case 1:
                damaged[at : at + 4] = chance.choice(
                    (bytes(4), b"\xff" * 4, b"\0\0\0\1", b"\xed\xa0\x80\0", b"NaN\0")
                )
            case 2:
                other = chance.randrange(len(damaged))
                damaged[at : at + 12] = damaged[other : other + 12]
            case _:
                damaged[at : at + 2] = chance.randbytes(2)
    return bytes(damaged[: chance.randrange(1, len(damaged) * 4)])


def test_mutated_metadata_always_fits_its_row(cleo, caplog, tmp_path):
    """Into real columns, as long as `FUZZ_SECONDS`; `exif.read` logs what it should not meet."""
    image = cleo.send_and_process(drawn_pictures.png(width=60, height=40))
    caplog.clear()
    header = rendering.Header(formats.PNG, 60, 40)
    rows = Image.objects.filter(pk=image.pk)
    chance = random.Random(20261121)
    block = exif_block(lat=48.2, lon=16.3, altitude=170, gps_at="2026:06:21 19:30:00", iso=320,
                       lens="Sharpener", software="17.4", exif={0x829A: (RATIONAL, [(1, 60)]),
                       0x9209: (SHORT, 16), 0x9291: (ASCII, "066")})  # fmt: skip
    document = packet(
        {"xmp:CreateDate": "2026-06-21T21:30:00+02:00", "exif:GPSAltitude": "1715/10", **PLACE}
    )
    path = tmp_path / "photo"
    webp = drawn_metadata.webp(exif=block, xmp=document)
    started, rounds = time.monotonic(), 0
    while time.monotonic() - started < FUZZ_SECONDS:
        rounds += 1
        if rounds % 3:
            read = exif.parse(_mutated(chance, block), _mutated(chance, document))
        else:
            path.write_bytes(webp[:12] + _mutated(chance, webp[12:]))
            read = exif.read(path)
        finished = columns.Finished(header, "0" * 64, 1, read, [], original=None)
        values = columns.exif_columns(finished, uploaded_at=image.created_at)
        assert rows.update(**values) == 1
        assert not caplog.records
    row = rows.get()
    row.full_clean(exclude=["exif", "uploader_name"])
    assert rounds > 100
