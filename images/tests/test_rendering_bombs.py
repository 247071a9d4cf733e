"""Files that would cost a worker its memory or its time are refused before they do."""

from __future__ import annotations

import io
import json
import os
import re
import struct
import subprocess
import sys
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from images.photofile import rendering
from images.photofile.containers import container, webp
from images.photofile.rendering import bad_picture
from images.tests import drawn_exif, drawn_heic, drawn_pictures
from images.tests.drawn_exif import LONG, SHORT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="memory is bounded on Linux")

# Renders each file of the command line as a worker does; tells what became of it.
CHILD = """
import json, resource, sys, threading, time
from pathlib import Path
from images.photofile import rendering
from images.photofile.rendering import bad_picture
from images.photofile.metadata import exif

def memory(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith(name))

# A worker's lease is renewed by one, and an arena of its own makes malloc look for more.
threading.Thread(target=threading.Event().wait, daemon=True).start()
bad_picture.MAX_GROWTH_BYTES = int(sys.argv[1])
limit = resource.getrlimit(resource.RLIMIT_AS)
for path in map(Path, sys.argv[2:]):
    # The highest mark so far is forgotten.
    Path("/proc/self/clear_refs").write_text("5")
    started, idle = time.process_time(), memory("VmRSS:")
    try:
        header = rendering.inspect(path)
        exif.read(path)
        into = path.with_suffix(".variants")
        into.mkdir()
        rendering.render(path, header=header, into=into)
        outcome = f"{header.width}x{header.height}"
    except rendering.BadPicture as bad:
        outcome = bad.reason
    seconds = time.process_time() - started
    assert resource.getrlimit(resource.RLIMIT_AS) == limit
    print(json.dumps([path.stem, outcome, seconds, memory("VmHWM:") - idle]))
"""


def outcomes(
    files: dict[str, bytes], folder: Path, *, growth: int = bad_picture.MAX_GROWTH_BYTES
) -> dict[str, tuple[str, float, int]]:
    """What becomes of each file in a process of its own: size or reason, seconds of cpu, MiB."""
    paths = []
    for name, data in files.items():
        paths.append(folder / f"{name}.bin")
        paths[-1].write_bytes(data)
    command = [sys.executable, "-c", CHILD, str(growth), *map(str, paths)]
    # As a worker that anybody starts, in any way.
    environment = {name: text for name, text in os.environ.items() if name != "MALLOC_ARENA_MAX"}
    answer = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert answer.returncode == 0, answer.stderr
    lines = [json.loads(line) for line in answer.stdout.splitlines()]
    return {name: (outcome, seconds, grown) for name, outcome, seconds, grown in lines}


# More pixels than any budget, by the header


def tiff_header(width: int, height: int, **more: Any) -> bytes:
    tags = {256: (LONG, width), 257: (LONG, height), 258: (SHORT, [8, 8, 8]), 259: (SHORT, 5)}
    tags |= {262: (SHORT, 2), 273: (LONG, 8), 277: (SHORT, 3), 278: (LONG, height)}
    tags |= {279: (LONG, 100)}
    return drawn_exif.tiff(tags | more.get("tags", {})) + bytes(200)


def bmp_header(width: int, height: int, *, bits: int = 24, compression: int = 0) -> bytes:
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + info + bytes(2000)


def gif_header(screen: tuple[int, int], frame: tuple[int, int]) -> bytes:
    head = b"GIF89a" + struct.pack("<HHBBB", *screen, 0, 0, 0)
    return head + b"," + struct.pack("<HHHHB", 0, 0, *frame, 0) + b"\2\2\x4c\1\0;"


def with_size_in_ispe(data: bytes, width: int, height: int) -> bytes:
    at = data.index(b"ispe") + 8
    return data[:at] + struct.pack(">II", width, height) + data[at + 8 :]


def webp_canvas(width: int, height: int) -> bytes:
    """A small picture on a canvas of another size."""
    still = drawn_pictures.webp_of_one_colour(10, 10)[12:]
    extended = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    chunks = b"VP8X" + struct.pack("<L", 10) + extended + still
    return b"RIFF" + struct.pack("<L", len(chunks) + 4) + b"WEBP" + chunks


def png_header(width: int, height: int) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 16, 6, 0, 0, 0)
    packed = zlib.compress(bytes(1_000_000))
    body = drawn_pictures.chunk(b"IHDR", head) + drawn_pictures.chunk(b"IDAT", packed)
    return b"\x89PNG\r\n\x1a\n" + body + drawn_pictures.chunk(b"IEND", b"")


