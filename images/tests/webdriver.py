"""Firefox and WebKit, driven by the commands of W3C WebDriver (https://www.w3.org/TR/webdriver2/).

Firefox takes them by Marionette, a TCP socket of its own, so that no geckodriver is needed: lengths
and JSON (https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import urllib3

from bandpics.local import addresses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Send = Callable[[str, dict[str, Any]], Any]

SIZE = {"x": 0, "y": 0, "width": 1280, "height": 800}
WAIT_SECONDS = 30
PATHS = {
    "Navigate": "url",
    "ExecuteScript": "execute/sync",
    "FindElement": "element",
    "ElementClick": "element/{id}/click",
    "ElementSendKeys": "element/{id}/value",
    "PerformActions": "actions",
    "SetWindowRect": "window/rect",
}
KEYS = {"ArrowRight": "\ue014", "ArrowDown": "\ue015", "Escape": "\ue00c"}
FIREFOX_PREFS = {
    "browser.dom.window.dump.enabled": True,  # logs errors of scripts
    "marionette.port": 0,  # any; see MarionetteActivePort
}


class Failed(AssertionError):
    """The browser refused a command."""


class Browser:
    """One window of a browser. Each wait ends after WAIT_SECONDS."""

    def __init__(self, send: Send) -> None:
        self.send = send
        send("SetWindowRect", SIZE)

    def goto(self, url: str) -> None:
        self.send("Navigate", {"url": url})

    def evaluate(self, expression: str, *arguments: Any) -> Any:
        return self.send("ExecuteScript", {"script": f"return {expression}", "args": arguments})

    def wait_for(self, expression: str, *arguments: Any) -> Any:
        """Waits until the expression is true on the page; returns its value."""
        return _wait_for(lambda: self.evaluate(expression, *arguments), f"{expression} {arguments}")

    def click(self, selector: str) -> None:
        self.send("ElementClick", {"id": self._find(selector)})

    def fill(self, selector: str, text: str) -> None:
        self.send("ElementSendKeys", {"id": self._find(selector), "text": text})

    def press(self, key: str) -> None:
        strokes = [{"type": kind, "value": KEYS[key]} for kind in ("keyDown", "keyUp")]
        keyboard = {"type": "key", "id": "keyboard", "actions": strokes}
        self.send("PerformActions", {"actions": [keyboard]})

    def drag(self, selector: str, *, right: int, down: int) -> None:
        """Drags the middle of an element by so many pixels, with a mouse."""
        self._find(selector)  # waits
        middle = f"""(() => {{
            const found = document.querySelector({json.dumps(selector)});
            found.scrollIntoView({{block: "center"}});
            const {{ x, y, width, height }} = found.getBoundingClientRect();
            return [x + width / 2, y + height / 2];
        }})()"""
        x, y = (round(length) for length in self.evaluate(middle))
        button = {"button": 0}
        steps = [
            {
                "type": "pointerMove",
                "duration": 100,
                "x": x + right * step // 5,
                "y": y + down * step // 5,
            }
            for step in range(6)
        ]
        actions = [
            *(steps[0], {"type": "pointerDown", **button}),
            *(*steps[1:], {"type": "pointerUp", **button}),
        ]
        mouse = {"type": "pointer", "id": "mouse", "actions": actions}
        self.send("PerformActions", {"actions": [mouse]})

    def _find(self, selector: str) -> str:
        self.wait_for("document.querySelector(arguments[0])?.checkVisibility()", selector)
        found = self.send("FindElement", {"using": "css selector", "value": selector})
        return str(next(iter(found.values())))


@contextmanager
def firefox(folder: Path) -> Iterator[Browser]:
    program = _installed("firefox-esr", "firefox", packages="firefox-esr")
    prefs = [f"user_pref({json.dumps(k)}, {json.dumps(v)});" for k, v in FIREFOX_PREFS.items()]
    (folder / "user.js").write_text("\n".join(prefs))
    command = [program, "--headless", "--marionette", "--no-remote", "--profile", str(folder)]
    log, port = folder / "log", folder / "MarionetteActivePort"
    with _running([*command, "about:blank"], log):
        _wait_for(lambda: port.exists() and port.read_text(), "Firefox")
        with socket.create_connection(("127.0.0.1", int(port.read_text())), 60) as connection:
            answers = connection.makefile("rb")

            def receive() -> Any:
                length = b""
                while not length.endswith(b":"):
                    length += answers.read(1) or pytest.fail("Firefox has ended")
                return json.loads(answers.read(int(length[:-1])))

            def send(command: str, body: dict[str, Any]) -> Any:
                message = json.dumps([0, 1, f"WebDriver:{command}", body]).encode()
                connection.sendall(b"%d:%b" % (len(message), message))
                _, _, error, result = receive()
                if error:
                    raise Failed(f"{command}: {error['error']}: {error['message']}")
                return result.get("value", result)

            receive()  # its greeting
            send("NewSession", {})
            yield Browser(send)
    failed = [line for line in log.read_text().splitlines() if "JavaScript error: http" in line]
    assert failed == []


@contextmanager
def webkit(folder: Path) -> Iterator[Browser]:
    packages = "webkit2gtk-driver xvfb"  # it has no way to run without a display
    driver = _installed("WebKitWebDriver", packages=packages)
    screen = _installed("Xvfb", packages=packages)
    log, screen_log, port = folder / "log", folder / "screen", addresses.free_port("127.0.0.1")
    with _running([screen, "-displayfd", "1", "-screen", "0", "1400x1000x24"], screen_log):
        display = _wait_for(lambda: re.search(r"^\d+\n", screen_log.read_text(), re.M), "Xvfb")
        environment = {**os.environ, "DISPLAY": f":{display[0].strip()}"}
        with _running([driver, f"--port={port}"], log, env=environment):
            _wait_for(lambda: addresses.http_status("127.0.0.1", port, "/status"), "WebKit")
            url = f"http://127.0.0.1:{port}/session"
            url += "/" + _ask("POST", url, {"capabilities": {}})["sessionId"]
            try:
                yield Browser(
                    lambda name, body: _ask("POST", f"{url}/{PATHS[name]}".format(**body), body)
                )
            finally:
                _ask("DELETE", url)


def _ask(method: str, url: str, body: Any = None) -> Any:
    value = urllib3.request(method, url, json=body, timeout=60, retries=False).json()["value"]
    if isinstance(value, dict) and "error" in value:
        raise Failed(f"{url}: {value['error']}: {value['message']}")
    return value


def _installed(*names: str, packages: str) -> str:
    found = next(filter(None, map(shutil.which, names)), None)
    return found or pytest.skip(f"No {names[0]}. On Debian: apt install {packages}")


@contextmanager
def _running(command: list[str], log: Path, **options: Any) -> Iterator[None]:
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, **options)
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(ask: Callable[[], Any], what: str) -> Any:
    end = time.monotonic() + WAIT_SECONDS
    while not (found := ask()):
        assert time.monotonic() < end, f"Waited in vain for {what}"
        time.sleep(0.1)
    return found
