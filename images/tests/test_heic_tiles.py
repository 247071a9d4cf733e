"""A HEIC of HEVC tiles is decoded by FFmpeg as libheif would, and whatever is wrong with it ends as
it does with libheif."""

from __future__ import annotations

import io
import itertools
import json
import random
import struct
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageFilter

from bandpics.testing.matrix import few, representative
from images.photofile import rendering, variants
from images.photofile.containers import heif_tiles
from images.photofile.rendering import decode, upright, verify
from images.photofile.transforms.spec import Crop, Spec
from images.tests import (
    drawn_heic,
    drawn_pictures,
    drawn_profiles,
    real_photos,
    test_rendering_bare,
)
from images.tests.colour_distance import delta_e, lab
from images.tests.test_rendering_bombs import outcomes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from images.tests.drawn_heic import Grid

# Neither a multiple of a tile nor even: what the last tiles hold besides must not be seen.
SIZE = (301, 203)
PHOTO = drawn_pictures.detailed(width=301, height=203, seed=3).filter(ImageFilter.GaussianBlur(2))


def opened(path: Path, spec: Spec = variants.FULLSIZE) -> Image.Image:
    return upright.open_photo(path, header=rendering.inspect(path), spec=spec)


@pytest.fixture
def by_ffmpeg(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each HEIC of the test was decoded by FFmpeg."""
    told: list[bool] = []
    cut = decode._cut_tiles

    def watched(*asked: Any) -> Image.Image | None:
        image = cut(*asked)
        told.append(image is not None)
        return image

    monkeypatch.setattr(decode, "_cut_tiles", watched)
    return told


@pytest.fixture
def libheif(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Image.Image]:
    """Opens a HEIC by libheif alone."""

    def opened_by_libheif(path: Path, spec: Spec = variants.FULLSIZE) -> Image.Image:
        with monkeypatch.context() as patched:
            patched.setattr(decode, "_cut_tiles", lambda *_: None)
            return opened(path, spec)

    return opened_by_libheif


def assert_alike(one: Image.Image, other: Image.Image, *, mean: float, most: float) -> None:
    """Distances are those of CIEDE2000; `most` bounds 99 of 100 pixels."""
    assert one.size == other.size
    distances = delta_e(lab(one), lab(other))
    assert distances.mean() < mean, distances.mean()
    assert np.percentile(distances, 99) < most, np.percentile(distances, 99)


# The same picture

KINDS = representative(
    itertools.product(range(1, 9), (True, False), (6, 1, 9)),
    lambda case: case in {(1, True, 6), (6, False, 1), (3, True, 9)},
)


@pytest.mark.parametrize(("orientation", "is_full", "matrix"), KINDS)
def test_tiles_of_every_turn_range_and_matrix_look_as_libheif_shows_them(
    orientation: int,
    is_full: bool,
    matrix: int,
    tmp_path: Path,
    by_ffmpeg: list[bool],
    libheif: Callable[..., Image.Image],
):
    path = tmp_path / "photo.heic"
    drawn = drawn_heic.grid(PHOTO, orientation=orientation, is_full=is_full, matrix=matrix)
    path.write_bytes(drawn.write())
    # libheif doubles the pixels of colour planes where these are not shrunk.
    for spec, mean, most in ((variants.FULLSIZE, 2.0, 8.5), (variants.SMALL, 1.2, 4.5)):
        seen = opened(path, spec)
        assert_alike(seen, libheif(path, spec), mean=mean, most=most)
        source = PHOTO.resize(seen.size, Image.Resampling.LANCZOS)
        assert_alike(seen, source, mean=1.0, most=3.0)
    assert by_ffmpeg == [True, True]


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_crop_decodes_the_tiles_it_touches_and_looks_the_same(
    orientation: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    libheif: Callable[..., Image.Image],
):
    from images.photofile.rendering import hevc

    path = tmp_path / "photo.heic"
    path.write_bytes(drawn_heic.grid(PHOTO, edge=64, orientation=orientation).write())
    decoded, packet = [], hevc._packet
    monkeypatch.setattr(hevc, "_packet", lambda *asked: decoded.append(asked[2]) or packet(*asked))
    spec = Spec(crop=Crop(150, 100, 60, 60))
    assert_alike(opened(path, spec), libheif(path, spec), mean=2.0, most=8.5)
    assert 1 <= len(decoded) < 20 // 2


def test_display_p3_looks_right(tmp_path: Path, by_ffmpeg: list[bool]):
    icc = drawn_profiles.display_p3()
    red = Image.new("RGB", (800, 700), (200, 60, 40))
    path = tmp_path / "photo.heic"
    path.write_bytes(drawn_heic.grid(red, edge=512, icc=icc).write())
    # SMPTE EG 432-1 into sRGB.
    assert np.allclose(opened(path).getpixel((400, 350)), (218, 41, 23), atol=2)
    assert by_ffmpeg == [True]


def test_what_is_rendered_of_tiles_carries_nothing(tmp_path: Path, by_ffmpeg: list[bool]):
    photo = drawn_pictures.detailed(width=660, height=500)
    exif = drawn_pictures.exif_block(orientation=6, stuffed=True)
    icc = drawn_profiles.display_p3(drawn_pictures.SECRET.decode())
    drawn = drawn_heic.grid(photo, edge=256, orientation=6, exif=exif, icc=icc)
    drawn.beside.append(drawn_heic.box(b"uuid", bytes(16), drawn_pictures.SECRET))
    source = tmp_path / "photo.heic"
    source.write_bytes(drawn.write())
    assert source.read_bytes().count(drawn_pictures.SECRET) >= 3
    rendered = test_rendering_bare.render(source, tmp_path)
    assert by_ffmpeg == [True]
    for variant in rendered:
        assert drawn_pictures.SECRET not in variant.path.read_bytes()
        verify.assert_metadata_free(variant.path)
    if test_rendering_bare.EXIFTOOL:
        found = test_rendering_bare.leaks(source, *(variant.path for variant in rendered))
        assert "GPS:GPSLatitude" in found.pop(str(source))
        assert set().union(*found.values()) == set()


OF_PHONES = sorted((real_photos.FOLDER / "cameras" / "heic").rglob("*.[hH]*[cCfF]"))


@pytest.mark.parametrize("path", few(OF_PHONES, 3), ids=lambda path: path.name)
def test_photos_of_phones_look_as_libheif_shows_them(
    path: Path, by_ffmpeg: list[bool], libheif: Callable[..., Image.Image]
):
    asked = (path, variants.TILE)
    assert_alike(opened(*asked), libheif(*asked), mean=0.7, most=3.0)
    assert by_ffmpeg == [True]


# What is left to libheif


def with_alpha() -> bytes:
    image = PHOTO.convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(SIZE))
    return _encoded(image)


def _encoded(image: Image.Image, **options: Any) -> bytes:
    out = io.BytesIO()
    pillow_heif.encode(image.mode, image.size, image.tobytes(), out, quality=90, **options)
    return out.getvalue()


def of_10_bits() -> bytes:
    deep = b"".join(struct.pack("<H", level * 257) for level in PHOTO.tobytes())
    out = io.BytesIO()
    pillow_heif.encode("RGB;16", SIZE, deep, out, quality=90)
    return out.getvalue()


def cropped() -> bytes:
    """The middle 100 by 80 pixels: eight fractions (14496-12, 12.1.4)."""
    clap = drawn_heic.box(b"clap", struct.pack(">8i", 100, 1, 80, 1, 0, 1, 0, 1))
    return replace(drawn_heic.grid(PHOTO.resize((300, 204))), more=[clap]).write()


def with_two_orders() -> bytes:
    """The second names the tiles in reverse."""
    drawn = drawn_heic.grid(PHOTO)
    numbers = range(1 + len(drawn.tiles), 1, -1)
    order = struct.pack(f">HH{len(numbers)}H", 1, len(numbers), *numbers)
    second = drawn_heic.versioned(b"iref", 0, drawn_heic.box(b"dimg", order))
    return replace(drawn, beside=[second]).write()


class Parameters(dict[str, int]):
    __hash__ = object.__hash__  # type: ignore[assignment]  # the encoder's work is remembered by it


def with_sets_of_its_own() -> bytes:
    """The third tile is of another encoder's settings, and brings them along: the fourth is not."""
    drawn = drawn_heic.grid(PHOTO)
    other = drawn_heic.grid(PHOTO, enc_params=Parameters({"x265:cbqpoffs": 12}))
    at, sets = 23, b""
    for _ in range(other.configuration[22]):
        (byte_size,) = struct.unpack_from(">H", other.configuration, at + 3)
        sets += bytes(2) + other.configuration[at + 3 : at + 5 + byte_size]
        at += 5 + byte_size
    assert at == len(other.configuration)  # one of each kind
    tiles = [*drawn.tiles[:2], sets + other.tiles[2], *drawn.tiles[3:]]
    return replace(drawn, tiles=tiles).write()


LEFT_TO_LIBHEIF: dict[str, Callable[[], bytes]] = {
    "alpha": with_alpha,
    "10 bits": of_10_bits,
    "4:4:4": lambda: _encoded(PHOTO, chroma=444),
    "grey": lambda: drawn_heic.grid(PHOTO.convert("L")).write(),
    "a crop": cropped,
    "two orders of tiles": with_two_orders,
    "a tile with sets of its own": with_sets_of_its_own,
    "tiles that are the same bytes": lambda: drawn_heic.of_equal_tiles(
        301, 203, edge=128, is_shared=True
    ),
}


@pytest.mark.parametrize("name", few(LEFT_TO_LIBHEIF, 3))
def test_what_is_no_plain_grid_is_left_to_libheif(
    name: str, tmp_path: Path, by_ffmpeg: list[bool], libheif: Callable[..., Image.Image]
):
    path = tmp_path / "photo.heic"
    path.write_bytes(LEFT_TO_LIBHEIF[name]())
    assert opened(path).tobytes() == libheif(path).tobytes()
    assert by_ffmpeg == [False]


def test_one_picture_without_tiles_is_decoded_by_ffmpeg(
    tmp_path: Path, by_ffmpeg: list[bool], libheif: Callable[..., Image.Image]
):
    path = tmp_path / "photo.heic"
    path.write_bytes(drawn_pictures.heic(image=PHOTO.resize((300, 204)), orientation=6))
    assert_alike(opened(path), libheif(path), mean=2.0, most=8.5)
    assert by_ffmpeg == [True]


# Files that lie

EVEN = PHOTO.resize((300, 204))


def lying(change: Callable[[Grid], dict[str, Any]]) -> Callable[[], bytes]:
    def draw() -> bytes:
        drawn = drawn_heic.grid(EVEN)
        return replace(drawn, **change(drawn)).write()

    return draw


def _without_end(drawn: Grid, share: float) -> list[bytes]:
    """The fourth tile ends early, and so says the length of its unit."""
    first, second, third, tile, *others = drawn.tiles
    kept = 4 + int((len(tile) - 4) * share)
    short = (kept - 4).to_bytes(4) + tile[4:kept]
    return [first, second, third, short, *others]


LIES: dict[str, Callable[[], bytes]] = {
    "a tile cut off": lying(lambda g: {"tiles": [*g.tiles[:3], g.tiles[3][:50], *g.tiles[4:]]}),
    "an empty tile": lying(lambda g: {"tiles": [*g.tiles[:3], b"", *g.tiles[4:]]}),
    "a tile of zeros": lying(lambda g: {"tiles": [*g.tiles[:3], bytes(999), *g.tiles[4:]]}),
    "half a tile": lying(lambda g: {"tiles": _without_end(g, 0.5)}),
    "the start of a tile": lying(lambda g: {"tiles": _without_end(g, 0.05)}),
    "a unit longer than its tile": lying(
        lambda g: {"tiles": [b"\x7f" + tile[1:] for tile in g.tiles]}
    ),
    "a tile behind the end": lying(lambda g: {"places": {3: (10**9, 500)}}),
    "a length beyond the end": lying(lambda g: {"places": {3: (500, 2**32 - 1)}}),
    "64 bits, 2^63": lying(lambda g: {"offset_bytes": 8, "places": {3: (2**63, 2**63)}}),
    "64 bits, around": lying(lambda g: {"offset_bytes": 8, "places": {3: (2**64 - 8, 500)}}),
    "one place for all": lying(lambda g: {"places": dict.fromkeys(range(2, 8), (900, 500))}),
    "sizes twice as large": lying(lambda g: {"size": (600, 408), "columns": 5, "rows": 4}),
    "tiles said to be larger": lying(lambda g: {"edge": 256}),
    "tiles said to be smaller": lying(lambda g: {"edge": 64}),
    "tiles said to be enormous": lying(lambda g: {"edge": 2**31}),
    "a grid of 65,536 tiles": lying(lambda g: {"columns": 256, "rows": 256}),
    "a picture of 2^62 pixels": lying(lambda g: {"size": (2**31, 2**31)}),
    "a picture without pixels": lying(lambda g: {"size": (0, 204)}),
    "a grid of itself": lying(lambda g: {"references": [1] * len(g.tiles)}),
    "a grid of one tile": lying(lambda g: {"references": [2] * len(g.tiles)}),
    "a grid of what is not there": lying(lambda g: {"references": [99] * len(g.tiles)}),
    "a grid of too few": lying(lambda g: {"references": [2]}),
    "no configuration": lying(lambda g: {"configuration": b""}),
    "a configuration of zeros": lying(lambda g: {"configuration": bytes(len(g.configuration))}),
    "half a configuration": lying(lambda g: {"configuration": g.configuration[:60]}),
    "a configuration of other tiles": lying(
        lambda g: {"configuration": drawn_heic.grid(EVEN, edge=64).configuration}
    ),
    "a configuration of 65,535 sets": lying(
        lambda g: {"configuration": g.configuration[:22] + b"\xff\x20\xff\xff" + bytes(3000)}
    ),
}
RIGHT: dict[str, Callable[[], bytes]] = {
    "64 bits": lying(lambda g: {"offset_bytes": 8}),
    "as it is": lying(lambda g: {}),
}

# Opens each file of the command line by FFmpeg and by libheif; tells what became of it.
CHILD = """
import json, sys, time
from pathlib import Path
from images.photofile import rendering, variants
from images.photofile.rendering import decode, upright, verify

cut = decode._cut_tiles

def verdict(path, way):
    decode._cut_tiles = way
    started = time.process_time()
    try:
        header = rendering.inspect(path)
        image = upright.open_photo(path, header=header, spec=variants.SMALL)
        thumb = list(image.resize((4, 4)).tobytes())
        return [f"{image.width}x{image.height}", thumb, time.process_time() - started]
    except rendering.BadPicture as bad:
        return [bad.reason, [], time.process_time() - started]

for path in map(Path, sys.stdin.read().split("\\n")):
    print(json.dumps([path.stem, verdict(path, cut), verdict(path, lambda *_: None)]), flush=True)
"""


def verdicts(files: dict[str, bytes], folder: Path) -> dict[str, tuple[Any, Any]]:
    """What FFmpeg and libheif make of each file, in one process that must survive them all."""
    paths = []
    for index, data in enumerate(files.values()):
        paths.append(folder / f"{index}.heic")
        paths[-1].write_bytes(data)
    answer = subprocess.run(
        [sys.executable, "-c", CHILD],
        input="\n".join(map(str, paths)),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert answer.returncode == 0, answer.stderr[-2000:]
    told = [json.loads(line) for line in answer.stdout.splitlines()]
    return {name: (ours, theirs) for name, (_, ours, theirs) in zip(files, told, strict=True)}


def test_files_that_lie_end_as_they_do_with_libheif(tmp_path: Path):
    files = {name: draw() for name, draw in (LIES | RIGHT).items()}
    told = verdicts(files, tmp_path)
    assert {name: ours[0] for name, (ours, _) in told.items()} == {
        name: theirs[0] for name, (_, theirs) in told.items()
    }
    assert {told[name][0][0] for name in RIGHT} == {"200x136"}
    assert {told[name][0][0] for name in LIES} >= {"damaged", "too-many-pixels"}
    assert max(ours[2] for ours, _ in told.values()) < 2


def test_files_that_lie_take_neither_time_nor_memory(tmp_path: Path):
    files = {f"lie {index}": draw() for index, draw in enumerate(LIES.values())}
    files |= {"photo": RIGHT["as it is"]()}
    told = outcomes(files, tmp_path)
    assert told["photo"][0] == "300x204"
    for name, (_, seconds, grown) in told.items():
        assert seconds < 3, name
        assert grown < 150, name


def flipped(data: bytes, chance: random.Random, *, start: int, end: int) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8))):
        changed[chance.randrange(start, end)] = chance.randrange(256)
    return bytes(changed)


