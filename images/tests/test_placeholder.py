"""The picture of a few bytes that a tile shows until its photo has loaded."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from bandpics.testing.matrix import few
from images import tasks
from images.photofile import placeholder, rendering
from images.photofile.rendering import appearance
from images.templatetags import photos
from images.tests import drawn_pictures
from images.tests.drawn_pictures import SECRET
from images.tests.guest_client import send_as_member

if TYPE_CHECKING:
    from pathlib import Path


def opened(address: str) -> Image.Image:
    """The picture of a `data:` address, as a browser decodes it."""
    head, _, data = address.partition(",")
    assert head == "data:image/webp;base64"
    image = Image.open(io.BytesIO(base64.b64decode(data, validate=True)), formats=["WEBP"])
    image.load()
    return image


def made(data: bytes, folder: Path) -> bytes:
    path = folder / "source"
    path.write_bytes(data)
    rendered = rendering.render(path, header=rendering.inspect(path), into=folder)
    return appearance.read({one.name: one.path for one in rendered}, pixels=1).placeholder


def test_a_photo_that_is_done_has_a_placeholder_with_its_colours_and_shape(cleo):
    image = cleo.send_and_process(drawn_pictures.jpeg(width=1200, height=800, orientation=6))

    small = opened(photos.placeholder(image))

    assert small.size == (16, 11)
    red, green, blue = small.convert("RGB").getpixel((1, 1))
    assert red > 150, "upright: the corner at the top left is red"
    assert max(green, blue) < 110


def test_the_api_gives_the_placeholder_in_lists_and_alone(cleo):
    image = cleo.send_and_process(drawn_pictures.jpeg())

    alone = cleo.client.get(f"/api/v1/images/{image.pk}/").json()["placeholder"]
    (row,) = cleo.client.get("/api/v1/images/").json()["results"]

    assert row["placeholder"] == alone == photos.placeholder(image)
    assert opened(alone).size == (16, 11)


def test_before_a_photo_is_done_there_is_none(cleo):
    upload = cleo.send(drawn_pictures.jpeg())

    assert photos.placeholder(upload.image) == ""
    assert cleo.client.get(f"/api/v1/images/{upload.image_id}/").json()["placeholder"] is None


def test_a_replacement_brings_a_placeholder_of_its_own(ada, group, signed_in):
    host = signed_in(ada)
    image = send_as_member(host, group, drawn_pictures.jpeg(width=1200, height=800))
    other = SimpleUploadedFile("b.jpg", drawn_pictures.jpeg(width=800, height=1200), "image/jpeg")

    sent = host.patch(f"/api/v1/images/{image.pk}/file/", {"file": other}, format="multipart")
    tasks.process_upload(sent.json()["upload"])

    image.refresh_from_db()
    assert opened(photos.placeholder(image)).size == (11, 16)


@pytest.mark.parametrize("seed", few(range(5), 2))
def test_a_detailed_photo_takes_few_bytes(tmp_path, seed):
    image = drawn_pictures.detailed(width=1200, height=800, seed=seed)

    pixels = made(drawn_pictures.jpeg(image=image), tmp_path)

    assert len(placeholder.webp(pixels)) < 120


@pytest.mark.parametrize(
    ("width", "height"), [(1, 1), (1, 3000), (3000, 1), (7, 5), (4000, 200)], ids=str
)
def test_pictures_of_any_shape_have_one(tmp_path, width, height):
    pixels = made(drawn_pictures.png(width=width, height=height), tmp_path)

    assert max(opened(placeholder.data_uri(pixels)).size) == min(16, max(width, height))


def test_grey_photos_have_one(tmp_path):
    grey = drawn_pictures.picture().convert("L")

    pixels = made(drawn_pictures.png(image=grey), tmp_path)

    assert opened(placeholder.data_uri(pixels)).size == (16, 11)


def test_it_holds_nothing_but_pixels(cleo):
    image = cleo.send_and_process(drawn_pictures.jpeg(stuffed=True))
    file = placeholder.webp(bytes(image.placeholder))

    assert SECRET not in file
    assert file[12:16] == b"VP8 "
    assert not opened(photos.placeholder(image)).getexif()


def test_a_webp_with_anything_else_is_none():
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x010F] = "a maker"
    Image.new("RGB", (16, 11)).save(file, "WEBP", exif=exif)

    with pytest.raises(ValueError, match="plain"):
        placeholder.pixels_of(file.getvalue())
    file = io.BytesIO()
    Image.new("RGB", (16, 11)).save(file, "WEBP")
    assert placeholder.webp(placeholder.pixels_of(file.getvalue())) == file.getvalue()
    with pytest.raises(ValueError, match="plain"):
        placeholder.pixels_of(file.getvalue() + b"more")
