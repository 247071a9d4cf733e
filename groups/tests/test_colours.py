"""Any colour may be chosen; text is readable on what is made of it."""

from __future__ import annotations

import itertools
import re

import pytest
from django.conf import settings

from groups import colours

CHANNELS = ("00", "33", "66", "99", "cc", "ff")
MANY = [f"#{''.join(parts)}" for parts in itertools.product(CHANNELS, repeat=3)]
THEMES = {"light": colours.LIGHT, "dark": colours.DARK}


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_text_has_a_contrast_of_4_5_whatever_colour_is_chosen(theme):
    for chosen in MANY:
        found = colours.accent(chosen, theme)
        pairs = [
            *(
                (text, ground)
                for text in (found.accent, found.accent_strong)
                for ground in (theme.paper, theme.surface, found.tint)
            ),
            *((found.on_accent, ground) for ground in (found.accent, found.accent_strong)),
            *((text, found.tint) for text in (theme.ink, theme.muted)),
        ]
        worst = min(pairs, key=lambda pair: colours.contrast(*pair))
        assert colours.contrast(*worst) >= 4.5, (chosen, worst)


def test_a_colour_that_can_be_read_stays_as_it_is():
    assert colours.accent("#1f5f55", colours.LIGHT).accent == "#1f5f55"


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [("#000000", "#ffffff", 21), ("#777777", "#ffffff", 4.48), ("#abcdef", "#abcdef", 1)],
)
def test_contrast_is_that_of_wcag(one, other, ratio):
    assert colours.contrast(one, other) == pytest.approx(ratio, abs=0.01)


@pytest.mark.parametrize(
    ("typed", "stored"),
    [("#1F5F55", "#1f5f55"), (" aabbcc ", "#aabbcc"), ("#abc", "#aabbcc"), ("", "")],
)
def test_what_people_type_becomes_one_notation(typed, stored):
    assert colours.plain(typed) == stored


@pytest.mark.parametrize("typed", ["red", "#12345", "#gggggg", "#1f5f55;}", "#1f5f55\n#"])
def test_nothing_else_is_a_colour(typed):
    with pytest.raises(ValueError, match=re.escape(typed)):
        colours.plain(typed)


def test_the_themes_are_those_of_the_stylesheet():
    """Or the contrast would be that with other grounds."""
    css = (settings.BASE_DIR / "static/css/base.css").read_text()
    blocks = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    for block, theme in zip(blocks, THEMES.values(), strict=True):
        said = dict(re.findall(r"--([\w-]+): (#\w+);", block))
        long = {name: colours.plain(value) for name, value in said.items()}
        for name in ("paper", "surface", "ink", "muted"):
            assert long[name] == getattr(theme, name), name
