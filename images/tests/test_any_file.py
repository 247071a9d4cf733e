"""Whatever a phone holds, under whatever name: taken by its bytes, or refused in words."""

from __future__ import annotations

import re
import zipfile
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest

from bandpics.testing.matrix import few
from images.models import Upload
from images.tests import drawn_pictures
from images.tests.guest_client import get

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bucket")]

SIZE = {"width": 640, "height": 400}
STAGE = {"taken_at": "2026:06:21 21:30:00", "offset": "+02:00", "lat": 48.2082, "lon": 16.3738}
TURNED = SIZE | STAGE | {"orientation": 6}

WITH_EXIF = {
    "image/jpeg": drawn_pictures.jpeg,
    "image/png": drawn_pictures.png,
    "image/heic": drawn_pictures.heic,
    "image/webp": drawn_pictures.webp,
    "image/avif": drawn_pictures.avif,
    "image/tiff": drawn_pictures.tiff_file,
}
PLAIN = {"image/gif": drawn_pictures.gif, "image/bmp": drawn_pictures.bmp}


def archive() -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("photo.jpg", drawn_pictures.jpeg(**SIZE))
    return out.getvalue()


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


REFUSED: dict[str, tuple[bytes, str]] = {
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "unsupported-format"),
    "eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "unsupported-format"),
    "pdf": (b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n", "unsupported-format"),
    "zip": (archive(), "unsupported-format"),
    "html": (b"<!doctype html><title>Hello</title>", "not-an-image"),
    "one byte": (b"\xff", "not-an-image"),
    "half a jpeg": (half(drawn_pictures.jpeg(**SIZE)), "damaged"),
    "half a heic": (half(drawn_pictures.heic(**SIZE)), "damaged"),
    "half a png": (half(drawn_pictures.png(**SIZE)), "damaged"),
    "half a webp": (half(drawn_pictures.webp(**SIZE)), "damaged"),
    "half an avif": (half(drawn_pictures.avif(**SIZE)), "damaged"),
    "half a tiff": (half(drawn_pictures.tiff_file(**SIZE)), "damaged"),
    "a bomb": (drawn_pictures.webp_of_one_colour(16384, 16384), "too-many-pixels"),
}


@pytest.mark.parametrize("content_type", few(WITH_EXIF, 2))
def test_it_is_upright_with_its_date_and_place_whatever_its_name_says(cleo, content_type: str):
    data = WITH_EXIF[content_type](**TURNED)
    image = cleo.send_and_process(data, filename="IMG_0001.JPG", content_type="image/jpeg")

    assert (image.status, image.content_type) == ("done", content_type)
    assert (image.width, image.height) == (SIZE["width"], SIZE["height"])
    assert image.taken_at == datetime(2026, 6, 21, 19, 30, tzinfo=UTC)
    assert image.latitude == pytest.approx(48.2082, abs=1e-5)
    variants = cleo.client.get(f"/api/v1/images/{image.pk}/").json()["variants"]
    assert set(variants) == {"thumb", "small", "tile", "medium", "fullsize"}
    thumb = variants["thumb"]
    assert (thumb["width"], thumb["height"]) == (320, 200)
    assert get(thumb["url"]).data.startswith(b"\xff\xd8\xff")


@pytest.mark.parametrize("content_type", few(WITH_EXIF, 2))
def test_its_location_can_be_removed_from_the_original_too(
    cleo, bucket, tmp_path, content_type: str
):
    image = cleo.send_and_process(WITH_EXIF[content_type](**TURNED))
    answer = cleo.client.delete(f"/api/v1/images/{image.pk}/location/")
    assert answer.json()["original"] == "edited"
    kept = tmp_path / "original"
    bucket.download(image.original_key, kept)
    assert cleo.client.get(f"/api/v1/images/{image.pk}/").json()["exif"]["gps"] is None
    # Degrees as EXIF stores them: 48 / 1 first, in either byte order.
    data = kept.read_bytes()
    assert not re.search(rb"\x30\0\0\0\x01\0\0\0\x0c\0\0\0\x01\0\0\0", data)
    assert not re.search(rb"\0\0\0\x30\0\0\0\x01\0\0\0\x0c\0\0\0\x01", data)


def test_such_degrees_would_be_found():
    data = drawn_pictures.jpeg(**TURNED)
    assert re.search(rb"\x30\0\0\0\x01\0\0\0\x0c\0\0\0\x01\0\0\0", data) or re.search(
        rb"\0\0\0\x30\0\0\0\x01\0\0\0\x0c\0\0\0\x01", data
    )


@pytest.mark.parametrize("content_type", PLAIN)
def test_formats_without_metadata_are_taken_as_well(cleo, content_type: str):
    image = cleo.send_and_process(PLAIN[content_type](**SIZE), filename="scan.jpg")
    assert (image.status, image.content_type) == ("done", content_type)
    assert (image.width, image.height) == (SIZE["width"], SIZE["height"])


def test_a_camera_with_two_eyes_sends_a_jpeg(cleo):
    image = cleo.send_and_process(drawn_pictures.mpo(**TURNED), filename="DSCF0001.MPO")
    assert (image.status, image.content_type) == ("done", "image/jpeg")
    assert (image.width, image.height) == (SIZE["width"], SIZE["height"])


@pytest.mark.parametrize("name", few(REFUSED, 4))
def test_anything_else_ends_failed_and_leaves_quarantine(cleo, bucket, name: str):
    data, reason = REFUSED[name]
    image = cleo.send_and_process(data, filename="photo.jpg")

    assert (image.status, image.failure) == ("failed", reason)
    assert list(bucket.list_keys("")) == []
    (line,) = cleo.receipt()
    said: Any = line["failure_detail"]
    assert said.endswith(".")
    assert said == Upload.Failure(reason).label or "photo" in said or "picture" in said


def test_an_empty_file_is_refused_before_it_is_sent(cleo):
    answer = cleo.announce({"filename": "a.jpg", "content_type": "image/jpeg", "size": 0})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "#/files/0/size"
