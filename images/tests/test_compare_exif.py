"""`manage.py compare_exif`: what we read is what exiftool reads; where not, it says so."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from images.tests import drawn_exif, drawn_metadata, drawn_pictures, real_photos
from images.tests.drawn_exif import SHORT

PROJECT = Path(__file__).resolve().parents[2]
needs_exiftool = pytest.mark.skipif(
    shutil.which("exiftool") is None, reason="exiftool is not installed"
)


def compare(folder: Path, **options: object) -> tuple[int, list[str]]:
    """The exit code, and the lines in single words."""
    out = StringIO()
    try:
        call_command("compare_exif", str(folder), stdout=out, **options)
    except CommandError as error:
        return error.returncode, [" ".join(line.split()) for line in out.getvalue().splitlines()]
    return 0, [" ".join(line.split()) for line in out.getvalue().splitlines()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of photos in every format, and of one that nobody wrote by the book."""
    block = drawn_exif.exif_block(
        lat=48.2082, lon=-16.3738, iso=320, lens="Sharpener", software="1.0"
    )
    for name, draw in drawn_metadata.WITH_EXIF.items():
        (tmp_path / f"{name}.jpg").write_bytes(draw(exif=block))
    (tmp_path / "plain.bmp").write_bytes(drawn_metadata.bmp())
    (tmp_path / "notes.txt").write_text("no photo")
    below = tmp_path / "damaged"
    below.mkdir()
    odd = drawn_exif.exif_block(ifd0={0x010F: (SHORT, 7), 0x0112: (SHORT, 9)}, lat=91, lon=1)
    (below / "odd name.jpg").write_bytes(drawn_metadata.jpeg(exif=odd))
    return tmp_path


@needs_exiftool
def test_every_value_that_differs_is_named(folder: Path):
    code, lines = compare(folder)
    assert code == 1
    assert lines[0] == f"{len(drawn_metadata.WITH_EXIF) + 2} photos"
    assert "make 7 6 85.7" in lines
    assert "latitude 7 7 100.0" in lines
    assert "iso 6 6 100.0" in lines
    assert lines[lines.index("Differ:") :] == [
        "Differ:",
        "damaged/odd name.jpg: make: ours None, exiftool's 7",
    ]


@needs_exiftool
def test_a_file_known_to_be_damaged_may_differ(folder: Path, tmp_path: Path):
    known = tmp_path / "known.list"
    known.write_text("# looked at\n\ndamaged/odd name.jpg  # its make is a number\n")
    code, lines = compare(folder, known=known)
    assert code == 0
    assert "make 7 6 85.7" in lines
    assert "Known to be damaged:" in lines
    assert "Differ:" not in lines


@needs_exiftool
@pytest.mark.skipif(not real_photos.TRUTH, reason="no folder of real photos")
def test_real_photos_agree_in_every_value():
    code, lines = compare(real_photos.FOLDER)
    assert code == 0
    rows = {line.rsplit(" ", 3)[0]: line.split()[-3:] for line in lines[3:]}
    for field in ("date", "latitude", "make", "model", "orientation", "iso", "aperture"):
        assert rows[field][2] == "100.0"
    assert int(rows["all"][0]) > 750


@needs_exiftool
def test_a_folder_without_photos_is_no_agreement(tmp_path: Path):
    code, _ = compare(tmp_path)
    assert code == 2


def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "compare_exif", *words],
        cwd=PROJECT,
        env={"HOME": os.environ.get("HOME", "/"), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.long  # lint-imports
@needs_exiftool
def test_it_needs_no_settings_and_no_database(tmp_path: Path):
    (tmp_path / "photo.jpg").write_bytes(drawn_pictures.jpeg(width=60, height=40))
    ended = run(str(tmp_path), PATH=os.environ["PATH"], BANDPICS_DATA_DIR=str(tmp_path))
    assert (ended.returncode, ended.stderr) == (0, "")


def test_without_exiftool_it_says_what_to_install(tmp_path: Path):
    ended = run(str(tmp_path), PATH=str(tmp_path), BANDPICS_DATA_DIR=str(tmp_path))
    assert ended.returncode == 2
    assert "libimage-exiftool-perl" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_folder_that_is_not_there_is_named(tmp_path: Path):
    code, _ = compare(tmp_path / "nowhere", known=None)
    assert code == 2
    code, _ = compare(tmp_path, known=tmp_path / "nowhere")
    assert code == 2
