"""The blocks of a GIF (GIF89a specification) up to the end of its first picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from images.photofile.containers.excerpt import Piece

_EXTENSION, _PICTURE, _TRAILER = b"!", b",", b";"
_GRAPHIC_CONTROL: Final = 0xF9

# Blocks of up to 255 bytes: a first picture of 16 MB.
MAX_BLOCKS: Final = 64 * 1024


class NotDrawable(Exception):
    """The blocks make no picture."""


@dataclass
class Header:
    """Width and height of the whole, in pixels; `drawing` shows the first picture alone."""

    width: int
    height: int
    drawing: list[Piece] = field(default_factory=list)


def read_header(file: BinaryIO) -> Header:
    """Walk over the blocks before the first picture, and over its own. Raises NotDrawable."""
    file.seek(0)
    screen = file.read(13)
    if len(screen) < 13:
        raise NotDrawable
    header = Header(int.from_bytes(screen[6:8], "little"), int.from_bytes(screen[8:10], "little"))
    at = 13 + _palette_bytes(screen[10])
    header.drawing = [(0, at)]
    blocks = MAX_BLOCKS
    while blocks > 0:
        file.seek(at)
        head = file.read(10)
        if head[:1] == _PICTURE and len(head) == 10:
            _note_picture(file, header, at=at, head=head, blocks=blocks)
            return header
        if head[:1] != _EXTENSION:
            break
        end, blocks = _behind_blocks(file, at + 2, blocks)
        if head[1:2] == bytes((_GRAPHIC_CONTROL,)):
            header.drawing.append((at, end - at))
        at = end
    raise NotDrawable


def _note_picture(file: BinaryIO, header: Header, *, at: int, head: bytes, blocks: int) -> None:
    left, top, width, height = (int.from_bytes(head[n : n + 2], "little") for n in (1, 3, 5, 7))
    # A picture may stand out from its screen; viewers enlarge the screen.
    header.width, header.height = max(header.width, left + width), max(header.height, top + height)
    if not width or not height:
        raise NotDrawable
    coded_at = at + 10 + _palette_bytes(head[9]) + 1  # and the size of LZW's first codes
    end, _ = _behind_blocks(file, coded_at, blocks)
    header.drawing += [(at, end - at), _TRAILER]


def _palette_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _behind_blocks(file: BinaryIO, at: int, blocks: int) -> tuple[int, int]:
    """The offset behind a chain of sub-blocks, and how many more there may be."""
    file.seek(at)
    while blocks > 0:
        blocks -= 1
        length = file.read(1)
        if not length:
            raise NotDrawable
        at += 1 + length[0]
        if not length[0]:
            return at, blocks
        file.seek(at)
    raise NotDrawable
