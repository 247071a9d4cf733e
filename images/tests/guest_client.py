"""What a guest does, step by step, through the public door."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import urllib3
from rest_framework.test import APIClient

from images import tasks
from images.access import GuestAccess
from images.models import Image, Upload

if TYPE_CHECKING:
    from images.models import UploaderKey
    from invitations.models import Invitation

DEVICE = "0123456789abcdef0123456789abcdef"
_pool = urllib3.PoolManager(retries=False, timeout=10)


@dataclass
class Guest:
    """Somebody who holds a link, on one device."""

    invitation: Invitation
    device: str = DEVICE

    @property
    def key(self) -> UploaderKey:
        return GuestAccess.of(self.invitation, device_secret=self.device).key

    @property
    def client(self) -> APIClient:
        client = APIClient(headers={"Bandpics-Device": self.device} if self.device else {})
        client.credentials(HTTP_AUTHORIZATION=f"Invitation {self.invitation.token}")
        return client

    def announce(self, *files: dict[str, Any], **more: Any) -> Any:
        return self.client.post("/api/v1/uploads/", {"files": list(files), **more})

    def announce_one(self, data: bytes, **more: Any) -> dict[str, Any]:
        answer = self.announce(described(data, **more))
        assert answer.status_code == 201, answer.json()
        return answer.json()["uploads"][0]

    def complete(self, upload_id: str) -> Any:
        return self.client.post(f"/api/v1/uploads/{upload_id}/complete/")

    def sign(self, upload_id: str, **body: Any) -> Any:
        return self.client.post(f"/api/v1/uploads/{upload_id}/sign/", body)

    def send(self, data: bytes, **more: Any) -> Upload:
        """Announce, PUT, complete: the bytes wait for a worker."""
        ticket = self.announce_one(data, **more)
        assert put(ticket["upload"], data).status == 200
        assert self.complete(ticket["id"]).status_code == 202
        return Upload.objects.get(pk=ticket["id"])

    def send_and_process(self, data: bytes, **more: Any) -> Image:
        """As send, and the worker's task is run here and now."""
        upload = self.send(data, **more)
        tasks.process_upload(str(upload.pk))
        return Image.objects.with_status().get(pk=upload.image_id)

    def receipt(self) -> list[dict[str, Any]]:
        return self.client.get("/api/v1/uploads/").json()["results"]


def send_as_member(client: APIClient, group: Any, data: bytes, **more: Any) -> Image:
    """A photo of somebody with an account, processed."""
    body = {"group": str(group.pk), "files": [described(data, **more)]}
    (ticket,) = client.post("/api/v1/uploads/", body).json()["uploads"]
    assert put(ticket["upload"], data).status == 200
    client.post(f"/api/v1/uploads/{ticket['id']}/complete/")
    tasks.process_upload(ticket["id"])
    return Image.objects.with_status().get(pk=ticket["id"])


def described(data: bytes, **more: Any) -> dict[str, Any]:
    """A file as the upload page announces it."""
    return {
        "filename": "IMG_0001.jpg",
        "content_type": "image/jpeg",
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        **more,
    }


def put(signed: dict[str, Any], data: bytes, **headers: str) -> Any:
    """What the browser does with a signed request; the answer is S3's own."""
    return _pool.request(
        signed["method"], signed["url"], body=data, headers={**signed["headers"], **headers}
    )


def get(url: str) -> Any:
    return _pool.request("GET", url)
