"""Nothing but pixels leaves the house."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from bandpics.testing.matrix import few
from images import tasks
from images.photofile import rendering, variants
from images.photofile.containers import jpeg
from images.photofile.rendering import verify
from images.processing import claims
from images.tests import drawn_pictures, real_photos
from images.tests.drawn_pictures import SECRET, segment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from images.storage.objects import PhotoStorage
    from images.tests.guest_client import Guest

EXIFTOOL = shutil.which("exiftool")

# What exiftool derives from any JPEG at all.
ALLOWED_GROUPS = {"ExifTool", "System", "JFIF"}
ALLOWED_TAGS = {
    "File": {
        "FileType", "FileTypeExtension", "MIMEType", "ImageWidth", "ImageHeight",
        "EncodingProcess", "BitsPerSample", "ColorComponents", "YCbCrSubSampling",
    },
    "Composite": {"ImageSize", "Megapixels"},
}  # fmt: skip


def render(path: Path, into: Path) -> list[rendering.Rendered]:
    header = rendering.inspect(path)
    return rendering.render(path, header=header, into=into)


def leaks(*paths: Path) -> dict[str, set[str]]:
    """What exiftool finds in each file that a bare JPEG would not have."""
    assert EXIFTOOL
    command = [EXIFTOOL, "-json", "-G1", "-a", "-u", "-n", "-ee", *map(str, paths)]
    answer = subprocess.run(command, capture_output=True, check=False)
    found: dict[str, set[str]] = {}
    for entry in json.loads(answer.stdout):
        name = entry.pop("SourceFile")
        keys = {tuple(key.split(":", 1)) for key in entry}
        found[name] = {
            f"{group}:{tag}"
            for group, tag in keys
            if group not in ALLOWED_GROUPS and tag not in ALLOWED_TAGS.get(group, set())
        }
    return found


def test_exiftool_is_installed_where_tests_decide():
    assert EXIFTOOL or not os.environ.get("CI")


WITH_EXIF = [
    *(drawn_pictures.jpeg, drawn_pictures.png, drawn_pictures.heic),
    *(drawn_pictures.webp, drawn_pictures.avif, drawn_pictures.tiff_file),
]


@pytest.mark.parametrize("draw", few([*WITH_EXIF, drawn_pictures.gif, drawn_pictures.bmp], 3))
def test_no_variant_of_a_stuffed_file_carries_anything(draw: Any, tmp_path: Path):
    source = tmp_path / "original"
    extra = {"orientation": 6} if draw in WITH_EXIF else {}
    source.write_bytes(draw(width=900, height=600, stuffed=True, **extra))
    assert source.read_bytes().count(SECRET) >= (3 if draw is not drawn_pictures.bmp else 1)
    rendered = render(source, tmp_path)
    for variant in rendered:
        assert SECRET not in variant.path.read_bytes()
        verify.assert_metadata_free(variant.path)
    if EXIFTOOL:
        found = leaks(source, *(variant.path for variant in rendered))
        told = found.pop(str(source))
        if draw in WITH_EXIF:
            assert "GPS:GPSLatitude" in told
        assert set().union(*found.values()) == set()


def test_no_variant_of_a_real_photo_carries_anything(tmp_path: Path):
    paths = []
    for index, name in enumerate(real_photos.TAKEN):
        source = real_photos.FOLDER / name
        if source.stat().st_size > 400_000:
            continue  # time; what cameras embed does not grow with their pixels
        into = tmp_path / str(index)
        into.mkdir()
        paths += [variant.path for variant in render(source, into)]
    if EXIFTOOL and paths:
        assert set().union(*leaks(*paths).values()) == set()


@pytest.fixture
def careless_writer(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A writer that adds a comment to one size, as an update of the library might."""
    save = Image.Image.save

    def begin(size: str) -> None:
        def careless(image: Image.Image, path: Path, *args: Any, **options: Any) -> None:
            more = {"comment": b"48.2082,16.3738"} if path.stem == size else {}
            save(image, path, *args, **options, **more)

        monkeypatch.setattr(Image.Image, "save", careless)

    return begin


