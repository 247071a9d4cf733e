"""How far colours are from each other for an eye: CIEDE2000 (ISO/CIE 11664-6), in CIE L*a*b*."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

Array = np.ndarray[Any, np.dtype[np.float64]]

_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_D65 = np.array([0.95047, 1.0, 1.08883])


def lab(image: Image.Image) -> Array:
    """CIE L*a*b* of a picture in sRGB."""
    return lab_of_light(light(np.asarray(image.convert("RGB"), float) / 255))


def light(signal: Array) -> Array:
    return np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)


def lab_of_light(linear: Array) -> Array:
    ratio = linear @ _TO_XYZ.T / _D65
    root = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    x, y, z = np.moveaxis(root, -1, 0)
    return np.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)), -1)


def delta_e(one: Array, other: Array) -> Array:
    lightness, a, b = (
        np.stack(both)
        for both in zip(*(np.moveaxis(each, -1, 0) for each in (one, other)), strict=True)
    )
    seventh = (np.hypot(a, b).mean(0)) ** 7
    a = a * (1.5 - 0.5 * np.sqrt(seventh / (seventh + 25.0**7)))
    chroma, hue = np.hypot(a, b), np.degrees(np.arctan2(b, a)) % 360
    is_grey = chroma.prod(0) == 0
    turn = np.where(is_grey, 0, (hue[1] - hue[0] + 180) % 360 - 180)
    mean_hue = np.where(is_grey, hue.sum(0), hue[0] + turn / 2) % 360
    mean_chroma, mean_lightness = chroma.mean(0), (lightness.mean(0) - 50) ** 2
    weight = (
        1
        - 0.17 * _cosine(mean_hue - 30)
        + 0.24 * _cosine(2 * mean_hue)
        + 0.32 * _cosine(3 * mean_hue + 6)
        - 0.20 * _cosine(4 * mean_hue - 63)
    )
    seventh = mean_chroma**7
    rotation = -2 * np.sqrt(seventh / (seventh + 25.0**7))
    rotation *= np.sin(np.radians(60 * np.exp(-(((mean_hue - 275) / 25) ** 2))))
    by_lightness = np.diff(lightness, axis=0)[0] / (
        1 + 0.015 * mean_lightness / np.sqrt(20 + mean_lightness)
    )
    by_chroma = np.diff(chroma, axis=0)[0] / (1 + 0.045 * mean_chroma)
    by_hue = 2 * np.sqrt(chroma.prod(0)) * np.sin(np.radians(turn / 2))
    by_hue /= 1 + 0.015 * mean_chroma * weight
    squares = by_lightness**2 + by_chroma**2 + by_hue**2 + rotation * by_chroma * by_hue
    return np.sqrt(np.maximum(squares, 0))


def _cosine(degrees: Array) -> Array:
    return np.cos(np.radians(degrees))
