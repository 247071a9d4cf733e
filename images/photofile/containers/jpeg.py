"""JPEG (ITU-T T.81): its segments, the header that is checked, and the removal of its location.

The metadata of a hostile file is read here, within limits, and never by the pixel library: a
decoder is shown only the segments that draw. To remove a location every picture of the file is
edited in place and keeps its length, and what follows the last picture is cut off.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from images.photofile import pieces
from images.photofile.containers.container import (
    MAX_EXIF_BYTES,
    MAX_ICC_BYTES,
    MAX_XMP_BYTES,
    Data,
    Metadata,
)
from images.photofile.metadata import exif_editor, tiff
from images.photofile.metadata.location_patterns import CannotRemoveLocation, Redaction, Removed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from mmap import mmap
    from pathlib import Path

    from images.photofile.pieces import Piece

SOI, EOI, SOS, DQT, DHT, DAC, DRI, COM = 0xD8, 0xD9, 0xDA, 0xDB, 0xC4, 0xCC, 0xDD, 0xFE
APP0, APP1, APP2, APP13, APP14 = 0xE0, 0xE1, 0xE2, 0xED, 0xEE
SOF0 = 0xC0
FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {DHT, 0xC8, DAC}
PROGRESSIVE_FRAMES: Final = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
WITHOUT_LENGTH: Final = frozenset({0x01, SOI, EOI, *range(0xD0, 0xD8)})

EXIF_START: Final = b"Exif\0\0"
ICC_START: Final = b"ICC_PROFILE\0"
# XMP specification part 3 (2020), 1.1.3: the packet, and parts of what does not fit into it.
XMP_START: Final = b"http://ns.adobe.com/xap/1.0/\0"
XMP_MORE_START: Final = b"http://ns.adobe.com/xmp/extension/\0"
_XMP_MORE_HEAD: Final = len(XMP_MORE_START) + 40  # GUID, length and offset of the part

# Cameras write tens of segments, depth maps in XMP a few hundred.
MAX_SEGMENTS: Final = 5000
MAX_JUNK_BYTES: Final = 64 * 1024  # between all segments, fill bytes among them
MAX_DRAWING_BYTES: Final = 1024 * 1024


@dataclass(frozen=True)
class Segment:
    """A marker at `at`, behind junk from `junk_at` on, and its payload.

    The payload is read when it is asked for: all of them may be most of a file of 250 MB.
    """

    data: Data
    marker: int
    junk_at: int
    at: int
    end: int

    @property
    def payload_at(self) -> int:
        return self.at + 4

    @property
    def payload(self) -> bytes:
        return self.data[self.payload_at : self.end]

    def starts_with(self, *starts: bytes) -> bool:
        return any(
            self.data[self.payload_at : min(self.payload_at + len(start), self.end)] == start
            for start in starts
        )


_MARKER: Final = re.compile(rb"\xff[^\x00\xff]")


def segments(data: Data, start: int = 0) -> Iterator[Segment]:
    """Read the segments of the picture at `start` up to its first SOS, which comes last.

    Goes over fill bytes and junk as decoders do. Ends early where the file is broken.
    """
    at = junk_at = start + 2
    junk_left = MAX_JUNK_BYTES
    for _ in range(MAX_SEGMENTS):
        found = _MARKER.search(data, at, at + junk_left + 2)
        if found is None or (marker := found[0][1]) == EOI:
            return
        junk_left -= found.start() - at
        at = found.end()
        if marker in WITHOUT_LENGTH:
            continue
        end = at + int.from_bytes(data[at : at + 2])
        if not at + 2 <= end <= len(data):
            return
        yield Segment(data, marker, junk_at, at - 2, end)
        if marker == SOS:
            return
        at = junk_at = end


# --- The header -----------------------------------------------------------------------------


@dataclass
class Header:
    """The segments before the pixels. Width and height are in pixels as stored; 0 where none is
    given."""

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
        return self.frame_marker in PROGRESSIVE_FRAMES or self.scan_components < self.components


def read_header(data: Data) -> Header:
    """Read the segments up to the first SOS. Fields stay empty where the file is broken."""
    header = Header(drawing=b"\xff\xd8")
    for segment in segments(data):
        payload = segment.payload
        if segment.marker == SOS:
            header.pixels_at = segment.at
            header.scan_components = payload[0] if payload else 0
            break
        _add(header, segment.marker, payload)
        if len(header.drawing) > MAX_DRAWING_BYTES:
            break
    header.icc = _joined_icc(header._icc_parts)
    return header


def find_metadata(data: Data) -> Metadata:
    """APP1 segments (EXIF 2.32 §4.7.2; XMP specification part 3, 1.1.3)."""
    header = read_header(data)
    return Metadata(header.exif, header.xmp, header.xmp_more)


# A marker that a decoder heeds behind coded data: not a byte that was stuffed, nor a restart.
_AFTER_CODED_DATA: Final = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")
# Those whose length a decoder goes over. Of all others it breaks off, or searches on behind them.
_PASSED_OVER: Final = frozenset({SOS, DQT, DHT, DAC, DRI, COM, 0xDC, *range(0xE0, 0xF0)})


def count_scans(data: Data, pixels_at: int, *, most: int) -> int:
    """Count the scans a decoder goes over up to the end of the image; one more than `most` if
    beyond, or if too many segments stand between them.

    `pixels_at` is the offset of the first SOS. Within coded data a marker cannot occur by chance,
    but what looks like one may stand in a comment between two scans.
    """
    scans, at = 0, pixels_at
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


def _add(header: Header, marker: int, payload: bytes) -> None:
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
        # Writers keep the order of the parts; what the few that do not write is lost.
        part = payload[_XMP_MORE_HEAD:]
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
    if not parts or sorted(parts) != list(range(1, len(parts) + 1)) or parts[1][0] != len(parts):
        return None
    icc = b"".join(parts[number][1:] for number in sorted(parts))
    return icc if len(icc) <= MAX_ICC_BYTES else None


# --- The location ---------------------------------------------------------------------------

MAX_PICTURES: Final = 8  # in one JPEG file: a gain map, a preview, a second eye
MAX_EDITED_XMP_BYTES: Final = 32 * 1024 * 1024  # of one picture, depth maps among it

_MPF_START: Final = b"MPF\0"
_NUMBER_OF_IMAGES: Final = 0xB001  # of the index of a multi-picture file
_IPTC_START: Final = b"Photoshop 3.0\0"
# Segments that are kept as they are: what says how to draw, and the index of pictures.
_KEPT: Final = {
    APP0: (b"JFIF\0",),
    APP2: (ICC_START, _MPF_START, b"urn:iso:std:iso:ts:21496:-1\0"),
    APP14: (b"Adobe",),
}
# Photoshop's resources, and datasets of IIM, that tell no place: resolution, IIM and its checksum;
# character set, dates, title, author, credit, source, copyright, caption and who wrote it.
_KNOWN_RESOURCES: Final = frozenset({0x03ED, 0x0404, 0x0425})
_KNOWN_DATASETS: Final = {
    1: frozenset({0, 90}),
    2: frozenset({0, 5, 10, 55, 60, 62, 63, 65, 70, 80, 85, 110, 115, 116, 120, 122}),
}
_KEYWORDS: Final = (2, 25)


def remove_location(source: Path, into: Path, redaction: Redaction) -> None:
    """Edit every picture of the file, and cut off what follows the last one.

    Raises CannotRemoveLocation if not even the first picture is understood.
    """

    def edit(data: mmap) -> int:
        end, pictures = _edit_picture(data, 0, redaction), 1
        after = pieces.skip_zeros(data, end, len(data))
        while after < len(data) and pictures < MAX_PICTURES:
            try:
                end = _edit_picture(data, after, redaction)
            except (CannotRemoveLocation, IndexError):
                break
            pictures += 1
            after = pieces.skip_zeros(data, end, len(data))
        if after == len(data):
            return after
        redaction.removed.add(Removed.ATTACHMENTS)
        _blank_wrong_index(data, pictures)
        return end

    pieces.edit_copy(source, into, edit)


def drawing(data: Data) -> Iterator[Piece]:
    """Yields the bytes that a decoder needs for the first picture: tables, colour profile, and all
    scans."""
    header = read_header(data)
    yield header.drawing
    yield header.icc or b""
    yield header.pixels_at, end_of_scans(data, header.pixels_at) - header.pixels_at


_MARKER_BEHIND_SCAN: Final = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


def end_of_scans(data: Data, at: int) -> int:
    """Return the offset behind EOI, over every scan and the tables between scans.

    `at` is the first SOS. Raises CannotRemoveLocation where a decoder would have to guess.
    """
    for _ in range(MAX_SEGMENTS):
        marker = data[at + 1]
        if marker == EOI:
            return at + 2
        if _is_application(marker):
            raise CannotRemoveLocation("There is metadata between its scans.")
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
        if marker == SOS:
            found = pieces.search(_MARKER_BEHIND_SCAN, data, at, len(data), byte_size=2)
            if found is None:
                raise CannotRemoveLocation("Its pixels do not end.")
            at = found.start()
        elif at + 4 > len(data) or data[at] != 0xFF:
            raise CannotRemoveLocation("Its pixels do not end.")
    raise CannotRemoveLocation("It has too many segments.")


def _edit_picture(data: mmap, start: int, redaction: Redaction) -> int:
    """Edit one picture of the file, and return its end. Raises CannotRemoveLocation."""
    found = list(segments(data, start))
    if data[start : start + 3] != b"\xff\xd8\xff" or not found or found[-1].marker != SOS:
        raise CannotRemoveLocation("Its segments do not lead to a picture.")
    end = end_of_scans(data, found[-1].at)
    allows_xmp = _allows_xmp(found, redaction)
    has_exif = False
    for segment in found:
        if data[segment.junk_at : segment.at].strip(b"\0\xff"):
            data[segment.junk_at : segment.at] = bytes(segment.at - segment.junk_at)
            redaction.removed.add(Removed.OTHER)
        if not _is_application(segment.marker) or not segment.payload.strip(b"\0"):
            continue
        if segment.marker == APP1 and segment.starts_with(EXIF_START) and not has_exif:
            has_exif = True
            block_at = segment.payload_at + len(EXIF_START)
            block = exif_editor.edit_block(data[block_at : segment.end], redaction)
            data[block_at : segment.end] = block
            reason = None if block.strip(b"\0") else Removed.OTHER
        else:
            reason = _reason(segment, redaction, allows_xmp=allows_xmp)
        if reason is not None:
            redaction.removed.add(reason)
            _blank(data, segment)
    return end


def _is_application(marker: int) -> bool:
    return marker == COM or APP0 <= marker <= 0xEF


def _blank(data: mmap, segment: Segment) -> None:
    """Turn a segment into a comment of zeros of the same length, which readers skip."""
    data[segment.at + 1] = COM
    data[segment.payload_at : segment.end] = bytes(segment.end - segment.payload_at)


def _reason(segment: Segment, redaction: Redaction, *, allows_xmp: bool) -> Removed | None:
    """Say why an application's segment has to go; None if it stays."""
    if segment.marker == COM:
        return Removed.TEXTS
    if segment.marker == APP1 and segment.starts_with(XMP_START, XMP_MORE_START):
        return None if allows_xmp else Removed.XMP
    if segment.marker == APP13 and segment.starts_with(_IPTC_START):
        return _reason_of_iptc(segment.payload, redaction)
    return None if segment.starts_with(*_KEPT.get(segment.marker, ())) else Removed.OTHER


