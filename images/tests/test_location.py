"""Forgetting where a photo was taken: the record, the raw EXIF, and the file itself."""

from __future__ import annotations

import io
import json
import shutil
import struct
import subprocess
import zlib
from datetime import timedelta

import pillow_heif
import pytest
from django.utils import timezone
from PIL import Image as Picture
from PIL import ImageChops

from bandpics.testing.matrix import few
from groups.models import Group
from images.models import Image, Upload
from images.photofile import formats, location
from images.photofile.containers import jpeg
from images.photofile.metadata import exif
from images.processing import claims, work
from images.tests import drawn_exif, drawn_pictures
from images.tests.drawn_metadata import packet
from images.tests.guest_client import Guest, described, get, put, send_as_member
from images.tests.real_photos import FOLDER, TAKEN
from invitations.tests.factories import InvitationFactory

EXIFTOOL = shutil.which("exiftool")


def box(name: bytes, payload: bytes) -> bytes:
    """One box of a HEIC or a film."""
    return struct.pack(">I4s", 8 + len(payload), name) + payload


def between_scans(data: bytes) -> bytes:
    """A JPEG with a comment between its scans."""
    scan = data.rindex(b"\xff\xda")
    return data[:scan] + drawn_pictures.segment(jpeg.COM, b"48.2082,16.3738") + data[scan:]


FILM = box(b"udta", box(b"\xa9xyz", b"\0\x12\x15\xc7+48.2082+016.3738/"))
WIDE_XMP = "<x:xmpmeta exif:GPSLatitude='48,12N'/>".encode("utf-16-le")
WITH_XMP = drawn_pictures.heic(xmp=packet({"dc:rights": "me"}))
# Its pixels are drawn all the same, and nobody can tell what belongs to them.
SCANS_APART = between_scans(drawn_pictures.jpeg(lat=48.2082, lon=16.3738, progressive=True))


@pytest.fixture
def without_location(tmp_path):
    """What is left of a file: its bytes, or None if it held no position."""

    def forget(data: bytes) -> bytes | None:
        source, into = tmp_path / "source", tmp_path / "into"
        source.write_bytes(data)
        changed = location.remove_location(source, into)
        return into.read_bytes() if changed else None

    return forget


def positions(data: bytes, tmp_path) -> list[str]:
    """exiftool's second opinion, where there is one."""
    if EXIFTOOL is None:
        return []
    path = tmp_path / "looked-at"
    path.write_bytes(data)
    told = subprocess.run(
        [EXIFTOOL, "-json", "-a", "-G1", "-ee", "-u", str(path)],
        capture_output=True,
        check=False,
    )
    return [
        name
        for name in json.loads(told.stdout)[0]
        if any(word in name.lower() for word in ("gps", "latitude", "longitude", "city", "country"))
    ]


def pixels(data: bytes) -> Picture.Image:
    return Picture.open(io.BytesIO(data)).convert("RGB")


def decoded(path) -> Picture.Image:
    return pillow_heif.open_heif(path).to_pillow()


# --- The file -------------------------------------------------------------------------------


@pytest.mark.parametrize("endian", ["<", ">"])
def test_a_jpeg_keeps_its_pixels_its_length_and_its_camera(without_location, tmp_path, endian):
    data = drawn_pictures.jpeg(
        lat=48.2082, lon=16.3738, altitude=180, direction=90, make="Apple", iso=64, endian=endian
    )
    edited = without_location(data)
    assert edited is not None
    assert len(edited) == len(data)
    scan = data.index(b"\xff\xda")
    assert edited[scan:] == data[scan:]
    read = exif.read(tmp_path / "into")
    assert read.gps is None
    assert "GPS" not in read.raw
    assert (read.camera_make, read.iso, read.offset_time) == ("Apple", 64, "+02:00")
    assert positions(edited, tmp_path) == []


