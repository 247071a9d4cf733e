"""Colour profiles, as files embed them, built from published numbers (ICC.1:2022).

Those of RGB are matrices with a curve, their colorants relative to D50; that of CMYK is a table.
"""

from __future__ import annotations

import itertools
import struct

Colour = tuple[int, int, int]

_D50 = (0.9642, 1.0, 0.82491)
_SRGB_COLORANTS = (
    (0.43607, 0.22249, 0.01392),
    (0.38515, 0.71687, 0.09708),
    (0.14307, 0.06061, 0.71410),
)

# How a press prints cyan, magenta and yellow over each other, about: {inks: as seen, in sRGB}.
INKS: dict[tuple[int, int, int], Colour] = {
    (0, 0, 0): (255, 255, 255),
    (1, 0, 0): (0, 158, 224),
    (0, 1, 0): (226, 0, 122),
    (0, 0, 1): (255, 237, 0),
    (0, 1, 1): (227, 6, 19),
    (1, 0, 1): (0, 150, 64),
    (1, 1, 0): (49, 39, 131),
    (1, 1, 1): (60, 50, 45),
}


def display_p3(name: str = "Display P3", *, gamma: float | None = None) -> bytes:
    """With a gamma, only its name and primaries are those of Display P3."""
    return _matrix_profile(
        name,
        ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)),
        gamma=gamma,
    )


def adobe_rgb() -> bytes:
    return _matrix_profile(
        "Adobe RGB (1998)",
        ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)),
        gamma=2.19921875,
    )


def srgb(name: str = "sRGB") -> bytes:
    return _matrix_profile(name, _SRGB_COLORANTS)


def cmyk() -> bytes:
    """A press of `INKS`, and of a black that leaves nothing to be seen."""
    corners = itertools.product((0, 1), repeat=4)
    nodes = [
        _lab((0, 0, 0) if black else INKS[cyan, magenta, yellow])
        for cyan, magenta, yellow, black in corners
    ]
    straight = struct.pack(">2H", 0, 65535)
    # lut16Type: an identity matrix (used with XYZ only), curves and a grid of two points an ink.
    table = b"mft2\0\0\0\0" + bytes((4, 3, 2, 0)) + _fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    table += struct.pack(">2H", 2, 2) + 4 * straight
    for lightness, a, b in nodes:
        table += struct.pack(
            ">3H",
            *(round(level) for level in (lightness * 652.8, a * 256 + 32768, b * 256 + 32768)),
        )
    table += 3 * straight
    # Version 2, as those of presses are: with the 4th black is lifted on the way.
    return _profile("Press", {b"A2B0": table}, kind=b"prtrCMYKLab ", version=0x02400000)


def _lab(colour: Colour) -> tuple[float, float, float]:
    """CIE L*a*b* of a colour of sRGB, under D50."""
    light = [
        level / 255 / 12.92 if level <= 10 else ((level / 255 + 0.055) / 1.055) ** 2.4
        for level in colour
    ]
    xyz = [
        sum(level * colorant[axis] for level, colorant in zip(light, _SRGB_COLORANTS, strict=True))
        for axis in range(3)
    ]
    x, y, z = (
        ratio ** (1 / 3) if ratio > 216 / 24389 else (24389 / 27 * ratio + 16) / 116
        for ratio in (part / white for part, white in zip(xyz, _D50, strict=True))
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def _matrix_profile(
    name: str, colorants: tuple[tuple[float, float, float], ...], gamma: float | None = None
) -> bytes:
    curve = b"para\0\0\0\0\0\3\0\0" + _fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    if gamma:
        curve = b"para\0\0\0\0\0\0\0\0" + _fixed(gamma)
    tags = {
        key: b"XYZ \0\0\0\0" + _fixed(*colorant)
        for key, colorant in zip((b"rXYZ", b"gXYZ", b"bXYZ"), colorants, strict=True)
    }
    return _profile(name, tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve))


def _profile(
    name: str,
    tags: dict[bytes, bytes],
    *,
    kind: bytes = b"mntrRGB XYZ ",
    version: int = 0x04000000,
) -> bytes:
    tags = {
        b"desc": _text(name),
        b"cprt": _text("none"),
        b"wtpt": b"XYZ \0\0\0\0" + _fixed(*_D50),
        **tags,
    }
    table, data = struct.pack(">I", len(tags)), b""
    data_at = 128 + 4 + 12 * len(tags)
    for key, value in tags.items():
        table += key + struct.pack(">II", data_at + len(data), len(value))
        data += value + b"\0" * (-len(value) % 4)
    header = struct.pack(">I4sI", data_at + len(data), b"\0\0\0\0", version)
    header += kind + b"\0" * 12 + b"acsp"
    header = header.ljust(68, b"\0") + _fixed(*_D50)
    return header.ljust(128, b"\0") + table + data


def _fixed(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def _text(value: str) -> bytes:
    encoded = value.encode("utf-16-be")
    return b"mluc\0\0\0\0" + struct.pack(">II4sII", 1, 12, b"enUS", len(encoded), 28) + encoded
