"""Each step of a transform does to the upright picture what its specification says."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageFilter, ImageOps, ImageStat

from bandpics.testing.matrix import representative
from images.photofile.rendering import resize, steps
from images.photofile.transforms import render
from images.photofile.transforms.spec import (
    Crop,
    Resize,
    Rotate,
    Size,
    Spec,
    SpecError,
)
from images.tests import drawn_pictures, drawn_profiles
from images.tests.drawn_pictures import BLUE, GREEN, RED, YELLOW

if TYPE_CHECKING:
    from pathlib import Path

    from images.photofile import rendering

PICTURE = drawn_pictures.picture(width=640, height=480)


def transform(
    folder: Path, spec: Spec, data: bytes | None = None, **options: Any
) -> rendering.Rendered:
    path = folder / "original"
    path.write_bytes(data or drawn_pictures.png(image=PICTURE))
    return render.render(path, spec=spec, into=folder, **options)


def picture(folder: Path, spec: Spec, data: bytes | None = None, **options: Any) -> Image.Image:
    """The pixels of a transform without loss, which is PNG."""
    lossless = Spec(**{**vars(spec), "format": "png"})
    found = transform(folder, lossless, data, **options)
    with Image.open(found.path) as image:
        assert image.format == "PNG"
        assert image.size == (found.width, found.height)
        return image.convert("RGB")


def assert_same(found: Image.Image, expected: Image.Image, *, within: float = 0) -> None:
    assert found.size == expected.size
    difference = ImageChops.difference(found, expected.convert("RGB"))
    assert max(ImageStat.Stat(difference).mean) <= within


# Crop and resize


def test_a_crop_is_its_pixels(tmp_path):
    found = picture(tmp_path, Spec(crop=Crop(13, 57, 201, 99)))
    assert_same(found, PICTURE.crop((13, 57, 214, 156)))


# JPEG turned in every way, and each other format once.
TURNED = representative(
    itertools.product(
        [
            *(drawn_pictures.jpeg, drawn_pictures.png, drawn_pictures.heic),
            *(drawn_pictures.webp, drawn_pictures.avif, drawn_pictures.tiff_file),
        ],
        range(1, 9),
    ),
    lambda case: case[0] is drawn_pictures.jpeg or case[1] == 6,
)
RESIZED = representative(
    itertools.product(
        [
            *((drawn_pictures.jpeg, orientation) for orientation in range(1, 9)),
            *((drawn_pictures.png, 7), (drawn_pictures.heic, 6)),
        ],
        ["fit", "fill", "exact"],
    ),
    lambda case: (
        case[0] == (drawn_pictures.jpeg, 7)
        or (case[1] == "fill" and case[0][0] is not drawn_pictures.jpeg)
    ),
)


@pytest.mark.parametrize(("draw", "orientation"), TURNED)
def test_a_crop_counts_in_the_upright_picture(draw, orientation, tmp_path):
    data = draw(image=PICTURE, orientation=orientation)
    for crop in (Crop(0, 0, 128, 96), Crop(400, 300, 240, 180), Crop(500, 10, 33, 301)):
        box = (crop.x, crop.y, crop.x + crop.width, crop.y + crop.height)
        assert_same(picture(tmp_path, Spec(crop=crop), data), PICTURE.crop(box), within=4)


@pytest.mark.parametrize(("of", "mode"), RESIZED)
def test_a_crop_is_resized_as_pillow_would(of, mode, tmp_path):
    draw, orientation = of
    source = drawn_pictures.detailed(width=960, height=720).filter(ImageFilter.GaussianBlur(2))
    quality = {} if draw is drawn_pictures.png else {"quality": 95}
    data = draw(image=source, orientation=orientation, **quality)
    crop, box = Crop(100, 50, 700, 600), (100, 50, 800, 650)
    expected = {
        "fit": source.resize((117, 100), Image.Resampling.LANCZOS, box=box),
        "fill": ImageOps.fit(source.crop(box), (200, 100), Image.Resampling.LANCZOS),
        "exact": source.resize((200, 100), Image.Resampling.LANCZOS, box=box),
    }
    found = picture(tmp_path, Spec(crop=crop, resize=Resize(200, 100, mode)), data)
    assert_same(found, expected[mode], within=3)


def test_fit_enlarges_nothing_and_the_others_do(tmp_path):
    found = {
        mode: picture(tmp_path, Spec(resize=Resize(1280, 960, mode))).size
        for mode in ("fit", "fill", "exact")
    }
    assert found == {"fit": (640, 480), "fill": (1280, 960), "exact": (1280, 960)}


def test_a_side_of_zero_follows_from_the_other(tmp_path):
    assert picture(tmp_path, Spec(resize=Resize(width=100))).size == (100, 75)
    assert picture(tmp_path, Spec(resize=Resize(height=960, mode="exact"))).size == (1280, 960)
    assert picture(tmp_path, Spec(resize=Resize())).size == (640, 480)


def test_a_large_heic_is_cropped_by_bands(tmp_path, monkeypatch):
    source = drawn_pictures.picture(width=2400, height=1800)
    data = drawn_pictures.heic(image=source, quality=95)
    for spec in (
        Spec(crop=Crop(300, 200, 2000, 1500)),
        Spec(crop=Crop(300, 200, 2000, 1500), resize=Resize(500)),
        Spec(crop=Crop(300, 200, 100, 1600), resize=Resize(200, 3000, "exact")),
    ):
        at_once = picture(tmp_path, spec, data)
        with monkeypatch.context() as patch:
            patch.setattr(resize, "_BAND_PIXELS", 200_000)
            by_bands = picture(tmp_path, spec, data)
        assert max(ImageChops.difference(by_bands, at_once).tobytes()) <= 1


def test_the_crop_of_an_original_is_found_in_a_smaller_copy(tmp_path):
    copy = drawn_pictures.png(image=PICTURE)
    spec = Spec(crop=Crop(2560, 0, 640, 480))  # the green corner, in the pixels of the original
    found = picture(tmp_path, spec, copy, declared=(3200, 2400))
    assert_same(found, PICTURE.crop((512, 0, 640, 96)))
    assert_same(found, Image.new("RGB", (128, 96), GREEN))
    with pytest.raises(SpecError) as refusal:
        transform(tmp_path, Spec(crop=Crop(2560, 0, 641, 480)), copy, declared=(3200, 2400))
    assert refusal.value.field == "crop.width"
    tiny = picture(tmp_path, Spec(crop=Crop(3199, 2399, 1, 1)), copy, declared=(3200, 2400))
    assert_same(tiny, PICTURE.crop((639, 479, 640, 480)))


# Rotate, flip, mirror


@pytest.mark.parametrize("degrees", [90, 180, 270, -90, 450, 90.0])
def test_quarters_turn_clockwise_without_loss(degrees, tmp_path):
    found = picture(tmp_path, Spec(rotate=Rotate(degrees)))
    assert_same(found, PICTURE.rotate(-degrees, expand=True))


def test_a_quarter_that_keeps_the_size_shows_the_background(tmp_path):
    found = picture(tmp_path, Spec(rotate=Rotate(90, "#102030", expand=False)))
    turned = PICTURE.rotate(-90, expand=True)
    expected = Image.new("RGB", (640, 480), "#102030")
    expected.paste(turned, (80, -80))
    assert_same(found, expected)


@pytest.mark.parametrize("degrees", [1, 30, 45, 123.4, 359])
@pytest.mark.parametrize("expand", [True, False])
def test_any_angle_turns_as_pillow_does(degrees, expand, tmp_path):
    source = PICTURE.filter(ImageFilter.GaussianBlur(4))
    data = drawn_pictures.png(image=source)
    found = picture(tmp_path, Spec(rotate=Rotate(degrees, "#ff0000", expand)), data)
    size = Spec(rotate=Rotate(degrees, expand=expand)).output_size(source.size)
    pillows = source.rotate(
        -degrees, Image.Resampling.BICUBIC, expand=expand, fillcolor=(255, 0, 0)
    )
    assert all(abs(a - b) <= 2 for a, b in zip(size, pillows.size, strict=True))
    # Pillow rounds the size in another way, by which the middle moves less than a pixel.
    assert_same(found, ImageOps.fit(pillows, size, centering=(0.5, 0.5)), within=3)


def test_an_expanded_turn_cuts_no_corner(tmp_path):
    white = drawn_pictures.png(image=Image.new("RGB", (200, 100), "white"))
    for degrees in range(5, 90, 7):
        found = picture(tmp_path, Spec(rotate=Rotate(degrees, "#000000")), white)
        covered = ImageStat.Stat(found.convert("L")).sum[0] / 255
        assert covered == pytest.approx(200 * 100, rel=0.01)
        left, top, right, bottom = found.getbbox()
        # And leaves no empty edge, but for the tip of a corner.
        assert max(left, top, found.width - right, found.height - bottom) <= 1


def test_flip_is_upside_down_and_mirror_left_to_right(tmp_path):
    def corners(spec):
        found = picture(tmp_path, spec)
        return [found.getpixel(at) for at in ((5, 5), (634, 5), (5, 474), (634, 474))]

    assert corners(Spec()) == [RED, GREEN, BLUE, YELLOW]
    assert corners(Spec(flip=True)) == [BLUE, YELLOW, RED, GREEN]
    assert corners(Spec(mirror=True)) == [GREEN, RED, YELLOW, BLUE]
    assert corners(Spec(flip=True, mirror=True)) == [YELLOW, BLUE, GREEN, RED]


def test_steps_are_done_in_their_order(tmp_path):
    """A crop counts before the turn, a mirror after it."""
    spec = Spec(crop=Crop(0, 0, 320, 480), resize=Resize(160, 240), rotate=Rotate(90), mirror=True)
    expected = PICTURE.resize((160, 240), Image.Resampling.LANCZOS, box=(0, 0, 320, 480))
    expected = ImageOps.mirror(expected.transpose(Image.Transpose.ROTATE_270))
    assert_same(picture(tmp_path, spec), expected, within=0.1)


# Filters and colour


def test_grayscale_is_luma(tmp_path):
    found = picture(tmp_path, Spec(filters=frozenset({"grayscale"})))
    assert_same(found, PICTURE.convert("L"))


def test_sepia_is_that_of_css(tmp_path):
    def toned(red, green, blue):
        rows = ((0.393, 0.769, 0.189), (0.349, 0.686, 0.168), (0.272, 0.534, 0.131))
        return tuple(min(255, a * red + b * green + c * blue) for a, b, c in rows)

    found = picture(tmp_path, Spec(filters=frozenset({"sepia"})))
    for at, colour in {(5, 5): RED, (634, 5): GREEN, (5, 474): BLUE, (634, 474): YELLOW}.items():
        assert found.getpixel(at) == pytest.approx(toned(*colour), abs=1)
    both = picture(tmp_path, Spec(filters=frozenset({"sepia", "grayscale"})))
    grey = PICTURE.convert("L").getpixel((5, 5))
    assert both.getpixel((5, 5)) == pytest.approx(toned(grey, grey, grey), abs=1)


def test_wide_colours_become_srgb(tmp_path):
    p3 = drawn_pictures.png(
        image=Image.new("RGB", (60, 40), (200, 60, 60)), icc=drawn_profiles.display_p3()
    )
    red, green, _ = picture(tmp_path, Spec(rotate=Rotate(30)), p3).getpixel((30, 30))
    assert red > 215
    assert green < 60


def test_what_is_transparent_becomes_white(tmp_path):
    clear = drawn_pictures.png(image=Image.new("RGBA", (60, 40), (200, 0, 0, 0)))
    for format_ in ("png", "webp", "avif"):
        found = transform(tmp_path, Spec(format=format_), clear)
        with Image.open(found.path) as image:
            assert image.mode == "RGB"
            assert min(image.getpixel((30, 20))) > 250


# Sizes


SIZES = st.tuples(st.integers(1, 90), st.integers(1, 90))
EDGES = st.integers(0, 120)
ANGLES = st.one_of(st.integers(-400, 400), st.floats(-1e6, 1e6))


@st.composite
def specs_and_sizes(draw: st.DrawFn) -> tuple[Spec, Size]:
    width, height = draw(SIZES)
    crop = None
    if draw(st.booleans()):
        x, y = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
        crop = Crop(x, y, draw(st.integers(1, width - x)), draw(st.integers(1, height - y)))
    resizes = st.builds(Resize, EDGES, EDGES, st.sampled_from(("fit", "fill", "exact")))
    rotates = st.builds(Rotate, ANGLES, expand=st.booleans())
    spec = Spec(
        crop=crop,
        resize=draw(st.none() | resizes),
        rotate=draw(st.none() | rotates),
        flip=draw(st.booleans()),
        format="png",
    )
    try:
        spec.output_size((width, height))
    except SpecError:  # one pixel in width that is made wider grows too high
        reject()
    return spec, (width, height)


@pytest.mark.drawn
@given(specs_and_sizes(), st.integers(1, 8))
@settings(max_examples=300, deadline=None)
def test_a_result_has_the_size_that_was_told(spec_and_size, orientation):
    spec, size = spec_and_size
    expected = spec.output_size(size)
    image = Image.new("RGB", size, "red")
    stored = drawn_pictures.stored(image, orientation)
    cut = resize.cut(stored, steps.stored_window(spec, stored.size, orientation))
    if orientation in steps.TURNS:
        cut = cut.transpose(steps.TURNS[orientation])
    assert steps.draw(cut, spec).size == expected


@pytest.mark.drawn
@given(specs_and_sizes())
@settings(max_examples=30, deadline=None)
def test_a_file_has_the_size_that_was_told(tmp_path_factory, spec_and_size):
    spec, (width, height) = spec_and_size
    folder = tmp_path_factory.mktemp("sizes")
    for data in (
        drawn_pictures.jpeg(width=width, height=height),
        drawn_pictures.png(width=width, height=height),
    ):
        found = transform(folder, spec, data)
        assert (found.width, found.height) == spec.output_size((width, height))
