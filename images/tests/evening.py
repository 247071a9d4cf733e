"""A group with photos of a guest on a running Bandpics, made through the API."""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import urllib3

from images.tests import drawn_pictures

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Evening:
    """One group of the admin's, and a link by which a guest sends photos."""

    web_url: str
    host: dict[str, str]
    group_id: str
    guest: dict[str, str]
    link: str

    @classmethod
    def begin(cls, stack: dict[str, Any], name: str, **group: Any) -> Evening:
        account = {"email": stack["admin_email"], "password": stack["admin_password"]}
        token = _asked("POST", f"{stack['web_url']}/api/v1/token/", {}, account)["access"]
        host = {"Authorization": f"Bearer {token}"}
        api = f"{stack['web_url']}/api/v1"
        made = _asked("POST", f"{api}/groups/", host, {"name": name, **group})
        body = {"group": made["id"], "email": "cleo@example.org", "name": "Cleo"}
        link = _asked("POST", f"{api}/invitations/", host, body)["upload_link"]
        guest = {"Authorization": f"Invitation {link.rstrip('/').rpartition('/')[2]}"}
        return cls(stack["web_url"], host, made["id"], guest, link)

    def send(self, count: int, *, first: int = 0, **shot: Any) -> list[str]:
        """Sends photos as the guest, and waits until they are done. Returns their ids."""
        return self.send_files(
            [
                drawn_pictures.jpeg(width=600, height=400 + 40 * (seed % 3), seed=seed, **shot)
                for seed in range(first, first + count)
            ],
            first=first,
        )

    def send_files(self, files: list[bytes], *, first: int = 0) -> list[str]:
        """Sends these photos as send() does."""
        ids = []
        for number, data in enumerate(files, first):
            picture = base64.b64encode(data).decode()
            body = {"image": picture, "filename": f"IMG_{number:04}.jpg"}
            ids.append(_asked("POST", f"{self.web_url}/api/v1/images/", self.guest, body)["id"])
        self.wait_until(lambda photo: photo["status"] == "done", ids)
        return ids

    def wait_until(self, holds: Callable[[Any], bool], ids: list[str]) -> None:
        """Waits until something holds for each of these photos."""
        end = time.monotonic() + 60
        while not all(holds(self.photo(image_id)) for image_id in ids):
            assert time.monotonic() < end
            time.sleep(0.2)

    def photo(self, image_id: str) -> Any:
        return _asked("GET", f"{self.web_url}/api/v1/images/{image_id}/?trashed=true", self.host)

    def ask(self, method: str, path: str, body: Any = None, *, guest: bool = False) -> Any:
        headers = self.guest if guest else self.host
        return _asked(method, f"{self.web_url}/api/v1/{path}", headers, body)


def _asked(method: str, url: str, headers: dict[str, str], body: Any = None) -> Any:
    answer = urllib3.request(method, url, json=body, headers=headers)
    assert answer.status < 300, answer.data
    return answer.json() if answer.data else None
