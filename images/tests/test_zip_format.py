"""The records of a ZIP beyond the limits of 1989: many files, and files above 4 GiB."""

from __future__ import annotations

import zipfile
import zlib
from datetime import datetime

import pytest

from images.archives import zip_format
from images.tests import archive_reader as reader

EVENING = datetime(2026, 6, 21, 21, 4, 32)


def write(path, files):
    """files: (name, content). A content that is a number is so many zeros, a hole of the file."""
    directory, offset = [], 0
    with path.open("wb") as out:
        for name, content in files:
            is_hole = isinstance(content, int)
            size = content if is_hole else len(content)
            crc = crc_of_zeros(size) if is_hole else zlib.crc32(content)
            about = {"byte_size": size, "crc32": crc, "modified": EVENING}
            header = zip_format.local_header(name, **about)
            assert len(header) == zip_format.local_header_length(name, byte_size=size)
            entry = zip_format.central_header(name, **about, offset=offset)
            expected = zip_format.central_header_length(name, byte_size=size, offset=offset)
            assert len(entry) == expected
            directory.append(entry)
            out.write(header)
            if is_hole:
                out.seek(size, 1)
            else:
                out.write(content)
            offset += len(header) + size
        records = b"".join(directory)
        out.write(records)
        out.write(
            zip_format.end(
                count=len(directory), directory_offset=offset, directory_size=len(records)
            )
        )


def crc_of_zeros(size):
    crc, block = 0, bytes(1 << 24)
    for start in range(0, size, len(block)):
        crc = zlib.crc32(block[: size - start], crc)
    return crc


def test_more_files_than_65535(tmp_path):
    path = tmp_path / "many.zip"
    write(path, [(f"Ada/{number}.jpg", b"x") for number in range(66_000)])
    with zipfile.ZipFile(path) as file:
        assert len(file.namelist()) == 66_000
        assert file.read("Ada/65999.jpg") == b"x"
    reader.assert_no_fault(path, by="unzip")


def test_names_in_any_script(tmp_path):
    path = tmp_path / "names.zip"
    names = ["Zoë/Fluß.jpg", "日本/写真.heic", "אבג/תמונה.png"]
    write(path, [(name, name.encode()) for name in names])
    with zipfile.ZipFile(path) as file:
        assert file.namelist() == names
        assert file.infolist()[0].date_time == (2026, 6, 21, 21, 4, 32)
    reader.assert_no_fault(path, by="unzip")


@pytest.mark.parametrize("year", [1, 1979, 1980, 2107, 2108, 9999])
def test_times_that_zip_does_not_know_are_its_first_or_last(year):
    header = zip_format.local_header(
        "x", byte_size=1, crc32=0, modified=datetime(year, 1, 2, 3, 4, 5)
    )
    assert len(header) == 31


@pytest.mark.long
@pytest.mark.parametrize("size", [2**32 - 2, 2**32 - 1, 2**32, 5 * 2**30])
def test_files_and_places_around_and_above_4_gib(size, tmp_path):
    path = tmp_path / "large.zip"
    write(path, [("first.jpg", b"1"), ("large.tiff", size), ("last.jpg", b"3")])
    with zipfile.ZipFile(path) as file:
        assert [each.file_size for each in file.infolist()] == [1, size, 1]
        assert file.read("last.jpg") == b"3"
    reader.assert_no_fault(path, by="unzip")
    reader.assert_no_fault(path, by="7z")
