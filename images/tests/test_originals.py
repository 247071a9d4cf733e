"""Originals of every format lose their position and keep their pixels; exiftool reads them back."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import time
import tracemalloc
from typing import TYPE_CHECKING

import pillow_heif
import pytest
from PIL import Image, ImageChops

from bandpics.testing.matrix import few
from images.photofile import formats, location
from images.photofile.containers import container, gif, iso_media, jpeg, tiff
from images.photofile.metadata import exif
from images.tests import drawn_exif, drawn_metadata, drawn_pictures, drawn_profiles
from images.tests.drawn_metadata import PLACE, WITH_EXIF, WITH_XMP, packet
from images.tests.test_containers import box, heif_file, heif_of_items

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EXIFTOOL = shutil.which("exiftool")
LOCATED = drawn_exif.exif_block(lat=48.2082, lon=16.3738, iso=320, exif={0x927C: (7, b"x" * 99)})
GPS: drawn_exif.Tags = {
    0x01: (drawn_exif.ASCII, "N"),
    0x02: (drawn_exif.RATIONAL, [(48, 1), (30, 1), (0, 1)]),
    0x03: (drawn_exif.ASCII, "E"),
    0x04: (drawn_exif.RATIONAL, [(16, 1), (15, 1), (0, 1)]),
}
HARMLESS = packet({"dc:rights": "me"})


@pytest.fixture
def remove(tmp_path: Path) -> Callable[[bytes], bytes | None]:
    """What is left of a file: its bytes, or None if it held no position."""

    def removed(data: bytes) -> bytes | None:
        source, into = tmp_path / "source", tmp_path / "into"
        source.write_bytes(data)
        changed = location.remove_location(source, into)
        return into.read_bytes() if changed else None

    return removed


def pixels(data: bytes, path: Path) -> Image.Image:
    path.write_bytes(data)
    if formats.sniff_head(data) is formats.HEIC:
        return pillow_heif.open_heif(path).to_pillow().convert("RGB")
    return Image.open(path).convert("RGB")


def exiftool_tags(data: bytes, path: Path) -> dict[str, object]:
    """All that exiftool finds; empty without it."""
    if EXIFTOOL is None:
        return {}
    path.write_bytes(data)
    found = subprocess.run(
        [EXIFTOOL, "-json", "-a", "-G1", "-ee", "-u", "-n", str(path)],
        capture_output=True,
        check=False,
    )
    tags: dict[str, object] = json.loads(found.stdout)[0]
    return tags


def check(before: bytes, after: bytes | None, tmp_path: Path) -> dict[str, object]:
    """That the position is gone, and nothing of the pixels; what exiftool still finds."""
    assert after is not None
    path = tmp_path / "looked-at"
    difference = ImageChops.difference(pixels(before, path), pixels(after, path))
    assert difference.getbbox() is None
    assert exif.read(path).gps is None
    assert "GPS" not in exif.read(path).raw
    tags = exiftool_tags(after, path)
    words = ("gps", "latitude", "longitude", "makernote")
    assert [name for name in tags if any(word in name.lower() for word in words)] == []
    assert not [name for name in tags if name.endswith((":Warning", ":Error"))], tags
    return tags


@pytest.mark.parametrize("name", few([name for name in WITH_EXIF if name != "old png"], 2))
@pytest.mark.parametrize("xmp", [b"", packet(PLACE), HARMLESS], ids=["no xmp", "place", "harmless"])
def test_a_position_in_exif_goes_and_the_camera_stays(
    remove: Callable[[bytes], bytes | None], tmp_path: Path, name: str, xmp: bytes
):
    before = WITH_EXIF[name](exif=LOCATED, xmp=xmp)
    after = remove(before)
    tags = check(before, after, tmp_path)
    read = exif.read(tmp_path / "into")
    assert (read.camera_make, read.iso, read.offset_time) == ("Drawn", 320, "+02:00")
    if tags:
        assert tags["ExifIFD:ISO"] == 320
    if xmp == HARMLESS and name != "png":  # of which all texts go
        assert after is not None
        assert b"dc:rights" in after


@pytest.mark.parametrize("name", few(WITH_XMP, 3))
def test_a_position_in_xmp_alone_goes(
    remove: Callable[[bytes], bytes | None], tmp_path: Path, name: str
):
    before = WITH_XMP[name](xmp=packet(PLACE))
    after = remove(before)
    check(before, after, tmp_path)
    assert after is not None
    assert b"GPSLatitude" not in after


def test_an_old_png_loses_both(remove: Callable[[bytes], bytes | None], tmp_path: Path):
    before = drawn_metadata.old_png(exif=LOCATED, xmp=packet(PLACE))
    check(before, remove(before), tmp_path)


@pytest.mark.parametrize("endian", ["<", ">"])
def test_a_tiff_keeps_its_length_its_strips_and_its_camera(
    remove: Callable[[bytes], bytes | None], tmp_path: Path, endian: str
):
    before = drawn_metadata.tiff(
        gps=GPS,
        exif={0x8827: (drawn_exif.SHORT, 320), 0x927C: (7, b"x" * 99)},
        xmp=packet(PLACE),
        ifd0={
            0x8773: (7, drawn_profiles.srgb()),
            0x8482: (drawn_exif.DOUBLE, [48.5, 16.25]),  # GeoTIFF's tie points
        },
        endian=endian,
    )
    after = remove(before)
    check(before, after, tmp_path)
    assert after is not None
    assert len(after) == len(before)
    assert after[-7200:] == before[-7200:]
    assert drawn_profiles.srgb() in after
    assert struct.pack(endian + "2d", 48.5, 16.25) not in after
    assert b"GPSLatitude" not in after
    read = exif.read(tmp_path / "into")
    assert (read.camera_make, read.iso) == ("Drawn", 320)


def test_every_page_of_a_tiff_loses_its_location(
    remove: Callable[[bytes], bytes | None], tmp_path: Path
):
    path = tmp_path / "pages"
    pages = [drawn_pictures.picture(width=60, height=40, seed=seed) for seed in range(3)]
    for page in pages:
        page.info.clear()
    gps = Image.Exif()
    gps.get_ifd(0x8825).update({1: "N", 2: (48.0, 30.0, 0.0), 3: "E", 4: (16.0, 15.0, 0.0)})
    pages[0].save(
        path,
        "TIFF",
        save_all=True,
        append_images=pages[1:],
        compression="tiff_lzw",
        exif=gps,
        tiffinfo={700: packet(PLACE)},
    )
    before = path.read_bytes()
    after = remove(before)
    check(before, after, tmp_path)
    path.write_bytes(after or b"")
    with Image.open(path) as read_back:
        assert read_back.n_frames == 3
        for number, page in enumerate(pages):
            read_back.seek(number)
            assert ImageChops.difference(read_back.convert("RGB"), page).getbbox() is None


def test_an_animation_keeps_its_frames(remove: Callable[[bytes], bytes | None], tmp_path: Path):
    frames = [drawn_pictures.picture(width=60, height=40, seed=seed) for seed in range(3)]
    path = tmp_path / "frames"
    frames[0].save(path, "WEBP", save_all=True, append_images=frames[1:], lossless=True,
                   exif=LOCATED, xmp=packet(PLACE))  # fmt: skip
    after = remove(path.read_bytes())
    check(path.read_bytes(), after, tmp_path)
    frames[0].save(path, "GIF", save_all=True, append_images=frames[1:], loop=0, comment=b"48N 16E")
    before = path.read_bytes()
    after = remove(before)
    check(before, after, tmp_path)
    assert after is not None
    assert b"48N 16E" not in after
    assert b"NETSCAPE2.0" in after


def extended(document: bytes) -> bytes:
    """Segments of extended XMP."""
    head = jpeg.XMP_MORE_START + b"0" * 32
    return b"".join(
        drawn_pictures.segment(
            0xE1, head + struct.pack(">LL", len(document), at) + document[at : at + 99]
        )
        for at in range(0, len(document), 99)
    )


def test_a_jpeg_loses_it_from_extended_xmp_and_from_its_second_picture(
    remove: Callable[[bytes], bytes | None], tmp_path: Path
):
    first = drawn_metadata.jpeg(exif=LOCATED, xmp=HARMLESS)
    first = first[:2] + extended(packet(PLACE)) + first[2:]
    second = drawn_metadata.jpeg(exif=LOCATED, xmp=packet(PLACE))
    before = first + second
    after = remove(before)
    check(before, after, tmp_path)
    assert after is not None
    assert len(after) == len(before)
    check(second, after[len(first) :], tmp_path)


@pytest.mark.parametrize("tail", [packet(PLACE), b"\0\0\0\x18ftypmp42 a film", b"x"], ids=str)
@pytest.mark.parametrize("name", [*WITH_XMP, "bmp"])
def test_attachments_behind_a_picture_are_left_out(
    remove: Callable[[bytes], bytes | None], name: str, tail: bytes
):
    """Of a TIFF it is blanked, for its directories name every byte that counts."""
    data = drawn_metadata.bmp() if name == "bmp" else WITH_XMP[name]()
    after = remove(data + tail)
    assert after == (data + bytes(len(tail)) if name == "tiff" else data)


@pytest.mark.parametrize("name", WITH_XMP)
def test_what_holds_no_position_stays_as_it_is(remove: Callable[[bytes], bytes | None], name: str):
    assert remove(WITH_XMP[name]()) is None


def test_a_bmp_holds_none(remove: Callable[[bytes], bytes | None]):
    data = drawn_metadata.bmp()
    assert remove(data) is None
    assert remove(data + bytes(10)) is None


BMP = drawn_metadata.bmp()
UNPROVEN = {
    "webp cut off": drawn_metadata.webp(exif=LOCATED)[:-3],
    "gif cut off": drawn_metadata.gif(xmp=packet(PLACE))[:-1],
    "gif of text": drawn_metadata.gif(xmp=packet(PLACE))[:-1] + b"!\1\1x\0;",
    "bigtiff": drawn_metadata.big_tiff({0x010F: (2, b"x\0")}, gps={1: (2, b"N\0")}),
    "tiff cut off": drawn_metadata.tiff(gps=GPS)[:-10],
    "tiff of sub ifds": drawn_metadata.tiff(gps=GPS, ifd0={0x014A: (drawn_exif.LONG, 8)}),
    "tiff of old jpeg": drawn_metadata.tiff(gps=GPS, ifd0={0x0103: (drawn_exif.SHORT, 6)}),
    "tiff that hides pixels": drawn_metadata.tiff(
        gps=GPS, ifd0={0x0117: (drawn_exif.LONG, [9, 9])}
    ),
    "bmp with a gap": b"".join(
        (BMP[:10], struct.pack("<L", 5054), BMP[14:54], bytes(5000), BMP[54:])
    ),
    "heif whose items overlap": heif_file(kinds=(b"hvc1", b"Exif"), is_overlapping=True),
    "no picture": b"GIF is what it says",
}


@pytest.mark.parametrize("name", UNPROVEN)
def test_what_cannot_be_proved_is_not_edited(remove: Callable[[bytes], bytes | None], name: str):
    with pytest.raises(location.CannotRemoveLocation):
        remove(UNPROVEN[name])


def test_a_gif_of_too_many_blocks_is_not_edited(remove: Callable[[bytes], bytes | None]):
    data = drawn_metadata.gif(xmp=packet(PLACE))
    start = data.index(b"!\xff")
    with pytest.raises(location.CannotRemoveLocation):
        remove(data[:start] + b"!\x05\0" * gif.MAX_BLOCKS + data[start:])


@pytest.mark.parametrize(
    "xmp",
    [
        packet(PLACE, body="<dc:rights>me</dc:rights>" * 60_000),
        packet(body=" " * container.MAX_XMP_BYTES + "<p>GPS 48.2 16.4</p>"),
    ],
    ids=["place first", "place behind what is read"],
)
def test_a_gif_loses_a_long_packet(
    remove: Callable[[bytes], bytes | None], tmp_path: Path, xmp: bytes
):
    before = drawn_metadata.gif(xmp=xmp)
    check(before, remove(before), tmp_path)
    assert b"xmpmeta" not in (tmp_path / "into").read_bytes()


def test_a_gif_loses_every_packet_and_comment(remove: Callable[[bytes], bytes | None]):
    plain = drawn_metadata.gif()
    at = drawn_metadata.gif(xmp=HARMLESS).index(b"!\xff\x0bXMP")
    comment = b"!\xfe\x0fNETSCAPE2.0Wien\0"
    assert remove(drawn_metadata.gif(xmp=HARMLESS)) == plain
    assert remove(plain[:at] + comment + plain[at:]) == plain


def test_a_frame_of_a_webp_of_many_chunks_is_not_walked(remove: Callable[[bytes], bytes | None]):
    data = drawn_metadata.webp(exif=LOCATED)
    frame = bytes(16) + (b"ALPH" + bytes(4)) * 9
    chunks = data[12:] + b"ANMF" + struct.pack("<L", len(frame)) + frame
    with pytest.raises(location.CannotRemoveLocation):
        remove(b"RIFF" + struct.pack("<L", len(chunks) + 4) + b"WEBP" + chunks)


def test_no_list_of_the_blocks_of_a_gif_is_made(remove: Callable[[bytes], bytes | None]):
    data = drawn_metadata.gif(xmp=packet(PLACE))
    start = data.index(b"!\xff")
    large = data[:-1] + b"," + bytes(9) + b"\2" + (b"\xff" + bytes(255)) * 16_000 + b"\0;"
    before = large[:start] + b"!\x05\0" * 50_000 + large[start:]
    tracemalloc.start()
    after = remove(before)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert after is not None
    assert b"!\x05" not in after
    assert peak < 1_000_000 + len(after)  # the latter for this test


HEIC = drawn_metadata.heic(exif=LOCATED)


def test_what_no_item_of_a_heif_refers_to_is_blanked(remove: Callable[[bytes], bytes | None]):
    text = b"the location is here"
    after = remove(HEIC + box(b"mdat", b"\1" * 2_000_000 + text))
    assert after is not None
    assert text not in after
    assert after[-2_000_020:] == bytes(2_000_020)


def test_a_heif_of_too_many_boxes_or_items_is_not_edited(remove: Callable[[bytes], bytes | None]):
    assert remove(HEIC + box(b"free", b"") * 100) is not None
    head = int.from_bytes(HEIC[:4])
    with pytest.raises(location.CannotRemoveLocation):
        remove(HEIC[:head] + box(b"free", b"") * iso_media.MAX_BOXES + HEIC[head:])
    assert remove(heif_of_packets(iso_media.MAX_EXTENTS)) is not None
    with pytest.raises(location.CannotRemoveLocation):
        remove(heif_of_packets(iso_media.MAX_EXTENTS + 1))


def heif_of_packets(count: int) -> bytes:
    """The last item is what stands for a picture."""
    document = packet(PLACE)
    picture = box(b"infe", b"\2\0\0\0" + struct.pack(">HH4sx", count, 0, b"hvc1"))
    count += 1
    infes = picture + b"".join(
        box(
            b"infe",
            b"\2\0\0\0" + struct.pack(">HH4s", n, 0, b"mime") + b"\0" + iso_media.XMP_TYPE + b"\0",
        )
        for n in range(count - 1)
    )
    iinf = box(b"iinf", bytes(4) + struct.pack(">H", count) + infes)

    def head(start: int) -> bytes:
        places = [
            struct.pack(">HHHHLL", n, 0, 0, 1, start + n * len(document), len(document))
            for n in range(count)
        ]
        iloc = box(b"iloc", b"\1\0\0\0\x44\0" + struct.pack(">H", count) + b"".join(places))
        return box(b"ftyp", b"heic\0\0\0\0mif1heic") + box(b"meta", bytes(4) + iinf + iloc)

    return head(len(head(0)) + 8) + box(b"mdat", document * count)


@pytest.mark.parametrize("name", ["heic", "jpeg", "tiff"])
def test_a_large_original_is_not_held_in_memory(name: str, tmp_path: Path):
    """A request's thread edits those of 250 MB."""
    data = drawn_metadata.tiff(gps=GPS) if name == "tiff" else WITH_EXIF[name](exif=LOCATED)
    large = 20_000_000
    if name == "heic":
        data += box(b"mdat", b"\1" * large)
    elif name == "tiff":
        data += b"\1" * large
    else:
        comments = drawn_pictures.segment(0xEC, b"\1" * 65_000) * (large // 65_000)
        data = data[:-2] + b"\1" * large + data[-2:]
        data = data[:2] + comments + data[2:]
    source, into = tmp_path / "source", tmp_path / "into"
    source.write_bytes(data)
    tracemalloc.start()
    assert location.remove_location(source, into)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8_000_000


def test_a_jpeg_of_too_many_segments_is_not_edited(remove: Callable[[bytes], bytes | None]):
    data = drawn_pictures.jpeg(width=60, height=40, exif=LOCATED, progressive=True)
    scan = data.rindex(b"\xff\xda")
    table = b"\xff\xdd\0\4\0\0"
    assert remove(data[:scan] + table * 100 + data[scan:]) is not None
    with pytest.raises(location.CannotRemoveLocation):
        remove(data[:scan] + table * jpeg.MAX_SEGMENTS + data[scan:])


def test_fill_bytes_before_a_segment_are_bounded(remove: Callable[[bytes], bytes | None]):
    data = drawn_metadata.jpeg(exif=LOCATED)
    assert remove(data[:2] + b"\xff" * 1000 + data[2:]) is not None
    many = data[:2] + b"\xff" * 20_000_000 + data[2:]
    started = time.process_time()
    with pytest.raises(location.CannotRemoveLocation):
        remove(many)
    assert time.process_time() - started < 0.5


def exif_of_directories(count: int) -> bytes:
    """Three levels of so many entries, each of which leads to the same directory below."""
    byte_size = 2 + 12 * count + 4
    block = b"II*\0\x08\0\0\0"
    for at in (8 + byte_size, 8 + 2 * byte_size, 0):
        tag = 0x8769 if at else 0x0100
        block += struct.pack("<H", count) + struct.pack("<HHLL", tag, 4, 1, at) * count + bytes(4)
    return block


@pytest.mark.parametrize("name", ["jpeg", "png", "webp"])
def test_directories_that_lead_to_one_another_end(
    remove: Callable[[bytes], bytes | None], name: str
):
    """Those of a thousand entries would be a billion steps, in 36 kB."""
    started = time.process_time()
    assert remove(WITH_EXIF[name](exif=exif_of_directories(200))) is not None
    assert time.process_time() - started < 2


@pytest.mark.parametrize("compression", [7, 8])
def test_a_tiff_whose_strips_lie_at_one_place_ends(
    remove: Callable[[bytes], bytes | None], compression: int
):
    """All would be read again and again: 300,000 strips of 250 MB."""
    for count, is_edited in ((2, True), (30, False)):
        tags: drawn_exif.Tags = {
            0x0100: (drawn_exif.SHORT, 100),
            0x0101: (drawn_exif.SHORT, count),
            0x0103: (drawn_exif.SHORT, compression),
            0x0111: (drawn_exif.LONG, [1000] * count),
            0x0116: (drawn_exif.SHORT, 1),
            0x0117: (drawn_exif.LONG, [100_000] * count),
        }
        data = drawn_exif.tiff(tags, gps=GPS).ljust(1000, b"\0") + b"\1" * 100_000
        if is_edited:
            assert remove(data) is not None
        else:
            with pytest.raises(location.CannotRemoveLocation, match="overlap"):
                remove(data)


def test_a_tiff_of_too_many_strips_is_not_edited(remove: Callable[[bytes], bytes | None]):
    for count, is_edited in ((1000, True), (tiff.MAX_PARTS + 1, False)):
        tags: drawn_exif.Tags = {
            0x0103: (drawn_exif.SHORT, 8),
            0x0111: (drawn_exif.LONG, [0] * count),
            0x0117: (drawn_exif.LONG, [1] * count),
        }
        at = len(drawn_exif.tiff(tags, gps=GPS))
        data = drawn_exif.tiff(tags | {0x0111: (drawn_exif.LONG, [at] * count)}, gps=GPS) + b"\1"
        if is_edited:
            assert remove(data) is not None
        else:
            with pytest.raises(location.CannotRemoveLocation, match="more parts"):
                remove(data)


@pytest.mark.parametrize("name", ["png", "webp"])
def test_a_second_exif_is_left_out(remove: Callable[[bytes], bytes | None], name: str):
    """There may be one; of many, each would be gone over."""
    other = drawn_exif.exif_block(make="Other")
    data = WITH_EXIF[name](exif=drawn_exif.exif_block(), xmp=HARMLESS)
    if name == "png":
        before = data[:-12] + drawn_pictures.chunk(b"eXIf", other) * 100 + data[-12:]
    else:
        chunks = data[12:] + (b"EXIF" + struct.pack("<L", len(other)) + other) * 100
        before = b"RIFF" + struct.pack("<L", len(chunks) + 4) + b"WEBP" + chunks
    after = remove(before)
    assert after is not None
    assert b"Drawn" in after
    assert b"Other" not in after


@pytest.mark.parametrize("cut_off", [0, 4, 100])
def test_a_png_that_claims_more_than_there_is_is_not_edited(
    remove: Callable[[bytes], bytes | None], cut_off: int
):
    data = drawn_metadata.png(exif=LOCATED)
    claims = data[:-12] + b"\xff\xff\xff\xffIDAT" + bytes(cut_off)
    tracemalloc.start()
    with pytest.raises(location.CannotRemoveLocation):
        remove(claims)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_a_tiff_whose_pages_go_round_ends(remove: Callable[[bytes], bytes | None]):
    data = bytearray(drawn_metadata.tiff(gps=GPS))
    (count,) = struct.unpack_from("<H", data, 8)
    struct.pack_into("<L", data, 8 + 2 + 12 * count, 8)
    with pytest.raises(location.CannotRemoveLocation):
        remove(bytes(data))


def test_the_dump_without_location_reveals_nothing():
    read = exif.parse(LOCATED, packet(PLACE | {"xmp:CreateDate": "2026-06-21T21:30:00"}))
    dump = location.dump_without_location(read.raw)
    assert "GPS" not in json.dumps(dump)
    assert dump["XMP"] == {"xmp:CreateDate": "2026-06-21T21:30:00"}


def test_a_heif_whose_items_lie_apart_is_edited(remove: Callable[[bytes], bytes | None]):
    """The twin of the one whose items overlap, so that the overlap is the reason."""
    before = heif_file(kinds=(b"hvc1", b"Exif"))
    after = remove(before)
    assert after is not None
    assert len(after) == len(before)


def test_coded_items_of_a_heif_that_overlap_are_not_hashed(
    remove: Callable[[bytes], bytes | None],
):
    """A hundred thousand extents of 250 MB would be hours."""
    places = b"".join(struct.pack(">HHHHLL", n, 0, 0, 1, n, 300) for n in range(50))
    iloc = box(b"iloc", b"\1\0\0\0\x44\0" + struct.pack(">H", 50) + places)
    with pytest.raises(location.CannotRemoveLocation, match="overlap"):
        remove(heif_of_items([b"hvc1"] * 50, iloc))


def test_junk_between_the_segments_of_a_jpeg_is_blanked(remove: Callable[[bytes], bytes | None]):
    data = drawn_metadata.jpeg(exif=drawn_exif.exif_block())
    end = 4 + int.from_bytes(data[4:6])
    before = data[:end] + b"48.2082,16.3738" + data[end:]
    after = remove(before)
    assert after is not None
    assert after == data[:end] + bytes(15) + data[end:]
    assert jpeg.read_header(after).drawing == jpeg.read_header(before).drawing