def test_the_very_bytes_of_the_position_are_gone(without_location):
    block = drawn_exif.exif_block(lat=48.2082, lon=16.3738)
    degrees = drawn_exif.encoded(drawn_exif.RATIONAL, drawn_exif.degrees(48.2082), "<")[1]
    assert degrees in block
    edited = without_location(drawn_pictures.jpeg(exif=block))
    assert edited is not None
    assert degrees not in edited


def test_nothing_that_could_hide_a_position_is_kept(without_location, tmp_path):
    """XMP, IPTC, comments, maker notes, a thumbnail, segments nobody knows, what hangs behind,
    and texts that tell coordinates."""
    edited = without_location(drawn_pictures.jpeg(stuffed=True))
    assert edited is not None
    assert b"GPSLatitude" not in edited
    assert positions(edited, tmp_path) == []
    assert drawn_pictures.SECRET not in edited


def test_harmless_xmp_stays(without_location):
    xmp = drawn_pictures.segment(0xE1, jpeg.XMP_START + packet({"dc:rights": "me"}))
    data = drawn_pictures.jpeg(lat=48.2, lon=16.37)
    edited = without_location(data[:2] + xmp + data[2:])
    assert edited is not None
    assert b'dc:rights="me"' in edited


def test_xmp_in_utf_16_or_in_parts_is_read_too(without_location):
    data = drawn_pictures.jpeg()
    text = "<x:xmpmeta exif:GPSLatitude='48,12N'/>".encode("utf-16-le")
    wide = drawn_pictures.segment(0xE1, jpeg.XMP_START + text)
    edited = without_location(data[:2] + wide + data[2:])
    assert edited is not None
    assert text not in edited
    head = jpeg.XMP_MORE_START + b"0" * 32 + bytes(8)
    parts = [drawn_pictures.segment(0xE1, head + part) for part in (b"exif:G", b"PSLatitude='48'")]
    edited = without_location(data[:2] + b"".join(parts) + data[2:])
    assert edited is not None
    assert b"PSLatitude" not in edited


def test_a_second_picture_in_the_file_loses_its_location_too(without_location, tmp_path):
    """As phones hang a gain map behind the pixels; its index counts bytes."""
    first, second = (
        drawn_pictures.jpeg(lat=48.2, lon=16.37),
        drawn_pictures.jpeg(seed=2, lat=48.2, lon=16.37),
    )
    edited = without_location(first + bytes(100) + second)
    assert edited is not None
    assert len(edited) == len(first) + 100 + len(second)
    tail = tmp_path / "tail"
    tail.write_bytes(edited[len(first) + 100 :])
    assert exif.read(tail).gps is None


def test_progressive_pictures_are_edited_too(without_location):
    data = drawn_pictures.jpeg(progressive=True, lat=48.2, lon=16.37)
    edited = without_location(data)
    assert edited is not None
    assert ImageChops.difference(pixels(edited), pixels(data)).getbbox() is None


def test_a_png_keeps_its_pixels(without_location, tmp_path):
    data = drawn_pictures.png(stuffed=True, make="Apple")
    edited = without_location(data)
    assert edited is not None
    read = exif.read(tmp_path / "into")
    assert (read.gps, read.camera_make) == (None, "Apple")
    assert b"GPSLatitude" not in edited
    assert b"tEXt" not in edited
    assert positions(edited, tmp_path) == []
    assert ImageChops.difference(pixels(edited), pixels(data)).getbbox() is None


@pytest.mark.parametrize(
    "data",
    [
        drawn_pictures.jpeg(exif=b""),
        drawn_pictures.png(exif=b""),
        drawn_pictures.jpeg(),
        drawn_pictures.heic(),
        drawn_pictures.heic() + box(b"free", bytes(20)),
        WITH_XMP,
    ],
    ids=["bare jpeg", "bare png", "jpeg", "heic", "heic with a gap", "heic with harmless xmp"],
)
def test_what_holds_no_position_stays_as_it_is(without_location, data):
    assert without_location(data) is None


def twice(data: bytes) -> bytes:
    """The same EXIF segment two times."""
    length = int.from_bytes(data[4:6]) + 2
    return data[:2] + data[2 : 2 + length] + data[2:]


