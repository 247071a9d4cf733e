"""Takes the position out of an original without touching its pixels, and proves that it is gone.

What is understood is edited in place; what may hold a position and is not understood (maker notes,
comments, other applications' segments) is blanked; where neither can be proved, `Unproven` says
that only removing the whole original will do. A JPEG keeps its length, so that everything in it
that counts bytes, such as the index of a second picture, stays right.
"""

from __future__ import annotations

import io
import mmap
import re
import shutil
import struct
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from PIL import ExifTags

from images.media import containers, exif, formats, jpeg, tiff

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from images.media.formats import Format

# Of IFD0 and its like: GPS; XMP, IPTC and Photoshop blocks; maker notes; padding an editor left.
FORGOTTEN_TAGS: Final = frozenset({0x8825, 0x02BC, 0x83BB, 0x8649, 0x927C, 0xEA1C})
SUB_IFDS: Final = 0x014A
MAX_PICTURES: Final = 8  # in one JPEG file: a gain map, a preview, a second eye

# Anything in XMP that tells where, however its namespace is called.
_TELLS_WHERE: Final = re.compile(
    rb"gps|latitude|longitude|location|geo|coordinate|city|country|state|iso6709|landmark", re.I
)
# IIM 2:26 and 27 content location, 2:90 city, 92 sub-location, 95 state, 100 and 101 country;
# and Photoshop's own copies of EXIF and XMP.
_IPTC_TELLS_WHERE: Final = re.compile(
    rb"\x1c\x02[\x1a\x1b\x5a\x5c\x5f\x64\x65]|8BIM\x04[\x22\x23\x24]"
)
# Of a HEIC: text, rather than pixels that happen to read `gps`; and how films tell where.
_TEXT: Final = re.compile(rb"[\t\n\r\x20-\x7e]{12,}")
_FILM_TELLS_WHERE: Final = re.compile(rb"\xa9xyz|loci|[+-]\d{2,6}\.\d+[+-]\d{3,7}\.\d+")
_HEIC_BOXES: Final = frozenset({b"ftyp", b"meta", b"mdat", b"free", b"skip"})
_HEIC_ITEMS: Final = frozenset({b"hvc1", b"grid", b"iden", b"iovl", b"tmap", b"Exif", b"mime"})


class Unproven(Exception):
    """This file cannot be edited so that nothing of the position is left for certain."""


def forget_place(source: Path, into: Path, *, format_: Format) -> bool:
    """Write the file without its position to `into`. False, and nothing is of use there, if it
    held none.

    Raises Unproven, and OSError if the disk is full.
    """
    try:
        if format_ is formats.JPEG:
            shutil.copyfile(source, into)
            changed = _edit_jpeg(into)
        elif format_ is formats.PNG:
            changed = _rewrite_png(source, into)
        else:
            changed = _look_into_heic(source)
    except (struct.error, IndexError, ValueError) as error:
        raise Unproven("It cannot be read in full.") from error
    if changed:
        _prove(source, into, format_)
    return changed


def dump_without_place(raw: dict[str, Any]) -> dict[str, Any]:
    """The raw dump of exif.read without its position, and without blocks that may hold one."""
    forgotten = {ExifTags.TAGS.get(tag, f"0x{tag:04X}") for tag in FORGOTTEN_TAGS}
    return {
        directory: {
            name: value
            for name, value in tags.items()
            if name not in forgotten and not name.startswith("exif:GPS")
        }
        for directory, tags in raw.items()
        if directory != tiff.GPS
    }


def _prove(source: Path, edited: Path, format_: Format) -> None:
    """Read the result as a worker would, and hold its pixels against those of the source."""
    read = exif.read(edited)
    if read.gps is not None or tiff.GPS in read.raw:
        raise Unproven("A position is still there.")
    if format_ is formats.JPEG:
        same = _drawing_of_jpeg(source) == _drawing_of_jpeg(edited)
    else:
        same = _drawing_of_png(source) == _drawing_of_png(edited)
    if not same:
        raise Unproven("The pixels would not be the same.")


# --- TIFF, which is how EXIF is written -----------------------------------------------------


