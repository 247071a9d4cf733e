"""Where each kind of file keeps its EXIF and its XMP.

The kind is told by the bytes, not by what is accepted, and every walk ends within limits, whatever
the file claims: at most `MAX_STEPS` small steps, and `MAX_EXIF_BYTES` and `MAX_XMP_BYTES` kept.
"""

from __future__ import annotations

import io
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from images.photofile.containers import heif_items, jpeg
from images.photofile.metadata import tiff

if TYPE_CHECKING:
    from collections.abc import Iterator
    from mmap import mmap

MAX_EXIF_BYTES: Final = 1024 * 1024
MAX_XMP_BYTES: Final = 1024 * 1024
MAX_STEPS: Final = 20_000  # chunks of a PNG or WebP
MAX_GIF_BLOCKS: Final = 1_000_000  # blocks, and their parts of up to 255 bytes
MAX_UNPACKED_BYTES: Final = 4 * 1024 * 1024  # of all texts of a PNG

JPEG, PNG, WEBP, HEIF, TIFF, GIF, BMP = "jpeg", "png", "webp", "heif", "tiff", "gif", "bmp"
_STARTS: Final = {
    b"\xff\xd8\xff": JPEG,
    b"\x89PNG\r\n\x1a\n": PNG,
    b"GIF87a": GIF,
    b"GIF89a": GIF,
    b"II*\0": TIFF,
    b"MM\0*": TIFF,
    b"II+\0": TIFF,
    b"MM\0+": TIFF,
    b"BM": BMP,
}

XMP_OF_PNG: Final = b"XML:com.adobe.xmp"
XMP_OF_GIF: Final = b"XMP DataXMP"
XMP_TAG: Final = 0x02BC  # of a TIFF


@dataclass(frozen=True)
class Metadata:
    """`exif` is a TIFF structure, perhaps behind "Exif"; of a TIFF it is the whole file. `xmp` are
    documents, the main one first."""

    exif: bytes | mmap = b""
    xmp: tuple[bytes, ...] = ()


def kind(head: bytes) -> str:
    """Tell the kind of container by its first twelve bytes; empty if it holds no metadata that
    anybody reads."""
    if head.startswith(b"RIFF"):
        return WEBP if head[8:12] == b"WEBP" else ""
    if head[4:8] == b"ftyp":
        return HEIF
    return next((kind for start, kind in _STARTS.items() if head.startswith(start)), "")


def find(data: bytes | mmap) -> Metadata:
    """Find the metadata of a file; of a kind that holds none, or that we do not know, nothing."""
    finder = _FINDERS.get(kind(data[:12]))
    return finder(data) if finder else Metadata()


def _documents(*packets: bytes) -> tuple[bytes, ...]:
    return tuple(packet for packet in packets if packet)


def _of_jpeg(data: bytes | mmap) -> Metadata:
    """APP1 segments (EXIF 2.32 §4.7.2; XMP specification part 3, 1.1.3)."""
    header = jpeg.read_header(io.BytesIO(data) if isinstance(data, bytes) else data)  # type: ignore[arg-type]
    return Metadata(header.exif, _documents(header.xmp, header.xmp_more))


# PNG


def png_chunks(data: bytes | mmap) -> Iterator[tuple[bytes, int, int]]:
    """Name, offset and byte size of each chunk, up to IEND."""
    at = 8
    for _ in range(MAX_STEPS):
        head = data[at : at + 8]
        if len(head) < 8 or head[4:] == b"IEND":
            return
        byte_size = int.from_bytes(head[:4])
        yield head[4:], at + 8, byte_size
        at += 12 + byte_size


def _of_png(data: bytes | mmap) -> Metadata:
    """The eXIf chunk (PNG 3rd edition, 11.3.3.5), or what ImageMagick wrote before there was one;
    XMP as iTXt. All may stand before or behind the pixels; of each kind the first counts."""
    exif, older, xmp, older_xmp = b"", b"", b"", b""
    unpacker = _Unpacker()
    for name, at, byte_size in png_chunks(data):
        if name == b"eXIf":
            exif = exif or data[at : at + min(byte_size, MAX_EXIF_BYTES)]
        elif name in _PNG_TEXTS:
            payload = data[at : at + min(byte_size, 2 * MAX_EXIF_BYTES)]
            keyword, _, rest = payload.partition(b"\0")
            if keyword == XMP_OF_PNG:
                xmp = xmp or unpacker.text(name, rest)
            elif keyword in _RAW_PROFILES and not (older and older_xmp):
                profile = _raw_profile(unpacker.text(name, rest))
                if profile.startswith(jpeg.XMP_START):
                    older_xmp = older_xmp or profile[len(jpeg.XMP_START) :]
                elif keyword.endswith(b" xmp"):
                    older_xmp = older_xmp or profile
                else:
                    older = older or profile
        if exif and xmp:
            break
    return Metadata(exif or older, _documents(xmp or older_xmp))


_PNG_TEXTS: Final = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_RAW_PROFILES: Final = frozenset(b"Raw profile type " + kind for kind in (b"exif", b"APP1", b"xmp"))