@pytest.mark.parametrize("size", [spec.name for spec in variants.ALL])
def test_a_size_that_carries_more_than_pixels_is_not_handed_on(
    size: str, tmp_path: Path, careless_writer: Callable[[str], None]
):
    source = tmp_path / "original"
    source.write_bytes(drawn_pictures.jpeg(width=3000, height=2000))
    careless_writer(size)
    with pytest.raises(verify.MetadataFound):
        render(source, tmp_path)


def test_a_worker_shows_nothing_that_carries_more_than_pixels(
    cleo: Guest, bucket: PhotoStorage, careless_writer: Callable[[str], None]
):
    upload = cleo.send(drawn_pictures.jpeg())
    careless_writer("thumb")
    for _ in range(claims.MAX_ATTEMPTS):
        with contextlib.suppress(verify.MetadataFound):
            tasks.process_upload(str(upload.pk))
    upload.refresh_from_db()
    assert (upload.status, upload.failure) == ("failed", "crashed")
    stored = [found.key for found in bucket.list_keys("") if str(upload.image_id) in found.key]
    assert stored == [upload.incoming_key]


@pytest.fixture
def rendered(tmp_path: Path) -> Path:
    source = tmp_path / "original"
    source.write_bytes(drawn_pictures.jpeg(width=300, height=200))
    return render(source, tmp_path)[0].path


JFIF = b"JFIF\0\x01\x01\0\0\x01\0\x01"

TAMPERED = {
    "comment": lambda data: data[:20] + segment(jpeg.COM, b"hello") + data[20:],
    "Exif": lambda data: data[:20] + segment(0xE1, b"Exif\0\0") + data[20:],
    "Exif first": lambda data: data[:2] + segment(0xE1, b"Exif\0\0") + data[2:],
    "ICC": lambda data: data[:20] + segment(0xE2, b"ICC_PROFILE\0\1\1") + data[20:],
    "IPTC": lambda data: data[:20] + segment(0xED, b"Photoshop 3.0\0") + data[20:],
    "Adobe": lambda data: data[:20] + segment(0xEE, b"Adobe\0\0\0\0\0\0\0") + data[20:],
    "JFIF thumbnail": lambda data: data[:2] + segment(0xE0, JFIF + b"\1\1abc") + data[20:],
    "JFIF thumbnail, announced": lambda data: data[:2] + segment(0xE0, JFIF + b"\1\1") + data[20:],
    "JFIF tail": lambda data: data[:2] + segment(0xE0, JFIF + b"\0\0secret") + data[20:],
    "JFIF twice": lambda data: data[:20] + data[2:],
    "JFXX": lambda data: data[:20] + segment(0xE0, b"JFXX\0\x13secret") + data[20:],
    "padded table": lambda data: data[:20] + segment(jpeg.DQT, b"\0" * 70) + data[20:],
    "padded Huffman": lambda data: data[:20] + segment(jpeg.DHT, b"\0" * 25) + data[20:],
    "reserved segment": lambda data: data[:20] + segment(0xF0, b"secret") + data[20:],
    "trailer": lambda data: data + b"secret",
    "one byte behind": lambda data: data + b"\0",
    "second picture": lambda data: data + data,
    "a segment between coded data and the end": lambda data: (
        data[:-2] + segment(jpeg.COM, b"secret") + data[-2:]
    ),
    "no end": lambda data: data[:-2],
    "half a head": lambda data: data[:100],
    "only a start": lambda data: data[:2],
    "nothing": lambda data: b"",
    "a PNG": lambda data: drawn_pictures.png(width=10, height=10),
    "a progressive JPEG": lambda data: drawn_pictures.jpeg(
        exif=b"", width=90, height=60, progressive=True
    ),
    "a source": lambda data: drawn_pictures.jpeg(width=90, height=60),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_a_file_that_carries_more_than_pixels_is_not_bare(name: str, rendered: Path):
    verify.assert_metadata_free(rendered)
    rendered.write_bytes(TAMPERED[name](rendered.read_bytes()))
    with pytest.raises(verify.MetadataFound):
        verify.assert_metadata_free(rendered)
