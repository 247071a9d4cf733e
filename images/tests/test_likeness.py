"""Photos that show the same are recognised; others are not."""

from __future__ import annotations

import contextlib
import io
import itertools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from PIL import Image, ImageFilter

from bandpics.testing.matrix import few
from images.photofile import likeness, rendering
from images.photofile.likeness import Look, are_alike
from images.photofile.rendering import appearance
from images.tests import drawn_pictures, real_photos

if TYPE_CHECKING:
    from pathlib import Path

MOMENT = datetime(2026, 6, 21, 21, 30, tzinfo=UTC)


def jpeg(image: Image.Image, **options: int) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


def seen(data: bytes, folder: Path) -> tuple[appearance.Appearance, rendering.Header]:
    path = folder / "source"
    path.write_bytes(data)
    header = rendering.inspect(path)
    rendered = rendering.render(path, header=header, into=folder)
    files = {one.name: one.path for one in rendered}
    return appearance.read(files, pixels=header.width * header.height), header


def look(image: Image.Image | bytes, folder: Path, *, at: datetime | None = None) -> Look:
    data = image if isinstance(image, bytes) else jpeg(image, quality=90)
    read, header = seen(data, folder)
    assert read.perceptual_hash is not None
    return Look(read.perceptual_hash, read.placeholder, header.width / header.height, at)


def shifted(image: Image.Image, share: float) -> Image.Image:
    """The same scene, with a hand that moved a little."""
    by = round(image.width * share)
    return image.crop((by, by, image.width, image.height)).resize(image.size)


@pytest.fixture(scope="module")
def scene() -> Image.Image:
    return drawn_pictures.detailed(width=1600, height=1200, seed=7)


@pytest.mark.parametrize(
    ("edge", "quality"), few([(1600, 95), (1280, 60), (800, 40), (320, 50)], 2), ids=str
)
def test_a_copy_in_another_size_and_quality_is_alike(scene, tmp_path, edge, quality):
    copy = scene.copy()
    copy.thumbnail((edge, edge))

    original, other = look(scene, tmp_path), look(jpeg(copy, quality=quality), tmp_path)

    assert are_alike(original, other)


def test_photos_of_one_burst_are_alike_and_the_same_hours_apart_are_not(scene, tmp_path):
    first = look(scene, tmp_path, at=MOMENT)
    moved = shifted(scene, 0.02)
    soon = look(moved, tmp_path, at=MOMENT + timedelta(seconds=3))
    later = look(moved, tmp_path, at=MOMENT + timedelta(hours=3))
    unknown = look(moved, tmp_path)

    apart = likeness.distance(first.perceptual_hash, soon.perceptual_hash)
    assert likeness.COPY_DISTANCE < apart <= likeness.BURST_DISTANCE
    assert are_alike(first, soon)
    assert not are_alike(first, later)
    assert not are_alike(first, unknown)


def test_another_crop_is_not_alike(scene, tmp_path):
    square = scene.crop((200, 0, 1400, 1200))

    assert not are_alike(look(scene, tmp_path), look(square, tmp_path))


def test_the_same_shapes_in_other_colours_are_not_alike(scene, tmp_path):
    red, green, blue = scene.split()
    swapped = Image.merge("RGB", (green, blue, red))
    one, other = look(scene, tmp_path), look(swapped, tmp_path)
    same_hash = Look(one.perceptual_hash, other.placeholder, one.ratio)

    assert not are_alike(one, same_hash)


def test_drawn_pictures_are_told_apart(tmp_path):
    looks = [
        look(drawn_pictures.picture(width=600, height=400, seed=seed), tmp_path, at=MOMENT)
        for seed in range(40)
    ]

    assert not [pair for pair in itertools.combinations(looks, 2) if are_alike(*pair)]


def grey(level: int) -> Image.Image:
    return Image.new("RGB", (1200, 800), (level, level, level))


def faded(*, turned: bool) -> Image.Image:
    """A sky: it grows brighter to one side."""
    sky = Image.linear_gradient("L").resize((1200, 800))
    return (sky.rotate(90) if turned else sky).convert("RGB")


def noisy() -> Image.Image:
    """A photo of the dark."""
    return Image.blend(grey(4), drawn_pictures.detailed(width=1200, height=800), 0.01)


@pytest.mark.parametrize(
    "image",
    [grey(0), grey(255), grey(90), faded(turned=False), faded(turned=True), noisy()],
    ids=["black", "white", "grey", "sky", "sky from the side", "dark"],
)
def test_a_picture_of_nothing_is_like_no_other(tmp_path, image):
    read, _ = seen(jpeg(image, quality=90), tmp_path)

    assert read.perceptual_hash is None


def test_the_sharper_of_two_has_more_focus(scene, tmp_path):
    sharp, _ = seen(jpeg(scene, quality=90), tmp_path)
    blurred, _ = seen(jpeg(scene.filter(ImageFilter.GaussianBlur(6)), quality=90), tmp_path)

    assert sharp.focus > 1.5 * blurred.focus


@pytest.mark.parametrize("edge", [1000, 500, 250])
def test_a_smaller_copy_has_less_focus(scene, tmp_path, edge):
    copy = scene.copy()
    copy.thumbnail((edge, edge))

    original, _ = seen(jpeg(scene, quality=90), tmp_path)
    smaller, _ = seen(jpeg(copy, quality=80), tmp_path)

    assert original.focus > smaller.focus


@pytest.mark.long
@pytest.mark.skipif(not real_photos.TAKEN, reason="no real photos here")
def test_quarters_of_real_photos_are_told_apart(tmp_path):
    """Other parts of a photo are other pictures. Two photos of one camera may show one scene."""
    looks = []
    for name in sorted(real_photos.TAKEN):
        with contextlib.suppress(OSError, SyntaxError):
            whole = Image.open(real_photos.FOLDER / name).convert("RGB")
            half = (whole.width // 2, whole.height // 2)
            for left, top in itertools.product((0, half[0]), (0, half[1])):
                part = whole.crop((left, top, left + half[0], top + half[1]))
                part.thumbnail((800, 800))
                read, header = seen(jpeg(part, quality=90), tmp_path)
                if read.perceptual_hash is not None:
                    ratio = header.width / header.height
                    one = Look(read.perceptual_hash, read.placeholder, ratio, MOMENT)
                    looks.append((name, one))

    pairs = [(a, b) for a, b in itertools.combinations(looks, 2) if a[0] == b[0]]
    assert len(pairs) > 50
    assert sum(are_alike(a, b) for (_, a), (_, b) in pairs) == 0
