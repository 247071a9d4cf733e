"""A transform is rendered from a file nobody vouches for, at the scale needed, with a watermark."""

from __future__ import annotations

import subprocess
import sys
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageChops, ImageFilter, ImageStat, JpegImagePlugin

from bandpics.testing.matrix import few
from images.photofile import rendering
from images.photofile.transforms import render
from images.photofile.transforms.spec import (
    FORMATS,
    POSITIONS,
    Crop,
    Resize,
    Rotate,
    Spec,
    SpecError,
    Watermark,
)
from images.tests import drawn_pictures
from images.tests.test_transform_steps import assert_same, picture, transform

if TYPE_CHECKING:
    from pathlib import Path

GREY = drawn_pictures.png(image=Image.new("RGB", (800, 600), (128, 128, 128)))


# Files


@pytest.mark.parametrize("format_", FORMATS)
def test_each_format_is_what_it_says(format_, tmp_path):
    source = drawn_pictures.picture(width=300, height=200).filter(ImageFilter.GaussianBlur(4))
    found = transform(tmp_path, Spec(format=format_, quality=90), drawn_pictures.png(image=source))
    assert found.content_type == f"image/{format_}"
    assert found.byte_size == found.path.stat().st_size
    assert found.name == Spec(format=format_, quality=90).hash
    with Image.open(found.path) as image:
        assert image.format == format_.upper()
        assert_same(image.convert("RGB"), source, within=3)


@pytest.mark.parametrize("format_", ["jpeg", "webp", "avif"])
def test_a_lower_quality_takes_fewer_bytes(format_, tmp_path):
    data = drawn_pictures.png(image=drawn_pictures.detailed(width=400, height=300))
    sizes = [
        transform(tmp_path, Spec(format=format_, quality=quality), data).byte_size
        for quality in (95, 60, 20)
    ]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[2] < 0.6 * sizes[0]


ANOTHER_PROCESS = """
import sys
from pathlib import Path
from images.photofile.transforms import render, spec

path, into = Path(sys.argv[1]), Path(sys.argv[2])
for format_ in spec.FORMATS:
    mark = spec.Watermark(text="Band")
    render.render(path, spec=spec.Spec(format=format_, watermark=mark), into=into)
"""


def test_another_process_writes_the_same_bytes(tmp_path):
    again = tmp_path / "again"
    again.mkdir()
    data = drawn_pictures.jpeg(width=300, height=200, orientation=6)
    results = [
        transform(tmp_path, Spec(format=format_, watermark=Watermark(text="Band")), data).path
        for format_ in FORMATS
    ]
    command = [sys.executable, "-c", ANOTHER_PROCESS, tmp_path / "original", again]
    subprocess.run(command, check=True)
    for path in results:
        assert path.read_bytes() == (again / path.name).read_bytes()


