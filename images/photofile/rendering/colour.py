"""Converts the colours of a picture to sRGB (IEC 61966-2-1)."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Final

from PIL import Image, ImageChops, ImageCms, ImageFilter

# Colour primaries and transfer characteristics, code points of ITU-T H.273.
Nclx = tuple[int, int]

_MODES_BY_COLOUR_SPACE: Final = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}

# Differences of up to so many of 255 levels are those between two descriptions of sRGB.
_SAME_COLOUR: Final = 3

# Two ways to compute the same colour differ by rounding alone.
_SAME_LEVEL: Final = 1
_LEAST_PIXELS_FOR_TABLE: Final = 500_000


def in_srgb(image: Image.Image, *, icc: bytes | None, nclx: Nclx | None = None) -> Image.Image:
    """Convert by the embedded profile, or else by the code points, unless that is sRGB itself.

    With neither, pixels are sRGB already; a profile that cannot be used is as good as none.
    `image` is in L, RGB or CMYK; RGB may be changed in place.
    """
    transform = _to_srgb(icc, image.mode) if icc else None
    if transform is not None and transform.is_display_p3 and _is_worth_a_table(image):
        # NumPy is loaded by who renders, and nobody else.
        from images.photofile.rendering import display_p3

        return display_p3.convert(image)
    if transform is not None and image.mode == "RGB":
        return transform.lcms.apply_in_place(image)
    if transform is not None:
        return transform.lcms.apply(image)
    if nclx and not icc and image.mode == "RGB" and (table := _table_to_srgb(nclx)):
        return image.filter(table)
    return image.convert("RGB") if image.mode == "CMYK" else image


def in_plain_mode(image: Image.Image) -> Image.Image:
    """Convert to one of L, RGB, RGBA and CMYK."""
    if image.mode.startswith("I"):  # 16 bits of grey
        return image.point(lambda value: value / 257).convert("L")
    if image.mode == "1":
        return image.convert("L")
    if image.mode == "LAB":  # CIE L*a*b*, which a TIFF may hold
        lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        return ImageCms.ImageCmsTransform(lab, _srgb(), "LAB", "RGB").apply(image)
    if image.mode in {"LA", "La", "RGBa", "PA"} or "transparency" in image.info:
        return image.convert("RGBA")
    return image if image.mode in {"L", "RGB", "RGBA", "CMYK"} else image.convert("RGB")


def is_known(nclx: Nclx | None) -> bool:
    """True if the code points name colours that can be converted."""
    return nclx is not None and nclx[0] in _KNOWN_PRIMARIES and nclx[1] in _KNOWN_TRANSFERS


# By profile


@dataclass(frozen=True)
class _Transform:
    """`is_display_p3` if colours are those of Display P3, whatever the profile calls itself."""

    lcms: ImageCms.ImageCmsTransform
    is_display_p3: bool


# A phone embeds the same profile into every photo.
@lru_cache(maxsize=4)
def _to_srgb(icc: bytes, mode: str) -> _Transform | None:
    """Return the transform to sRGB; None if the profile is unusable, or is sRGB itself."""
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        if _MODES_BY_COLOUR_SPACE.get(profile.profile.xcolor_space) != mode:
            return None
        transform = ImageCms.ImageCmsTransform(
            *(profile, _srgb(), mode, "RGB", ImageCms.Intent.PERCEPTUAL),
            # Comparing each pixel to the one before costs more than converting it.
            flags=ImageCms.Flags.NOCACHE,
        )
        sample = _colour_sample(mode)
        shown = transform.apply(sample)
    except (OSError, ValueError, TypeError, ImageCms.PyCMSError):
        return None
    moved = _largest_difference(shown, sample.convert("RGB"))
    if moved <= _SAME_COLOUR and mode != "CMYK":
        return None
    is_display_p3 = mode == "RGB" and _largest_difference(shown, _p3_sample()) <= _SAME_LEVEL
    return _Transform(transform, is_display_p3)


def _is_worth_a_table(image: Image.Image) -> bool:
    """Returns True for large pictures. Only processes that render photos convert such, and so only
    they load NumPy."""
    return image.mode == "RGB" and image.width * image.height >= _LEAST_PIXELS_FOR_TABLE


def _largest_difference(one: Image.Image, other: Image.Image) -> int:
    return max(ImageChops.difference(one, other).tobytes())


@lru_cache(maxsize=1)
def _p3_sample() -> Image.Image:
    """Returns the colours of `_colour_sample`, taken for Display P3 and converted to sRGB."""
    sample = _colour_sample("RGB")
    shown = b""
    for at in range(0, len(pixels := sample.tobytes()), 3):
        light = _light((pixels[at] / 255, pixels[at + 1] / 255, pixels[at + 2] / 255), _UNSPECIFIED)
        shown += bytes(
            round(255 * _encoded(sum(a * b for a, b in zip(row, light, strict=True))))
            for row in _MATRICES[_P3]
        )
    return Image.frombytes("RGB", sample.size, shown)


def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _colour_sample(mode: str) -> Image.Image:
    """Colours all over the space, one a pixel."""
    channels = len(mode) if mode != "L" else 1
    steps = range(0, 256, 51) if channels > 1 else range(256)
    colours = [bytes(levels) for levels in product(steps, repeat=channels)]
    if mode == "RGB":  # all of a curve: black and white alone do not tell which one it is
        colours += [bytes((level, level, level)) for level in range(256)]
    return Image.frombytes(mode, (len(colours), 1), b"".join(colours))


# By code points

_BT709, _UNSPECIFIED, _BT2020, _P3 = 1, 2, 9, 12
_LINEAR, _PQ, _HLG = 8, 16, 18
_OLD_TELEVISION: Final = frozenset({5, 6, 7})  # close to BT.709
_SDR_TRANSFERS: Final = frozenset({1, 2, 6, 13, 14, 15})  # all shown as sRGB is, as browsers do

_KNOWN_TRANSFERS: Final = _SDR_TRANSFERS | {_LINEAR, _PQ, _HLG}

# Into linear sRGB, from chromaticities of ITU-R BT.2020 and SMPTE EG 432-1 (all at D65).
_MATRICES: Final = {
    _BT2020: ((1.6605, -0.5876, -0.0728), (-0.1246, 1.1329, -0.0083), (-0.0182, -0.1006, 1.1187)),
    _P3: ((1.2249, -0.2249, 0.0), (-0.0421, 1.0421, 0.0), (-0.0196, -0.0786, 1.0983)),
    _BT709: ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
}

_KNOWN_PRIMARIES: Final = frozenset(_MATRICES) | _OLD_TELEVISION

_WHITE_NITS: Final = 203  # of paper in an HDR picture (ITU-R BT.2408)
_HLG_PEAK_NITS: Final = 1000
_KNEE: Final = 0.75  # brighter light is pressed into what is left above
_GRID: Final = 33


@lru_cache(maxsize=4)
def _table_to_srgb(nclx: Nclx) -> ImageFilter.Color3DLUT | None:
    """Return a lookup table; None for sRGB itself, and for colours no camera writes."""
    primaries, transfer = nclx
    primaries = _BT709 if primaries in {_UNSPECIFIED, *_OLD_TELEVISION} else primaries
    if primaries not in _MATRICES or transfer not in _KNOWN_TRANSFERS:
        return None
    if primaries == _BT709 and transfer in _SDR_TRANSFERS:
        return None
    matrix = _MATRICES[primaries]

    def convert(red: float, green: float, blue: float) -> tuple[float, float, float]:
        light = _light((red, green, blue), transfer)
        seen = [sum(a * b for a, b in zip(row, light, strict=True)) for row in matrix]
        if transfer in {_PQ, _HLG} and (brightest := max(seen)) > _KNEE:
            room = 1 - _KNEE
            pressed = 1 - room * math.exp(-(brightest - _KNEE) / room)
            seen = [level * pressed / brightest for level in seen]
        out_red, out_green, out_blue = (_encoded(level) for level in seen)
        return out_red, out_green, out_blue

    return ImageFilter.Color3DLUT.generate(_GRID, convert)


def _light(signal: tuple[float, float, float], transfer: int) -> list[float]:
    """Linear light, 1 for paper white."""
    if transfer == _LINEAR:
        return list(signal)
    if transfer == _PQ:
        return [_pq(level) / _WHITE_NITS for level in signal]
    if transfer == _HLG:
        scene = [_hlg(level) for level in signal]
        # ITU-R BT.2100: the system gamma of 1.2 works on luminance.
        luminance = sum(a * b for a, b in zip((0.2627, 0.6780, 0.0593), scene, strict=True))
        return [level * luminance**0.2 * _HLG_PEAK_NITS / _WHITE_NITS for level in scene]
    return [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in signal]


def _pq(signal: float) -> float:
    """Nits (SMPTE ST 2084)."""
    root = signal ** (1 / 78.84375)
    return float(
        10000 * (max(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125)
    )


def _hlg(signal: float) -> float:
    """Light of the scene, 0 to 1 (ITU-R BT.2100)."""
    if signal <= 0.5:
        return signal * signal / 3
    return float((math.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12)


def _encoded(level: float) -> float:
    level = min(max(level, 0.0), 1.0)
    return float(12.92 * level if level <= 0.0031308 else 1.055 * level ** (1 / 2.4) - 0.055)
