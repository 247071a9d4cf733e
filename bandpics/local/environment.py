"""The variables of a running stack, kept so that other commands can borrow them."""

from __future__ import annotations

import argparse
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

PROJECT = Path(__file__).resolve().parent.parent.parent
DEFAULT_DATA_DIR = PROJECT / ".local"

# Looks like production and reaches nothing: for checks that need settings but no stores.
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
    """Where the local stack keeps its data unless told otherwise."""
    return Path(os.environ.get("BANDPICS_DATA_DIR") or DEFAULT_DATA_DIR)


def take_data_dir(words: list[str]) -> Path | None:
    """The folder of `--data-dir`, wherever it stands; taken out, and data_dir() from now on."""
    if not any(word.partition("=")[0] == "--data-dir" for word in words):
        return None
    parser = argparse.ArgumentParser(prog="manage.py", add_help=False, allow_abbrev=False)
    parser.add_argument("--data-dir", type=Path)
    named, words[:] = parser.parse_known_args(words)
    folder: Path = named.data_dir
    os.environ["BANDPICS_DATA_DIR"] = str(folder)
    return folder


def borrow(into: MutableMapping[str, str]) -> None:
    """Let a command run beside the local stack. What is set already stays."""
    if not into.get("DATABASE_URL"):
        for name, value in _written(data_dir()).items():
            into.setdefault(name, value)


def use(folder: Path, into: MutableMapping[str, str]) -> bool:
    """Let a command run beside the stack of this folder, whatever is set. False: there is none."""
    variables = _written(folder)
    into.update(variables)
    return bool(variables)


def _written(folder: Path) -> dict[str, str]:
    try:
        return parse((folder / "env").read_text())
    except OSError:
        return {}


def pretend(into: MutableMapping[str, str]) -> None:
    """Let a command run that reaches no store, wherever there is none. What is set stays."""
    if not into.get("DATABASE_URL"):
        into.update(PRETENDED)


def render(variables: Mapping[str, str]) -> str:
    """Lines a shell can read, too: `set -a; . .local/env`."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in sorted(variables.items()))


def parse(text: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in shlex.split(text) if "=" in part)
