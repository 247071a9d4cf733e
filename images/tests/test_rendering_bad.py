"""Bad pictures end as BadPicture, quickly and kindly; faults that are not theirs do not."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from billiard.exceptions import SoftTimeLimitExceeded

from bandpics.testing.matrix import few
from images.photofile import rendering
from images.photofile.metadata import exif
from images.tests import drawn_pictures, real_photos

if TYPE_CHECKING:
    from pathlib import Path

DRAW = [
    *(drawn_pictures.jpeg, drawn_pictures.png, drawn_pictures.heic, drawn_pictures.webp),
    *(drawn_pictures.avif, drawn_pictures.tiff_file, drawn_pictures.gif, drawn_pictures.bmp),
]


def render(path: Path) -> list[rendering.Rendered]:
    header = rendering.inspect(path)
    exif.read(path)
    return rendering.render(path, header=header, into=path.parent)


def refusal(data: bytes, folder: Path) -> str:
    """The reason for which a file is refused."""
    path = folder / "original"
    path.write_bytes(data)
    with pytest.raises(rendering.BadPicture) as refused:
        render(path)
    assert str(refused.value).endswith(".")
    return refused.value.reason


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not-an-image"),
        (b"<html></html>", "not-an-image"),
        (b"%PDF-1.7", "unsupported-format"),
        (b"GIF89a", "damaged"),
        (b"RIFF\0\0\0\0WEBP", "damaged"),
        (b"II*\0\x08\0\0\0", "damaged"),
        (b"BM" + bytes(12) + b"\x28\0\0\0", "damaged"),
        (b"\0\0\0\x18ftypavif\0\0\0\0mif1miaf", "damaged"),
        (b"\xff\xd8\xff", "damaged"),
        (b"\xff\xd8\xff\xd9", "damaged"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "damaged"),
    ],
)
def test_what_is_no_picture_is_refused_with_its_reason(data: bytes, reason: str, tmp_path: Path):
    assert refusal(data, tmp_path) == reason


@pytest.mark.parametrize("draw", DRAW)
@pytest.mark.parametrize("share", few([0.2, 0.5, 0.9], 1))
def test_a_truncated_picture_is_damaged(draw: Any, share: float, tmp_path: Path):
    data = draw(width=900, height=600)
    assert refusal(data[: int(len(data) * share)], tmp_path) == "damaged"


# Budgets


def with_jpeg_size(data: bytes, width: int, height: int, marker: bytes) -> bytes:
    at = data.index(b"\xff" + marker + b"\0\x11\x08") + 5
    return data[:at] + height.to_bytes(2) + width.to_bytes(2) + data[at + 4 :]


def with_png_size(data: bytes, width: int, height: int) -> bytes:
    head = width.to_bytes(4) + height.to_bytes(4) + data[24:29]
    return data[:8] + drawn_pictures.chunk(b"IHDR", head) + data[33:]


def with_heic_size(data: bytes, width: int, height: int) -> bytes:
    at = data.index(b"ispe") + 8
    return data[:at] + width.to_bytes(4) + height.to_bytes(4) + data[at + 8 :]


def one_scan_per_component(data: bytes) -> bytes:
    """The header of a baseline JPEG whose first scan holds only the luminance."""
    at = data.index(b"\xff\xda")
    return data[:at] + b"\xff\xda\0\x08\x01\x01\0\0\x3f\0" + data[at + 14 :]


BASELINE = drawn_pictures.jpeg(width=60, height=40)
PROGRESSIVE = drawn_pictures.jpeg(width=60, height=40, progressive=True)
PNG = drawn_pictures.png(width=60, height=40)
HEIC = drawn_pictures.heic(width=64, height=64)

TOO_MANY = {
    "baseline JPEG": with_jpeg_size(BASELINE, 65000, 65000, b"\xc0"),
    "baseline JPEG, a little": with_jpeg_size(BASELINE, 15900, 15900, b"\xc0"),
    "progressive JPEG": with_jpeg_size(PROGRESSIVE, 8100, 8100, b"\xc2"),
    "scan by scan JPEG": one_scan_per_component(with_jpeg_size(BASELINE, 8100, 8100, b"\xc0")),
    "PNG": with_png_size(PNG, 8100, 8100),
    "PNG of 2^62 pixels": with_png_size(PNG, 2**31 - 1, 2**31 - 1),
    "HEIC": with_heic_size(HEIC, 16000, 16000),
}


@pytest.mark.parametrize("name", TOO_MANY)
def test_too_many_pixels_are_refused_by_the_header(name: str, tmp_path: Path):
    started = time.process_time()
    assert refusal(TOO_MANY[name], tmp_path) == "too-many-pixels"
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    "data",
    [
        with_jpeg_size(BASELINE, 16320, 12240, b"\xc0"),  # a phone's 200 MP
        with_jpeg_size(BASELINE, 12000, 9000, b"\xc0"),
        with_jpeg_size(PROGRESSIVE, 7900, 7900, b"\xc2"),
        with_png_size(PNG, 7900, 7900),
        with_heic_size(HEIC, 8064, 6048),
    ],
)
def test_legal_sizes_pass_the_header(data: bytes, tmp_path: Path):
    path = tmp_path / "photo"
    path.write_bytes(data)
    rendering.inspect(path)


def test_a_jpeg_of_a_thousand_scans_is_refused(tmp_path: Path):
    scan = PROGRESSIVE.rindex(b"\xff\xda")
    many = PROGRESSIVE[:scan] + PROGRESSIVE[scan:-2] * 1000 + b"\xff\xd9"
    assert refusal(many, tmp_path) == "damaged"


BETWEEN_SCANS = {
    "a comment": drawn_pictures.segment(0xFE, b"\xff\xd9"),
    "a table": drawn_pictures.segment(0xC4, b"\x13\0\2" + bytes(14) + b"\xff\xd9"),
    "an application's": drawn_pictures.segment(0xE5, b"\xff\xd9" * 1000),
    "junk and fill bytes": b"\0\0\xff\xff" + drawn_pictures.segment(0xFE, b"\xff\xd9"),
    "what decoders search on behind": b"\xff\5\xff\xff",
}


@pytest.mark.parametrize("between", BETWEEN_SCANS.values(), ids=BETWEEN_SCANS)
def test_an_end_that_is_none_does_not_end_the_count_of_scans(between: bytes, tmp_path: Path):
    """Decoders go over segments by their length, whatever stands in them."""
    scan = PROGRESSIVE.rindex(b"\xff\xda")
    head, last = PROGRESSIVE[:scan], PROGRESSIVE[scan:-2]
    path = tmp_path / "photo"
    path.write_bytes(head + last + between + last * 2 + b"\xff\xd9")
    rendering.inspect(path)
    path.write_bytes(head + last + between + last * 400 + b"\xff\xd9")
    with pytest.raises(rendering.BadPicture):
        rendering.inspect(path)


def test_scans_behind_the_end_or_in_a_comment_do_not_count(tmp_path: Path):
    scan = PROGRESSIVE.rindex(b"\xff\xda")
    comment = drawn_pictures.segment(0xFE, b"\xff\xda\0\2" * 1000)
    path = tmp_path / "photo"
    path.write_bytes(PROGRESSIVE[:scan] + comment + PROGRESSIVE[scan:] + PROGRESSIVE[scan:-2] * 400)
    assert len(render(path)) == 5


def test_millions_of_segments_between_scans_are_not_walked(tmp_path: Path):
    scan = PROGRESSIVE.rindex(b"\xff\xda")
    comments = drawn_pictures.segment(0xFE, b"") * 3_000_000
    started = time.process_time()
    assert refusal(PROGRESSIVE[:scan] + comments + PROGRESSIVE[scan:], tmp_path) == "damaged"
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize(
    "data",
    [
        with_jpeg_size(BASELINE, 0, 40, b"\xc0"),
        with_jpeg_size(BASELINE, 60, 0, b"\xc0"),
        with_png_size(PNG, 0, 40),
    ],
)
def test_a_picture_without_pixels_is_damaged(data: bytes, tmp_path: Path):
    assert refusal(data, tmp_path) == "damaged"


def test_metadata_beyond_measure_does_not_reach_the_decoder(tmp_path: Path):
    """Pillow alone would keep every one of these, and multiply the EXIF by its entries."""
    picture = drawn_pictures.jpeg(width=300, height=200)
    noise = b"".join(drawn_pictures.segment(0xE5, b"\0" * 60_000) for _ in range(300))
    path = tmp_path / "photo.jpg"
    path.write_bytes(picture[:2] + noise + picture[2:])
    assert len(render(path)) == 5


# Faults that are not the picture's


def test_a_missing_file_is_not_a_bad_picture(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        rendering.inspect(tmp_path / "gone")


def test_a_file_that_goes_missing_is_not_a_bad_picture(tmp_path: Path):
    path = tmp_path / "photo"
    path.write_bytes(drawn_pictures.jpeg(width=60, height=40))
    header = rendering.inspect(path)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        rendering.render(path, header=header, into=tmp_path)


def test_a_missing_folder_is_not_a_bad_picture(tmp_path: Path):
    path = tmp_path / "photo"
    path.write_bytes(drawn_pictures.jpeg(width=60, height=40))
    header = rendering.inspect(path)
    with pytest.raises(FileNotFoundError):
        rendering.render(path, header=header, into=tmp_path / "gone")


OUT_OF_MEMORY = """
import resource, sys
from pathlib import Path
from images.photofile import rendering