TOO_MANY = {
    "webp": drawn_pictures.webp_of_one_colour(16383, 16383),
    "webp a little": drawn_pictures.webp_of_one_colour(8001, 8001),
    "webp canvas": webp_canvas(16384, 16384),
    "webp canvas of 2^48": webp_canvas(2**24, 2**24),
    "avif": with_size_in_ispe(drawn_pictures.avif(width=64, height=64), 16000, 16000),
    "avif of 2^62": with_size_in_ispe(drawn_pictures.avif(width=64, height=64), 2**31, 2**31),
    "heic": with_size_in_ispe(drawn_pictures.heic(width=64, height=64), 16000, 16000),
    "tiff": tiff_header(65535, 65535),
    "tiff of 2^62": tiff_header(2**31, 2**31),
    "tiff tile": tiff_header(100, 100, tags={322: (LONG, 2**16), 323: (LONG, 2**16)}),
    "gif screen": gif_header((65535, 65535), (1, 1)),
    "gif frame": gif_header((1, 1), (65535, 65535)),
    "bmp": bmp_header(40000, 40000),
    "bmp from the top": bmp_header(40000, -40000),
    "bmp of runs": bmp_header(5000, 5000, bits=8, compression=1),
    "png": png_header(8001, 8001),
    "png of 2^62": png_header(2**31 - 1, 2**31 - 1),
}


@linux_only
def test_pixels_beyond_the_budget_cost_neither_time_nor_memory(tmp_path: Path):
    assert len(TOO_MANY["webp"]) <= 34
    for name, (outcome, seconds, grown) in outcomes(TOO_MANY, tmp_path).items():
        assert outcome == "too-many-pixels", name
        assert seconds < 1, name
        assert grown < 20, name


# Small pictures with much besides


def png_with(*chunks: bytes) -> bytes:
    data = drawn_pictures.png(width=300, height=200)
    return data[:33] + b"".join(chunks) + data[33:]


def zeros(megabytes: int) -> bytes:
    return zlib.compress(bytes(megabytes * 1_000_000), 9)


def webp_of_frames(count: int) -> bytes:
    frame = bytes(6) + (299).to_bytes(3, "little") + (199).to_bytes(3, "little") + b"\x64\0\0\0"
    frame += drawn_pictures.webp_of_one_colour(300, 200)[12:]
    canvas = (299).to_bytes(3, "little") + (199).to_bytes(3, "little")
    chunks = b"VP8X" + struct.pack("<L", 10) + b"\x02\0\0\0" + canvas
    chunks += b"ANIM" + struct.pack("<L", 6) + bytes(6)
    chunks += (b"ANMF" + struct.pack("<L", len(frame)) + frame) * count
    return b"RIFF" + struct.pack("<L", len(chunks) + 4) + b"WEBP" + chunks


def webp_of_empty_frames(count: int, chunks: int, *, depth: int = 1) -> bytes:
    frames = b""
    for _ in range(depth):
        inner = bytes(16) + (b"junk" + bytes(4)) * chunks + frames
        frames = (b"ANMF" + struct.pack("<L", len(inner)) + inner) * count
    return b"RIFF" + struct.pack("<L", len(frames) + 4) + b"WEBP" + frames


def gif_of_frames(count: int) -> bytes:
    data = drawn_pictures.gif(width=300, height=200)
    frame = data.index(b",\0\0\0\0")
    return data[:frame] + data[frame:-1] * count + b";"


def tiff_of_pages(count: int) -> bytes:
    data = drawn_pictures.tiff_file(width=300, height=200)
    (entries,) = struct.unpack_from("<H", data, 8)
    pages = b""
    for _ in range(count):
        at = len(data) + len(pages)
        pages += struct.pack("<HHHLLL", 1, 256, 4, 1, 300, at + 18)
    following = 10 + 12 * entries
    return data[:following] + struct.pack("<L", len(data)) + data[following + 4 :] + pages


def tiff_of_tags(count: int) -> bytes:
    """Each claims the same megabyte."""
    data = drawn_pictures.tiff_file(width=300, height=200)
    (entries,) = struct.unpack_from("<H", data, 8)
    directory = data[10 : 10 + 12 * entries]
    at = len(data)
    more = b"".join(
        struct.pack("<HHLL", (60000 + n) % 65536, 7, 1_000_000, at) for n in range(count - entries)
    )
    moved = struct.pack("<L", at + 1_000_000)
    out = data[:4] + moved + data[8:] + bytes(1_000_000)
    return out + struct.pack("<H", count) + directory + more + bytes(4)