@pytest.mark.parametrize(
    "data",
    few(
        [
            drawn_pictures.heic() + box(b"mpvd", FILM),
            drawn_pictures.heic() + FILM,
            drawn_pictures.heic() + box(b"mdat", FILM),
            drawn_pictures.heic() + box(b"mdat", WIDE_XMP),
            drawn_pictures.heic() + box(b"free", zlib.compress(WIDE_XMP)),
            drawn_pictures.heic() + b"behind the end",
            WITH_XMP.replace(b"application/rdf+xml\0", b"application/rdf\0xml\0"),
            drawn_pictures.jpeg(lat=48.2, lon=16.37) + b"\0\0\0\x18ftypmp42 a film",
            drawn_pictures.jpeg(exif=b"II*\0\xff\xff\xff\x7f"),
            drawn_pictures.jpeg(exif=b"no tiff at all, but who knows"),
            drawn_pictures.jpeg(
                exif=drawn_exif.exif_block(lat=1, lon=2, ifd0={0x014A: (drawn_exif.LONG, 8)})
            ),
            drawn_pictures.jpeg(
                exif=drawn_exif.exif_block(ifd0={0x8769: (drawn_exif.LONG, 0x7FFFFFF0)})
            ),
            twice(drawn_pictures.jpeg(lat=48.2, lon=16.37, orientation=6)),
        ],
        5,
    ),
    ids=[
        *("heic film", "heic user data", "heic film data"),
        *("heic wide xmp", "heic hidden xmp", "heic tail", "heic encoded xmp"),
        *("film behind", "points nowhere", "no tiff"),
        *("sub ifds", "exif nowhere", "two exifs"),
    ],
)
def test_what_is_not_understood_goes_and_the_picture_stays(without_location, tmp_path, data):
    edited = without_location(data)
    assert edited is not None
    assert positions(edited, tmp_path) == []
    for text in (b"\xa9xyz", WIDE_XMP, b"behind the end", b"a film", b"no tiff", b"rights"):
        assert text not in edited
    source = tmp_path / "source"
    assert (exif.read(tmp_path / "into").orientation or 1) == (exif.read(source).orientation or 1)
    if data[4:8] == b"ftyp":
        assert ImageChops.difference(*map(decoded, (source, tmp_path / "into"))).getbbox() is None
    else:
        assert ImageChops.difference(pixels(data), pixels(edited)).getbbox() is None


@pytest.mark.parametrize(
    "data",
    [
        drawn_pictures.jpeg(lat=48.2, lon=16.37)[:-2],
        drawn_pictures.png(lat=48.2, lon=16.37)[:-20],
        SCANS_APART,
        drawn_pictures.heic().replace(b"ftypheic", b"ftypmsf1"),
    ],
    ids=["cut off", "cut off png", "metadata between scans", "a film first"],
)
def test_a_picture_that_is_not_understood_is_not_edited(without_location, data):
    with pytest.raises(location.CannotRemoveLocation):
        without_location(data)


def test_a_directory_that_points_to_itself_ends(without_location):
    block = drawn_exif.exif_block(lat=1, lon=2, exif={0xA005: (drawn_exif.LONG, 8)})
    assert without_location(drawn_pictures.jpeg(exif=block)) is not None


@pytest.mark.skipif(not TAKEN, reason="no folder of real photos")
@pytest.mark.parametrize("step", [6, pytest.param(1, marks=pytest.mark.long)])
def test_real_photos_lose_their_location(tmp_path, step):
    """Every sixth photo; all of them in the long run."""
    located = edited = 0
    for name in list(TAKEN)[::step]:
        source, into = FOLDER / name, tmp_path / "into"
        format_ = formats.sniff(source)
        has_place = exif.read(source).gps is not None
        located += has_place
        try:
            changed = location.remove_location(source, into)
        except location.CannotRemoveLocation:
            continue
        if not changed:
            assert not has_place, name
            continue
        edited += has_place
        assert positions(into.read_bytes(), tmp_path) == [], name
        if format_ is formats.JPEG:
            one, other = (jpeg.read_header(path.read_bytes()) for path in (source, into))
            assert one.drawing == other.drawing
        else:
            assert ImageChops.difference(*map(decoded, (source, into))).getbbox() is None
    assert edited == located > 0