path = Path(sys.argv[1])
header = rendering.inspect(path)
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + 20_000_000
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    rendering.render(path, header=header, into=path.parent)
except MemoryError:
    print("MemoryError")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory the way Linux does")
def test_a_lack_of_memory_is_not_a_bad_picture(tmp_path: Path):
    path = tmp_path / "photo"
    path.write_bytes(drawn_pictures.png(width=6000, height=4000))
    command = [sys.executable, "-c", OUT_OF_MEMORY, str(path)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.stdout.strip() == "MemoryError", answer.stderr


def test_a_time_limit_is_not_a_bad_picture(tmp_path: Path):
    """Celery raises it in the midst of decoding, as this alarm does."""
    path = tmp_path / "photo"
    path.write_bytes(drawn_pictures.png(width=3000, height=2000))
    header = rendering.inspect(path)

    def ring(*_: object) -> None:
        raise SoftTimeLimitExceeded

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.005)
    try:
        with pytest.raises(SoftTimeLimitExceeded):
            rendering.render(path, header=header, into=tmp_path)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(rendering.render(path, header=header, into=tmp_path)) == 5


# Fuzz


def test_flipped_bytes_raise_nothing_but_bad_picture(tmp_path: Path):
    chance = random.Random(20260621)
    sources = [
        (10, draw(width=120, height=80, stuffed=True, seed=seed))
        for draw in DRAW
        for seed in range(3)
    ]
    for name, entry in real_photos.TAKEN.items():
        if entry.get("File:ImageWidth", 0) * entry.get("File:ImageHeight", 0) < 400_000:
            sources.append((1, (real_photos.FOLDER / name).read_bytes()))
    path = tmp_path / "photo"
    outcomes = {"rendered": 0, "refused": 0}
    for rounds, source in sources:
        for _ in range(rounds):
            damaged = bytearray(source)
            reach = chance.choice([200, 2000, len(damaged)])
            for _ in range(chance.randrange(1, 8)):
                damaged[chance.randrange(min(reach, len(damaged)))] = chance.randrange(256)
            path.write_bytes(damaged)
            try:
                render(path)
                outcomes["rendered"] += 1
            except rendering.BadPicture:
                outcomes["refused"] += 1
    assert min(outcomes.values()) > 20, outcomes