def _reason_of_iptc(payload: bytes, redaction: Redaction) -> Removed | None:
    datasets = {tuple(found[1]) for found in re.finditer(rb"\x1c([\1-\x09].)", payload, re.DOTALL)}
    if _KEYWORDS in datasets:
        redaction.removed.add(Removed.KEYWORDS)
    resources = {int.from_bytes(one) for one in re.findall(rb"8BIM(..)", payload, re.DOTALL)}
    is_known = resources <= _KNOWN_RESOURCES and all(
        dataset in _KNOWN_DATASETS.get(record, ()) for record, dataset in datasets
    )
    return None if is_known and not redaction.bytes_reveal(payload) else Removed.IPTC


def _allows_xmp(found: list[Segment], redaction: Redaction) -> bool:
    """True if none of a picture's XMP reveals a location; False for more than any writer writes."""
    ours = [segment for segment in found if segment.marker == APP1]
    packets = [segment for segment in ours if segment.starts_with(XMP_START)]
    parts = [segment for segment in ours if segment.starts_with(XMP_MORE_START)]
    if sum(segment.end - segment.at for segment in packets + parts) > MAX_EDITED_XMP_BYTES:
        return False
    extended = b"".join(part.payload[_XMP_MORE_HEAD:] for part in parts)
    whole = [packet.payload[len(XMP_START) :] for packet in packets]
    return redaction.allows_xmp(*whole, *([extended] if parts else []))


def _blank_wrong_index(data: mmap, pictures: int) -> None:
    """Blank the index of a multi-picture file (CIPA DC-007) that names more than are left."""
    for segment in segments(data):
        if segment.marker == APP2 and segment.starts_with(_MPF_START):
            index = tiff.read(segment.payload[len(_MPF_START) :]).get(tiff.IFD0, {})
            count = index.get(_NUMBER_OF_IMAGES)
            if count is None or count.value != (pictures,):
                _blank(data, segment)
