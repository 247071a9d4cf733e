"""Converts Display P3, the colours of most phones, to sRGB: in a third of the time of LCMS.

Both share their blue primary, so that red and green of sRGB follow from red and green alone: one
look-up in a table of 256 by 256. Blue follows from blue and from what the other two take of it,
which that table has as well: a second look-up. Importing this module loads NumPy.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from PIL import Image

# Nothing here multiplies matrices, for which NumPy would start a thread per core.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Into linear sRGB (SMPTE EG 432-1 and IEC 61966-2-1, both at D65).
_RED: Final = (1.2249402, -0.2249402)
_GREEN: Final = (-0.0420570, 1.0420570)
_BLUE: Final = (-0.0196376, -0.0786361, 1.0982736)
_TAKEN: Final = -(_BLUE[0] + _BLUE[1])  # of blue, by white

# Of how much red and green take of blue: with 256 the darkest blues would be a level off.
_TAKEN_BITS: Final = 10
_MOST_TAKEN: Final = 2**_TAKEN_BITS - 1
# What a processor has in its cache beside the tables.
_BAND_PIXELS: Final = 131_072


def convert(image: Image.Image) -> Image.Image:
    """Converts a picture in RGB in place."""
    width, height = image.size
    step = max(1, _BAND_PIXELS // width)
    for top in range(0, height, step):
        box = (0, top, width, min(top + step, height))
        band = image.crop(box)
        converted = _converted(band.tobytes("raw", "RGBX"))
        # As RGBA, which may be pasted into RGB, Pillow reads the pixels where they are.
        image.paste(Image.frombuffer("RGBA", band.size, converted, "raw", "RGBA", 0, 1), box)
    return image


def _converted(pixels: bytes) -> NDArray[np.uint32]:
    """Returns the pixels in sRGB. Both are four bytes each: red, green, blue and an unused one."""
    levels = np.frombuffer(pixels, "<u4")
    found = _RED_GREEN_TAKEN.take(levels.view("<u2")[::2], mode="clip")
    place = levels >> (16 - _TAKEN_BITS)
    place &= 255 << _TAKEN_BITS
    place |= found >> 16
    found.view(np.uint8)[2::4] = _BLUES.take(place, mode="clip")
    return found


def _light(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    signal = levels / 255
    return np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)


def _levels(light: NDArray[np.float64]) -> NDArray[np.uint8]:
    light = np.clip(light, 0, 1)
    curve: NDArray[np.float64] = 1.055 * light ** (1 / 2.4) - 0.055
    signal: NDArray[np.float64] = np.where(light <= 0.0031308, 12.92 * light, curve)
    return np.rint(255 * signal).astype(np.uint8)


def _tables() -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    """Returns both tables.

    The first is read by green and red. It has sRGB's red and green, and how much they take of
    blue. The second is read by blue and by that, and has sRGB's blue.
    """
    green, red = (_light(levels) for levels in np.divmod(np.arange(65536.0), 256))
    taken = np.rint(_MOST_TAKEN * -(_BLUE[0] * red + _BLUE[1] * green) / _TAKEN)
    found = _levels(_RED[0] * red + _RED[1] * green).astype("<u4")
    found |= _levels(_GREEN[0] * red + _GREEN[1] * green).astype("<u4") << 8
    found |= taken.astype("<u4") << 16
    steps = np.arange(_MOST_TAKEN + 1) / _MOST_TAKEN
    blues = _levels(_BLUE[2] * _light(np.arange(256.0))[:, None] - _TAKEN * steps)
    return found, blues.reshape(-1)


_RED_GREEN_TAKEN, _BLUES = _tables()
