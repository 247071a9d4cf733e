"""EXIF that lies, loops and overflows must never cost anyone a photo."""

from __future__ import annotations

import json
import random
import signal
import struct
import time
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from billiard.exceptions import SoftTimeLimitExceeded

from images.photofile.metadata import dump, exif, tag_values, tiff
from images.tests import drawn_metadata, drawn_pictures, real_photos
from images.tests.drawn_exif import ASCII, DOUBLE, LONG, RATIONAL, SHORT, UNDEFINED, exif_block

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def check(read: exif.Exif) -> None:
    """What every caller may rely on, whatever the bytes were."""
    text = json.dumps(read.raw, allow_nan=False)
    assert len(text) <= dump.MAX_BYTES + 3000
    assert "\\u0000" not in text
    for value in vars(read).values():
        if isinstance(value, str):
            assert len(value) <= tag_values.MAX_TEXT_LENGTH
            value.encode()
    assert read.orientation is None or 1 <= read.orientation <= 8
    if read.gps is not None:
        assert -90 <= read.gps.lat <= 90
        assert -180 <= read.gps.lon <= 180
    assert read.taken_at is None or read.utc_offset is not None


HOSTILE: dict[str, bytes] = {
    "empty": b"",
    "one byte": b"I",
    "header only": b"II*\0\x08\0\0\0",
    "no such byte order": b"XX*\0\x08\0\0\0\0\0",
    "directory past the end": b"II*\0\xff\xff\xff\xff\0\0",
    "directory in the header": b"II*\0\0\0\0\0\0\0",
    "65535 entries of nothing": b"II*\0\x08\0\0\0\xff\xff",
    "itself as Exif directory": exif_block(ifd0={0x8769: (LONG, 8)}),
    "itself as GPS directory": exif_block(ifd0={0x8825: (LONG, 8)}, lat=1, lon=1),
    "Exif directory as text": exif_block(ifd0={0x8769: (ASCII, "here")}),
    "Exif directory far away": exif_block(ifd0={0x8769: (LONG, 0xFFFFFFF0)}),
    "wrong byte order": b"MM" + exif_block()[2:],
    "every field the wrong type": exif_block(
        ifd0={0x010F: (RATIONAL, [(1, 2)]), 0x0112: (ASCII, "up"), 0x011A: (ASCII, "many")},
        exif={
            0x9003: (SHORT, [1, 2, 3]),
            0x9011: (RATIONAL, [(1, 0)]),
            0x8827: (UNDEFINED, b"\1\2\3\4\5"),
            0x829D: (ASCII, "f/2"),
            0xA434: (DOUBLE, [1.5]),
        },
    ),
    "numbers that are none": exif_block(
        exif={
            0x829A: (DOUBLE, [float("nan")]),
            0x829D: (DOUBLE, [float("inf")]),
            0x920A: (RATIONAL, [(0, 0)]),
            0x9209: (DOUBLE, [1e300]),
        }
    ),
    "huge maker note": exif_block(exif={0x927C: (UNDEFINED, b"\xaa" * 60_000)}),
    "huge texts": exif_block(ifd0=dict.fromkeys(range(0xC000, 0xC060), (ASCII, b"x" * 9_000))),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_blocks_give_what_can_be_saved(name: str):
    check(exif.parse(HOSTILE[name]))


def test_a_directory_that_points_to_itself_is_read_once():
    raw = exif.parse(HOSTILE["itself as Exif directory"]).raw
    assert raw["IFD0"]["Make"] == "Drawn"
    assert "Exif" not in raw


def test_one_bad_field_costs_no_other():
    read = exif.parse(HOSTILE["numbers that are none"])
    assert (read.exposure_time, read.aperture, read.focal_length, read.flash) == (None,) * 4
    assert read.camera_make == "Drawn"
    read = exif.parse(HOSTILE["every field the wrong type"])
    assert read.camera_make is None
    assert read.camera_model == "Pencil 1"


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_none(orientation: int):
    assert exif.parse(exif_block(orientation=orientation)).orientation is None


def test_entries_that_share_their_bytes_do_not_multiply_them():
    """A directory of 65,535 tags that all point at the same megabyte would be 64 GB."""
    entries = b"".join(struct.pack("<HHLL", tag, UNDEFINED, 1_000_000, 16) for tag in range(65_535))
    block = b"II*\0\x08\0\0\0" + struct.pack("<H", 65_535) + entries + b"\0" * 1_000_000
    tracemalloc.start()
    started = time.process_time()
    check(exif.parse(block))
    assert time.process_time() - started < 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < len(block) + 2 * tiff.MAX_TOTAL_BYTES


def test_a_million_segments_are_not_walked(tmp_path: Path):
    picture = drawn_pictures.jpeg(width=60, height=40)
    path = tmp_path / "photo.jpg"
    path.write_bytes(picture[:2] + drawn_pictures.segment(0xFE, b"") * 1_000_000 + picture[2:])
    started = time.process_time()
    assert exif.read(path) == exif.Exif()
    assert time.process_time() - started < 1


@pytest.mark.parametrize("fault", [SoftTimeLimitExceeded, MemoryError])
def test_a_time_limit_or_a_lack_of_memory_is_not_bad_metadata(
    fault: type[Exception], tmp_path: Path
):
    """Else the photo goes on and ends without date, place and camera. Celery raises its limit in
    the midst of reading, as this alarm does."""
    path = tmp_path / "photo"
    document = drawn_metadata.packet(body="<dc:rights>me</dc:rights>" * 40_000)
    path.write_bytes(drawn_metadata.png(exif=exif_block(), xmp=document))

    def ring(*_: object) -> None:
        raise fault

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.005)
    try:
        with pytest.raises(fault):
            exif.read(path)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert exif.read(path).camera_make == "Drawn"


def _pictures() -> Iterator[tuple[str, bytes]]:
    for draw in (drawn_pictures.jpeg, drawn_pictures.png, drawn_pictures.heic):
        yield draw.__name__, draw(width=60, height=40, stuffed=True, gps_at="2026:06:21 19:30:00")
    for name in real_photos.TRUTH:
        yield name, (real_photos.FOLDER / name).read_bytes()[:200_000]


def test_flipped_bytes_never_raise(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """`read` catches what it must not let through and logs it; here that counts as a failure."""
    chance = random.Random(20260621)
    path = tmp_path / "photo"
    for name, picture in _pictures():
        rounds = 150 if "/" not in name else 6
        for _ in range(rounds):
            damaged = bytearray(picture)
            for _ in range(chance.randrange(1, 12)):
                damaged[chance.randrange(min(len(damaged), 6000))] = chance.randrange(256)
            path.write_bytes(damaged[: chance.randrange(1, len(damaged) * 3)])
            check(exif.read(path))
            assert not caplog.records, name
