"""No transform carries anything but pixels, whatever the photo carries."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from bandpics.testing.matrix import few
from images.photofile.rendering import verify
from images.photofile.transforms import render
from images.photofile.transforms.spec import (
    FORMATS,
    Crop,
    Resize,
    Rotate,
    Spec,
    Watermark,
)
from images.tests import drawn_metadata, drawn_pictures
from images.tests.drawn_pictures import SECRET
from images.tests.test_rendering_bare import EXIFTOOL, WITH_EXIF, leaks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SOURCES = [*WITH_EXIF, drawn_pictures.gif, drawn_pictures.bmp]
SPECS = {
    "as it is": Spec(),
    "every step": Spec(
        crop=Crop(3, 5, 50, 40),
        resize=Resize(40, 30, "fill"),
        rotate=Rotate(10),
        flip=True,
        mirror=True,
        filters=frozenset({"grayscale", "sepia"}),
        watermark=Watermark(text="Band"),
    ),
    "cropped": Spec(crop=Crop(0, 0, 48, 32)),
}
# What exiftool tells of any file of these formats at all.
OF_ANY_FILE = {
    *(f"PNG:{tag}" for tag in ("BitDepth", "ColorType", "Compression", "Filter", "Interlace")),
    *(f"{group}:Image{edge}" for group in ("PNG", "RIFF") for edge in ("Width", "Height")),
    *("RIFF:VP8Version", "RIFF:HorizontalScale", "RIFF:VerticalScale"),
    *("Meta:PrimaryItemReference", "QuickTime:AV1ConfigurationVersion"),
    *(
        f"QuickTime:{tag}"
        for tag in (
            *("MajorBrand", "MinorVersion", "CompatibleBrands", "HandlerType"),
            *("ImageSpatialExtent", "ImagePixelDepth", "SeqProfile", "SeqLevelIdx0", "SeqTier0"),
            *("HighBitDepth", "TwelveBit", "ChromaFormat", "ChromaSamplePosition"),
            *("InitialDelaySamples", "ColorProfiles", "ColorPrimaries"),
            *("TransferCharacteristics", "MatrixCoefficients", "VideoFullRangeFlag"),
            *("MediaDataSize", "MediaDataOffset", "MediaData"),
        )
    ),
}


def transformed(source: Path, spec: Spec, format_: str, **options: Any) -> Path:
    chosen = Spec(**{**vars(spec), "format": format_})
    return render.render(source, spec=chosen, into=source.parent, **options).path


def assert_nothing_told(source: Path, results: list[Path]) -> None:
    for path in results:
        verify.assert_metadata_free(path)
        assert SECRET not in path.read_bytes()
    if EXIFTOOL:
        found = leaks(source, *results)
        found.pop(str(source))
        assert len(found) == len(results)
        assert set().union(*found.values()) <= OF_ANY_FILE


@pytest.mark.parametrize("format_", few(FORMATS, 2))
@pytest.mark.parametrize("draw", [drawn_pictures.jpeg, drawn_pictures.avif])
def test_a_transform_of_a_stuffed_file_tells_nothing(draw, format_, tmp_path):
    source = tmp_path / "original"
    source.write_bytes(draw(width=60, height=48, stuffed=True))
    assert SECRET in source.read_bytes()
    assert_nothing_told(source, [transformed(source, SPECS["every step"], format_)])


@pytest.mark.long
@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("draw", SOURCES)
def test_no_transform_of_a_stuffed_file_tells_anything(draw, spec, tmp_path):
    source = tmp_path / "original"
    source.write_bytes(draw(width=64, height=48, stuffed=True))
    results = [transformed(source, SPECS[spec], format_) for format_ in FORMATS]
    assert_nothing_told(source, results)


@pytest.mark.long
@pytest.mark.parametrize("name", drawn_metadata.WITH_XMP)
def test_no_transform_of_a_file_with_xmp_tells_anything(name, tmp_path):
    source = tmp_path / "original"
    source.write_bytes(
        drawn_metadata.WITH_XMP[name](xmp=drawn_metadata.packet(body=SECRET.decode()))
    )
    results = [transformed(source, SPECS["as it is"], format_) for format_ in FORMATS]
    assert_nothing_told(source, results)


@pytest.mark.parametrize("format_", few(FORMATS, 2))
def test_a_watermark_brings_nothing_but_its_pixels(format_, tmp_path):
    source, other = tmp_path / "original", tmp_path / "other"
    source.write_bytes(drawn_pictures.jpeg(width=60, height=48))
    other.write_bytes(drawn_pictures.jpeg(width=90, height=60, stuffed=True))
    spec = Spec(watermark=Watermark(image="another"))
    assert_nothing_told(source, [transformed(source, spec, format_, watermark=other)])


# What a check refuses: each file is one of ours, with something added


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A result of each format."""
    source = tmp_path_factory.mktemp("bare") / "original"
    source.write_bytes(drawn_pictures.jpeg(width=60, height=48))
    return {
        format_: transformed(source, SPECS["as it is"], format_).read_bytes() for format_ in FORMATS
    }


def text_chunk(data: bytes) -> bytes:
    return data[:33] + drawn_pictures.chunk(b"tEXt", b"Comment\0" + SECRET) + data[33:]


def png_of(scanlines: bytes, *, behind: bytes = b"") -> bytes:
    head = struct.pack(">IIBBBBB", 4, 2, 8, 2, 0, 0, 0)
    parts = (b"IHDR", head), (b"IDAT", zlib.compress(scanlines) + behind), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(drawn_pictures.chunk(*part) for part in parts)


def riff(data: bytes, more: bytes) -> bytes:
    """A WebP with chunks more, rightly counted."""
    return b"RIFF" + struct.pack("<L", len(data) + len(more) - 8) + data[8:] + more


