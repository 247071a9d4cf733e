"""The colours of a group's pages, made from the one colour that its host chose.

The host may choose any colour. What is shown is a lighter or darker one of the same kind, so that
text has a contrast of 4.5:1 (WCAG 2.2, 1.4.3) on every ground of base.css, by day and by night.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MIN_CONTRAST = 4.5
STEPS = 64  # from the chosen colour to black or white
HEX = re.compile(r"[0-9a-f]{6}\Z")

Rgb = tuple[float, float, float]
BLACK, WHITE = (0.0, 0.0, 0.0), (255.0, 255.0, 255.0)


@dataclass(frozen=True)
class Theme:
    """The grounds and texts of base.css, by day or by night."""

    paper: str
    surface: str
    ink: str
    muted: str
    on_accent: str
    towards: Rgb  # where a colour without contrast is moved


LIGHT = Theme("#f7f6f2", "#ffffff", "#1c1f23", "#575c65", "#ffffff", BLACK)
DARK = Theme("#14171a", "#1d2125", "#eceae4", "#a9adb5", "#0c0e10", WHITE)


@dataclass(frozen=True)
class Accent:
    """The colours of one theme, as `#rrggbb`."""

    accent: str
    accent_strong: str
    on_accent: str
    tint: str


def plain(text: str) -> str:
    """Returns `#rrggbb` in small letters for what a person typed: #RRGGBB, rrggbb or #rgb.

    Returns "" for nothing. Raises ValueError.
    """
    digits = text.strip().removeprefix("#").lower()
    if not digits:
        return ""
    if len(digits) == 3:
        digits = "".join(2 * digit for digit in digits)
    if not HEX.match(digits):
        raise ValueError(text)
    return f"#{digits}"


def accent(colour: str, theme: Theme) -> Accent:
    """Returns the nearest colours that can be read on the grounds of this theme."""
    chosen, surface = _rgb(colour), _rgb(theme.surface)
    # A tint lies below text, so that it is as pale as that text needs it.
    shares = (share / 100 for share in range(16, -1, -2))
    tint = next(
        _mix(surface, chosen, share)
        for share in shares
        if all(
            _contrast(_rgb(text), _mix(surface, chosen, share)) >= MIN_CONTRAST
            for text in (theme.ink, theme.muted)
        )
    )
    grounds = [_rgb(theme.paper), surface, tint]
    steps = [_mix(chosen, theme.towards, step / STEPS) for step in range(STEPS + 1)]
    readable = [
        each for each in steps if min(_contrast(each, ground) for ground in grounds) >= MIN_CONTRAST
    ]
    first = readable[0]
    return Accent(
        accent=_hex(first),
        accent_strong=_hex(_mix(first, theme.towards, 0.25)),
        on_accent=theme.on_accent,
        tint=_hex(tint),
    )


def contrast(one: str, other: str) -> float:
    """Returns the contrast of two colours `#rrggbb`: from 1 to 21."""
    return _contrast(_rgb(one), _rgb(other))


def stylesheet(colour: str) -> str:
    """Returns the CSS that gives a page these colours."""
    light, dark = _rules(accent(colour, LIGHT)), _rules(accent(colour, DARK))
    return f":root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"


def _rules(colours: Accent) -> str:
    return (
        f"--accent:{colours.accent};--accent-strong:{colours.accent_strong};"
        f"--on-accent:{colours.on_accent};--tint:{colours.tint}"
    )


def _contrast(one: Rgb, other: Rgb) -> float:
    # As bytes, because that is what a screen shows.
    darker, lighter = sorted((_luminance(_rounded(one)), _luminance(_rounded(other))))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: Rgb) -> float:
    """The relative luminance as WCAG 2.2 defines it."""
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (channel / 255 for channel in colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _mix(one: Rgb, other: Rgb, share: float) -> Rgb:
    """Returns the colour that is so much of the other, and the rest of the one."""
    red, green, blue = (a + (b - a) * share for a, b in zip(one, other, strict=True))
    return red, green, blue


def _rounded(colour: Rgb) -> Rgb:
    red, green, blue = (float(round(channel)) for channel in colour)
    return red, green, blue


def _rgb(colour: str) -> Rgb:
    red, green, blue = (float(int(colour[at : at + 2], 16)) for at in (1, 3, 5))
    return red, green, blue


def _hex(colour: Rgb) -> str:
    return "#" + "".join(f"{round(channel):02x}" for channel in colour)
