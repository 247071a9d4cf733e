"""GIF: written anew with the blocks that draw (GIF89a), and harmless XMP."""

from __future__ import annotations

import mmap
import zlib
from typing import TYPE_CHECKING, Final

from images.media import containers
from images.media.originals import telling
from images.media.originals.telling import Unproven

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_DRAWING_BLOCKS: Final = frozenset({b",", b";", b"!\xf9"})  # pictures, the end, how to show them
_DRAWING_APPLICATIONS: Final = frozenset({b"NETSCAPE2.0", b"ANIMEXTS1.0", b"ICCRGBG1012"})


def rewrite(source: Path, into: Path) -> bool:
    with (
        source.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        into.open("wb") as out,
    ):
        for start, end in _kept(data, keeps_xmp=True):
            out.write(data[start:end])
        return out.tell() != len(data)


def drawing(path: Path) -> int:
    """A checksum over the blocks that draw."""
    checksum = 0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for start, end in _kept(data, keeps_xmp=False):
            checksum = zlib.crc32(data[start:end], checksum)
    return checksum


def _kept(data: mmap.mmap, *, keeps_xmp: bool) -> Iterator[tuple[int, int]]:
    """What stays, from and to. Raises Unproven where the file is not whole."""
    blocks = list(containers.gif_blocks(data))
    if not blocks or blocks[-1][0] != b";":
        raise Unproven("It ends before its end.")
    yield 0, blocks[0][1]
    for kind, start, end in blocks:
        if kind == b"!\x01":
            raise Unproven("It has text for pixels.")
        xmp = containers.gif_xmp(data, start, end) if kind == b"!\xff" else None
        is_harmless = keeps_xmp and xmp is not None and not telling.xmp_tells_where(xmp)
        draws = kind in _DRAWING_BLOCKS or data[start + 3 : start + 14] in _DRAWING_APPLICATIONS
        if draws or is_harmless:
            yield start, end
