from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from images.photofile import formats
from images.tests import drawn_exif, drawn_pictures

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("draw", "expected"),
    [
        (drawn_pictures.jpeg, formats.JPEG),
        (drawn_pictures.png, formats.PNG),
        (drawn_pictures.heic, formats.HEIC),
        (drawn_pictures.webp, formats.WEBP),
        (drawn_pictures.avif, formats.AVIF),
        (drawn_pictures.tiff_file, formats.TIFF),
        (drawn_pictures.gif, formats.GIF),
        (drawn_pictures.bmp, formats.BMP),
    ],
)
@pytest.mark.parametrize("name", ["photo.jpg", "photo.heic", "photo.txt", "photo"])
def test_the_bytes_tell_the_format_and_the_name_does_not(draw, expected, name, tmp_path: Path):
    path = tmp_path / name
    path.write_bytes(draw(width=60, height=40))
    assert formats.sniff(path) is expected


def _iso_media(major: bytes, *compatible: bytes) -> bytes:
    brands = major + b"\0\0\0\0" + b"".join(compatible)
    return (8 + len(brands)).to_bytes(4) + b"ftyp" + brands + b"\0\0\0\x08mdat"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (_iso_media(b"heic", b"mif1", b"heic"), formats.HEIC),
        (_iso_media(b"heix", b"mif1"), formats.HEIC),
        (_iso_media(b"mif1", b"mif1", b"heic"), formats.HEIC),
        (b"\xff\xd8\xff\xdb", formats.JPEG),
        (_iso_media(b"avif", b"mif1", b"miaf"), formats.AVIF),
        (_iso_media(b"avis", b"msf1"), formats.AVIF),
        (_iso_media(b"mif1", b"avif", b"miaf"), formats.AVIF),
        (_iso_media(b"msf1", b"hevc"), formats.HEIC),
        (b"GIF87a\1\0\1\0", formats.GIF),
        (b"RIFF\x24\0\0\0WEBPVP8 ", formats.WEBP),
        (b"II*\0\x08\0\0\0", formats.TIFF),
        (b"MM\0*\0\0\0\x08", formats.TIFF),
        (b"BM" + bytes(12) + b"\x28\0\0\0", formats.BMP),
    ],
)
def test_rarer_beginnings_are_known(data: bytes, expected, tmp_path: Path):
    path = tmp_path / "picture"
    path.write_bytes(data)
    assert formats.sniff(path) is expected


def _raw(data: bytes) -> bytes:
    return data + bytes(1000)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"RIFF\x24\0\0\0WAVEfmt ", "a video or sound file"),
        (b"II+\0\x08\0\0\0", "a BigTIFF"),
        (b"II*\0\x10\0\0\0CR\2\0", "a raw picture"),  # Canon's CR2
        (
            _raw(drawn_exif.tiff({254: (drawn_exif.LONG, 1), 271: (drawn_exif.ASCII, "NIKON")})),
            "a raw",
        ),
        (_raw(drawn_exif.tiff({50706: (drawn_exif.BYTE, b"\1\4\0\0")})), "a raw picture"),  # DNG
        (
            _raw(drawn_exif.tiff({259: (drawn_exif.SHORT, 65535)}, endian=">")),
            "a raw picture",
        ),  # Pentax
        (_raw(drawn_exif.tiff({262: (drawn_exif.SHORT, 32803)})), "a raw picture"),
        (b"IIRO\x08\0\0\0", "a raw picture"),  # Olympus
        (b"%PDF-1.7", "a PDF"),
        (b"%!PS-Adobe-3.0", "a PostScript file"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
        (b"<?xml version='1.0'?><!-- x --><SVG></SVG>", "an SVG drawing"),
        (b"8BPS\0\1", "a Photoshop document"),
        (b"PK\3\4", "a ZIP archive or office document"),
        (_iso_media(b"qt  "), "a video"),
        (_iso_media(b"mp42", b"isom"), "a video"),
        (_iso_media(b"crx "), "a raw picture"),
        (b"\xff\x0a\x00", "a JPEG XL"),
    ],
)
def test_what_we_know_and_do_not_take_is_named(data: bytes, kind: str, tmp_path: Path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    with pytest.raises(formats.UnsupportedFormat, match=kind) as refused:
        formats.sniff(path)
    assert refused.value.kind.startswith(kind)
    assert "JPEG, PNG, HEIC, WebP, AVIF, TIFF, GIF or BMP" in str(refused.value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"\xff\xd8",
        b"<html><body>",
        b"MZ\x90\0",
        b"hello",
        b"BMW and other cars, a list",
        b"\0" * 2000,
        b"\0\0\0\x18ft",
    ],
)
def test_what_is_no_picture_is_refused(data: bytes, tmp_path: Path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    with pytest.raises(formats.NotAnImage):
        formats.sniff(path)


def test_the_types_that_phones_declare_are_accepted():
    assert {"image/jpeg", "image/jpg", "image/png", "image/heic", "image/heif", "image/webp"} <= (
        formats.ACCEPTED_CONTENT_TYPES
    )
    assert {"image/avif", "image/tiff", "image/gif", "image/bmp"} <= formats.ACCEPTED_CONTENT_TYPES
    assert "image/svg+xml" not in formats.ACCEPTED_CONTENT_TYPES
