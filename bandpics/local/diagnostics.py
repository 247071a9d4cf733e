"""What can go wrong on somebody's machine, told in one line: what, why, what to do."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

DISK_FULL_MARKS = (
    *("No space left on device", "Disk quota exceeded", "ENOSPC", "EDQUOT"),
    "Check free disk space",  # what Postgres advises after a short write
)


class CannotStart(Exception):
    """One line for the person at the terminal; there is nothing more to see in a traceback."""

    def __init__(self, what: str, why: str, remedy: str) -> None:
        super().__init__(f"{what}: {' '.join(why.split()).rstrip('.')}. {remedy}")


def disk_full(path: Path) -> CannotStart:
    return CannotStart(
        "The disk is full",
        f"there is no room left where {path} is",
        "Free some space, or choose another place with --data-dir",
    )


def in_folder(error: OSError, path: Path) -> CannotStart:
    """Explain why a folder or file of ours cannot be written."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return disk_full(path)
    return CannotStart(
        f"Cannot write to {path}",
        error.strerror or str(error),
        "Make it a folder you can write to, or choose another with --data-dir",
    )


def last_line(text: str) -> str:
    """The line of a log that says most: the last error, else simply the last."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    wrong = [line for line in lines if any(mark in line for mark in ("FATAL", "Error", "error"))]
    return (wrong or lines or ["it said nothing"])[-1][:300]


def not_installed(package: str) -> CannotStart:
    return CannotStart(
        f"{package} is not installed",
        "it belongs to the local stack, which production does without",
        "Run `make setup`",
    )
