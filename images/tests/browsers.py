"""Finds a real Chromium: an installed one, or the one Playwright brings."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"]
MAC = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
QUIET = [
    *("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]
HELP = "No Chromium to test with. On Debian and Ubuntu: apt install chromium"


def launch(playwright: Playwright) -> Browser:
    """In CI a machine without a browser is a failure, elsewhere the tests are skipped."""
    return playwright.chromium.launch(**how_to_launch(playwright.chromium.executable_path))


def how_to_launch(playwrights_own: str) -> dict[str, Any]:
    """The arguments of launch() and launch_persistent_context(), of either of Playwright's APIs."""
    path = _installed() or _playwrights(Path(playwrights_own))
    if path is None:
        if os.environ.get("CI"):
            pytest.fail(HELP)
        pytest.skip(HELP)
    # Root has no sandbox; these pages are our own.
    as_root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    return {"executable_path": path, "args": [*QUIET, *as_root]}


def _installed() -> str | None:
    found = (shutil.which(name) for name in NAMES)
    return next((path for path in found if path), str(MAC) if MAC.exists() else None)


def _playwrights(path: Path) -> str | None:
    if not path.exists():
        install = [sys.executable, "-m", "playwright", "install", "chromium"]
        subprocess.run(install, check=False, capture_output=True, timeout=300)
    return str(path) if path.exists() else None
