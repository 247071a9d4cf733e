"""WebP (RFC 9649): the canvas and the first picture on it, EXIF and XMP, and the removal of its
location."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from images.photofile import pieces
from images.photofile.containers.container import (
    MAX_EXIF_BYTES,
    MAX_ICC_BYTES,
    MAX_XMP_BYTES,
    Data,
    Metadata,
    NotDrawable,
    Size,
)
from images.photofile.metadata import exif_editor
from images.photofile.metadata.location_patterns import CannotRemoveLocation, Redaction, Removed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from mmap import mmap
    from pathlib import Path

    from images.photofile.pieces import Piece

MAX_CHUNKS: Final = 20_000
_FRAME_BYTES: Final = 16  # of numbers, before the chunks of a frame


def chunks(data: Data, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, offset and byte size of each payload, whether or not it is all there."""
    for _ in range(MAX_CHUNKS):
        head = data[at : at + 8]
        if at + 8 > end or len(head) < 8:
            return
        name, byte_size = head[:4], int.from_bytes(head[4:], "little")
        yield name, at + 8, byte_size
        at += 8 + byte_size + byte_size % 2


# --- The header -----------------------------------------------------------------------------


@dataclass
class Header:
    """`canvas` is the size of the whole in pixels, `frame` that of its first picture, at `offset`.

    `bitstream` and `alpha` tell where in the file the picture and its transparency lie.
    """

    canvas: Size = (0, 0)
    frame: Size = (0, 0)
    offset: tuple[int, int] = (0, 0)
    exif: bytes = b""
    icc: bytes | None = None
    bitstream: tuple[bytes, int, int] | None = None  # chunk name, offset, length
    alpha: tuple[int, int] | None = None  # offset, length


def read_header(data: Data) -> Header:
    """Read the chunks up to the first picture, and EXIF behind it. Raises NotDrawable."""
    header = Header()
    _read_chunks(data, header, at=12, end=len(data))
    if header.bitstream is None or (header.alpha and header.bitstream[0] != b"VP8 "):
        raise NotDrawable
    header.frame = _size_of_bitstream(data, header.bitstream)
    if header.canvas == (0, 0):
        header.canvas = header.frame
    if any(
        at + edge > whole
        for at, edge, whole in zip(header.offset, header.frame, header.canvas, strict=True)
    ):
        raise NotDrawable
    return header


def still(data: Data, header: Header) -> bytes:
    """Make a WebP of the first picture alone. Raises NotDrawable."""
    if header.bitstream is None:
        raise NotDrawable
    name, at, length = header.bitstream
    parts = b""
    if header.alpha:
        width, height = header.frame
        # RFC 9649, 2.7: flags (alpha), 24 bits reserved, and the canvas less one.
        extended = b"\x10\0\0\0" + (width - 1).to_bytes(3, "little")
        parts += _chunk(b"VP8X", extended + (height - 1).to_bytes(3, "little"))
        alpha_at, alpha_length = header.alpha
        parts += _chunk(b"ALPH", data[alpha_at : alpha_at + alpha_length])
    parts += _chunk(name, data[at : at + length])
    return _riff_head(len(parts)) + parts


def _read_chunks(data: Data, header: Header, *, at: int, end: int, is_frame: bool = False) -> None:
    chunks_left = MAX_CHUNKS
    for name, start, length in chunks(data, at, end):
        chunks_left -= 1
        if name == b"VP8X" and header.canvas == (0, 0):
            header.canvas = _number(data, start + 4) + 1, _number(data, start + 7) + 1
        elif name == b"ANMF" and header.bitstream is None and not is_frame:
            header.offset = 2 * _number(data, start), 2 * _number(data, start + 3)
            frame_end = min(end, start + length)
            _read_chunks(data, header, at=start + _FRAME_BYTES, end=frame_end, is_frame=True)
            if header.bitstream is None:
                raise NotDrawable  # no frame behind it is looked for: each may have many chunks
        elif name in {b"VP8 ", b"VP8L"} and header.bitstream is None:
            header.bitstream = name, start, length
        elif name == b"ALPH" and header.bitstream is None:
            header.alpha = start, length
        elif name == b"ICCP" and header.icc is None and length <= MAX_ICC_BYTES:
            header.icc = data[start : start + length]
        elif name == b"EXIF" and not header.exif:
            header.exif = data[start : start + min(length, MAX_EXIF_BYTES)]
    if not chunks_left:
        raise NotDrawable


def _number(data: Data, at: int) -> int:
    return int.from_bytes(data[at : at + 3], "little")


