"""Asks for transforms, renders them as the task does, and reads what came out."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from PIL import Image as Pillow

from images import tasks
from images.models import Transform
from images.storage.objects import ObjectMissing, photo_storage
from images.tests.guest_client import get

if TYPE_CHECKING:
    from rest_framework.test import APIClient

SMALL = {"resize": {"width": 100}}


def path_of(image: Any) -> str:
    return f"/api/v1/images/{image.pk}/transforms/"


def ask(client: APIClient, image: Any, **steps: Any) -> Any:
    """The answer to the order of a transform."""
    return client.post(path_of(image), {"transformations": steps or SMALL})


def asked(client: APIClient, image: Any, **steps: Any) -> Transform:
    """The row of a transform that was asked for."""
    answer = ask(client, image, **steps)
    assert answer.status_code in {200, 202}, answer.json()
    return Transform.objects.get(pk=answer.json()["id"])


def render(transform: Transform) -> Transform:
    tasks.render_transform(str(transform.pk))
    transform.refresh_from_db()
    return transform


def made(client: APIClient, image: Any, **steps: Any) -> Transform:
    """Asks for a transform and renders it as the task does."""
    transform = render(asked(client, image, **steps))
    assert transform.state == "done", transform.failure
    return transform


def is_there(transform: Transform) -> bool:
    try:
        return photo_storage().head(transform.key).byte_size == transform.byte_size
    except ObjectMissing:
        return False


def opened(url: str) -> Pillow.Image:
    """The picture that a browser gets."""
    answer = get(url)
    assert answer.status == 200, answer.data
    return Pillow.open(io.BytesIO(answer.data))
