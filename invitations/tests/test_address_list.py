"""Names and addresses are read as people have them: pasted, or from a spreadsheet."""

from __future__ import annotations

import codecs
import time

import pytest

from invitations import address_list
from invitations.address_list import Unreadable, decoded, read


def people(text):
    return [(entry.name, entry.email) for entry in read(text) if not entry.problem]


HANNA = [("Hanna", "hanna@example.org")]


@pytest.mark.parametrize(
    "line",
    [
        "Hanna <hanna@example.org>",
        '"Hanna" <hanna@example.org>',
        "'Hanna' <hanna@example.org>;",
        "Hanna, hanna@example.org",
        "Hanna;hanna@example.org;+43 660 123",
        "hanna@example.org, Hanna",
        "Hanna\thanna@example.org\tTable 4",
        '"Hanna","hanna@example.org"',
        "  Hanna <mailto:hanna@example.org> ",
        "Hanna <\u200bhanna@example.org\ufeff>",
        "\ufeffHanna, <hanna@example.org>",
    ],
)
def test_one_person_is_read_from_a_line(line):
    assert people(line) == HANNA


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("hanna@example.org", [("", "hanna@example.org")]),
        ('"Müller, Hanna" <h@example.org>', [("Müller, Hanna", "h@example.org")]),
        ("Müller, Hanna <h@example.org>", [("Hanna Müller", "h@example.org")]),
        ("Zoë O'Brien <z@example.org>", [("Zoë O'Brien", "z@example.org")]),
        ('Ada "the Count" Byron <a@example.org>', [('Ada "the Count" Byron', "a@example.org")]),
        ("花子 <hanako@例え.jp>", [("花子", "hanako@例え.jp")]),
        ("עדה, ada@example.org", [("עדה", "ada@example.org")]),
        (
            '"Hanna M." <h@example.org>; Ben <b@example.org>; c@example.org',
            [("Hanna M.", "h@example.org"), ("Ben", "b@example.org"), ("", "c@example.org")],
        ),
        ("a@example.org, b@example.org", [("", "a@example.org"), ("", "b@example.org")]),
        (
            "Ada <a@example.org>, Ben <b@example.org>",
            [("Ada", "a@example.org"), ("Ben", "b@example.org")],
        ),
        (
            "\n;;\n  \na@example.org\r\n\r\nb@example.org",
            [("", "a@example.org"), ("", "b@example.org")],
        ),
    ],
)
def test_people_are_read_as_they_were_pasted(text, found):
    assert people(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "Name,E-Mail\nHanna,hanna@example.org\n",
        "E-Mail-Adresse;Vorname;Nachname\nhanna@example.org;Hanna;\n",
        "Nom\tCourriel\nHanna\thanna@example.org",
        "First Name,Last Name,E-mail 1 - Type,E-mail 1 - Value,Notes\n"
        'Hanna,,Home,hanna@example.org,"brings, cake"\n',
        '"Email Address","Display Name"\r\n"hanna@example.org","Hanna"\r\n',
        "Email\nHanna <hanna@example.org>\n",
    ],
)
def test_a_csv_file_may_name_its_columns(text):
    assert people(text) == HANNA


def test_first_and_last_names_are_one_name():
    assert people("Vorname,Nachname,E-Mail\nHanna,Müller,h@example.org") == [
        ("Hanna Müller", "h@example.org")
    ]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("Hanna", "There is no e-mail address in this line."),
        ("Hanna <>", "There is no e-mail address in this line."),
        ("Hanna <hanna@example>", "“hanna@example” is not an e-mail address."),
        ("hanna@@example.org", "“hanna@@example.org” is not an e-mail address."),
        ("hanna müller@example.org", "“hanna müller@example.org” is not an e-mail address."),
        ("hanna@exam ple.org", "“hanna@exam ple.org” is not an e-mail address."),
        (f"{'H' * 121} <h@example.org>", "The name is longer than 120 letters."),
        (f"Hanna {'x' * 1000}", "This line is too long."),
    ],
)
def test_a_wrong_line_says_why_and_is_kept(line, why):
    (entry,) = read(line)
    assert entry.problem == why
    assert entry.line == line[:1000]


def test_ten_thousand_lines_are_refused_in_words():
    with pytest.raises(Unreadable, match="The list has 10000 lines"):
        read("a@example.org\n" * 10_000)
    with pytest.raises(Unreadable, match="The list names 2000 people"):
        read("a@example.org; " * 2000)
    with pytest.raises(Unreadable, match="larger than 1 MB"):
        read("x" * (address_list.MAX_BYTES + 1))


def test_a_megabyte_in_one_line_is_read_quickly():
    started = time.process_time()
    for text in ['"' * address_list.MAX_BYTES, "@" * address_list.MAX_BYTES, "<@" * 500_000]:
        assert all(entry.problem for entry in read(text))
    assert time.process_time() - started < 4


def test_a_megabyte_of_people_or_columns_is_read_quickly():
    started = time.process_time()
    with pytest.raises(Unreadable, match="people"):
        read("@;" * 500_000)
    assert len(read("mail," * 200_000 + "\nx" * 900)) == 900
    assert time.process_time() - started < 4


@pytest.mark.parametrize(
    "data",
    [
        "Zoë, z@example.org".encode(),
        codecs.BOM_UTF8 + "Zoë, z@example.org".encode(),
        "Zoë, z@example.org".encode("utf-16"),
        codecs.BOM_UTF16_BE + "Zoë, z@example.org".encode("utf-16-be"),
        "Zoë, z@example.org".encode("latin-1"),
    ],
)
def test_a_file_may_have_any_usual_encoding(data):
    assert people(decoded(data)) == [("Zoë", "z@example.org")]


@pytest.mark.parametrize("data", [b"PK\x03\x04....", b"\x89PNG\r\n\0\0", b"x" * (1024 * 1024 + 1)])
def test_a_file_that_is_no_list_is_refused(data):
    with pytest.raises(Unreadable):
        decoded(data)
