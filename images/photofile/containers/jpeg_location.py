"""JPEG: every picture of the file is edited in place and keeps its length; what follows the last
one is cut off."""

from __future__ import annotations

import mmap
import re
import zlib
from typing import TYPE_CHECKING, Final

from images.photofile.containers import jpeg, jpeg_segments, pieces, tiff_location
from images.photofile.containers.location_patterns import CannotRemoveLocation, Redaction, Removed
from images.photofile.metadata import tiff

if TYPE_CHECKING:
    from pathlib import Path

    from images.photofile.containers.jpeg_segments import Segment

MAX_PICTURES: Final = 8  # in one JPEG file: a gain map, a preview, a second eye
MAX_XMP_BYTES: Final = 32 * 1024 * 1024  # of one picture, depth maps among it

_NOT_ZERO: Final = re.compile(rb"[^\0]")
_MPF_START: Final = b"MPF\0"
_IPTC_START: Final = b"Photoshop 3.0\0"
_KNOWN_APP2: Final = (jpeg.ICC_START, _MPF_START, b"urn:iso:std:iso:ts:21496:-1\0")

# Photoshop's resources, and datasets of IIM, that tell no place: resolution, IIM and its checksum;
# character set, dates, title, author, credit, source, copyright, caption and who wrote it.
_KNOWN_RESOURCES: Final = frozenset({0x03ED, 0x0404, 0x0425})
_KNOWN_DATASETS: Final = {
    1: frozenset({0, 90}),
    2: frozenset({0, 5, 10, 55, 60, 62, 63, 65, 70, 80, 85, 110, 115, 116, 120, 122}),
}
_KEYWORDS: Final = (2, 25)


def edit(path: Path, redaction: Redaction) -> None:
    """In place. Raises CannotRemoveLocation if not even its first picture is understood."""
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        end, pictures = _edit_picture(data, 0, redaction), 1
        after = _over_zeros(data, end)
        while after < len(data) and pictures < MAX_PICTURES:
            try:
                end = _edit_picture(data, after, redaction)
            except (CannotRemoveLocation, IndexError):
                break
            pictures += 1
            after = _over_zeros(data, end)
        is_cut = after < len(data)
        if is_cut:
            redaction.removed.add(Removed.ATTACHMENTS)
            _blank_index(data, pictures)
        data.flush()
        if is_cut:
            file.truncate(end)


def _over_zeros(data: mmap.mmap, at: int) -> int:
    found = pieces.search(_NOT_ZERO, data, at, len(data), byte_size=1)
    return found.start() if found else len(data)


def _edit_picture(data: mmap.mmap, start: int, redaction: Redaction) -> int:
    """One picture of the file: edited in place. Where it ends. Raises CannotRemoveLocation."""
    if data[start : start + 3] != b"\xff\xd8\xff":
        raise CannotRemoveLocation("Something that is no picture follows its pixels.")
    before = list(jpeg_segments.before_pixels(data, start, len(data)))
    end = jpeg_segments.end_of_picture(data, before[-1].at if before else start)
    keeps_xmp = _keeps_xmp(before, redaction)
    has_exif = False
    for segment in before:
        payload = segment.payload
        if not segment.is_application or not payload.strip(b"\0"):
            continue
        if segment.marker == jpeg.APP1 and payload.startswith(jpeg.EXIF_START) and not has_exif:
            has_exif = True
            prefix = len(jpeg.EXIF_START)
            block = tiff_location.edit_block(payload[prefix:], redaction)
            if block.strip(b"\0"):
                data[segment.payload_at : segment.end] = payload[:prefix] + block
                continue
            reason: Removed | None = Removed.OTHER
        else:
            reason = _reason(segment.marker, payload, redaction, keeps_xmp=keeps_xmp)
        if reason is not None:
            redaction.removed.add(reason)
            _blank(data, segment)
    return end


def _blank(data: mmap.mmap, segment: Segment) -> None:
    """A comment of zeros of the same length: readers skip it."""
    data[segment.at + 1] = jpeg.COM
    data[segment.payload_at : segment.end] = bytes(segment.end - segment.payload_at)


def _reason(
    marker: int, payload: bytes, redaction: Redaction, *, keeps_xmp: bool
) -> Removed | None:
    """Why an application's segment has to go; None if it stays."""
    if marker == jpeg.COM:
        return Removed.TEXTS
    if marker == jpeg.APP1 and payload.startswith((jpeg.XMP_START, jpeg.XMP_MORE_START)):
        return None if keeps_xmp else Removed.XMP
    if marker == 0xED and payload.startswith(_IPTC_START):
        return _reason_of_iptc(payload, redaction)
    is_known = (
        (marker == jpeg.APP0 and payload.startswith(b"JFIF\0"))
        or (marker == jpeg.APP2 and payload.startswith(_KNOWN_APP2))
        or (marker == jpeg.APP14 and payload.startswith(b"Adobe"))
    )
    return None if is_known else Removed.OTHER


def _reason_of_iptc(payload: bytes, redaction: Redaction) -> Removed | None:
    datasets = {tuple(found[1]) for found in re.finditer(rb"\x1c([\1-\x09].)", payload, re.DOTALL)}
    if _KEYWORDS in datasets:
        redaction.removed.add(Removed.KEYWORDS)
    resources = {int.from_bytes(one) for one in re.findall(rb"8BIM(..)", payload, re.DOTALL)}
    is_known = resources <= _KNOWN_RESOURCES and all(
        dataset in _KNOWN_DATASETS.get(record, ()) for record, dataset in datasets
    )
    return None if is_known and not redaction.bytes_tell(payload) else Removed.IPTC


def _keeps_xmp(segments: list[Segment], redaction: Redaction) -> bool:
    """True if none of a picture's XMP tells where; not for more than any writer writes."""
    packets, extended = [], b""
    bytes_left = MAX_XMP_BYTES
    for segment in segments:
        if segment.marker != jpeg.APP1:
            continue
        payload = segment.payload
        if payload.startswith(jpeg.XMP_START):
            packets.append(payload[len(jpeg.XMP_START) :])
        elif payload.startswith(jpeg.XMP_MORE_START):
            extended += payload[len(jpeg.XMP_MORE_START) + 40 :]  # id, length, offset
        else:
            continue
        bytes_left -= len(payload)
        if bytes_left < 0:
            return False
    return redaction.keeps_xmp(*packets, *([extended] if extended else []))


def _blank_index(data: mmap.mmap, pictures: int) -> None:
    """The index of a multi-picture file (CIPA DC-007) goes if it names more than are left."""
    for segment in jpeg_segments.before_pixels(data, 0, len(data)):
        if segment.marker == jpeg.APP2 and segment.payload.startswith(_MPF_START):
            count = tiff.read(segment.payload[len(_MPF_START) :]).get(tiff.IFD0, {}).get(0xB001)
            if count is None or count.value != (pictures,):
                _blank(data, segment)


def pixel_digest(path: Path) -> tuple[bytes, bytes | None, int]:
    """What a decoder needs of the first picture: tables, the colour profile, and a checksum over
    everything from its first scan on."""
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        memoryview(data) as view,
    ):
        header = jpeg.read_header(file)
        end = jpeg_segments.end_of_picture(data, header.pixels_at)
        return header.drawing, header.icc, zlib.crc32(view[header.pixels_at : end])