def much_besides() -> dict[str, tuple[bytes, str]]:
    """Files by name, and what is to become of each."""
    return {
        "text of a gigabyte": (
            png_with(*[drawn_pictures.chunk(b"zTXt", b"a\0\0" + zeros(20))] * 50),
            "300x200",
        ),
        "profile of a gigabyte": (
            png_with(drawn_pictures.chunk(b"iCCP", b"a\0\0" + zeros(100))),
            "300x200",
        ),
        "300 profiles": (
            png_with(drawn_pictures.chunk(b"iCCP", b"a\0\0" + zeros(5)) * 300),
            "300x200",
        ),
        "a million chunks": (png_with(drawn_pictures.chunk(b"juNk", b"") * 1_000_000), "damaged"),
        "apng of 3000 frames": (
            png_with(
                drawn_pictures.chunk(b"acTL", struct.pack(">II", 3000, 0)),
                *[
                    drawn_pictures.chunk(
                        b"fcTL", struct.pack(">IIIIIHHBB", 0, 300, 200, 0, 0, 1, 1, 0, 0)
                    )
                ]
                * 3000,
            ),
            "300x200",
        ),
        "webp of 3000 frames": (webp_of_frames(3000), "300x200"),
        "webp of a million chunks": (
            (lambda data: data + (b"junk" + bytes(4)) * 1_000_000)(
                drawn_pictures.webp(width=300, height=200)
            ),
            "damaged",
        ),
        "gif of 3000 frames": (gif_of_frames(3000), "300x200"),
        "gif of a million comments": (
            (lambda data: data[:13] + b"!\xfe\1a\0" * 1_000_000 + data[13:])(
                gif_header((300, 200), (300, 200))
            ),
            "damaged",
        ),
        "tiff of 5000 pages": (tiff_of_pages(5000), "300x200"),
        "tiff of 1000 tags of a megabyte": (tiff_of_tags(1000), "300x200"),
        "tiff of 65535 tags": (tiff_of_tags(65535), "damaged"),
        "jpeg of 100000 segments": (
            (lambda data: data[:2] + drawn_pictures.segment(0xE5, b"") * 100_000 + data[2:])(
                drawn_pictures.jpeg(width=300, height=200)
            ),
            "damaged",
        ),
    }


@linux_only
def test_what_stands_beside_the_pixels_is_passed_over(tmp_path: Path):
    besides = much_besides()
    files = {name: data for name, (data, _) in besides.items()}
    for name, (outcome, seconds, grown) in outcomes(files, tmp_path).items():
        assert outcome == besides[name][1], name
        assert seconds < 1.5, name
        assert grown < 100, name


class Counted(bytes):
    reads = 0

    def __getitem__(self, at):
        self.reads += 1
        return super().__getitem__(at)


@pytest.mark.parametrize(("count", "depth"), [(4, 1), (1, 4)])
def test_frames_of_a_webp_without_a_picture_are_not_walked_one_by_one(count: int, depth: int):
    file = Counted(webp_of_empty_frames(count, webp.MAX_CHUNKS - 2, depth=depth))
    with pytest.raises(container.NotDrawable):
        webp.read_header(file)
    assert file.reads < 2 * webp.MAX_CHUNKS


# A TIFF whose strips or tiles all lie at one place


