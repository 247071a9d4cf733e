"""Reads compose files as Docker Compose does, as far as checks need it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from pathlib import Path


class Loader(yaml.SafeLoader):
    """Knows `!reset`, by which an overriding file takes a value away."""


Loader.add_constructor("!reset", lambda _loader, _node: None)


def read(path: Path) -> dict[str, Any]:
    """Returns a compose file, without what it takes away."""
    parsed: dict[str, Any] = yaml.load(path.read_text(), Loader)  # noqa: S506 - a SafeLoader
    for service in parsed["services"].values():
        for key in [key for key, value in service.items() if value is None]:
            del service[key]
    return parsed