@dataclass
class _Block:
    """An EXIF block, and which of its bytes something that stays refers to."""

    data: bytearray
    order: str
    covered: bytearray = field(init=False)

    def __post_init__(self) -> None:
        self.covered = bytearray(len(self.data))

    def number(self, letter: str, at: int) -> int:
        if not 0 <= at <= len(self.data) - struct.calcsize("=" + letter):
            raise Unproven("Its EXIF points outside itself.")
        return int(struct.unpack_from(self.order + letter, self.data, at)[0])

    def write(self, letter: str, at: int, value: int) -> None:
        struct.pack_into(self.order + letter, self.data, at, value)

    def keep(self, at: int, byte_size: int) -> None:
        if at < 0 or byte_size < 0 or at + byte_size > len(self.data):
            raise Unproven("Its EXIF points outside itself.")
        self.covered[at : at + byte_size] = b"\1" * byte_size


def edit_exif(block: bytes) -> bytes:
    """The same block, of the same length, without position, maker note and what nothing refers
    to. Raises Unproven."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None:
        raise Unproven("Its EXIF is no TIFF.")
    tree = _Block(bytearray(block), order)
    tree.keep(0, 8)
    ifd0_at = tree.number("L", 4)
    following_at = _edit_directory(tree, ifd0_at, inner=frozenset({0x8769, 0xA005}))
    ifd1_at = tree.number("L", following_at)
    if ifd1_at:
        try:
            trial = _Block(bytearray(tree.data), order)
            trial.covered[:] = tree.covered
            last_at = _edit_directory(trial, ifd1_at, inner=frozenset())
            _keep_thumbnail(trial, ifd1_at)
            trial.write("L", last_at, 0)
        except Unproven:
            tree.write("L", following_at, 0)  # a thumbnail is worth less than the rest
        else:
            tree = trial
    for at, is_covered in enumerate(tree.covered):
        if not is_covered:
            tree.data[at] = 0
    edited = bytes(tree.data)
    if tiff.GPS in tiff.read(edited):
        raise Unproven("A position is still there.")
    return edited


def _edit_directory(tree: _Block, at: int, *, inner: frozenset[int], depth: int = 0) -> int:
    """Close the gaps that forgotten tags leave; returns where the next directory is told."""
    count = tree.number("H", at)
    if count > tiff.MAX_ENTRIES or depth > 2:
        raise Unproven("Its EXIF is of no usual shape.")
    entries = []
    for index in range(count):
        entry_at = at + 2 + 12 * index
        tag = tree.number("H", entry_at)
        if tag == SUB_IFDS:
            raise Unproven("Its EXIF holds directories that are not understood.")
        if tag not in FORGOTTEN_TAGS and _keep_value(tree, entry_at):
            entries.append(bytes(tree.data[entry_at : entry_at + 12]))
            if tag in inner:
                inner_at = tree.number("L", entry_at + 8)
                _edit_directory(tree, inner_at, inner=inner, depth=depth + 1)
    following = tree.number("L", at + 2 + 12 * count)
    kept = b"".join(entries)
    tree.write("H", at, len(entries))
    tree.data[at + 2 : at + 2 + 12 * count + 4] = kept.ljust(12 * count + 4, b"\0")
    following_at = at + 2 + len(kept)
    tree.write("L", following_at, following)
    tree.keep(at, 2 + len(kept) + 4)
    return following_at


_UNIT_BYTES: Final = {
    **dict.fromkeys((1, 2, 6, 7, 129), 1),
    **dict.fromkeys((3, 8), 2),
    **dict.fromkeys((4, 9, 11, 13), 4),
    **dict.fromkeys((5, 10, 12), 8),
}


def _keep_value(tree: _Block, entry_at: int) -> bool:
    """False for an entry of unknown type, or whose value is not there: it says nothing."""
    unit = _UNIT_BYTES.get(tree.number("H", entry_at + 2))
    if unit is None:
        return False
    byte_size = unit * tree.number("L", entry_at + 4)
    if byte_size > 4:
        value_at = tree.number("L", entry_at + 8)
        if value_at + byte_size > len(tree.data):
            return False
        tree.keep(value_at, byte_size)
    return True


def _keep_thumbnail(tree: _Block, ifd1_at: int) -> None:
    """Raises Unproven for one that is no plain JPEG."""
    told = {}
    for index in range(tree.number("H", ifd1_at)):
        entry_at = ifd1_at + 2 + 12 * index
        told[tree.number("H", entry_at)] = tree.number("L", entry_at + 8)
    if 0x0201 not in told:
        if 0x0111 in told:
            raise Unproven("Its thumbnail is of an old kind.")
        return
    at, byte_size = told[0x0201], told.get(0x0202, 0)
    tree.keep(at, byte_size)
    thumbnail = bytes(tree.data[at : at + byte_size])
    plain = {jpeg.APP0, jpeg.APP14}
    for segment in _segments(io.BytesIO(thumbnail), 0, len(thumbnail)):
        if segment.is_application and segment.marker not in plain:
            raise Unproven("Its thumbnail holds metadata of its own.")


# --- JPEG -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Segment:
    """`at` is where its marker stands, `payload_at` what follows its length."""

    marker: int
    at: int
    payload_at: int
    end: int
    payload: bytes

    @property
    def is_application(self) -> bool:
        return self.marker == jpeg.COM or jpeg.APP0 <= self.marker <= 0xEF


_AFTER_PIXELS: Final = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


def _edit_jpeg(path: Path) -> bool:
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
    before = list(_segments(data, start, len(data)))
    end = _end_of_picture(data, before[-1].at if before else start)
    changed = False
    exifs = [s for s in before if s.marker == jpeg.APP1 and s.payload.startswith(jpeg.EXIF_START)]
    if len(exifs) > 1:
        raise Unproven("Its EXIF is spread over several segments.")
    where_in_xmp = _TELLS_WHERE.search(_joined_xmp(before))
    for segment in before:
        payload = segment.payload
        if segment in exifs:
            prefix = len(jpeg.EXIF_START)
            edited = payload[:prefix] + edit_exif(payload[prefix:])
            if edited != payload:
                data[segment.payload_at : segment.end] = edited
                changed = True
        elif _is_suspicious(segment, xmp_tells_where=bool(where_in_xmp)):
            # A comment of zeros of the same length: readers skip it.
            data[segment.at + 1] = jpeg.COM
            data[segment.payload_at : segment.end] = bytes(len(payload))
            changed = True
    return changed, end


def _is_suspicious(segment: _Segment, *, xmp_tells_where: bool) -> bool:
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


def _joined_xmp(segments: list[_Segment]) -> bytes:
    """All XMP of a picture, without the NULs of UTF-16."""
    texts = []
    for segment in segments:
        if segment.payload.startswith(jpeg.XMP_START):
            texts.append(segment.payload[len(jpeg.XMP_START) :])
        elif segment.payload.startswith(jpeg.XMP_MORE_START):
            texts.append(segment.payload[len(jpeg.XMP_MORE_START) + 40 :])  # id, length, offset
    return b"".join(texts).replace(b"\0", b"")


def _segments(data: mmap.mmap | io.BytesIO, start: int, limit: int) -> Iterator[_Segment]:
    """The segments of one picture up to its first scan, which comes last. Raises Unproven."""
    at = start + 2
    for _ in range(jpeg.MAX_SEGMENTS):
        data.seek(at)
        if data.read(1) != b"\xff":
            raise Unproven("There is junk between its segments.")
        filled = data.read(1)
        while filled == b"\xff":  # fill bytes
            at += 1
            filled = data.read(1)
        marker = filled[0] if filled else jpeg.EOI
        if marker in jpeg.WITHOUT_LENGTH:
            raise Unproven("It ends before its pixels.")
        length = int.from_bytes(data.read(2))
        payload = data.read(length - 2) if length >= 2 else b""
        end = at + 2 + length
        if length < 2 or len(payload) != length - 2 or end > limit:
            raise Unproven("A segment goes on behind the end.")
        yield _Segment(marker, at, at + 4, end, payload)
        if marker == jpeg.SOS:
            return
        at = end
    raise Unproven("It has too many segments.")


def _end_of_picture(data: mmap.mmap, at: int) -> int:
    """Behind the end marker: over every scan, and the tables between scans."""
    while True:
        marker = data[at + 1]
        if marker == jpeg.EOI:
            return at + 2
        if jpeg.APP0 <= marker <= 0xEF or marker == jpeg.COM:
            raise Unproven("There is metadata between its scans.")
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
        if marker == jpeg.SOS:
            found = _AFTER_PIXELS.search(data, at)
            if found is None:
                raise Unproven("Its pixels do not end.")
            at = found.start()
        elif at + 4 > len(data) or data[at] != 0xFF:
            raise Unproven("Its pixels do not end.")


def _drawing_of_jpeg(path: Path) -> list[bytes]:
    """What a decoder needs of the first picture: tables, and everything from its first scan on."""
    with path.open("rb") as file:
        header = jpeg.read_header(file)
        file.seek(header.pixels_at)
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            end = _end_of_picture(data, header.pixels_at)
        return [header.drawing, header.icc or b"", file.read(end - header.pixels_at)]


# --- PNG ------------------------------------------------------------------------------------

# What draws (PNG 3rd edition, 5.6 and 11.3), and what says how large. All else is left out.
_DRAWING_CHUNKS: Final = frozenset(
    {
        *(b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT"),
        *(b"sRGB", b"cICP", b"mDCV", b"cLLI", b"bKGD", b"hIST", b"pHYs", b"sPLT"),
        *(b"acTL", b"fcTL", b"fdAT", b"tIME"),
    }
)
_PNG_START: Final = b"\x89PNG\r\n\x1a\n"


def _rewrite_png(source: Path, into: Path) -> bool:
    changed = False
    with source.open("rb") as file, into.open("wb") as out:
        out.write(_PNG_START)
        for name, payload in _chunks(file):
            if name == b"eXIf":
                block = re.sub(rb"\A(?:Exif\0\0){1,2}", b"", payload)
                edited = edit_exif(block)
                changed = changed or edited != payload
                payload = edited
            elif name not in _DRAWING_CHUNKS:
                changed = True
                continue
            out.write(struct.pack(">I", len(payload)) + name + payload)
            out.write(struct.pack(">I", zlib.crc32(name + payload)))
        if file.read(1):
            changed = True  # something hangs behind the end
    return changed


def _chunks(file: io.BufferedReader) -> Iterator[tuple[bytes, bytes]]:
    file.seek(len(_PNG_START))
    for _ in range(containers.MAX_STEPS):
        head = file.read(8)
        if len(head) < 8:
            raise Unproven("It ends before its end.")
        length, name = int.from_bytes(head[:4]), head[4:]
        payload = file.read(length)
        checksum = file.read(4)
        if len(payload) < length or checksum != struct.pack(">I", zlib.crc32(name + payload)):
            raise Unproven("One of its chunks is damaged.")
        yield name, payload
        if name == b"IEND":
            return
    raise Unproven("It has too many chunks.")


def _drawing_of_png(path: Path) -> int:
    """A checksum over the chunks that draw."""
    checksum = 0
    with path.open("rb") as file:
        for name, payload in _chunks(file):
            if name in _DRAWING_CHUNKS:
                checksum = zlib.crc32(name + payload, checksum)
    return checksum


# --- HEIC -----------------------------------------------------------------------------------


def _look_into_heic(source: Path) -> bool:
    """False if no position is to be found. A HEIC is never edited: its boxes count bytes of
    each other, and nothing here could prove the result."""
    read = exif.read(source)
    if read.gps is not None or tiff.GPS in read.raw:
        raise Unproven("A HEIC cannot be edited for certain.")
    data = source.read_bytes()
    if not _is_plain_still(data):
        raise Unproven("It holds more than a still picture.")
    text = data.replace(b"\0", b"")  # UTF-16, too
    if _FILM_TELLS_WHERE.search(text) or any(
        _TELLS_WHERE.search(found[0]) for found in _TEXT.finditer(text)
    ):
        raise Unproven("A HEIC cannot be edited for certain.")
    return False


def _is_plain_still(data: bytes) -> bool:
    """Nothing hangs on it, such as a film, and none of its metadata is compressed or unknown."""
    at, end = 0, len(data)
    while at < end:
        size, name = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, at + 8)
            head = 16
        elif size == 0:  # up to the end
            size = end - at
        if name not in _HEIC_BOXES or size < head or at + size > end:
            return False
        if name == b"meta" and not _are_items_plain(data[at + head : at + size]):
            return False
        if name in {b"free", b"skip"} and data[at + head : at + size].strip(b"\0"):
            return False
        at += size
    return True


def _are_items_plain(meta: bytes) -> bool:
    """By their `infe` boxes (ISO 14496-12, 8.11.6): at most one EXIF, and XMP as plain text."""
    exifs = 0
    for found in re.finditer(rb"infe", meta):
        at = found.end()
        box = meta[at : at + int.from_bytes(meta[at - 8 : at - 4]) - 8]
        version = box[0]
        if version not in {2, 3}:
            return False
        kind_at = 8 if version == 2 else 10  # version, flags, id, protection
        kind = box[kind_at : kind_at + 4]
        exifs += kind == b"Exif"
        if kind not in _HEIC_ITEMS or exifs > 1:
            return False
        if kind == b"mime":  # name, type, encoding
            _, type_, encoding = (box[kind_at + 4 :].split(b"\0") + [b""] * 3)[:3]
            if type_ != b"application/rdf+xml" or encoding:
                return False
    return True
