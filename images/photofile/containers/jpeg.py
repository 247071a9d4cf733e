"""The segments of a JPEG up to its pixels (ITU-T T.81, annex B).

The metadata of a hostile file is read here, within limits, and never by the pixel library: a
decoder is shown only the segments that draw.
"""

from __future__ import annotations

import mmap
import re
from dataclasses import dataclass, field
from typing import BinaryIO, Final

SOI, EOI, SOS, DQT, DHT, DAC, DRI, COM = 0xD8, 0xD9, 0xDA, 0xDB, 0xC4, 0xCC, 0xDD, 0xFE
APP0, APP1, APP2, APP14 = 0xE0, 0xE1, 0xE2, 0xEE
SOF0, SOF2 = 0xC0, 0xC2
FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {DHT, 0xC8, DAC}
PROGRESSIVE_FRAMES: Final = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
RESTARTS: Final = range(0xD0, 0xD8)
WITHOUT_LENGTH: Final = frozenset({0x01, SOI, EOI, *RESTARTS})

EXIF_START: Final = b"Exif\0\0"
ICC_START: Final = b"ICC_PROFILE\0"
# XMP specification part 3 (2020), 1.1.3: the packet, and parts of what does not fit into it.
XMP_START: Final = b"http://ns.adobe.com/xap/1.0/\0"
XMP_MORE_START: Final = b"http://ns.adobe.com/xmp/extension/\0"

# Cameras write tens of segments, depth maps in XMP a few hundred.
MAX_SEGMENTS: Final = 5000
MAX_JUNK_BYTES: Final = 64 * 1024  # between all segments, fill bytes among them
MAX_DRAWING_BYTES: Final = 1024 * 1024
MAX_EXIF_BYTES: Final = 1024 * 1024
MAX_XMP_BYTES: Final = 1024 * 1024
MAX_ICC_BYTES: Final = 4 * 1024 * 1024


@dataclass
class Header:
    """What stands before the pixels. Width, height in pixels as stored; 0 where none is given."""

    width: int = 0
    height: int = 0
    bits: int = 0
    components: int = 0
    frame_marker: int = 0
    scan_components: int = 0
    exif: bytes = b""
    xmp: bytes = b""
    xmp_more: bytes = b""  # extended XMP, another document
    icc: bytes | None = None
    drawing: bytes = b""  # SOI and the segments a decoder needs, up to the first SOS
    pixels_at: int = 0  # offset of the first SOS in the file
    _icc_parts: dict[int, bytes] = field(default_factory=dict)

    @property
    def is_whole_in_memory(self) -> bool:
        """True if a decoder must hold all coefficients: progressive, or one scan per component."""
        progressive = self.frame_marker in PROGRESSIVE_FRAMES
        return progressive or self.scan_components < self.components


def read_header(file: BinaryIO) -> Header:
    """Read the segments up to the first SOS. Fields stay empty where the file is broken."""
    header = Header(drawing=b"\xff\xd8")
    file.seek(2)
    junk_bytes = 0
    for _ in range(MAX_SEGMENTS):
        marker, skipped = _next_marker(file, MAX_JUNK_BYTES - junk_bytes)
        junk_bytes += skipped
        if marker is None or marker == EOI:
            break
        if marker in WITHOUT_LENGTH:
            continue
        at = file.tell() - 2
        length = int.from_bytes(file.read(2))
        payload = file.read(max(length - 2, 0))
        if len(payload) != length - 2:
            break
        if marker == SOS:
            header.pixels_at = at
            header.scan_components = payload[0] if payload else 0
            break
        _note(header, marker, payload)
        if len(header.drawing) > MAX_DRAWING_BYTES:
            break
    header.icc = _joined_icc(header._icc_parts)
    return header


# A marker that a decoder heeds behind coded data: not a byte that was stuffed, nor a restart.
_AFTER_CODED_DATA: Final = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")
# Those whose length a decoder goes over. Of all others it breaks off, or searches on behind them.
_PASSED_OVER: Final = frozenset({SOS, DQT, DHT, DAC, DRI, COM, 0xDC, *range(0xE0, 0xF0)})


def count_scans(file: BinaryIO, pixels_at: int, *, most: int) -> int:
    """How many scans a decoder goes over up to the end of the image; one more than `most` if
    beyond, or if too many segments stand between them.

    `pixels_at` is the offset of the first SOS. Within coded data a marker cannot occur by chance,
    but what looks like one may stand in a comment between two scans.
    """
    scans, at = 0, pixels_at
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for _ in range(MAX_SEGMENTS):
            found = _AFTER_CODED_DATA.search(data, at)
            marker = found[0][1] if found else EOI
            if found is None or marker in (SOI, EOI):
                return scans
            scans += marker == SOS
            if scans > most:
                return scans
            at = found.end()
            if marker in _PASSED_OVER:
                at += max(int.from_bytes(data[at : at + 2]), 2)
    return most + 1


def _next_marker(file: BinaryIO, most_junk: int) -> tuple[int | None, int]:
    """The next marker, over fill bytes and junk as decoders do, and how many of these there were;
    None at the end of the file, or where there are too many."""
    previous = b""
    for read in range(most_junk + 2):
        byte = file.read(1)
        if not byte:
            return None, read
        if previous == b"\xff" and byte not in (b"\0", b"\xff"):
            return byte[0], read - 1
        previous = byte
    return None, most_junk


def _note(header: Header, marker: int, payload: bytes) -> None:
    if marker in FRAMES and len(payload) >= 6:
        header.frame_marker = marker
        header.bits, header.components = payload[0], payload[5]
        header.height = int.from_bytes(payload[1:3])
        header.width = int.from_bytes(payload[3:5])
    elif marker == APP1 and payload.startswith(EXIF_START):
        continued = payload[len(EXIF_START) :]
        # EXIF over 64 kB goes on in the next segment; a second beginning is someone else's copy.
        if not header.exif:
            header.exif = continued
        elif continued[:4] not in (b"II*\0", b"MM\0*"):
            header.exif = (header.exif + continued)[:MAX_EXIF_BYTES]
    elif marker == APP1 and payload.startswith(XMP_START):
        header.xmp = header.xmp or payload[len(XMP_START) :]
    elif marker == APP1 and payload.startswith(XMP_MORE_START):
        # GUID, length and offset come first; writers keep the order, and what a few do not is lost.
        part = payload[len(XMP_MORE_START) + 40 :]
        if len(header.xmp_more) + len(part) <= MAX_XMP_BYTES:
            header.xmp_more += part
    elif marker == APP2 and payload.startswith(ICC_START) and len(payload) > 14:
        header._icc_parts.setdefault(payload[12], payload[13:])
    is_colour_hint = (marker == APP0 and payload.startswith(b"JFIF\0")) or (
        marker == APP14 and payload.startswith(b"Adobe")
    )
    if is_colour_hint or marker in FRAMES or marker in (DQT, DHT, DAC, DRI):
        header.drawing += bytes((0xFF, marker)) + (len(payload) + 2).to_bytes(2) + payload


def _joined_icc(parts: dict[int, bytes]) -> bytes | None:
    """Join the numbered parts of a profile (ICC.1, annex B.4), or None if one is missing."""
    if not parts or sorted(parts) != list(range(1, len(parts) + 1)):
        return None
    if parts[1][0] != len(parts):
        return None
    icc = b"".join(parts[number][1:] for number in sorted(parts))
    return icc if len(icc) <= MAX_ICC_BYTES else None