def unit(kind: int, payload: bytes) -> bytes:
    """An open bitstream unit of AV1, with its size (5.3)."""
    return bytes([kind << 3 | 2, len(payload)]) + payload


def with_unit(data: bytes, more: bytes) -> bytes:
    """An AVIF whose pixels are followed by another unit, rightly counted by boxes and items."""
    at = data.index(b"mdat") - 4
    length = len(data) - at - 8
    edited = data[:at].replace(struct.pack(">I", length), struct.pack(">I", length + len(more)))
    assert edited != data[:at]
    return edited + struct.pack(">I", length + 8 + len(more)) + data[at + 4 :] + more


CLEAN_LINES = (b"\0" + bytes(12)) * 2

TAMPERED: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "a text": ("png", text_chunk),
    "EXIF": ("png", lambda d: d[:33] + drawn_pictures.chunk(b"eXIf", SECRET) + d[33:]),
    "a profile": ("png", lambda d: d[:33] + drawn_pictures.chunk(b"iCCP", SECRET) + d[33:]),
    "an unknown chunk": ("png", lambda d: d[:33] + drawn_pictures.chunk(b"prVt", SECRET) + d[33:]),
    "behind the end": ("png", lambda d: d + SECRET),
    "in the end": ("png", lambda d: d[:-12] + drawn_pictures.chunk(b"IEND", SECRET)),
    "behind the pixels": ("png", lambda d: png_of(CLEAN_LINES, behind=SECRET)),
    "more lines than shown": ("png", lambda d: png_of(CLEAN_LINES + SECRET)),
    "half of it": ("png", lambda d: d[: len(d) // 2]),
    "a head twice": ("png", lambda d: d[:33] + d[8:]),
    "EXIF in a WebP": ("webp", lambda d: riff(d, b"EXIF" + struct.pack("<L", 4) + b"abcd")),
    "XMP in a WebP": ("webp", lambda d: riff(d, b"XMP " + struct.pack("<L", 4) + b"abcd")),
    "an unknown chunk of a WebP": ("webp", lambda d: riff(d, b"none" + struct.pack("<L", 0))),
    "behind a WebP": ("webp", lambda d: d + SECRET),
    "behind a WebP, counted": ("webp", lambda d: riff(d, SECRET)),
    "half of a WebP": ("webp", lambda d: d[: len(d) // 2]),
    "behind an AVIF": ("avif", lambda d: d + SECRET),
    "a box behind an AVIF": ("avif", lambda d: d + struct.pack(">I4s", 12, b"uuid") + b"abcd"),
    "a free box": ("avif", lambda d: d + struct.pack(">I4s", 12, b"free") + b"abcd"),
    "in the pixels of an AVIF": ("avif", lambda d: with_unit(d, unit(5, SECRET))),
    "as the padding of an AVIF": ("avif", lambda d: with_unit(d, unit(15, SECRET))),
    "as the name of an item": ("avif", lambda d: d.replace(b"Color\0", b"Vienn\0")),
    "as the name of a handler": (
        "avif",
        lambda d: d.replace(b"pict" + bytes(13), b"pict" + bytes(12) + b"x"),
    ),
    "half of an AVIF": ("avif", lambda d: d[: len(d) // 2]),
    "no picture": ("jpeg", lambda d: SECRET),
    "a source that is a PNG": ("png", lambda d: drawn_pictures.png(width=10, height=10)),
    "a source that is a WebP": ("webp", lambda d: drawn_pictures.webp(width=10, height=10)),
    "a source that is an AVIF": ("avif", lambda d: drawn_pictures.avif(width=10, height=10)),
    "a source that is a HEIC": ("avif", lambda d: drawn_pictures.heic(width=64, height=64)),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_a_file_that_carries_more_than_pixels_is_refused(name, bare, tmp_path):
    format_, tamper = TAMPERED[name]
    path = tmp_path / "result"
    path.write_bytes(bare[format_])
    verify.assert_metadata_free(path)
    path.write_bytes(tamper(bare[format_]))
    with pytest.raises(verify.MetadataFound):
        verify.assert_metadata_free(path)


def test_the_tampered_pictures_would_be_fine_without_what_was_added(tmp_path):
    path = tmp_path / "result"
    path.write_bytes(png_of(CLEAN_LINES))
    verify.assert_metadata_free(path)


@pytest.mark.parametrize("format_", FORMATS)
def test_a_writer_that_adds_something_is_noticed(format_, tmp_path, monkeypatch):
    """As an update of the library might."""
    save = Image.Image.save
    secrets: dict[str, dict[str, Any]] = {
        "jpeg": {"comment": SECRET},
        "png": {"exif": SECRET},
        "webp": {"xmp": SECRET},
        "avif": {"xmp": SECRET},
    }

    def careless(image: Image.Image, *args: Any, **options: Any) -> None:
        save(image, *args, **options, **secrets[format_])

    source = tmp_path / "original"
    source.write_bytes(drawn_pictures.jpeg(width=60, height=48))
    monkeypatch.setattr(Image.Image, "save", careless)
    with pytest.raises(verify.MetadataFound):
        transformed(source, SPECS["as it is"], format_)


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (1037, 611)])
@pytest.mark.parametrize("format_", few(FORMATS, 2))
def test_what_encoders_write_of_any_size_passes(format_, size, tmp_path):
    source = tmp_path / "original"
    source.write_bytes(drawn_pictures.png(width=size[0], height=size[1]))
    for filters in (frozenset(), frozenset({"grayscale"})):
        transformed(source, Spec(filters=filters, quality=40), format_)
        transformed(source, Spec(filters=filters, quality=100), format_)
