"""The chunks of a WebP (RFC 9649): the canvas, the first picture on it, and what says how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO, Final

MAX_CHUNKS: Final = 20_000
MAX_EXIF_BYTES: Final = 1024 * 1024
MAX_ICC_BYTES: Final = 4 * 1024 * 1024

Size = tuple[int, int]


class NotDrawable(Exception):
    """The chunks make no picture."""


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


def read_header(file: BinaryIO) -> Header:
    """Read the chunks up to the first picture, and EXIF behind it. Raises NotDrawable."""
    header = Header()
    file.seek(0, 2)
    _read_chunks(file, header, at=12, end=file.tell())
    if header.bitstream is None or (header.alpha and header.bitstream[0] != b"VP8 "):
        raise NotDrawable
    header.frame = _size_of_bitstream(file, header.bitstream)
    if header.canvas == (0, 0):
        header.canvas = header.frame
    if any(
        at + edge > whole
        for at, edge, whole in zip(header.offset, header.frame, header.canvas, strict=True)
    ):
        raise NotDrawable
    return header


def still(file: BinaryIO, header: Header) -> bytes:
    """The first picture alone, as a WebP of its own. Raises NotDrawable."""
    if header.bitstream is None:
        raise NotDrawable
    name, at, length = header.bitstream
    chunks = b""
    if header.alpha:
        width, height = header.frame
        # RFC 9649, 2.7: flags (alpha), 24 bits reserved, and the canvas less one.
        extended = b"\x10\0\0\0" + (width - 1).to_bytes(3, "little")
        chunks += _chunk(b"VP8X", extended + (height - 1).to_bytes(3, "little"))
        chunks += _chunk(b"ALPH", _read(file, *header.alpha))
    chunks += _chunk(name, _read(file, at, length))
    return b"RIFF" + (4 + len(chunks)).to_bytes(4, "little") + b"WEBP" + chunks


def _read_chunks(
    file: BinaryIO, header: Header, *, at: int, end: int, is_frame: bool = False
) -> None:
    for _ in range(MAX_CHUNKS):
        file.seek(at)
        head = file.read(8)
        if at + 8 > end or len(head) < 8:
            return
        name, length = head[:4], int.from_bytes(head[4:], "little")
        at += 8
        if name == b"VP8X" and header.canvas == (0, 0):
            extended = file.read(10)
            header.canvas = (
                int.from_bytes(extended[4:7], "little") + 1,
                int.from_bytes(extended[7:10], "little") + 1,
            )
        elif name == b"ANMF" and header.bitstream is None and not is_frame:
            frame = file.read(16)
            header.offset = (
                2 * int.from_bytes(frame[:3], "little"),
                2 * int.from_bytes(frame[3:6], "little"),
            )
            _read_chunks(file, header, at=at + 16, end=min(end, at + length), is_frame=True)
            if header.bitstream is None:
                raise NotDrawable  # no frame behind it is looked for: each may have many chunks
        elif name in {b"VP8 ", b"VP8L"} and header.bitstream is None:
            header.bitstream = name, at, length
        elif name == b"ALPH" and header.bitstream is None:
            header.alpha = at, length
        elif name == b"ICCP" and header.icc is None and length <= MAX_ICC_BYTES:
            header.icc = file.read(length)
        elif name == b"EXIF" and not header.exif:
            header.exif = file.read(min(length, MAX_EXIF_BYTES))
        at += length + length % 2
    raise NotDrawable


def _size_of_bitstream(file: BinaryIO, bitstream: tuple[bytes, int, int]) -> Size:
    """RFC 6386, 9.1 (lossy) and RFC 9649, 3.4 (lossless). Raises NotDrawable."""
    name, at, _ = bitstream
    head = _read(file, at, 10)
    if name == b"VP8 " and head[3:6] == b"\x9d\x01\x2a" and len(head) == 10:
        width, height = int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:], "little")
        return width & 0x3FFF, height & 0x3FFF
    if name == b"VP8L" and head[:1] == b"\x2f" and len(head) >= 5:
        bits = int.from_bytes(head[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    raise NotDrawable


def _chunk(name: bytes, payload: bytes) -> bytes:
    return name + len(payload).to_bytes(4, "little") + payload + b"\0" * (len(payload) % 2)


def _read(file: BinaryIO, at: int, length: int) -> bytes:
    file.seek(at)
    return file.read(length)
