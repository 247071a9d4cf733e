"""A member of a running stack, who speaks to its API over HTTP."""

from __future__ import annotations

import base64
import time
from typing import Any

import urllib3

PATIENCE_SECONDS = 120


class StackClient:
    def __init__(self, web_url: str, headers: dict[str, str]) -> None:
        self.root = f"{web_url}/api/v1/"
        self.headers = headers

    def call(self, method: str, path: str, **body: Any) -> Any:
        more = {"json": body} if body else {}
        answer = urllib3.request(method, self.root + path, headers=self.headers, **more)
        assert answer.status < 300, answer.data
        return answer.json()

    def wait_for(self, path: str, status: str) -> Any:
        end = time.monotonic() + PATIENCE_SECONDS
        while (found := self.call("GET", path))["status"] != status:
            assert time.monotonic() < end, found
            time.sleep(0.2)
        return found

    def send(self, data: bytes) -> tuple[str, str]:
        """Sends one photo to a new group, and waits until it is done. Returns the ids of both."""
        group = self.call("POST", "groups/", name="The evening")["id"]
        picture = base64.b64encode(data).decode()
        photo = self.call("POST", "images/", group=group, image=picture, filename="stage.jpg")
        self.wait_for(f"images/{photo['id']}/", "done")
        return group, photo["id"]