def test_hundreds_of_mutated_files_end_as_they_do_with_libheif(tmp_path: Path):
    """Those that libheif refuses are refused, or shown as they were meant: FFmpeg needs no more of
    a configuration than what it decodes by."""
    chance = random.Random(4)
    grid, single = drawn_heic.grid(EVEN).write(), drawn_pictures.heic(image=EVEN, exif=b"")
    files = {"meant": grid}
    for name, data in (("grid", grid), ("single", single)):
        pixels_at = data.index(b"mdat") + 4
        for index in range(50):
            files[f"{name} {index}, boxes"] = flipped(data, chance, start=16, end=pixels_at)
            files[f"{name} {index}, coded"] = flipped(data, chance, start=pixels_at, end=len(data))
    told = verdicts(files, tmp_path)
    meant = told.pop("meant")[0][1]
    differing = {name: both for name, both in told.items() if both[0][0] != both[1][0]}
    for name, (ours, _) in differing.items():
        assert ours[0] == "200x136", name
        assert np.abs(np.subtract(ours[1], meant)).max() < 10, name
    assert len(differing) <= 0.02 * len(told)
    assert max(ours[2] for ours, _ in told.values()) < 2


# Who loads FFmpeg

LOADED = """
import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bandpics.settings")
import bandpics.wsgi, bandpics.celery, bandpics.urls, images.tasks, images.photofile.logo
print([name for name in ("av", "numpy") if name in sys.modules])
from pathlib import Path
from images.photofile import rendering
for path in map(Path, sys.argv[1:]):
    rendering.render(path, header=rendering.inspect(path), into=path.parent)
    print([name for name in ("av", "numpy") if name in sys.modules])
"""


def test_ffmpeg_is_loaded_by_who_renders_a_heic_and_nobody_else(tmp_path: Path):
    paths = [tmp_path / "photo.jpg", tmp_path / "photo.heic"]
    paths[0].write_bytes(drawn_pictures.jpeg(width=60, height=40))
    paths[1].write_bytes(drawn_pictures.heic(width=60, height=40))
    answer = subprocess.run(
        [sys.executable, "-c", LOADED, *map(str, paths)],
        capture_output=True,
        text=True,
        check=True,
    )
    told = [line for line in answer.stdout.splitlines() if line.startswith("[")]
    assert told == ["[]", "['numpy']", "['av', 'numpy']"]


def test_an_orientation_is_read_of_boxes():
    for orientation in range(1, 9):
        drawn = drawn_heic.grid(EVEN, edge=512, orientation=orientation)
        coded = heif_tiles.read(drawn.write())
        assert coded is not None
        assert coded.orientation == orientation
