"""JPEG: every picture of the file is edited in place, and keeps its length."""

from __future__ import annotations

import mmap
import re
import zlib
from typing import TYPE_CHECKING, Final

from images.media import jpeg
from images.media.originals import jpeg_segments, telling, tiff_tags
from images.media.originals.telling import Unproven

if TYPE_CHECKING:
    from pathlib import Path

    from images.media.originals.jpeg_segments import Segment

MAX_PICTURES: Final = 8  # in one JPEG file: a gain map, a preview, a second eye
MAX_XMP_BYTES: Final = 32 * 1024 * 1024  # of one picture, depth maps among it

# IIM 2:26 and 27 content location, 2:90 city, 92 sub-location, 95 state, 100 and 101 country;
# and Photoshop's own copies of EXIF and XMP.
_IPTC_TELLS_WHERE: Final = re.compile(
    rb"\x1c\x02[\x1a\x1b\x5a\x5c\x5f\x64\x65]|8BIM\x04[\x22\x23\x24]"
)


def edit(path: Path) -> bool:
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        changed = False
        at = 0
        for _ in range(MAX_PICTURES):
            picture_changed, at = _edit_picture(data, at)
            changed = changed or picture_changed
            at = _over_zeros(data, at)
            if at == len(data):
                data.flush()
                return changed
        raise Unproven("It holds more pictures than are looked at.")


def _over_zeros(data: mmap.mmap, at: int) -> int:
    found = re.compile(rb"[^\0]").search(data, at)
    return found.start() if found else len(data)


def _edit_picture(data: mmap.mmap, start: int) -> tuple[bool, int]:
    """One picture of the file: edited in place. Whether it changed, and where it ends."""
    if data[start : start + 3] != b"\xff\xd8\xff":
        raise Unproven("Something that is no picture follows its pixels.")
    before = list(jpeg_segments.before_pixels(data, start, len(data)))
    end = jpeg_segments.end_of_picture(data, before[-1].at if before else start)
    changed = False
    app1 = [segment for segment in before if segment.marker == jpeg.APP1]
    exifs = [segment for segment in app1 if segment.payload.startswith(jpeg.EXIF_START)]
    if len(exifs) > 1:
        raise Unproven("Its EXIF is spread over several segments.")
    tells_where = telling.xmp_tells_where(_joined_xmp(before))
    for segment in before:
        payload = segment.payload
        if segment in exifs:
            prefix = len(jpeg.EXIF_START)
            edited = payload[:prefix] + tiff_tags.edit_block(payload[prefix:])
            if edited != payload:
                data[segment.payload_at : segment.end] = edited
                changed = True
        elif _is_suspicious(segment, xmp_tells_where=tells_where):
            # A comment of zeros of the same length: readers skip it.
            data[segment.at + 1] = jpeg.COM
            data[segment.payload_at : segment.end] = bytes(len(payload))
            changed = True
    return changed, end


def _is_suspicious(segment: Segment, *, xmp_tells_where: bool) -> bool:
    payload, marker = segment.payload, segment.marker
    if not segment.is_application or not payload.strip(b"\0"):
        return False
    if marker == jpeg.APP0:
        return not payload.startswith(b"JFIF\0")
    if marker == jpeg.APP1 and payload.startswith((jpeg.XMP_START, jpeg.XMP_MORE_START)):
        return xmp_tells_where
    if marker == jpeg.APP2:
        known = (jpeg.ICC_START, b"MPF\0", b"urn:iso:std:iso:ts:21496:-1\0")
        return not payload.startswith(known)
    if marker == 0xED and payload.startswith(b"Photoshop 3.0\0"):
        return bool(_IPTC_TELLS_WHERE.search(payload))
    return not (marker == jpeg.APP14 and payload.startswith(b"Adobe"))


def _joined_xmp(segments: list[Segment]) -> bytes:
    """All XMP of a picture. Raises Unproven if that is more than any writer writes."""
    texts = []
    byte_size = 0
    for segment in segments:
        payload = segment.payload
        if payload.startswith(jpeg.XMP_START):
            texts.append(payload[len(jpeg.XMP_START) :])
        elif payload.startswith(jpeg.XMP_MORE_START):
            texts.append(payload[len(jpeg.XMP_MORE_START) + 40 :])  # id, length, offset
        else:
            continue
        byte_size += len(texts[-1])
        if byte_size > MAX_XMP_BYTES:
            raise Unproven("It has more XMP than is looked at.")
    return b"".join(texts)


def drawing(path: Path) -> tuple[bytes, bytes | None, int]:
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
