"""A real Chromium, an installed one or the one Playwright brings, and pages that complain."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import playwright.async_api
import playwright.sync_api
import pytest
from playwright.sync_api import Error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright

    Complaint = Callable[[ConsoleMessage], bool]

NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"]
MAC = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
QUIET = [
    *("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]
# Playwright's own list, which ours replaces, and what the window of a browser does that nobody
# sees: each context would load two pages for its address bar, which doubles what it costs.
NOT_NEEDED = [
    *("AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose", "HttpsUpgrades"),
    *("HttpsFirstBalancedModeAutoEnable", "LensOverlay", "MediaRouter", "PaintHolding"),
    *("ThirdPartyStoragePartitioning", "AvoidCorsURLLoaderRestartOnRedirect"),
    *("OptimizationHints", "NetworkTimeServiceQuerying", "AimEnabled", "PreconnectToSearch"),
    *("WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "SpareRendererForSitePerProcess", "Translate"),
]
# A busy machine is slow, which is no fault of a page: five seconds were too few at times.
PATIENCE_MS = 20_000
playwright.sync_api.expect.set_options(timeout=PATIENCE_MS)
playwright.async_api.expect.set_options(timeout=PATIENCE_MS)
HELP = "No Chromium to test with. On Debian and Ubuntu: apt install chromium"


def launch(playwright: Playwright) -> Browser:
    """In CI a machine without a browser is a failure, elsewhere the tests are skipped."""
    how = how_to_launch(playwright.chromium.executable_path)
    try:
        return playwright.chromium.launch(**how)
    except Error:
        # On a busy machine Chromium may crash as it starts, before it has opened a page of ours.
        return playwright.chromium.launch(**how)


@contextmanager
def opening(
    browser: Browser, is_complaint: Complaint, **usual: Any
) -> Iterator[Callable[..., Page]]:
    """What opens an address, each time in a context of its own. A failed script, a 5xx and what is
    a complaint on the console fail the test."""
    contexts, complaints = [], []

    def open_(url: str, **options: Any) -> Page:
        context = browser.new_context(**{**usual, **options})
        contexts.append(context)
        page = context.new_page()
        # Chromium hears late that we are the ones to choose: a key pressed right after may be
        # quicker, and open a dialog nobody sees.
        page.on("filechooser", lambda chooser: None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda said: complaints.append(said.text) if is_complaint(said) else None,
        )
        page.on(
            "response",
            lambda got: complaints.append(f"{got.status} {got.url}") if got.status >= 500 else None,
        )
        page.goto(url)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == [], complaints


def blocks(said: ConsoleMessage) -> bool:
    """The policy of the page let something not happen."""
    return "Content Security" in said.text


def how_to_launch(playwrights_own: str) -> dict[str, Any]:
    """The arguments of launch() and launch_persistent_context(), of either of Playwright's APIs."""
    path = _installed() or _playwrights(Path(playwrights_own))
    if path is None:
        if os.environ.get("CI"):
            pytest.fail(HELP)
        pytest.skip(HELP)
    # Root has no sandbox; these pages are our own.
    as_root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    features = f"--disable-features={','.join(NOT_NEEDED)}"
    return {"executable_path": path, "args": [*QUIET, features, *as_root]}


def _installed() -> str | None:
    found = (shutil.which(name) for name in NAMES)
    return next((path for path in found if path), str(MAC) if MAC.exists() else None)


def _playwrights(path: Path) -> str | None:
    if not path.exists():
        install = [sys.executable, "-m", "playwright", "install", "chromium"]
        subprocess.run(install, check=False, capture_output=True, timeout=300)
    return str(path) if path.exists() else None