class _Unpacker:
    """The texts of one PNG, `MAX_UNPACKED_BYTES` of all of them, whether or not they were packed:
    a hundred kilobytes may unpack to as many megabytes, over and over."""

    def __init__(self) -> None:
        self._bytes_left = MAX_UNPACKED_BYTES

    def text(self, name: bytes, rest: bytes) -> bytes:
        """What a textual chunk (PNG 3rd edition, 11.3.3) says behind its keyword."""
        is_packed = name == b"zTXt"
        if name == b"zTXt":
            rest = rest[1:]
        elif name == b"iTXt":
            is_packed = rest[:1] == b"\1"
            rest = b"".join(rest[2:].split(b"\0", 2)[2:])  # behind the language and the translation
        text = self._unpacked(rest) if is_packed else rest[: self._bytes_left]
        if not is_packed:
            self._bytes_left -= len(text)
        return text

    def _unpacked(self, packed: bytes) -> bytes:
        unpacker = zlib.decompressobj()
        text = b""
        try:
            # In pieces, so that what was unpacked counts even if it turns out to be broken.
            while packed and self._bytes_left and len(text) < 2 * MAX_EXIF_BYTES:
                part = unpacker.decompress(packed, min(self._bytes_left, _PIECE_BYTES))
                packed = unpacker.unconsumed_tail
                self._bytes_left -= len(part)
                text += part
        except zlib.error:
            return b""
        return text


_PIECE_BYTES: Final = 256 * 1024


def _raw_profile(text: bytes) -> bytes:
    """Line feed, name, line feed, byte size, line feed, then hexadecimal digits in lines."""
    found = re.match(rb"\s*[a-zA-Z0-9]{1,40}\s+(\d{1,8})\s", text)
    if found is None:
        return b""
    digits = re.sub(rb"\s+", b"", text[found.end() :])
    if re.fullmatch(rb"[0-9a-fA-F]*", digits) is None:
        return b""
    return bytes.fromhex(digits[: len(digits) // 2 * 2].decode())[: int(found[1])]


# WebP


def riff_chunks(data: bytes | mmap) -> Iterator[tuple[bytes, int, int]]:
    """Name, offset and byte size of each chunk of a WebP (RFC 9649, 2.3)."""
    at = 12
    for _ in range(MAX_STEPS):
        head = data[at : at + 8]
        if len(head) < 8:
            return
        byte_size = int.from_bytes(head[4:], "little")
        yield head[:4], at + 8, byte_size
        at += 8 + byte_size + byte_size % 2


def _of_webp(data: bytes | mmap) -> Metadata:
    """The EXIF and XMP chunks (RFC 9649, 2.7.1.5)."""
    exif, xmp = b"", b""
    for name, at, byte_size in riff_chunks(data):
        if name == b"EXIF":
            exif = exif or data[at : at + min(byte_size, MAX_EXIF_BYTES)]
        elif name in {b"XMP ", b"XMP\0"}:
            xmp = xmp or data[at : at + min(byte_size, MAX_XMP_BYTES)]
    return Metadata(exif, _documents(xmp))


# HEIC, AVIF


def _of_heif(data: bytes | mmap) -> Metadata:
    """Exif and mime items of the primary picture (ISO/IEC 23008-12, annex A)."""
    items = heif_items.metadata_items(data)
    exifs = [item for item in items if item.kind == b"Exif"]
    xmps = [
        item for item in items if item.content_type == heif_items.XMP_TYPE and not item.encoding
    ]
    exif = heif_items.tiff_in_item(exifs[0].read(data, max_bytes=MAX_EXIF_BYTES)) if exifs else b""
    return Metadata(
        exif, _documents(*(xmp.read(data, max_bytes=MAX_XMP_BYTES) for xmp in xmps[:1]))
    )


# GIF


def gif_blocks(data: bytes | mmap) -> Iterator[tuple[bytes, int, int]]:
    """The blocks of a GIF (GIF89a, 12 to 26) up to its trailer: kind, where it starts and ends.

    Kinds: b"," a picture; b"!" and a label, an extension; b";" the trailer. What is cut off, or
    stands behind `MAX_GIF_BLOCKS` blocks and parts of blocks, is not told.
    """
    end = len(data)
    if end < 13:
        return
    at = 13 + _colours(data[10])
    steps = 0
    while (at + 1 < end or data[at : at + 1] == b";") and steps < MAX_GIF_BLOCKS:
        start = at
        steps += 1
        kind = data[at : at + 1]
        if kind == b";":
            yield kind, at, at + 1
            return
        if kind == b"!":
            kind = data[at : at + 2]
            at += 2
        elif kind == b"," and at + 10 < end:
            at += 11 + _colours(data[at + 9])
        else:
            return
        while at < end and data[at] and steps < MAX_GIF_BLOCKS:
            at += 1 + data[at]
            steps += 1
        if at >= end or data[at]:
            return
        at += 1
        yield kind, start, at


def _colours(flags: int) -> int:
    """Bytes of a colour table."""
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def gif_xmp(data: bytes | mmap, start: int, end: int) -> bytes | None:
    """The packet of an application extension, if it is XMP (XMP specification part 3, 1.1.2).

    The packet is no chain of blocks; 258 bytes behind it lead any reader out of it.
    """
    if data[start + 3 : start + 14] != XMP_OF_GIF:
        return None
    return data[start + 14 : max(min(end - 258, start + 14 + MAX_XMP_BYTES), start + 14)]


def _of_gif(data: bytes | mmap) -> Metadata:
    for kind, start, end in gif_blocks(data):
        packet = gif_xmp(data, start, end) if kind == b"!\xff" else None
        if packet:
            return Metadata(xmp=(packet,))
    return Metadata()


# TIFF


def _of_tiff(data: bytes | mmap) -> Metadata:
    """A TIFF is EXIF; its XMP is a tag (XMP specification part 3, 1.1.5)."""
    return Metadata(data, _documents(tiff.read_value(data, XMP_TAG, max_bytes=MAX_XMP_BYTES)))


_FINDERS: Final = {
    JPEG: _of_jpeg,
    PNG: _of_png,
    WEBP: _of_webp,
    HEIF: _of_heif,
    TIFF: _of_tiff,
    GIF: _of_gif,
}
