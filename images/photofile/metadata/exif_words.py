"""The words of EXIF 2.32 (CIPA DC-008-2019, 4.6.5) for the codes of its tags.

Programs are told them in English, as the standard has them; pages translate them. Codes that the
standard reserves have none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    Words = Mapping[int, str]


def _(text: str) -> str:
    """Marks a text for the catalogues of translations; who shows it translates it."""
    return text


FLASH: Final[Words] = {
    0x00: _("Flash did not fire"),
    0x01: _("Flash fired"),
    0x05: _("Strobe return light not detected"),
    0x07: _("Strobe return light detected"),
    0x09: _("Flash fired, compulsory flash mode"),
    0x0D: _("Flash fired, compulsory flash mode, return light not detected"),
    0x0F: _("Flash fired, compulsory flash mode, return light detected"),
    0x10: _("Flash did not fire, compulsory flash mode"),
    0x18: _("Flash did not fire, auto mode"),
    0x19: _("Flash fired, auto mode"),
    0x1D: _("Flash fired, auto mode, return light not detected"),
    0x1F: _("Flash fired, auto mode, return light detected"),
    0x20: _("No flash function"),
    0x41: _("Flash fired, red-eye reduction mode"),
    0x45: _("Flash fired, red-eye reduction mode, return light not detected"),
    0x47: _("Flash fired, red-eye reduction mode, return light detected"),
    0x49: _("Flash fired, compulsory flash mode, red-eye reduction mode"),
    0x4D: _(
        "Flash fired, compulsory flash mode, red-eye reduction mode, return light not detected"
    ),
    0x4F: _("Flash fired, compulsory flash mode, red-eye reduction mode, return light detected"),
    0x59: _("Flash fired, auto mode, red-eye reduction mode"),
    0x5D: _("Flash fired, auto mode, return light not detected, red-eye reduction mode"),
    0x5F: _("Flash fired, auto mode, return light detected, red-eye reduction mode"),
}
METERING_MODE: Final[Words] = {
    0: _("Unknown"),
    1: _("Average"),
    2: _("Center weighted average"),
    3: _("Spot"),
    4: _("Multi-spot"),
    5: _("Pattern"),
    6: _("Partial"),
    255: _("Other"),
}
EXPOSURE_PROGRAM: Final[Words] = {
    0: _("Not defined"),
    1: _("Manual"),
    2: _("Normal program"),
    3: _("Aperture priority"),
    4: _("Shutter priority"),
    5: _("Creative program (biased toward depth of field)"),
    6: _("Action program (biased toward fast shutter speed)"),
    7: _("Portrait mode (for closeup photos with the background out of focus)"),
    8: _("Landscape mode (for landscape photos with the background in focus)"),
}
WHITE_BALANCE: Final[Words] = {0: _("Auto white balance"), 1: _("Manual white balance")}
