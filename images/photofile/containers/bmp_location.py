"""BMP holds no metadata: only what hangs on it could tell where, and is cut off."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Final

from images.photofile.containers.location_patterns import CannotRemoveLocation, Redaction, Removed

if TYPE_CHECKING:
    from pathlib import Path

_MAX_PALETTE_BYTES: Final = 256 * 4 + 16  # and masks
_UNCOMPRESSED: Final = frozenset({0, 3, 6})
_PIECE_BYTES: Final = 1024 * 1024


def edit(path: Path, redaction: Redaction) -> None:
    """In place. Raises CannotRemoveLocation where its end is not certain."""
    end, is_certain = _end(path)
    with path.open("r+b") as file:
        file.seek(end)
        while rest := file.read(_PIECE_BYTES):
            if rest.strip(b"\0"):
                if not is_certain:
                    raise CannotRemoveLocation("Something hangs behind its pixels.")
                redaction.removed.add(Removed.ATTACHMENTS)
                file.truncate(end)
                return


def pixel_digest(path: Path) -> int:
    """A checksum over all but what hangs behind."""
    checksum, (left, _) = 0, _end(path)
    with path.open("rb") as file:
        while left > 0 and (piece := file.read(min(_PIECE_BYTES, left))):
            checksum, left = zlib.crc32(piece, checksum), left - len(piece)
    return checksum


def _end(path: Path) -> tuple[int, bool]:
    """Where pixels and profile end, and whether that is certain. Raises CannotRemoveLocation."""
    with path.open("rb") as file:
        head = file.read(138)
    pixels_at, header_bytes = struct.unpack_from("<LL", head, 10)
    if pixels_at - 14 - header_bytes > _MAX_PALETTE_BYTES:
        raise CannotRemoveLocation("There is something between its header and its pixels.")
    byte_size, is_certain = _pixel_bytes(head, header_bytes)
    end = pixels_at + byte_size
    if header_bytes >= 124:
        profile_at, profile_bytes = struct.unpack_from("<LL", head, 14 + 112)
        if profile_bytes:
            end = max(end, 14 + profile_at + profile_bytes)
    return end, is_certain


def _pixel_bytes(head: bytes, header_bytes: int) -> tuple[int, bool]:
    if header_bytes == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", head, 18)
        compression = told = 0
    else:
        width, height, _, bits, compression, told = struct.unpack_from("<llHHLL", head, 18)
    if compression not in _UNCOMPRESSED:
        return int(told), False
    return int((abs(width) * bits + 31) // 32 * 4 * abs(height)), True
