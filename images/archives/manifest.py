"""Writes `manifest.csv`: one line for each photo of an archive."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

NAME = "manifest.csv"
# Excel takes a file without it for one in the code page of its country.
BOM = b"\xef\xbb\xbf"
HASH_LENGTH = 64
# The first two columns are known once a file is written.
COMMON = ("file", "sha256", "uploader", "taken_at", "caption", "description", "note")
FOR_MEMBERS = (
    *COMMON,
    *("original_filename", "photo", "licence", "licence_agreed_at", "moderation"),
    *("latitude", "longitude"),
)

# What a line says of a photo whose original is not in the archive.
DROPPED = "The original was removed; this is the largest size that is kept."
LOST = "The store has lost the original; this is the largest size that is kept."
MISSING = "The store does not have this photo any more."


def columns(*, for_guests: bool) -> tuple[str, ...]:
    return COMMON if for_guests else FOR_MEMBERS


def lines(rows: Iterable[tuple[str, str, Sequence[str]]], *, for_guests: bool) -> Iterator[bytes]:
    """Yields the lines of the file. Each row has path, SHA-256 and the other columns."""
    yield BOM + line(columns(for_guests=for_guests))
    for path, sha256, others in rows:
        yield line([path, sha256, *others])


def line(cells: Sequence[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(cells)
    return out.getvalue().encode()


def text(value: str) -> str:
    """Returns a cell of somebody's words that no spreadsheet takes for a formula."""
    words = value.replace("\0", "")
    return f"'{words}" if words.lstrip().startswith(("=", "+", "-", "@", "\t", "\r")) else words
