"""The variables of a running stack, kept so that other commands can borrow them."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

PROJECT = Path(__file__).resolve().parent.parent.parent

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
    return Path(os.environ.get("BANDPICS_DATA_DIR") or PROJECT / ".local")


def borrow(into: MutableMapping[str, str]) -> None:
    """Let a command run beside the local stack. What is set already stays."""
    if into.get("DATABASE_URL"):
        return
    try:
        text = (data_dir() / "env").read_text()
    except OSError:
        return
    for name, value in parse(text).items():
        into.setdefault(name, value)


def pretend(into: MutableMapping[str, str]) -> None:
    """Let a command run that reaches no store, wherever there is none. What is set stays."""
    if not into.get("DATABASE_URL"):
        into.update(PRETENDED)


def render(variables: Mapping[str, str]) -> str:
    """Lines a shell can read, too: `set -a; . .local/env`."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in sorted(variables.items()))


def parse(text: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in shlex.split(text) if "=" in part)
