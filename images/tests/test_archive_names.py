"""Paths within a ZIP: readable in any script, and taken by every system."""

from __future__ import annotations

import csv
import io
import re

import pytest

from images.archives import manifest
from images.archives.names import Paths, folder, stem

WINDOWS_REFUSES = re.compile(r'[<>:"\\|?*\x00-\x1f]')
WINDOWS_RESERVES = re.compile(
    r"^(CON|PRN|AUX|NUL|COM[0-9¹²³]|LPT[0-9¹²³]|CONIN\$|CONOUT\$)\s*(\..*)?$", re.IGNORECASE
)


def assert_windows_takes(path):
    parts = path.split("/")
    assert len(parts) == 2
    for part in parts:
        assert part.strip(" ."), part
        assert not part.endswith((".", " ")), part
        assert not part.startswith((" ", ".", "-", "~", "=", "+", "@")), part
        assert not WINDOWS_REFUSES.search(part), part
        assert not WINDOWS_RESERVES.match(part), part
    assert len(path.encode()) <= 200
    assert len(path.encode("utf-16-le")) // 2 <= 200


HOSTILE = [
    *("", " ", ".", "..", "...", "/", "\\", "../../etc/passwd", "C:\\Windows\\win.ini"),
    *("CON", "con.jpg", "NUL .txt", "aux.", "Com1", "LPT\u00b9.x", "CONIN$", "con", "prn.a.b"),
    *("a" * 500, "é" * 300, "👩‍👩‍👧‍👦" * 80, "x." * 100, "trailing. . .", " leading", ".hidden"),
    *("-rf", "~root", "=1+1", "@SUM(A1)", "+49", 'a<b>c:d"e|f?g*h', "tab\tnew\nline\r", "\0nul"),
    *("\u202egpj.exe", "zero\u200bwidth", "\ufeffbom", "a/b\\c"),
]


@pytest.mark.parametrize("name", HOSTILE)
def test_whatever_people_call_themselves_and_their_files_is_a_path_windows_takes(name):
    for uploader in ["Ada", *HOSTILE]:
        assert_windows_takes(Paths().of(uploader, name, extension="jpeg"))


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("IMG_0001.JPG", "IMG_0001"),
        ("Konzert am Fluß.heic", "Konzert am Fluß"),
        ("コンサート.jpg", "コンサート"),
        ("نوروز.png", "نوروز"),
        ("نی\u200cشب.jpg", "نی\u200cشب"),  # Persian needs its joiners
        ("Mr. Smith 2.5", "Mr. Smith 2"),
        ("con.jpg", "_con"),
        ("console.jpg", "console"),
        ("e\u0301te\u0301.jpg", "\u00e9t\u00e9"),  # one way to write é
        ("", "photo"),
    ],
)
def test_names_stay_readable(filename, expected):
    assert stem(filename) == expected


def test_who_gave_no_name_is_a_guest():
    assert folder("") == folder(" .. ") == "Guests"


def test_no_two_files_are_the_same_to_windows_or_macos():
    paths = Paths()
    names = ["Stage.jpg", "stage.JPG", "STAGE.jpg", "stage (2).jpg", "STRASSE.jpg", "straße.jpg"]
    names += ["\u00c9t\u00e9.jpg", "e\u0301te\u0301.jpg"]
    made = [paths.of("Ada", name, extension="jpg") for name in names]
    assert made[:3] == ["Ada/Stage.jpg", "Ada/stage (2).jpg", "Ada/STAGE (3).jpg"]
    assert len({path.casefold() for path in made}) == len(names)


def test_ten_thousand_of_one_name_take_no_time():
    paths = Paths()
    made = {paths.of("Ada", "IMG_0001.jpg", extension="jpg") for _ in range(10_000)}
    assert len(made) == 10_000
    assert "Ada/IMG_0001 (10000).jpg" in made


@pytest.mark.parametrize("words", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "=cmd|'/c'!A0"])
def test_no_words_of_a_guest_are_a_formula(words):
    assert manifest.text(words).startswith("'")


def test_a_line_keeps_what_people_write():
    text = 'He said "sing", then;\nall sang, até o fim'
    (row,) = csv.reader(io.StringIO(manifest.line([text, "x"]).decode(), newline=""))
    assert row == [text, "x"]


def test_excel_is_told_that_it_is_utf_8():
    assert b"".join(manifest.lines([], for_guests=True)).startswith(b"\xef\xbb\xbffile,sha256,")