def tiff_of_parts(
    size: tuple[int, int],
    part: tuple[int, int],
    data: bytes,
    *,
    compression: int,
    tiled: bool = False,
    byte_sizes_told: bool = True,
) -> bytes:
    """`data` is that of every strip or tile."""
    count = -(-size[0] // part[0]) * -(-size[1] // part[1])
    tags = {256: (LONG, size[0]), 257: (LONG, size[1]), 258: (SHORT, [8, 8, 8])}
    tags |= {259: (SHORT, compression), 277: (SHORT, 3)}
    tags[262] = (SHORT, 6 if compression == 7 else 2)
    if compression == 7:
        tags[530] = (SHORT, [1, 1])
    if tiled:
        tags |= {322: (LONG, part[0]), 323: (LONG, part[1])}
    else:
        tags[278] = (LONG, part[1])
    if byte_sizes_told:
        tags[325 if tiled else 279] = (LONG, [len(data)] * count)
    offsets = 324 if tiled else 273
    at = len(drawn_exif.tiff(tags | {offsets: (LONG, [0] * count)}))
    return drawn_exif.tiff(tags | {offsets: (LONG, [at] * count)}) + data


def tiff_of_planes(size: tuple[int, int], data: bytes, *, byte_sizes_told: bool = True) -> bytes:
    """Red, green and blue, each a JPEG of its own."""
    tags = {256: (LONG, size[0]), 257: (LONG, size[1]), 258: (SHORT, [8, 8, 8])}
    tags |= {259: (SHORT, 7), 262: (SHORT, 2), 277: (SHORT, 3), 278: (LONG, size[1])}
    tags |= {273: (LONG, [0] * 3), 284: (SHORT, 2)}
    if byte_sizes_told:
        tags[279] = (LONG, [len(data)] * 3)
    at = len(drawn_exif.tiff(tags))
    tags[273] = (LONG, [at, at + len(data), at + 2 * len(data)])
    return drawn_exif.tiff(tags) + data * 3


def jpeg_of_scans(width: int, height: int, count: int, *, mode: str = "RGB") -> bytes:
    """Progressive; the last scan stands there again and again."""
    picture = drawn_pictures.picture(width=width, height=height).convert(mode)
    data = saved(picture, "JPEG", progressive=True, subsampling=0)
    last = data.rindex(b"\xff\xda")
    more = count - data.count(b"\xff\xda")
    return data[:last] + data[last:-2] * (more + 1) + data[-2:]


@linux_only
def test_scans_and_padding_within_a_tiff_are_bounded_by_its_header(tmp_path: Path):
    strip = jpeg_of_scans(7990, 128, 90)
    tile = jpeg_of_scans(512, 512, 90)
    square = jpeg_of_scans(3840, 3840, 90)
    plane = jpeg_of_scans(1000, 1000, 90, mode="L")
    end_in_a_comment = drawn_pictures.segment(0xFE, b"\xff\xd9")
    air = zlib.compress(bytes(16 * 1_000_000 * 3), 9)
    expected = {
        "strips": (
            tiff_of_parts((7990, 7990), (7990, 128), strip, compression=7),
            "damaged",
        ),
        "tiles": (
            tiff_of_parts((7990, 7990), (512, 512), tile, compression=7, tiled=True),
            "damaged",
        ),
        "one strip of no told length": (
            tiff_of_parts((3840, 3840), (3840, 3840), square, compression=7, byte_sizes_told=False),
            "damaged",
        ),
        "an end that is none": (
            tiff_of_parts(
                *((3840, 3840), (3840, 3840)),
                square[:2] + end_in_a_comment + square[2:],
                compression=7,
            ),
            "damaged",
        ),
        "planes of told lengths": (tiff_of_planes((1000, 1000), plane), "1000x1000"),
        "planes of no told length": (
            tiff_of_planes((1000, 1000), plane, byte_sizes_told=False),
            "damaged",
        ),
        "tiles of air": (
            tiff_of_parts((1, 60_000), (1_000_000, 16), air, compression=8, tiled=True),
            "too-many-pixels",
        ),
        # What there may be.
        "few scans": (
            tiff_of_parts(
                (1990, 1900), (512, 512), jpeg_of_scans(512, 512, 10), compression=7, tiled=True
            ),
            "1990x1900",
        ),
        "many scans of few pixels": (
            tiff_of_parts((500, 500), (512, 512), tile, compression=7, tiled=True),
            "500x500",
        ),
    }
    files = {name: data for name, (data, _) in expected.items()}
    for name, (outcome, seconds, grown) in outcomes(files, tmp_path).items():
        assert outcome == expected[name][1], name
        assert seconds < 1.5, name
        assert grown < 100, name


# Lies: a header within the budgets, and a decoder that asks for more than they stand for


@linux_only
def test_a_decoder_that_asks_for_more_than_a_photo_needs_gets_nothing(tmp_path: Path):
    """64 megapixels take more than is granted here. Some decoders say so, others say "broken"."""
    files = {
        "photo": drawn_pictures.jpeg(width=900, height=600),
        "webp": drawn_pictures.webp_of_one_colour(8000, 8000),
        "png": saved(one_colour(8000, 8000), "PNG", compress_level=1),
        "heic": drawn_heic.of_equal_tiles(8000, 8000, is_shared=True),
        "next photo": drawn_pictures.webp(width=900, height=600),
    }
    # Less than any of them needs to decode: what is refused later, at resizing, ends the process.
    told = outcomes(files, tmp_path, growth=150 * 1024 * 1024)
    assert told["png"][0] == "too-many-pixels"
    assert {told["webp"][0], told["heic"][0]} <= {"damaged", "too-many-pixels"}
    assert max(told["png"][2], told["webp"][2], told["heic"][2]) < 210
    assert told["photo"][0] == told["next photo"][0] == "900x600"


def test_a_picture_larger_than_its_boxes_say_is_not_decoded_beyond_the_bound(tmp_path: Path):
    """The coded picture has 4 megapixels, the boxes speak of 64 by 64 pixels."""
    told = outcomes(
        {
            "avif": re.sub(
                rb"(?<=ispe\0\0\0\0).{8}",
                struct.pack(">II", 64, 64),
                drawn_pictures.avif(width=2048, height=2048),
                flags=re.DOTALL,
            )
        },
        tmp_path,
    )
    outcome, _, grown = told["avif"]
    assert outcome in {"64x64", "damaged"}
    assert grown < 100


# The counter-test: what phones and cameras do write


def one_colour(width: int, height: int) -> Image.Image:
    return Image.new("RGB", (width, height), drawn_pictures.BLUE)


def saved(image: Image.Image, format_: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format_, **options)
    return out.getvalue()


@linux_only
def test_a_phone_s_200_megapixels_are_taken(tmp_path: Path):
    files = {
        "200 MP": saved(one_colour(16320, 12240), "JPEG"),
        "panorama": saved(one_colour(16383, 3500), "JPEG"),
        "webp panorama": drawn_pictures.webp_of_one_colour(16383, 1000),
        "65 MP HEIC": drawn_heic.of_equal_tiles(8064, 8064),
        "65 MP HEIC, shared": drawn_heic.of_equal_tiles(8064, 8064, is_shared=True),
    }
    told = outcomes(files, tmp_path)
    assert {name: outcome for name, (outcome, _, _) in told.items()} == {
        "200 MP": "16320x12240",
        "panorama": "16383x3500",
        "webp panorama": "16383x1000",
        "65 MP HEIC": "8064x8064",
        "65 MP HEIC, shared": "8064x8064",
    }
    assert told["200 MP"][2] < 60
    # Five bytes a pixel by libheif, and what any HEIC takes; by FFmpeg one and a half.
    assert told["65 MP HEIC, shared"][2] < 65 * 5 + 30
    assert told["65 MP HEIC"][2] < 65 * 1.5 + 80


def test_the_header_of_a_phone_s_200_megapixels_as_heic_is_within_the_budget(tmp_path: Path):
    path = tmp_path / "photo.heic"
    path.write_bytes(drawn_heic.of_equal_tiles(16320, 12240))
    header = rendering.inspect(path)
    assert (header.width, header.height) == (16320, 12240)


LARGEST: dict[str, Callable[[], bytes]] = {
    "progressive JPEG": lambda: saved(
        drawn_pictures.picture(width=7990, height=7990), "JPEG", progressive=True, subsampling=0
    ),
    "progressive CMYK": lambda: saved(
        drawn_pictures.picture(width=7990, height=7990).convert("CMYK"), "JPEG", progressive=True
    ),
    "transparent PNG": lambda: saved(
        drawn_pictures.picture(width=7990, height=7990).convert("RGBA"), "PNG", compress_level=1
    ),
    "transparent WebP": lambda: saved(
        drawn_pictures.picture(width=7990, height=7990).convert("RGBA"),
        "WEBP",
        quality=50,
        method=0,
    ),
    "transparent AVIF": lambda: saved(
        drawn_pictures.picture(width=7990, height=7990).convert("RGBA"),
        "AVIF",
        speed=10,
        quality=40,
    ),
    "transparent TIFF": lambda: saved(
        drawn_pictures.picture(width=7990, height=7990).convert("RGBA"),
        "TIFF",
        compression="tiff_lzw",
    ),
    "CMYK TIFF": lambda: saved(
        drawn_pictures.picture(width=7990, height=7990).convert("CMYK"),
        "TIFF",
        compression="tiff_lzw",
    ),
    "GIF": lambda: saved(
        drawn_pictures.picture(width=7990, height=7990).quantize(16), "GIF", transparency=3
    ),
    "BMP": lambda: saved(drawn_pictures.picture(width=7990, height=7990), "BMP"),
    "200 MP HEIC": lambda: drawn_heic.of_equal_tiles(16320, 12240),
    "50 MP HIF": lambda: drawn_pictures.heic(width=8640, height=5760, quality=40),
}


@pytest.mark.long
@linux_only
@pytest.mark.parametrize("name", LARGEST)
def test_the_largest_within_the_budgets_leave_a_child_below_a_gigabyte_and_a_half(
    name: str, tmp_path: Path
):
    outcome, _, grown = outcomes({"large": LARGEST[name]()}, tmp_path)["large"]
    assert "x" in outcome, outcome
    idle_megabytes = 200
    assert grown + idle_megabytes < 1500
