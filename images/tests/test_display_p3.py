"""Display P3 is converted by tables as LCMS converts it; other profiles are left to LCMS."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from images.photofile.rendering import colour, display_p3
from images.tests import drawn_profiles
from images.tests.colour_distance import Array, delta_e, lab, lab_of_light, light

# SMPTE EG 432-1 into IEC 61966-2-1, to more digits than needed.
P3_TO_SRGB = np.array(
    [
        [1.2249402, -0.2249402, 0.0],
        [-0.0420570, 1.0420570, 0.0],
        [-0.0196376, -0.0786361, 1.0982736],
    ]
)
# About those of the chart that photographers use: 24 patches, six of them grey.
CHART = (
    *((115, 82, 68), (194, 150, 130), (98, 122, 157), (87, 108, 67), (133, 128, 177)),
    *((103, 189, 170), (214, 126, 44), (80, 91, 166), (193, 90, 99), (94, 60, 108)),
    *((157, 188, 64), (224, 163, 46), (56, 61, 150), (70, 148, 73), (175, 54, 60)),
    *((231, 199, 31), (187, 86, 149), (8, 133, 161), (243, 243, 242), (200, 200, 200)),
    *((160, 160, 160), (122, 122, 121), (85, 85, 85), (52, 52, 52)),
)


def colours(*, step: int) -> Image.Image:
    """Colours all over the space."""
    levels = [*range(0, 256, step), 255]
    cube = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1)
    return Image.fromarray(cube.reshape(-1, len(levels), 3).astype(np.uint8))


def by_lcms(image: Image.Image) -> Image.Image:
    transform = colour._to_srgb(drawn_profiles.display_p3(), "RGB")
    assert transform is not None
    return transform.lcms.apply(image)


def levels_apart(one: Image.Image, other: Image.Image) -> int:
    return int(np.abs(np.asarray(one, int) - np.asarray(other, int)).max())


def exact(image: Image.Image) -> Array:
    linear = light(np.asarray(image, float) / 255) @ P3_TO_SRGB.T
    return lab_of_light(np.clip(linear, 0, 1))


def test_no_patch_of_a_chart_is_seen_to_differ_from_lcms():
    chart = Image.new("RGB", (len(CHART), 1))
    chart.putdata(CHART)
    ours, theirs = display_p3.convert(chart.copy()), by_lcms(chart)
    assert delta_e(lab(ours), lab(theirs)).max() < 1
    assert levels_apart(ours, chart) > 10


def test_every_colour_is_within_a_level_of_lcms_and_as_exact():
    image = colours(step=5)
    ours, theirs = display_p3.convert(image.copy()), by_lcms(image)
    assert levels_apart(ours, theirs) <= 1
    distances = [delta_e(lab(one), exact(image)) for one in (ours, theirs)]
    assert distances[0].max() < 1
    assert distances[0].mean() <= 1.05 * distances[1].mean()
    assert delta_e(lab(ours), lab(theirs)).mean() < 0.05


@pytest.mark.parametrize("size", [(1, 1), (70_000, 3), (3, 70_000), (1000, 777)])
def test_every_pixel_of_every_shape_is_converted_in_place(size: tuple[int, int]):
    image = Image.effect_noise((size[0], size[1]), 80)
    image = Image.merge("RGB", (image, image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), image))
    theirs = by_lcms(image)
    assert display_p3.convert(image) is image
    assert levels_apart(image, theirs) <= 1


def test_display_p3_is_known_by_its_colours_not_by_its_name():
    def is_known(icc: bytes) -> bool:
        transform = colour._to_srgb(icc, "RGB")
        return transform is not None and transform.is_display_p3

    assert is_known(drawn_profiles.display_p3("c2"))
    assert not is_known(drawn_profiles.display_p3(gamma=1.8))
    assert not is_known(drawn_profiles.display_p3(gamma=2.2))
    assert not is_known(drawn_profiles.adobe_rgb())
    assert not is_known(drawn_profiles.srgb("Display P3"))


def test_large_pictures_go_by_tables_and_others_by_lcms(monkeypatch: pytest.MonkeyPatch):
    converted = []
    monkeypatch.setattr(display_p3, "convert", lambda image: converted.append(image) or image)
    for size, icc in (
        ((1000, 700), drawn_profiles.display_p3()),
        ((1000, 700), drawn_profiles.adobe_rgb()),
        ((100, 70), drawn_profiles.display_p3()),
    ):
        colour.in_srgb(Image.new("RGB", size, "red"), icc=icc)
    assert [image.size for image in converted] == [(1000, 700)]