def _size_of_bitstream(data: Data, bitstream: tuple[bytes, int, int]) -> Size:
    """RFC 6386, 9.1 (lossy) and RFC 9649, 3.4 (lossless). Raises NotDrawable."""
    name, at, _ = bitstream
    head = data[at : at + 10]
    if name == b"VP8 " and head[3:6] == b"\x9d\x01\x2a" and len(head) == 10:
        width, height = struct.unpack_from("<HH", head, 6)
        return width & 0x3FFF, height & 0x3FFF
    if name == b"VP8L" and head[:1] == b"\x2f" and len(head) >= 5:
        bits = int.from_bytes(head[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    raise NotDrawable


def _chunk(name: bytes, payload: bytes) -> bytes:
    return name + struct.pack("<L", len(payload)) + payload + b"\0" * (len(payload) % 2)


def _riff_head(byte_size: int) -> bytes:
    return b"RIFF" + struct.pack("<L", 4 + byte_size) + b"WEBP"


def find_metadata(data: Data) -> Metadata:
    """The EXIF and XMP chunks (2.7.1.5)."""
    exif, xmp = b"", b""
    for name, at, byte_size in chunks(data, 12, len(data)):
        if name == b"EXIF":
            exif = exif or data[at : at + min(byte_size, MAX_EXIF_BYTES)]
        elif name in {b"XMP ", b"XMP\0"}:
            xmp = xmp or data[at : at + min(byte_size, MAX_XMP_BYTES)]
    return Metadata(exif, xmp)


# --- The location ---------------------------------------------------------------------------

_DRAWING_CHUNKS: Final = frozenset({b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP"})
_CHUNKS_OF_A_FRAME: Final = frozenset({b"ALPH", b"VP8 ", b"VP8L"})
_MAX_CHUNKS_OF_A_FRAME: Final = 8  # a frame has one or two
_MAX_EDITED_XMP_BYTES: Final = 32 * 1024 * 1024
# Of the flags of VP8X: that there is EXIF, that there is XMP.
_EXIF_FLAG, _XMP_FLAG = 0x08, 0x04


def remove_location(source: Path, into: Path, redaction: Redaction) -> None:
    """Copy what draws, the camera's EXIF, and harmless XMP. Raises CannotRemoveLocation."""
    pieces.copy(source, into, lambda data: _kept(data, redaction))


def drawing(data: mmap) -> Iterator[Piece]:
    for name, at, byte_size in _whole_chunks(data):
        if name == b"VP8X":
            yield _extended(data, at, byte_size, flags=0)
        elif name in _DRAWING_CHUNKS:
            yield at - 8, 8 + byte_size


def _kept(data: mmap, redaction: Redaction) -> list[Piece]:
    kept: list[Piece] = []
    flags = 0
    extended = []  # where among the kept there is a VP8X, and its payload
    for name, at, byte_size in _whole_chunks(data):
        if name == b"EXIF" and not flags & _EXIF_FLAG:  # there may be one (2.7.1.5)
            flags |= _EXIF_FLAG
            kept.append(_chunk(name, exif_editor.edit_block(data[at : at + byte_size], redaction)))
        elif name == b"XMP " and _is_harmless(data, at, byte_size, redaction):
            flags |= _XMP_FLAG
            kept.append((at - 8, 8 + byte_size + byte_size % 2))
        elif name in _DRAWING_CHUNKS:
            if name == b"VP8X":
                extended.append((len(kept), at, byte_size))
            elif name == b"ANMF":
                _look_into_frame(data, at, byte_size)
            kept.append((at - 8, 8 + byte_size + byte_size % 2))
        else:
            redaction.removed.add(Removed.XMP if name == b"XMP " else Removed.OTHER)
    for index, at, byte_size in extended:
        kept[index] = _extended(data, at, byte_size, flags=flags)
    if _end(data) < len(data):
        redaction.removed.add(Removed.ATTACHMENTS)
    byte_size = sum(len(piece) if isinstance(piece, bytes) else piece[1] for piece in kept)
    return [_riff_head(byte_size), *kept]


def _end(data: Data) -> int:
    return 8 + int.from_bytes(data[4:8], "little")


def _extended(data: Data, at: int, byte_size: int, *, flags: int) -> bytes:
    """A VP8X chunk that tells of EXIF and XMP what `flags` say."""
    others = data[at] & ~(_EXIF_FLAG | _XMP_FLAG)
    return _chunk(b"VP8X", bytes([others | flags]) + data[at + 1 : at + byte_size])


def _is_harmless(data: Data, at: int, byte_size: int, redaction: Redaction) -> bool:
    is_short = byte_size <= _MAX_EDITED_XMP_BYTES
    return is_short and redaction.allows_xmp(data[at : at + byte_size])


def _look_into_frame(data: Data, at: int, byte_size: int) -> None:
    """Raises CannotRemoveLocation if a frame holds more than a picture."""
    for count, (name, _, _) in enumerate(chunks(data, at + _FRAME_BYTES, at + byte_size), 1):
        if name not in _CHUNKS_OF_A_FRAME or count > _MAX_CHUNKS_OF_A_FRAME:
            raise CannotRemoveLocation("One of its frames holds something that is not understood.")


def _whole_chunks(data: Data) -> Iterator[tuple[bytes, int, int]]:
    """The chunks up to the end that the file names. Raises CannotRemoveLocation if one is not
    whole."""
    end, at = _end(data), 12
    for name, at, byte_size in chunks(data, 12, end):
        if at + byte_size > min(end, len(data)) or (name == b"VP8X" and byte_size < 10):
            raise CannotRemoveLocation("One of its chunks is damaged.")
        yield name, at, byte_size
        at += byte_size + byte_size % 2
    if at < end:
        raise CannotRemoveLocation("It ends before its end, or has too many chunks.")
