"""What may tell where, and the word for what cannot be edited for certain."""

from __future__ import annotations

import re
from typing import Final

# Anything in XMP that tells where, however its namespace is called.
WHERE: Final = re.compile(
    rb"gps|latitude|longitude|location|geo|coordinate|city|country|state|iso6709|landmark", re.I
)


class Unproven(Exception):
    """This file cannot be edited so that nothing of the position is left for certain."""


def xmp_tells_where(document: bytes) -> bool:
    """True for anything that might: a word too many costs an editor's notes, one too few a home."""
    return bool(WHERE.search(document.replace(b"\0", b"")))  # UTF-16, too
