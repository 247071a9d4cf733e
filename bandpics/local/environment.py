"""The environment variables of a local stack, so that other commands can run beside it."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PROJECT = Path(__file__).resolve().parent.parent.parent
DEFAULT_DATA_DIR = PROJECT / ".local"

# Looks like production and connects to nothing: for checks that need settings only.
PRETENDED = {
    "DATABASE_URL": "postgres://bandpics@127.0.0.1:1/bandpics",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "S3_ENDPOINT_URL": "https://s3.example.org",
    "S3_BUCKET": "bandpics",
    "S3_ACCESS_KEY": "nobody-has-this-key",
    "S3_SECRET_KEY": "nobody-has-this-secret-either",
    "PUBLIC_URL": "https://photos.example.org",
    "ALLOWED_HOSTS": "photos.example.org",
    "HSTS_SUBDOMAINS": "true",
    "SECRET_KEY": "only-for-checks-that-never-serve-anyone-0123456789-abcdefghijklmnop",
    "INVITATION_TOKEN_KEY": "only-for-checks-that-never-serve-anyone-9876543210-zyxwvutsrq",
}


def data_dir() -> Path:
    """Returns the folder of the local stack: $BANDPICS_DATA_DIR, or `.local`."""
    return Path(os.environ.get("BANDPICS_DATA_DIR") or DEFAULT_DATA_DIR)


def apply(words: list[str]) -> None:
    """Gives a command the environment of the local stack, and takes `--data-dir` out of `words`.

    Variables that are set win, but for the stack of a folder that the command names.
    """
    folder = None
    if any(word.partition("=")[0] == "--data-dir" for word in words):
        parser = argparse.ArgumentParser(prog="manage.py", add_help=False, allow_abbrev=False)
        parser.add_argument("--data-dir")
        known, words[:] = parser.parse_known_args(words)
        folder = os.environ["BANDPICS_DATA_DIR"] = known.data_dir
    if words[1:2] in (["up"], ["restore_drill"]):
        return  # they make the environment
    variables: dict[str, str] = {}
    with suppress(OSError):
        variables = parse((data_dir() / "env").read_text())
    if folder:
        if not variables:
            sys.exit(f"bandpics: {folder} holds no stack: `up` never ran there.")
        os.environ.update(variables)
    elif not os.environ.get("DATABASE_URL"):
        os.environ.update(variables | os.environ)
    if words[1:2] == ["compare_exif"] and not os.environ.get("DATABASE_URL"):
        os.environ.update(PRETENDED)  # it reads files only


def render(variables: Mapping[str, str]) -> str:
    """Returns lines that a shell can read, too: `set -a; . .local/env`."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in sorted(variables.items()))


def parse(text: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in shlex.split(text) if "=" in part)
