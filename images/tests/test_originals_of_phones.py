"""A place can be forgotten without losing the originals of ordinary phones."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pillow_heif
import pytest
from PIL import Image as Picture
from PIL import ImageChops

from bandpics.testing.matrix import few
from images.models import Image
from images.photofile import location
from images.photofile.containers import iso_media, jpeg
from images.photofile.metadata import exif
from images.tests import drawn_phones, drawn_pictures, test_location_texts
from images.tests.drawn_phones import GAIN_MAP, PHONES
from images.tests.guest_client import get
from images.tests.test_location_texts import check_that_nothing_reveals_it, left
from images.tests.test_originals import EXIFTOOL, exiftool_tags, pixels

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", few(PHONES, 4))
def test_attachments_go_and_the_photo_stays(name: str, tmp_path: Path):
    data = PHONES[name]()
    after = left(data, tmp_path)
    check_that_nothing_reveals_it(after, tmp_path)
    for trace in (b"SEFT", b"mp42", b"\xa9xyz", b"\x89depth", b"maker"):
        assert trace not in after
    difference = ImageChops.difference(pixels(data, tmp_path / "a"), pixels(after, tmp_path / "b"))
    assert difference.getbbox() is None
    read = exif.read(tmp_path / "into")
    assert (read.camera_make, read.gps) == ("Drawn", None)
    tags = exiftool_tags(after, tmp_path / "looked-at")
    assert not [name for name in tags if "GPS" in name or name.endswith((":Warning", ":Error"))]


def test_a_second_picture_stays_with_its_index(tmp_path: Path):
    whole = drawn_phones.jpeg_of_two_pictures()
    after = left(whole + drawn_phones.samsung_trailer(), tmp_path)
    assert len(after) == len(whole)
    with Picture.open(tmp_path / "into") as picture:
        assert picture.format == "MPO"
        assert picture.n_frames == 2
        picture.seek(1)
        picture.load()


def test_an_index_of_pictures_that_are_not_there_goes(tmp_path: Path):
    left(drawn_phones.jpeg_of_two_pictures()[:-500], tmp_path)
    with Picture.open(tmp_path / "into") as picture:
        assert picture.format == "JPEG"
        picture.load()


def test_an_auxiliary_picture_stays_with_what_says_how_to_draw_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pillow_heif.options, "DEPTH_IMAGES", True)
    data = drawn_phones.heic_of_two_pictures()
    after = left(data, tmp_path)
    assert len(after) == len(data)
    assert GAIN_MAP in after
    opened = pillow_heif.open_heif(tmp_path / "into")
    assert len(opened.info["depth_images"]) == 1
    pictures = [item for item in iso_media.items(after) if item.kind == b"hvc1"]
    for item in pictures:
        assert item.read(after, max_bytes=10**6) == item.read(data, max_bytes=10**6)
    assert len(pictures) == 2


def test_removing_twice_changes_nothing_more(tmp_path: Path):
    for draw in PHONES.values():
        once = left(draw(), tmp_path)
        assert left(once, tmp_path) == once


@pytest.mark.django_db
def test_the_original_of_a_phone_is_edited_and_what_went_is_said(cleo, ada, bucket, signed_in):
    for name, draw in PHONES.items():
        image = cleo.send_and_process(draw())
        answer = cleo.client.delete(f"/api/v1/images/{image.pk}/location/").json()
        assert answer["original"] == "edited", name
        assert "position" in answer["removed"], name
        assert not Image.objects.get(pk=image.pk).original_dropped_at
        path = f"/api/v1/images/{image.pk}/variants/original/"
        assert b"xyz\0\x12" not in get(signed_in(ada).get(path)["Location"]).data
        assert cleo.client.delete(f"/api/v1/images/{image.pk}/").status_code == 204


# --- The proof ------------------------------------------------------------------------------

LOCATED = drawn_pictures.jpeg(lat=48.2082, lon=16.3738, orientation=6)


def keep_everything(source, into, _):
    into.write_bytes(source.read_bytes() + b"\0")


def leave(data: bytes):
    def editor(_source, into, _):
        into.write_bytes(data)

    return editor


def with_packet(document: bytes) -> bytes:
    plain = drawn_pictures.jpeg(orientation=6)
    segment = drawn_pictures.segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + document)
    return plain[:2] + segment + plain[2:]


CARELESS = {
    "leaves GPS": keep_everything,
    "leaves a GPS directory without a position": leave(
        drawn_pictures.jpeg(orientation=6, gps={0x1B: (7, b"ASCII\0\0\0cell")})
    ),
    "leaves XMP": leave(with_packet(test_location_texts.PACKETS["w3c position"])),
    "leaves a text": leave(
        drawn_pictures.jpeg(orientation=6, ifd0={0x010E: (2, "48.2082,16.3738")})),
    "turns the picture": leave(drawn_pictures.jpeg(orientation=6).replace(
        b"\x12\1\3\0\1\0\0\0\6", b"\x12\1\3\0\1\0\0\0\1")),
    "changes the pixels": leave(drawn_pictures.jpeg(orientation=6, seed=1)),
}  # fmt: skip


@pytest.mark.parametrize("name", CARELESS)
def test_what_a_careless_editor_leaves_is_found(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    source, into = tmp_path / "source", tmp_path / "into"
    source.write_bytes(LOCATED)
    monkeypatch.setattr(jpeg, "remove_location", leave(drawn_pictures.jpeg(orientation=6)))
    assert location.remove_location(source, into)
    monkeypatch.setattr(jpeg, "remove_location", CARELESS[name])
    with pytest.raises(location.CannotRemoveLocation):
        location.remove_location(source, into)


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
def test_exiftool_knows_these_phones():
    """Or its second opinion would say nothing of them."""
    assert EXIFTOOL
    found = subprocess.run(
        [EXIFTOOL, "-a", "-G1", "-"],
        input=PHONES["a JPEG with Samsung's trailer"](),
        capture_output=True,
        check=False,
    )
    assert b"Samsung" in found.stdout
