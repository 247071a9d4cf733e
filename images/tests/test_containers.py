"""Every format gives its EXIF and its XMP, wherever it keeps them, and no file makes it long."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import time
import tracemalloc
import zlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from bandpics.testing.matrix import few
from images.photofile.containers import container, gif, heif, iso_media, jpeg, png
from images.photofile.metadata import exif
from images.tests import drawn_exif, drawn_metadata, drawn_pictures
from images.tests.drawn_metadata import PLACE, WITH_EXIF, WITH_XMP, packet

if TYPE_CHECKING:
    from pathlib import Path

EXIFTOOL = shutil.which("exiftool")
BLOCK = drawn_exif.exif_block(lat=48.2082, lon=-16.3738, iso=320, orientation=6)
DATES = {"exif:DateTimeOriginal": "2026-06-21T21:30:00+02:00"}


def read(data: bytes, tmp_path: Path) -> exif.Exif:
    path = tmp_path / "photo"
    path.write_bytes(data)
    return exif.read(path)


WRITE_THEIR_OWN_PREFIX = {"heic", "avif"}
WITH_PREFIX = [
    (name, prefix)
    for name in WITH_EXIF
    for prefix in (b"", b"Exif\0\0")
    if not (prefix and name in WRITE_THEIR_OWN_PREFIX)
]


@pytest.mark.parametrize(("name", "prefix"), WITH_PREFIX)
def test_every_format_gives_its_exif(name: str, prefix: bytes, tmp_path: Path):
    found = read(WITH_EXIF[name](exif=prefix + BLOCK), tmp_path)
    assert (found.camera_make, found.iso) == ("Drawn", 320)
    # Pillow's encoder of AVIF turns it into a box of its own.
    assert found.orientation == (None if name == "avif" else 6)
    assert found.taken_at == datetime(2026, 6, 21, 19, 30, tzinfo=UTC)
    assert found.gps is not None
    assert (found.gps.lat, found.gps.lon) == pytest.approx((48.2082, -16.3738), abs=1e-6)


@pytest.mark.parametrize("endian", ["<", ">"])
def test_a_tiff_is_its_own_exif(endian: str, tmp_path: Path):
    tags = {
        "exif": {
            0x8827: (drawn_exif.SHORT, 320),
            0x9003: (drawn_exif.ASCII, "2026:06:21 21:30:00"),
        },
        "gps": {
            0x01: (drawn_exif.ASCII, "N"),
            0x02: (drawn_exif.RATIONAL, [(48, 1), (30, 1), (0, 1)]),
            0x03: (drawn_exif.ASCII, "W"),
            0x04: (drawn_exif.RATIONAL, [(16, 1), (15, 1), (0, 1)]),
        },
    }
    found = read(drawn_metadata.tiff(endian=endian, **tags), tmp_path)
    assert (found.camera_make, found.iso) == ("Drawn", 320)
    assert found.datetime_original == datetime(2026, 6, 21, 21, 30)
    assert found.gps is not None
    assert (found.gps.lat, found.gps.lon) == (48.5, -16.25)


@pytest.mark.parametrize("name", WITH_XMP)
def test_xmp_tells_when_and_where_if_exif_does_not(name: str, tmp_path: Path):
    found = read(WITH_XMP[name](xmp=packet(DATES | PLACE)), tmp_path)
    assert found.datetime_original == datetime(2026, 6, 21, 21, 30)
    assert found.utc_offset == timedelta(hours=2)
    assert found.taken_at == datetime(2026, 6, 21, 19, 30, tzinfo=UTC)
    assert found.gps is not None
    assert (found.gps.lat, found.gps.lon) == pytest.approx((48.2082, -16.3738), abs=1e-6)
    assert found.raw["XMP"] == DATES | PLACE


@pytest.mark.parametrize("name", WITH_EXIF)
def test_exif_goes_before_xmp(name: str, tmp_path: Path):
    other = {"exif:DateTimeOriginal": "2020-01-01T00:00:00Z"}
    place = {"exif:GPSLatitude": "1,0,0N", "exif:GPSLongitude": "1,0,0E"}
    block = drawn_exif.exif_block(lat=48.2082, lon=-16.3738, offset=None)
    found = read(WITH_EXIF[name](exif=block, xmp=packet(other | place)), tmp_path)
    assert found.datetime_original == datetime(2026, 6, 21, 21, 30)
    assert found.utc_offset is None  # the offset of an editor's computer stays with its date
    assert found.gps is not None
    assert found.gps.lat == pytest.approx(48.2082, abs=1e-6)


def test_a_date_that_exif_garbled_is_taken_from_xmp(tmp_path: Path):
    block = drawn_exif.exif_block(taken_at="0000:00:00 00:00:00", lat=91, lon=1)
    found = read(drawn_metadata.jpeg(exif=block, xmp=packet(DATES | PLACE)), tmp_path)
    assert found.datetime_original == datetime(2026, 6, 21, 21, 30)
    assert found.gps is not None
    assert found.gps.lat == pytest.approx(48.2082, abs=1e-6)


def test_xmp_that_goes_on_in_other_segments_is_read(tmp_path: Path):
    more = packet(DATES)
    head = b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32
    parts = b"".join(
        drawn_pictures.segment(0xE1, head + struct.pack(">LL", len(more), at) + more[at : at + 300])
        for at in range(0, len(more), 300)
    )
    data = drawn_metadata.jpeg(xmp=packet(PLACE))
    found = read(data[:2] + parts + data[2:], tmp_path)
    assert found.datetime_original == datetime(2026, 6, 21, 21, 30)
    assert found.gps is not None


def test_a_bmp_has_none(tmp_path: Path):
    assert read(drawn_metadata.bmp(), tmp_path) == exif.Exif()


def test_an_empty_file_has_none(tmp_path: Path):
    assert read(b"", tmp_path) == exif.Exif()


@pytest.mark.skipif(EXIFTOOL is None, reason="exiftool is not installed")
@pytest.mark.parametrize("name", few(WITH_XMP, 3))
def test_exiftool_finds_the_same(name: str, tmp_path: Path):
    """That our drawings are what they claim to be."""
    path = tmp_path / "photo"
    more = {"exif": BLOCK} if name in WITH_EXIF else {}
    path.write_bytes(WITH_XMP[name](xmp=packet(DATES | PLACE), **more))
    told = subprocess.run([str(EXIFTOOL), "-j", "-n", "-G1", path], capture_output=True, check=True)
    (tags,) = json.loads(told.stdout)
    assert tags["XMP-exif:GPSLatitude"] == pytest.approx(48.2082)
    if more:
        assert tags["ExifIFD:ISO"] == 320
        assert tags["GPS:GPSLatitude"] == pytest.approx(48.2082)


# --- HEIF -----------------------------------------------------------------------------------


def box(name: bytes, payload: bytes) -> bytes:
    return struct.pack(">L4s", 8 + len(payload), name) + payload


def heif_file(
    *,
    method: int = 0,
    primary: int = 1,
    count: int | None = None,
    extents: int = 1,
    version: int = 1,
    offset: int | None = None,
    kinds: tuple[bytes, bytes] = (b"Exif", b"Exif"),
    is_overlapping: bool = False,
) -> bytes:
    """A picture 1 with the Exif items 2 (of a thumbnail 9) and 3 (its own)."""
    other = drawn_exif.exif_block(make="Other", lat=1, lon=2)
    payloads = [b"\0\0\0\0" + block for block in (other, BLOCK)]
    infes = b"".join(
        box(b"infe", b"\2\0\0\0" + struct.pack(">HH4s", number, 0, kind) + b"\0")
        for number, kind in zip((2, 3), kinds, strict=True)
    )
    iinf = box(b"iinf", bytes(4) + struct.pack(">H", 2) + infes)
    pitm = box(b"pitm", bytes(4) + struct.pack(">H", primary))
    iref = box(
        b"iref",
        bytes(4)
        + box(b"cdsc", struct.pack(">HHH", 2, 1, 9))
        + box(b"cdsc", struct.pack(">HHH", 3, 1, 1)),
    )
    idat = box(b"idat", b"".join(payloads)) if method == 1 else b""

    def iloc(start: int) -> bytes:
        table = struct.pack(">BxxxBB", version, 0x44, 0)
        table += struct.pack(">H", 2 if count is None else count)
        at = start
        for number, payload in zip((2, 3), payloads, strict=True):
            table += struct.pack(">HHHH", number, method, 0, extents)
            step = len(payload) // max(extents, 1)
            for part in range(extents):
                last = part == extents - 1
                size = len(payload) - part * step if last else step
                table += struct.pack(">LL", offset or at + part * step, size)
            at += 0 if is_overlapping else len(payload)
        return box(b"iloc", table)

    ftyp = box(b"ftyp", b"heic\0\0\0\0mif1heic")
    rest = pitm + iinf + iref + idat
    meta_bytes = 8 + 4 + len(iloc(0)) + len(rest)
    start = 0 if method == 1 else len(ftyp) + meta_bytes + 8
    meta = box(b"meta", bytes(4) + iloc(start) + rest)
    return ftyp + meta + (b"" if method == 1 else box(b"mdat", b"".join(payloads)))


@pytest.mark.parametrize(
    "shape",
    [{}, {"method": 1}, {"extents": 3}, {"method": 1, "extents": 5}, {"count": 60_000}],
    ids=str,
)
def test_the_exif_of_the_primary_picture_counts(shape: dict[str, int], tmp_path: Path):
    found = read(heif_file(**shape), tmp_path)
    assert (found.camera_make, found.iso) == ("Drawn", 320)


@pytest.mark.parametrize(
    "shape",
    [
        *({"count": 0}, {"method": 2}, {"extents": 0}, {"extents": 500}, {"version": 9}),
        {"offset": 2**32 - 1},
    ],
    ids=str,
)
def test_an_item_that_lies_nowhere_is_left_out(shape: dict[str, int], tmp_path: Path):
    assert read(heif_file(**shape), tmp_path) == exif.Exif()


# --- Limits ---------------------------------------------------------------------------------


def _sparse(path: Path, head: bytes, byte_size: int) -> None:
    path.write_bytes(head)
    os.truncate(path, byte_size)


HUGE = {
    "jpeg of fill bytes": b"\xff\xd8\xff\xe1\xff\xff",
    "png of empty chunks": b"\x89PNG\r\n\x1a\n",
    "png of one chunk": b"\x89PNG\r\n\x1a\n\x0f\xff\xff\xffeXIf",
    "webp of empty chunks": b"RIFF\xff\xff\xff\xffWEBP",
    "webp of one chunk": b"RIFF\xff\xff\xff\xffWEBPEXIF\xff\xff\xff\x0f",
    "gif of nothing": b"GIF89a\1\0\1\0\0\0\0",
    "gif of one extension": b"GIF89a\1\0\1\0\0\0\0!\xff\x0bXMP DataXMP",
    "heif of one box": box(b"ftyp", b"heic\0\0\0\0") + b"\0\0\0\0meta\0\0\0\0",
    "heif of empty boxes": box(b"ftyp", b"heic\0\0\0\0") + box(b"free", b"") * 10_000,
    "heif of items": box(b"ftyp", b"heic\0\0\0\0")
    + b"\0\0\0\0meta\0\0\0\0"
    + box(b"iinf", b"\1\0\0\0\xff\xff\xff\xff" + box(b"infe", b"\2" + bytes(20)) * 3000)
    + box(b"iloc", b"\2\0\0\0\0\0\xff\xff\xff\xff" + bytes(1_000_000)),
    "tiff of one value": b"II*\0\x08\0\0\0\1\0\x0f\x01\2\0\xff\xff\xff\x0f\0\0\0\0",
    "tiff of entries": b"II*\0\x08\0\0\0\xff\xff" + b"\0\1\7\0\0\0\xff\x0e\0\0\0\0" * 65_535,
}


@pytest.mark.parametrize("name", few(HUGE, 4))
def test_no_file_takes_long_or_much_memory(name: str, tmp_path: Path):
    """A file of 250 MB that claims whatever it likes."""
    path = tmp_path / "photo"
    _sparse(path, HUGE[name], 250_000_000)
    tracemalloc.start()
    started = time.process_time()
    exif.read(path)
    elapsed = time.process_time() - started
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert elapsed < 3  # of which tracing takes the most
    assert peak < 8 * 1024**2


def test_a_gif_of_a_million_blocks_ends(tmp_path: Path):
    path = tmp_path / "photo"
    block = b"," + bytes(9) + b"\2" + b"\1\1" * (gif.MAX_BLOCKS + 1) + b"\0"
    xmp = drawn_metadata.gif(xmp=packet(PLACE))
    start = xmp.index(b"!\xff")
    path.write_bytes(xmp[:start] + block + xmp[start:])
    started = time.process_time()
    assert exif.read(path) == exif.Exif()
    assert time.process_time() - started < 2


def test_the_blocks_of_a_gif_are_counted_even_if_they_are_empty():
    data = drawn_metadata.gif(xmp=packet(PLACE))
    start = data.index(b"!\xff")
    for count, is_read in ((1000, True), (gif.MAX_BLOCKS, False)):
        many = data[:start] + b"!\x05\0" * count + data[start:]
        assert bool(gif.find_metadata(many).xmp) is is_read


def profile(payload: bytes, *, kind: bytes = b"exif") -> bytes:
    text = b"\nname\n%8d\n%s\n" % (len(payload), payload.hex().encode())
    head = b"Raw profile type " + kind + b"\0\0"
    return drawn_pictures.chunk(b"zTXt", head + zlib.compress(text, 9))


BROKEN_AT_ITS_END = zlib.compress(b"\n" * 3_000_000, 9)[:-5] + b"\xff" * 5


@pytest.mark.parametrize(
    "chunk",
    [
        profile(bytes(1_000_000), kind=b"xmp"),
        profile(bytes(1_000_000), kind=b"APP1"),
        drawn_pictures.chunk(b"zTXt", b"Raw profile type exif\0\0" + BROKEN_AT_ITS_END),
    ],
    ids=["xmp", "APP1", "broken"],
)
def test_the_texts_of_a_png_together_unpack_to_no_more_than_a_few_megabytes(chunk: bytes):
    """Each takes 20 ms, and 250 MB hold 20,000 of them."""
    data = drawn_pictures.png(width=60, height=40, exif=b"")
    few = data[:33] + profile(BLOCK) + chunk + data[33:]
    assert png.find_metadata(few).exif == BLOCK
    many = data[:33] + chunk * 200 + profile(BLOCK) + data[33:]
    started = time.process_time()
    assert png.find_metadata(many).exif != BLOCK
    assert time.process_time() - started < 1


def test_texts_that_nobody_reads_do_not_count():
    data = drawn_pictures.png(width=60, height=40, exif=b"")
    others = profile(bytes(1_000_000), kind=b"iptc") * 10
    assert png.find_metadata(data[:33] + others + profile(BLOCK) + data[33:]).exif == BLOCK


def test_junk_between_the_segments_of_a_jpeg_is_bounded_by_the_file():
    picture = drawn_pictures.jpeg(width=60, height=40, exif=BLOCK)
    for byte_size, is_read in ((1000, True), (60_000, False)):
        junk = (b"\0" * byte_size + drawn_pictures.segment(0xE5, b"")) * 40
        header = jpeg.read_header(picture[:2] + junk + picture[2:])
        assert (header.width == 60) is is_read
        assert (header.exif == BLOCK) is is_read


@pytest.mark.parametrize("boxes", [1, 3, 5])
def test_a_heif_associates_properties_with_so_many_items(boxes: int):
    """The primary picture's come last."""

    def file(items: int) -> bytes:
        entries = [b"\0\7\0"] * (items - 1)
        others = box(b"ipma", struct.pack(">LL", 0, items - 1) + b"".join(entries))
        entries.append(b"\0\1\1\1")
        last = box(b"ipma", struct.pack(">LL", 0, items) + b"".join(entries))
        turned = box(b"ipco", box(b"irot", b"\1"))
        parts = box(b"pitm", bytes(4) + b"\0\1")
        parts += box(b"iprp", turned + others * (boxes - 1) + last)
        return box(b"ftyp", b"heic\0\0\0\0") + box(b"meta", bytes(4) + parts)

    few = heif.read_header(file(1000))
    assert few.orientation == (8 if boxes <= heif.MAX_ASSOCIATIONS else 1)
    with pytest.raises(container.NotDrawable):
        heif.read_header(file(iso_media.MAX_ITEMS + 2))


