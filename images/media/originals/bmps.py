"""BMP holds no metadata: only what hangs on it could tell where."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from images.media.originals.telling import Unproven

if TYPE_CHECKING:
    from pathlib import Path

_MAX_PALETTE_BYTES: Final = 256 * 4 + 16  # and masks
_UNCOMPRESSED: Final = frozenset({0, 3, 6})


def look_into(source: Path) -> bool:
    """False: there is no position in it. Raises Unproven if there is room for one."""
    with source.open("rb") as file:
        head = file.read(138)
        pixels_at, header_bytes = struct.unpack_from("<LL", head, 10)
        file.seek(pixels_at + _pixel_bytes(head, header_bytes))
        profile_bytes = 0
        if header_bytes >= 124:
            profile_at, profile_bytes = struct.unpack_from("<LL", head, 14 + 112)
            if profile_bytes:
                file.seek(14 + profile_at + profile_bytes)
        if pixels_at - 14 - header_bytes > _MAX_PALETTE_BYTES:
            raise Unproven("There is something between its header and its pixels.")
        while rest := file.read(1024 * 1024):
            if rest.strip(b"\0"):
                raise Unproven("Something hangs behind its pixels.")
    return False


def _pixel_bytes(head: bytes, header_bytes: int) -> int:
    if header_bytes == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", head, 18)
        compression = told = 0
    else:
        width, height, _, bits, compression, told = struct.unpack_from("<llHHLL", head, 18)
    if compression not in _UNCOMPRESSED:
        return int(told)
    return int((abs(width) * bits + 31) // 32 * 4 * abs(height))
