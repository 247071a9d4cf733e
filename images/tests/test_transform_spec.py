"""A spec is data: it has one canonical form and one hash, and says early what cannot be done."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont, features

from images.photofile import variants
from images.photofile.transforms import capabilities
from images.photofile.transforms.spec import (
    FILTERS,
    FORMATS,
    MAX_EDGE,
    MAX_PIXELS,
    MAX_WATERMARK_LETTERS,
    POSITIONS,
    Crop,
    Resize,
    Rotate,
    Size,
    Spec,
    SpecError,
    Watermark,
)

PHOTO = (4032, 3024)

SPECS = st.builds(
    Spec,
    crop=st.none()
    | st.builds(
        *(Crop, st.integers(0, 99), st.integers(0, 99), st.integers(1, 900), st.integers(1, 900))
    ),
    resize=st.none()
    | st.builds(
        *(Resize, st.integers(0, 900), st.integers(0, 900)),
        st.sampled_from(("fit", "fill", "exact")),
    ),
    rotate=st.none()
    | st.builds(
        Rotate,
        st.integers(-1000, 1000) | st.floats(-1e9, 1e9),
        st.from_regex(r"#[0-9a-fA-F]{6}", fullmatch=True),
        st.booleans(),
    ),
    flip=st.booleans(),
    mirror=st.booleans(),
    filters=st.frozensets(st.sampled_from(FILTERS)),
    watermark=st.none()
    | st.builds(
        Watermark,
        text=st.text(max_size=20),
        position=st.sampled_from(POSITIONS),
        size=st.floats(0.01, 1),
        opacity=st.floats(0, 1),
    ),
    format=st.sampled_from(FORMATS),
    quality=st.integers(1, 100),
)


# The canonical form


@pytest.mark.drawn
@given(SPECS)
@settings(max_examples=500, deadline=None)
def test_the_canonical_form_is_read_again_as_the_same_spec(spec: Spec):
    written = spec.canonical()
    read = Spec.from_canonical(json.loads(json.dumps(written)))
    assert read.canonical() == written
    assert read.hash == spec.hash
    assert len(spec.hash) == 64


@pytest.mark.drawn
@given(SPECS)
@settings(max_examples=200, deadline=None)
def test_a_spec_that_is_read_again_gives_the_same_size(spec: Spec):
    read = Spec.from_canonical(spec.canonical())
    assert _size_or_refusal(read, (1000, 1000)) == _size_or_refusal(spec, (1000, 1000))


def _size_or_refusal(spec: Spec, size: Size) -> Size | str:
    """A crop of one pixel in width that is made wider grows higher than any picture may be."""
    try:
        return spec.output_size(size)
    except SpecError as refusal:
        return str(refusal)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Spec(), Spec(resize=Resize())),
        (Spec(), Spec(resize=Resize(0, 0, "exact"))),
        (Spec(), Spec(rotate=Rotate(0))),
        (Spec(), Spec(rotate=Rotate(720))),
        (Spec(), Spec(rotate=Rotate(-360.0))),
        (Spec(), Spec(rotate=Rotate(359.99999))),
        (Spec(), Spec(watermark=Watermark())),
        (Spec(), Spec(watermark=Watermark(text=" \t"))),
        (Spec(), Spec(watermark=Watermark(text="Band", opacity=0))),
        (Spec(), Spec(watermark=Watermark(text="Band", opacity=0.00001))),
        (Spec(format="png"), Spec(format="png", quality=20)),
        (Spec(rotate=Rotate(90)), Spec(rotate=Rotate(-270.0))),
        (Spec(rotate=Rotate(90)), Spec(rotate=Rotate(450.0001))),
        (Spec(rotate=Rotate(5, "#ABCDEF")), Spec(rotate=Rotate(5.0, "#abcdef"))),
        (Spec(resize=Resize(90, mode="fill")), Spec(resize=Resize(90, mode="exact"))),
        (
            Spec(watermark=Watermark(text="Band", size=1, opacity=1)),
            Spec(watermark=Watermark(text="Band", size=1.0, opacity=0.99999)),
        ),
        (Spec(resize=Resize(9, 9)), Spec(resize=Resize(9, 9, enough_edge=8))),
    ],
)
def test_specs_that_mean_the_same_have_one_hash(one: Spec, other: Spec):
    assert one.hash == other.hash


def test_specs_that_differ_have_other_hashes():
    plain = Spec(
        crop=Crop(0, 0, 10, 10),
        resize=Resize(5, 5),
        rotate=Rotate(10),
        watermark=Watermark(text="Band"),
    )
    others = [
        plain,
        *(replace(plain, **{name: True}) for name in ("flip", "mirror")),
        *(replace(plain, format=name) for name in ("png", "webp", "avif")),
        *(replace(plain, filters=frozenset({name})) for name in FILTERS),
        replace(plain, filters=frozenset(FILTERS)),
        replace(plain, quality=84),
        *(replace(plain, crop=Crop(*values)) for values in ((1, 0, 9, 9), (0, 1, 9, 9))),
        *(replace(plain, resize=Resize(5, 5, mode)) for mode in ("fill", "exact")),
        replace(plain, rotate=Rotate(10, expand=False)),
        replace(plain, rotate=Rotate(10, "#fffffe")),
        replace(plain, watermark=Watermark(text="Bands")),
        replace(plain, watermark=Watermark(image="an id", version=1)),
        replace(plain, watermark=Watermark(image="an id", version=2)),
        replace(plain, watermark=Watermark(text="Band", position="top")),
        replace(plain, watermark=Watermark(text="Band", size=0.26)),
    ]
    assert len({spec.hash for spec in others}) == len(others)


def test_variants_are_specs_that_clients_could_write():
    for variant in variants.ALL:
        edge = variant.max_edge
        written = Spec(resize=Resize(edge, edge), quality=variant.quality)
        assert variant.canonical() == written.canonical()
        assert variant.hash == written.hash


# Limits


@pytest.mark.parametrize(
    ("field", "spec"),
    [
        ("crop.width", Spec(crop=Crop(0, 0, 0, 10))),
        ("crop.height", Spec(crop=Crop(0, 0, 10, 0))),
        ("crop.width", Spec(crop=Crop(0, 0, -5, 10))),
        ("crop.x", Spec(crop=Crop(-1, 0, 10, 10))),
        ("crop.y", Spec(crop=Crop(0, -1, 10, 10))),
        ("crop.width", Spec(crop=Crop(4000, 0, 33, 10))),
        ("crop.height", Spec(crop=Crop(0, 3000, 10, 25))),
        ("crop.width", Spec(crop=Crop(10**30, 0, 1, 10))),
        ("resize.width", Spec(resize=Resize(-1, 5))),
        ("resize.height", Spec(resize=Resize(5, MAX_EDGE + 1))),
        ("resize.width", Spec(resize=Resize(10**9, 1))),
        ("resize", Spec(resize=Resize(MAX_EDGE, MAX_EDGE, "exact"))),
        ("resize", Spec(resize=Resize(MAX_EDGE, 0, "exact"))),
        ("resize", Spec(crop=Crop(0, 0, 4000, 1), resize=Resize(0, 9000, "fill"))),
        ("resize.mode", Spec(resize=Resize(5, 5, "cover"))),  # type: ignore[arg-type]
        ("rotate.degrees", Spec(rotate=Rotate(math.nan))),
        ("rotate.degrees", Spec(rotate=Rotate(math.inf))),
        ("rotate.degrees", Spec(rotate=Rotate(-math.inf))),
        ("rotate", Spec(resize=Resize(7000, 5700, "exact"), rotate=Rotate(45))),
        ("rotate.background", Spec(rotate=Rotate(5, "red"))),
        ("rotate.background", Spec(rotate=Rotate(5, "#ffffff\n"))),
        ("filters", Spec(filters=frozenset({"blur"}))),
        ("watermark.text", Spec(watermark=Watermark("x" * (MAX_WATERMARK_LETTERS + 1)))),
        ("watermark", Spec(watermark=Watermark("x", image="an id"))),
        ("watermark.position", Spec(watermark=Watermark("x", position="middle"))),
        ("watermark.size", Spec(watermark=Watermark("x", size=0))),
        ("watermark.size", Spec(watermark=Watermark("x", size=0.00001))),
        ("watermark.size", Spec(watermark=Watermark("x", size=1.01))),
        ("watermark.size", Spec(watermark=Watermark("x", size=math.nan))),
        ("watermark.opacity", Spec(watermark=Watermark("x", opacity=-0.1))),
        ("watermark.opacity", Spec(watermark=Watermark("x", opacity=math.nan))),
        ("format", Spec(format="gif")),  # type: ignore[arg-type]
        ("quality", Spec(quality=0)),
        ("quality", Spec(quality=101)),
    ],
)
def test_what_cannot_be_done_is_refused_at_its_field(field: str, spec: Spec):
    with pytest.raises(SpecError) as refusal:
        spec.output_size(PHOTO)
    assert refusal.value.field == field
    assert str(refusal.value).endswith(".")


def test_a_photo_that_is_too_large_as_a_whole_asks_for_a_smaller_one():
    with pytest.raises(SpecError, match="ask for a smaller one") as refusal:
        Spec().output_size((16384, 12288))
    assert refusal.value.field == "resize"
    assert Spec(resize=Resize(2000)).output_size((16384, 12288)) == (2000, 1500)
    assert Spec(crop=Crop(16000, 12000, 384, 288)).output_size((16384, 12288)) == (384, 288)


@pytest.mark.drawn
@given(SPECS, st.integers(1000, 20_000), st.integers(1000, 20_000))
@settings(max_examples=300, deadline=None)
def test_no_result_is_larger_than_the_limits(spec: Spec, width: int, height: int):
    try:
        result = spec.output_size((width, height))
    except SpecError:
        return
    assert min(result) >= 1
    assert max(result) <= MAX_EDGE
    assert math.prod(result) <= MAX_PIXELS


# What can be rendered here


@pytest.mark.parametrize(
    "text",
    [
        *("Jubiläum, naïve façade, ŁÓDŹ, ŞİŞLİ, Ђорђе", "Καλημέρα κόσμε", "Привет, Їжак"),
        *("שלום", "مرحبا", "Բարև", "გამარჯობა", "Tiếng Việt", "© 2026 - „Band“ … ♥ ★"),
    ],
)
def test_the_font_has_the_letters_of_many_scripts(text: str):
    assert capabilities.missing_letters(text) == ""
    capabilities.check(Spec(watermark=Watermark(text)))


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        *(("結婚 2026 結", "結婚"), ("한국 ok", "한국"), ("हि", "हि")),
        *(("a\nb\tc", "\n\t"), ("x\0y", "\0")),
    ],
)
def test_letters_that_the_font_lacks_are_named(text: str, missing: str):
    assert capabilities.missing_letters(text) == missing
    with pytest.raises(SpecError, match=f"U\\+{ord(missing[0]):04X}") as refusal:
        capabilities.check(Spec(watermark=Watermark(text)))
    assert refusal.value.field == "watermark.text"


def test_at_most_ten_letters_are_named():
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 100)))
    with pytest.raises(SpecError) as refusal:
        capabilities.check(Spec(watermark=Watermark(text)))
    assert str(refusal.value).count("U+") == 10


def test_freetype_draws_the_letters_that_are_told_and_no_others():
    """A letter that is missing looks like every other missing one."""
    font = ImageFont.truetype(capabilities.FONT, 40)

    def drawn(letter: str) -> bytes:
        image = Image.new("L", (60, 60))
        ImageDraw.Draw(image).text((5, 5), letter, fill=255, font=font)
        return image.tobytes()

    nothing = drawn("\uffff")
    for letter in "aßЯΩשم♥結한":
        is_missing = bool(capabilities.missing_letters(letter))
        assert (drawn(letter) == nothing) == is_missing


def test_without_fribidi_letters_from_right_to_left_are_missing(monkeypatch):
    check = features.check
    monkeypatch.setattr(features, "check", lambda name: name != "raqm" and check(name))
    assert capabilities.missing_letters("Band שלום مرحبا") == "שלוםمرحبا"
    assert capabilities.missing_letters("Привет") == ""


def test_a_format_that_the_encoder_lacks_is_refused(monkeypatch):
    assert capabilities.available_formats() == FORMATS
    check = features.check
    monkeypatch.setattr(features, "check", lambda name: name != "avif" and check(name))
    capabilities.available_formats.cache_clear()
    try:
        assert capabilities.available_formats() == ("jpeg", "png", "webp")
        with pytest.raises(SpecError, match="jpeg, png, webp") as refusal:
            capabilities.check(Spec(format="avif"))
        assert refusal.value.field == "format"
    finally:
        capabilities.available_formats.cache_clear()
