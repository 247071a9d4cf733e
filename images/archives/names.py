"""Makes the paths of files within a ZIP: readable in any script, and safe on every system.

Windows is the strictest: it refuses some characters and names, ignores trailing dots and spaces,
and takes names that differ only in case for the same.
"""

from __future__ import annotations

import re
import unicodedata

# With folder, slash and file a path stays below 200 bytes: Windows allows 260 characters, and some
# of them are the folder it is unpacked into.
FOLDER_BYTES, STEM_BYTES = 70, 110
NOBODY = "Guests"
UNNAMED = "photo"
# What joins letters in some scripts; all other invisible characters go.
_JOINERS = {"\u200c", "\u200d"}
_REFUSED = re.compile(r'[<>:"/\\|?*]')
_RESERVED = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3])"
    r"(?=\s*(\.|$))",
    re.IGNORECASE,
)


def folder(uploader: str) -> str:
    """Returns the name of the folder of an uploader's files."""
    return safe(uploader, max_bytes=FOLDER_BYTES) or NOBODY


def stem(filename: str) -> str:
    """Returns the name of a file without its extension, which follows from its bytes."""
    return safe(re.sub(r"\.[A-Za-z0-9]{1,5}$", "", filename), max_bytes=STEM_BYTES) or UNNAMED


def safe(text: str, *, max_bytes: int) -> str:
    """Returns a name that every file system takes, or nothing if nothing is left of the text."""
    kept = "".join(
        character
        for character in unicodedata.normalize("NFC", text)
        if character in _JOINERS or unicodedata.category(character)[0] != "C"
    )
    name = " ".join(_REFUSED.sub("_", kept).split()).strip(". ")
    # Command lines take the first for an option or a home, spreadsheets the others for a formula.
    name = re.sub(r"^[-~=+@]", "_", name)
    if _RESERVED.match(name):
        name = f"_{name}"
    return _shortened(name, max_bytes).strip(". ")


def _shortened(name: str, max_bytes: int) -> str:
    return name.encode()[:max_bytes].decode(errors="ignore")


class Paths:
    """Gives each file a path of its own, in the order in which they are asked for."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._next: dict[str, int] = {}

    def of(self, uploader: str, filename: str, *, extension: str) -> str:
        start = f"{folder(uploader)}/{stem(filename)}"
        path, key = f"{start}.{extension}", self._key(f"{start}.{extension}")
        number = self._next.get(key, 2)
        while self._key(path) in self._taken:
            path = f"{start} ({number}).{extension}"
            number += 1
        self._next[key] = number
        self._taken.add(self._key(path))
        return path

    @staticmethod
    def _key(path: str) -> str:
        """Paths with the same key are the same file on macOS or Windows."""
        return unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())
