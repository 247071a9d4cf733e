"""Reads names and e-mail addresses from what somebody pasted, or from a CSV file.

One person per line, or several between semicolons as in a mail program. Names may be in any script.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import unicodedata
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext as _

from invitations.mail import one_line

MAX_LINES = 1000
MAX_BYTES = 1024 * 1024
MAX_COLUMNS = 500  # of the largest address books: 100
LINE_LENGTH, NAME_LENGTH, EMAIL_LENGTH = 1000, 120, 254

IN_BRACKETS = re.compile(r"(?P<name>.*)<(?P<email>[^<>]*)>\s*\Z")
SEPARATORS = ";\t,"
# Headings of columns in address books, in our languages.
EMAIL_HEADING = re.compile(r"e-?mail|courriel|\bmail\b|adresse? (?:e-?mail|électronique)", re.I)
OTHER_HEADING = re.compile(r"\b(?:type|label|typ|libellé)\b", re.I)
NAME_HEADINGS = [
    re.compile(pattern, re.I)
    for pattern in (
        r"(?:full |display |complete )?name\Z|nom complet\Z|anzeigename\Z|vollständiger name\Z",
        r"(?:first|given)[ _-]?name\Z|vorname\Z|prénom\Z",
        r"(?:last|family)[ _-]?name\Z|surname\Z|nachname\Z|nom\Z|nom de famille\Z",
    )
]


class Unreadable(Exception):
    """The file or text is no list of addresses; the message says why."""


@dataclass(frozen=True)
class Entry:
    """One person of the list. `problem` says why they cannot be invited; `line` is as it came."""

    line: str
    name: str = ""
    email: str = ""
    problem: str = ""


def decoded(data: bytes) -> str:
    """Returns the text of a file in UTF-8, UTF-16 or Latin-1. Raises Unreadable."""
    if len(data) > MAX_BYTES:
        raise Unreadable(_("The file is larger than 1 MB. Please send fewer lines at once."))
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = data.decode("utf-16", "replace")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("cp1252", "replace")  # a superset of Latin-1
    if "\0" in text or data.startswith(b"PK\x03\x04"):
        raise Unreadable(
            _("This is not a text file. In your spreadsheet choose “Save as” and then CSV.")
        )
    return text


def read(text: str) -> list[Entry]:
    """Returns the people of a list, wrong lines included. Raises Unreadable if it is too long."""
    if len(text) > MAX_BYTES:
        raise Unreadable(_("The list is larger than 1 MB. Please send fewer lines at once."))
    lines = [line for line in text.lstrip("\ufeff").splitlines() if line.strip(SEPARATORS + " ")]
    if len(lines) > MAX_LINES:
        raise Unreadable(
            _(
                "The list has {count} lines. Up to {limit} are read at once: please split it."
            ).format(count=len(lines), limit=MAX_LINES)
        )
    if lines and (table := _table(lines)) is not None:
        return table
    # Half a million in one line are counted, and not looked at closely.
    _refuse_too_many(sum("@" in cell for line in lines for cell in _cells(line, SEPARATORS)) // 2)
    found = [entry for line in lines for entry in _entries(line.strip())]
    _refuse_too_many(len(found))
    return found


def _refuse_too_many(count: int) -> None:
    if count > MAX_LINES:
        raise Unreadable(
            _("The list names {count} people. Up to {limit} are read at once.").format(
                count=count, limit=MAX_LINES
            )
        )


def _table(lines: list[str]) -> list[Entry] | None:
    """The rows of a CSV file whose first line names its columns; None if it does not."""
    first = lines[0]
    if "@" in first:
        return None
    delimiter = max(SEPARATORS, key=first.count)
    headings = [cell.strip("\"' ") for cell in _cells(first, delimiter)[:MAX_COLUMNS]]
    emails = [
        number
        for number, heading in enumerate(headings)
        if EMAIL_HEADING.search(heading) and not OTHER_HEADING.search(heading)
    ]
    if not emails:
        return None
    full, *parts = [
        next((number for number, each in enumerate(headings) if pattern.match(each)), None)
        for pattern in NAME_HEADINGS
    ]
    names = [number for number in ([full] if full is not None else parts) if number is not None]
    try:
        rows = list(csv.reader(io.StringIO("\n".join(lines[1:])), delimiter=delimiter))
    except csv.Error:
        raise Unreadable(_("The file is no CSV file that can be read.")) from None
    return [_of_row(row, delimiter, emails, names) for row in rows if any(map(str.strip, row))]


def _of_row(row: list[str], delimiter: str, emails: list[int], names: list[int]) -> Entry:
    # An address book has several columns for addresses: the first that holds one counts.
    filled = [row[number] for number in emails if number < len(row) and row[number].strip()]
    email = next((cell for cell in filled if "@" in cell), filled[0] if filled else "")
    name = " ".join(row[number].strip() for number in names if number < len(row))
    line = f"{delimiter} ".join(cell.strip() for cell in row if cell.strip())[:LINE_LENGTH]
    if max(len(email), len(name)) > LINE_LENGTH:
        return _too_long(line)
    if bracket := IN_BRACKETS.match(email):
        return _entry(line, name.strip() or bracket["name"], bracket["email"])
    return _entry(line, "" if "@" in name else name, email)


def _entries(line: str) -> list[Entry]:
    pieces = [piece for piece in _cells(line, ";") if piece]
    if len(pieces) > 1 and all("@" in piece for piece in pieces):
        return [entry for piece in pieces for entry in _people(piece, _cells(piece, ",\t"))]
    return _people(line, _cells(line, SEPARATORS))


def _people(line: str, cells: list[str]) -> list[Entry]:
    cells = [cell for cell in cells if cell]
    if sum("@" in cell for cell in cells) < 2:
        return [_of_cells(line, cells)]
    found: list[Entry] = []
    before: list[str] = []
    for cell in cells:  # several people, each with their name before the address
        before.append(cell)
        if "@" in cell:
            found.append(_of_cells(", ".join(before), before))
            before = []
    return found


def _of_cells(line: str, cells: list[str]) -> Entry:
    if len(line) > LINE_LENGTH:
        return _too_long(line)  # before it is looked at closely, which takes time
    with_address = next((cell for cell in cells if "@" in cell), "")
    others = [cell for cell in cells if cell is not with_address]
    bracket = IN_BRACKETS.match(with_address)
    if bracket is None:
        # A third column and those after it are something else: a telephone, a table.
        return _entry(line, others[0] if others else "", with_address)
    name = bracket["name"].strip()
    if others and with_address is cells[-1]:
        name = f"{name} {' '.join(others)}"  # Last, First <address>
    return _entry(line, name, bracket["email"])


def _entry(line: str, name: str, email: str) -> Entry:
    name, email = _unquoted(one_line(name)), _plain(email)
    problem = ""
    if not email:
        problem = _("There is no e-mail address in this line.")
    elif not _is_address(email):
        problem = _("“{address}” is not an e-mail address.").format(address=email[:80])
    elif len(name) > NAME_LENGTH:
        problem = _("The name is longer than {limit} letters.").format(limit=NAME_LENGTH)
    return Entry(line=one_line(line), name=name, email=email, problem=problem)


def _too_long(line: str) -> Entry:
    return Entry(line=one_line(line[:LINE_LENGTH]), problem=_("This line is too long."))


def _unquoted(name: str) -> str:
    while len(name) > 1 and name[0] == name[-1] and name[0] in "\"'":
        name = name[1:-1].strip()
    return name.replace('""', '"')


def _plain(email: str) -> str:
    """Removes what mail programs and word processors put around an address, seen or unseen."""
    kept = "".join(c for c in email if unicodedata.category(c) not in {"Cf", "Cc"})
    return kept.strip().removeprefix("mailto:").strip("<>()[]\"'.,: \xa0")


def _is_address(email: str) -> bool:
    # The validator ignores case so well that a long s and the sign for kelvin pass.
    if len(email) > EMAIL_LENGTH or not email.rpartition("@")[0].isascii():
        return False
    try:
        validate_email(email)
    except ValidationError:
        return False
    return True


def _cells(line: str, separators: str) -> list[str]:
    """Splits a line, but not within quotation marks, unless one of them is missing."""
    is_quoted, has_pairs, cells, start = False, line.count('"') % 2 == 0, [], 0
    for number, character in enumerate(line):
        if character == '"' and has_pairs:
            is_quoted = not is_quoted
        elif character in separators and not is_quoted:
            cells.append(line[start:number].strip())
            start = number + 1
    return [*cells, line[start:].strip()]