def infe(number: int, kind: bytes) -> bytes:
    return box(b"infe", b"\2\0\0\0" + struct.pack(">HH4s", number, 0, kind) + b"\0")


def heif_of_items(kinds: list[bytes], *parts: bytes) -> bytes:
    infes = b"".join(infe(number, kind) for number, kind in enumerate(kinds))
    iinf = box(b"iinf", bytes(4) + struct.pack(">H", len(kinds)) + infes)
    return box(b"ftyp", b"heic\0\0\0\0") + box(b"meta", bytes(4) + iinf + b"".join(parts))


def test_the_references_of_a_heif_are_counted_together():
    """Of each box, a thousand of which may stand there, 20,000 would be ten seconds."""
    others = box(b"cdsc", struct.pack(">HH300H", 0, 300, *[9] * 300))
    pitm = box(b"pitm", bytes(4) + b"\0\7")
    iloc = box(b"iloc", b"\1\0\0\0\x44\0\0\0")
    for count, is_told in ((10, True), (100, False)):
        iref = box(b"iref", bytes(4) + others * count + box(b"cdsc", b"\0\1\0\1\0\7"))
        first = iso_media.items(heif_of_items([b"Exif"] * 2, pitm, iref, iloc))[0]
        assert first.describes_primary is is_told
        assert first.number == (1 if is_told else 0)