# --- The record, through the door -----------------------------------------------------------


def stage(**more):
    return drawn_pictures.jpeg(lat=48.2082, lon=16.3738, **more)


def forget(client, image):
    return client.delete(f"/api/v1/images/{image.pk}/location/")


@pytest.fixture
def image(cleo, bucket):
    return cleo.send_and_process(stage())


@pytest.mark.django_db
def test_the_position_is_forgotten_everywhere(cleo, ada, image, bucket, signed_in):
    answer = forget(cleo.client, image)
    assert answer.status_code == 200
    assert answer.json() == {"original": "edited", "removed": ["position"]}

    client = signed_in(ada)
    body = client.get(f"/api/v1/images/{image.pk}/").json()
    assert body["exif"]["gps"] is None
    assert body["gps_source"] == "removed"
    assert "GPS" not in body["exif"]["raw"]
    assert body["exif"]["raw"]["IFD0"]["Make"] == "Drawn"
    assert body["sha256"] == image.sha256  # of what was sent: by it the photo is known again
    original = get(client.get(f"/api/v1/images/{image.pk}/variants/original/")["Location"]).data
    assert len(original) == len(stage())
    assert original != stage()
    assert forget(cleo.client, image).json() == {"original": "none", "removed": []}
    again = Guest(InvitationFactory(group=image.group)).send_and_process(stage())
    assert again.status == "duplicate"


@pytest.mark.django_db
def test_where_nothing_can_be_proved_the_original_goes(cleo, ada, bucket, signed_in):
    image = cleo.send_and_process(SCANS_APART)
    assert forget(cleo.client, image).json() == {"original": "dropped", "removed": []}
    client = signed_in(ada)
    answer = client.get(f"/api/v1/images/{image.pk}/variants/original/")
    assert answer.status_code == 410
    assert answer.json()["type"] == "/problems/original-dropped/"
    assert client.get(f"/api/v1/images/{image.pk}/").json()["original_dropped_at"]
    assert get(client.get(f"/api/v1/images/{image.pk}/variants/thumb/")["Location"]).status == 200
    assert not [found for found in bucket.list_keys("") if "/original/" in found.key]
    assert forget(cleo.client, image).json() == {"original": "none", "removed": []}


@pytest.mark.django_db
def test_an_attached_film_goes_and_the_original_stays(cleo, ada, bucket, signed_in):
    data = drawn_pictures.heic(lat=48.2, lon=16.37) + box(b"mpvd", FILM)
    image = cleo.send_and_process(data, content_type="image/heic")
    answer = forget(cleo.client, image).json()
    assert answer == {"original": "edited", "removed": ["attachments", "position"]}
    path = f"/api/v1/images/{image.pk}/variants/original/"
    assert b"\xa9xyz" not in get(signed_in(ada).get(path)["Location"]).data


@pytest.mark.django_db
def test_a_call_that_was_cut_off_is_finished_by_the_next(cleo, image, bucket):
    bucket.delete_keys([image.original_key])
    assert forget(cleo.client, image).json() == {"original": "dropped", "removed": []}
    assert Image.objects.get().original_dropped_at


@pytest.mark.django_db
def test_a_place_a_person_pinned_is_forgotten_too(ada, image, signed_in):
    client = signed_in(ada)
    client.patch(f"/api/v1/images/{image.pk}/", {"location": {"lat": 1, "lon": 2}})
    assert forget(client, image).json()["original"] == "edited"
    assert Image.objects.get().latitude is None


