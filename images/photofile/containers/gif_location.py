"""GIF: written anew with the blocks that draw (GIF89a), and harmless XMP."""

from __future__ import annotations

import mmap
import zlib
from typing import TYPE_CHECKING, Final

from images.photofile.containers.location_patterns import CannotRemoveLocation, Redaction, Removed
from images.photofile.metadata import blocks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_DRAWING_BLOCKS: Final = frozenset({b",", b";", b"!\xf9"})  # pictures, the end, how to show them
_DRAWING_APPLICATIONS: Final = frozenset({b"NETSCAPE2.0", b"ANIMEXTS1.0", b"ICCRGBG1012"})

# Behind a packet of XMP (XMP specification part 3, 1.1.2).
_WAY_OUT: Final = b"\1" + bytes(range(255, -1, -1)) + b"\0"


def rewrite(source: Path, into: Path, redaction: Redaction) -> None:
    with (
        source.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        memoryview(data) as view,
        into.open("wb") as out,
    ):
        end = 0
        for start, end in _kept(data, redaction, keeps_xmp=True):
            out.write(view[start:end])
        if end < len(data):
            redaction.removed.add(Removed.ATTACHMENTS)


def pixel_digest(path: Path) -> int:
    """A checksum over the blocks that draw."""
    checksum = 0
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        memoryview(data) as view,
    ):
        for start, end in _kept(data, Redaction(), keeps_xmp=False):
            checksum = zlib.crc32(view[start:end], checksum)
    return checksum


def _kept(data: mmap.mmap, redaction: Redaction, *, keeps_xmp: bool) -> Iterator[tuple[int, int]]:
    """What stays, from and to. Raises CannotRemoveLocation, perhaps only at its
    end, where the file is not whole."""
    kind = b""
    is_first = True
    for kind, start, end in blocks.gif_blocks(data):
        if kind == b"!\x01":
            raise CannotRemoveLocation("It has text for pixels.")
        if is_first:
            yield 0, start  # size and colours
            is_first = False
        draws = kind in _DRAWING_BLOCKS or data[start + 3 : start + 14] in _DRAWING_APPLICATIONS
        is_application = kind == b"!\xff"
        if draws or (
            keeps_xmp and is_application and _is_harmless_xmp(data, start, end, redaction)
        ):
            yield start, end
        else:
            is_xmp = blocks.gif_xmp(data, start, end) is not None
            other = Removed.XMP if is_xmp else Removed.OTHER
            redaction.removed.add(Removed.TEXTS if kind == b"!\xfe" else other)
    if kind != b";":
        raise CannotRemoveLocation("It ends before its end, or has too many blocks.")


def _is_harmless_xmp(data: mmap.mmap, start: int, end: int, redaction: Redaction) -> bool:
    """Of an application extension, whose packet is looked at in full: not behind a limit, nor in
    what leads readers out of it."""
    packet = blocks.gif_xmp(data, start, end)
    if packet is None or start + 14 + len(packet) + len(_WAY_OUT) != end:
        return False
    return data[end - len(_WAY_OUT) : end] == _WAY_OUT and redaction.keeps_xmp(packet)