def test_the_extents_of_a_heif_are_counted_together():
    count = 1 + iso_media.MAX_ALL_EXTENTS // iso_media.MAX_EXTENTS
    places = b"".join(
        struct.pack(">HHHH", number, 0, 0, iso_media.MAX_EXTENTS) + struct.pack(">LL", 0, 8) * 64
        for number in range(count)
    )
    iloc = box(b"iloc", b"\1\0\0\0\x44\0" + struct.pack(">H", count) + places)
    items = iso_media.items(heif_of_items([b"hvc1"] * count, iloc))
    assert [bool(item.extents) for item in items] == [True] * (count - 1) + [False]


@pytest.mark.parametrize("name", [b"zTXt", b"iTXt"])
def test_a_text_that_unpacks_to_much_more_does_not(name: bytes, tmp_path: Path):
    bomb = zlib.compress(b"<" * 60_000_000, 1)
    head = {b"zTXt": b"Raw profile type exif\0\0", b"iTXt": b"XML:com.adobe.xmp\0\1\0\0\0"}[name]
    data = drawn_pictures.png(width=60, height=40, exif=b"")
    path = tmp_path / "photo"
    path.write_bytes(data[:33] + drawn_pictures.chunk(name, head + bomb) + data[33:])
    tracemalloc.start()
    assert exif.read(path).datetime_original is None
    assert tracemalloc.get_traced_memory()[1] < 8 * container.MAX_EXIF_BYTES
    tracemalloc.stop()


def test_the_exif_of_an_item_is_found_where_writers_forget_the_offset():
    assert heif.tiff_in_item(b"\0\0\0\0" + BLOCK) == BLOCK
    assert heif.tiff_in_item(b"\0\0\0\6Exif\0\0" + BLOCK) == BLOCK
    assert heif.tiff_in_item(b"\xff\xff\xff\xff" + BLOCK) == BLOCK
    assert heif.tiff_in_item(b"Exif\0\0" + BLOCK) == BLOCK
    assert heif.tiff_in_item(b"short") == b""