@pytest.mark.django_db
def test_who_may_forget(client, ben, vera, dora, group, image, signed_in):
    assert forget(client, image).status_code == 401
    assert forget(signed_in(ben), image).status_code == 403
    assert forget(signed_in(vera), image).status_code == 403
    assert forget(signed_in(dora), image).status_code == 404
    assert forget(Guest(InvitationFactory(group=group)).client, image).status_code == 404
    own = send_as_member(signed_in(ben), group, stage(seed=4))
    assert forget(signed_in(ben), own).status_code == 200


@pytest.mark.django_db
def test_a_guest_may_when_the_group_is_closed(cleo, image):
    Group.objects.update(closes_at=timezone.now() - timedelta(days=1))
    assert forget(cleo.client, image).status_code == 200


@pytest.mark.django_db
def test_not_while_a_worker_reads_it(cleo, bucket):
    upload = cleo.send(stage())
    claims.claim(upload)
    answer = forget(cleo.client, upload.image)
    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/not-ready/"


@pytest.mark.django_db
def test_what_was_forgotten_before_the_worker_came_is_not_read(cleo, ada, bucket, signed_in):
    upload = cleo.send(stage())
    assert forget(cleo.client, upload.image).json() == {"original": "none", "removed": []}
    work.process(upload)
    image = Image.objects.get()
    assert (image.version, image.latitude, image.gps_source) == (1, None, "removed")
    assert "GPS" not in image.exif
    answer = signed_in(ada).get(f"/api/v1/images/{image.pk}/variants/original/")
    assert b"GPS" not in get(answer["Location"]).data
    assert get(answer["Location"]).data != stage()


@pytest.mark.django_db
@pytest.mark.parametrize("place", [None, {"lat": 1.0, "lon": 2.0}])
def test_what_a_person_says_later_does_not_bring_it_back(
    cleo, ada, bucket, signed_in, tmp_path, place
):
    upload = cleo.send(stage())
    forget(cleo.client, upload.image)
    client, path = signed_in(ada), f"/api/v1/images/{upload.image_id}/"
    assert client.patch(path, {"location": place}).status_code == 200
    work.process(upload)
    image = Image.objects.get(pk=upload.image_id)
    assert (image.version, image.latitude) == (1, place and place["lat"])
    assert "GPS" not in str(image.exif).upper()
    bucket.download(image.original_key, tmp_path / "original")
    assert exif.read(tmp_path / "original").gps is None


def test_another_file_does_not_bring_it_back(cleo, ada, image, signed_in, bucket):
    forget(cleo.client, image)
    client, data = signed_in(ada), SCANS_APART
    body = described(data) | {"filename": "48.2082,16.3738.jpg"}
    ticket = client.patch(f"/api/v1/images/{image.pk}/file/", body).json()
    put(ticket["upload"], data)
    client.post(f"/api/v1/uploads/{ticket['id']}/complete/")
    work.process(Upload.objects.get(pk=ticket["id"]))
    image = Image.objects.get()
    assert (image.version, image.latitude, image.gps_source) == (2, None, "removed")
    assert (image.original_filename, image.uploads.get(version=2).filename) == ("photo.jpg",) * 2
    assert "GPS" not in image.exif
    assert image.original_dropped_at  # nobody can tell what belongs to its pixels
    assert not [found for found in bucket.list_keys("") if "/original/" in found.key]


@pytest.mark.django_db(transaction=True)
def test_forgotten_while_the_worker_was_at_it(cleo, bucket, monkeypatch):
    upload = cleo.send(stage())
    store = work._store

    def store_then_forget(*args, **kwargs):
        store(*args, **kwargs)
        Image.objects.update(gps_source="removed", place_forgotten_at=timezone.now())

    monkeypatch.setattr(work, "_store", store_then_forget)
    work.process(upload)
    monkeypatch.undo()
    upload.refresh_from_db()
    assert upload.status == "queued"
    work.process(upload)
    image = Image.objects.get()
    assert (image.version, image.latitude) == (1, None)
    assert get(bucket.presign_get(image.original_key, content_type="image/jpeg")).data != stage()
