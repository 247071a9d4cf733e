"""Errors of the local stack in one line each: what happened, why, what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bandpics import disk

if TYPE_CHECKING:
    from pathlib import Path

DISK_FULL_MESSAGES = (
    *("No space left on device", "Disk quota exceeded", "ENOSPC", "EDQUOT"),
    "Check free disk space",  # Postgres' hint after a short write
)


class CannotStart(Exception):
    """The local stack cannot start. The message is all that is printed."""

    def __init__(self, what: str, why: str, remedy: str) -> None:
        super().__init__(f"{what}: {' '.join(why.split()).rstrip('.')}. {remedy}")


def disk_full(path: Path) -> CannotStart:
    return CannotStart(
        "The disk is full",
        f"there is no room left where {path} is",
        "Free some space, or choose another place with --data-dir",
    )


def cannot_write(error: OSError, path: Path) -> CannotStart:
    """Explains why a file or folder of the stack cannot be written."""
    if disk.is_full(error):
        return disk_full(path)
    return CannotStart(
        f"Cannot write to {path}",
        error.strerror or str(error),
        "Make it a folder you can write to, or choose another with --data-dir",
    )


def last_line(text: str) -> str:
    """Returns the last error of a log, or else its last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if any(word in line for word in ("FATAL", "Error", "error"))]
    return (errors or lines or ["its log is empty"])[-1][:300]


def not_installed(package: str) -> CannotStart:
    return CannotStart(
        f"{package} is not installed",
        "it belongs to the local stack, which production does without",
        "Run `make setup`",
    )