def test_a_file_that_is_no_photo_is_a_bad_picture(tmp_path):
    whole = drawn_pictures.jpeg(width=300, height=200)
    for data in (b"no photo", whole[: len(whole) // 2], b"%PDF-1.7"):
        with pytest.raises(rendering.BadPicture):
            transform(tmp_path, Spec(), data)


def test_what_the_photo_does_not_allow_is_refused_before_it_is_decoded(tmp_path):
    header = drawn_pictures.jpeg(width=300, height=200)[:2000]  # half a file would be damaged
    with pytest.raises(SpecError) as refusal:
        transform(tmp_path, Spec(crop=Crop(0, 0, 301, 10)), header)
    assert refusal.value.field == "crop.width"


# The scale needed


@pytest.fixture
def decoded_sizes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The sizes at which JPEGs are decoded from now on."""
    sizes: list[tuple[int, int]] = []
    load = JpegImagePlugin.JpegImageFile.load

    def noting(image: JpegImagePlugin.JpegImageFile) -> Any:
        sizes.append(image.size)
        return load(image)

    monkeypatch.setattr(JpegImagePlugin.JpegImageFile, "load", noting)
    return sizes


@pytest.mark.parametrize(
    ("spec", "decoded"),
    few(
        [
            (Spec(resize=Resize(200)), (504, 378)),
            (Spec(resize=Resize(504)), (504, 378)),
            (Spec(resize=Resize(505)), (1008, 756)),
            (Spec(resize=Resize(2016)), (2016, 1512)),
            (Spec(resize=Resize(2048)), (4032, 3024)),
            (Spec(), (4032, 3024)),
            # Of a crop its own pixels count.
            (Spec(crop=Crop(0, 0, 1000, 1000), resize=Resize(250)), (1008, 756)),
            (Spec(crop=Crop(0, 0, 1000, 1000), resize=Resize(125)), (504, 378)),
            (Spec(crop=Crop(0, 0, 1000, 1000), resize=Resize(900)), (4032, 3024)),
            # The smaller of two scales, where a picture is stretched.
            (Spec(resize=Resize(2016, 100, "exact")), (2016, 1512)),
            (Spec(resize=Resize(400, 300, "fill"), rotate=Rotate(33)), (504, 378)),
        ],
        4,
    ),
)
def test_a_jpeg_is_decoded_at_the_scale_needed(spec, decoded, tmp_path, decoded_sizes):
    transform(tmp_path, spec, drawn_pictures.jpeg(width=4032, height=3024))
    assert set(decoded_sizes) == {decoded}


def test_a_hundred_small_transforms_never_decode_the_photo_in_full(tmp_path, decoded_sizes):
    data = drawn_pictures.jpeg(width=4032, height=3024, orientation=6)
    path = tmp_path / "original"
    path.write_bytes(data)
    for number in range(100):
        spec = Spec(
            crop=Crop(5 * number, 4 * number, 1600, 1200),
            resize=Resize(100 + number),
            flip=number % 2 == 0,
        )
        render.render(path, spec=spec, into=tmp_path)
    assert len(decoded_sizes) >= 100
    assert max(decoded_sizes) <= (1008, 1008)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_crop_at_a_reduced_scale_is_where_it_was_asked(orientation, tmp_path):
    """The corners of a crop are to the pixel, although the decoder has rounded its size."""
    source = drawn_pictures.picture(width=1607, height=1205)
    data = drawn_pictures.jpeg(image=source, orientation=orientation, quality=95)
    box = (803, 603, 1607, 1205)
    spec = Spec(crop=Crop(803, 603, 804, 602), resize=Resize(100, 75, "exact"))
    expected = source.resize((100, 75), Image.Resampling.LANCZOS, box=box)
    assert_same(picture(tmp_path, spec, data), expected, within=2)


# Watermarks


def marked(folder: Path, mark: Watermark, **options: Any) -> Image.Image:
    return picture(folder, Spec(watermark=mark), GREY, **options)


def covered(image: Image.Image) -> tuple[int, int, int, int]:
    """The box of what differs from the grey ground."""
    difference = ImageChops.difference(image, Image.new("RGB", image.size, (128, 128, 128)))
    box = difference.convert("L").point(lambda level: 255 * (level > 8)).getbbox()
    assert box is not None
    return box


@pytest.mark.parametrize("position", POSITIONS)
def test_a_text_stands_where_it_was_asked(position, tmp_path):
    left, top, right, bottom = covered(marked(tmp_path, Watermark("Band 2026", position=position)))
    names = position.split("-")
    margin = 12  # 2 % of the shorter edge
    if "left" in names:
        assert left == pytest.approx(margin, abs=3)
    elif "right" in names:
        assert 800 - right == pytest.approx(margin, abs=3)
    else:
        assert left == pytest.approx(800 - right, abs=3)
    if "top" in names:
        assert top == pytest.approx(margin, abs=3)
    elif "bottom" in names:
        assert 600 - bottom == pytest.approx(margin, abs=3)
    else:
        assert top == pytest.approx(600 - bottom, abs=3)


@pytest.mark.parametrize("size", [0.1, 0.25, 0.5, 0.9])
def test_a_text_is_as_wide_as_asked(size, tmp_path):
    left, _, right, _ = covered(marked(tmp_path, Watermark("Band 2026", size=size, opacity=1)))
    assert right - left == pytest.approx(800 * size, rel=0.05, abs=3)


@pytest.mark.parametrize("text", ["I", "Ä", "x" * 100, "WWW", "שלום", "♥"])
@pytest.mark.parametrize("size", [0.01, 1])
def test_no_text_leaves_the_picture(text, size, tmp_path):
    box = covered(marked(tmp_path, Watermark(text, size=size, opacity=1)))
    assert box[0] >= 5
    assert box[1] >= 5
    assert box[2] <= 795
    assert box[3] <= 595


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (300, 2)])
@pytest.mark.parametrize("mark", [Watermark("Band"), Watermark(image="another")])
def test_a_picture_of_a_pixel_takes_a_watermark(size, mark, tmp_path):
    other = tmp_path / "other"
    other.write_bytes(drawn_pictures.jpeg(width=30, height=20))
    data = drawn_pictures.png(width=size[0], height=size[1])
    assert picture(tmp_path, Spec(watermark=mark), data, watermark=other).size == size


def test_letters_are_white_with_a_dark_outline(tmp_path):
    found = marked(tmp_path, Watermark("Band", size=0.9, opacity=1)).convert("L")
    levels = found.histogram()
    assert sum(levels[250:]) > 5000
    assert sum(levels[20:50]) > 2000


def test_opacity_lets_the_picture_through(tmp_path):
    brightest = [
        marked(tmp_path, Watermark("Band", size=0.9, opacity=opacity)).convert("L").getextrema()[1]
        for opacity in (1, 0.5, 0.1)
    ]
    assert brightest == pytest.approx([255, 128 + 0.5 * 127, 128 + 0.1 * 127], abs=2)


def test_letters_from_right_to_left_run_so(tmp_path):
    """Aleph, the first letter, stands to the right of the others, and is wider than a vav."""
    mark = Watermark("א ו", position="center", size=0.5, opacity=1)  # noqa: RUF001
    found = marked(tmp_path, mark)
    left, top, right, bottom = covered(found)
    columns = [
        ImageStat.Stat(found.convert("L").crop((at, top, at + 1, bottom))).extrema[0][1] > 200
        for at in range(left, right)
    ]
    runs = [len(list(group)) for has_ink, group in groupby(columns) if has_ink]
    assert len(runs) == 2
    assert runs[1] > 1.5 * runs[0]


def test_letters_that_the_font_lacks_are_refused(tmp_path):
    with pytest.raises(SpecError, match=r"U\+7D50") as refusal:
        marked(tmp_path, Watermark("結婚"))
    assert refusal.value.field == "watermark.text"


def test_another_photo_is_laid_over_upright_and_in_its_proportions(tmp_path):
    other = tmp_path / "other"
    logo = drawn_pictures.picture(width=400, height=100, seed=3)
    logo = logo.filter(ImageFilter.GaussianBlur(4))
    other.write_bytes(drawn_pictures.jpeg(image=logo, orientation=6, quality=95))
    mark = Watermark(image="another", position="top-left", size=0.5, opacity=1)
    found = marked(tmp_path, mark, watermark=other)
    assert_same(found.crop((12, 12, 412, 112)), logo, within=2)
    assert covered(found) == pytest.approx((12, 12, 412, 112), abs=1)
    faint = marked(
        tmp_path,
        Watermark(image="another", position="top-left", size=0.5, opacity=0.5),
        watermark=other,
    )
    half = Image.blend(Image.new("RGB", logo.size, (128, 128, 128)), logo, 0.5)
    assert_same(faint.crop((12, 12, 412, 112)), half, within=2)


def test_a_tall_photo_fits_as_a_watermark(tmp_path):
    other = tmp_path / "other"
    other.write_bytes(drawn_pictures.jpeg(width=100, height=900))
    found = marked(
        tmp_path, Watermark(image="another", position="center", size=1, opacity=1), watermark=other
    )
    _, top, _, bottom = covered(found)
    assert (top, bottom) == pytest.approx((12, 588), abs=2)


def test_a_watermark_is_laid_over_filters(tmp_path):
    other = tmp_path / "other"
    other.write_bytes(drawn_pictures.png(image=Image.new("RGB", (40, 40), "red")))
    spec = Spec(
        filters=frozenset({"grayscale"}),
        watermark=Watermark(image="another", position="center", opacity=1),
    )
    found = picture(tmp_path, spec, watermark=other)
    assert found.getpixel((320, 240)) == (255, 0, 0)
    red, green, blue = found.getpixel((5, 5))
    assert red == green == blue


def test_a_watermark_that_is_gone_or_damaged_says_so(tmp_path):
    with pytest.raises(SpecError) as refusal:
        marked(tmp_path, Watermark(image="another"))
    assert refusal.value.field == "watermark.image"
    other = tmp_path / "other"
    other.write_bytes(b"no photo")
    with pytest.raises(rendering.BadPicture):
        marked(tmp_path, Watermark(image="another"), watermark=other)


def test_a_spec_reads_as_it_was_written_into_a_row(tmp_path):
    """What a worker reads of a row gives the same file as the spec that was asked for."""
    data = drawn_pictures.jpeg(width=300, height=200)
    spec = Spec(rotate=Rotate(-12.34567), watermark=Watermark("Band", size=0.33333))
    asked = transform(tmp_path, spec, data)
    content = asked.path.read_bytes()
    read = transform(tmp_path, Spec.from_canonical(spec.canonical()), data)
    assert (read.path.name, read.path.read_bytes()) == (asked.path.name, content)
