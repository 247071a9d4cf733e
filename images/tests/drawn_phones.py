"""Files as phones write them: more than one picture, and things that hang on them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from images.photofile.containers import iso_media
from images.tests import drawn_exif, drawn_pictures
from images.tests.drawn_metadata import packet

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image

FILM = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + b"\0\0\0\x1e\xa9xyz\0\x12\x15\xc7+48.2082+016.3738/"
LOCATED = drawn_exif.exif_block(lat=48.2082, lon=16.3738, iso=320)
GAIN_MAP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf='
    b'"http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" xmlns:HDRGainMap='
    b'"http://ns.apple.com/HDRGainMap/1.0/" HDRGainMap:HDRGainMapVersion="65536"/></rdf:RDF>'
    b"</x:xmpmeta>"
)


def samsung_trailer() -> bytes:
    """What Samsung's phones hang behind a JPEG: entries, a directory of them, and its size."""
    entries = [(0x0A01, b"Image_UTC_Data", b"1782077400000"), (0x0A30, b"MotionPhoto_Data", FILM)]
    body, places = b"", []
    for kind, name, value in entries:
        entry = struct.pack("<HHL", 0, kind, len(name)) + name + value
        body += entry
        places.append((kind, len(body), len(entry)))
    directory = b"SEFH" + struct.pack("<LL", 106, len(entries))
    for kind, end, size in places:
        directory += struct.pack("<HHLL", 0, kind, len(body) - end + size, size)
    return body + directory + struct.pack("<L", len(directory)) + b"SEFT"


def jpeg_of_two_pictures() -> bytes:
    """A photo and a gain map behind it, both with their place, and the index of both."""
    first, second = _jpeg(), drawn_pictures.jpeg(width=150, height=100, lat=48.2082, lon=16.3738)

    def index(end: int) -> bytes:
        """CIPA DC-007; places are counted from its own TIFF header, ten bytes into the file."""
        entries = struct.pack("<LLLHH", 0x030000, end, 0, 0, 0)
        entries += struct.pack("<LLLHH", 0x050000, len(second), end - 10, 0, 0)
        tags: drawn_exif.Tags = {0xB000: (7, b"0100"), 0xB001: (4, 2), 0xB002: (7, entries)}
        return drawn_pictures.segment(0xE2, b"MPF\0" + drawn_exif.tiff(tags))

    return first[:2] + index(len(first) + len(index(10))) + first[2:] + second


def _box(name: bytes, *parts: bytes) -> bytes:
    return struct.pack(">I4s", 8 + sum(map(len, parts)), name) + b"".join(parts)


def _versioned(name: bytes, version: int, *parts: bytes) -> bytes:
    return _box(name, struct.pack(">I", version << 24), *parts)


def heic_of_two_pictures(
    *, image: Image.Image | None = None, colours: tuple[bytes, ...] = (), extra_of_meta: bytes = b""
) -> bytes:
    """A photo and an auxiliary one, each with EXIF, and items that nobody knows.

    `colours` are what boxes of the photo say of its colours.
    """
    image = image or drawn_pictures.picture(width=256, height=192)
    file = drawn_pictures.heic(image=image, exif=b"", quality=95)
    (picture,) = iso_media.items(file)
    coded = picture.read(file, max_bytes=len(file))
    at = file.index(b"hvcC") - 4
    decoder = file[at : at + int.from_bytes(file[at : at + 4])]
    exif = b"\0\0\0\6Exif\0\0" + LOCATED
    xmp_type = iso_media.XMP_TYPE + b"\0"
    items = [  # kind, what stands behind it in its entry, payload
        (b"hvc1", b"", coded),
        (b"hvc1", b"", coded),
        (b"Exif", b"", exif),
        (b"Exif", b"", exif),
        (b"mime", xmp_type, GAIN_MAP),
        (b"mime", xmp_type, packet({"exif:GPSLatitude": "48,12.492N"})),
        (b"mime", b"application/octet-stream\0", b"48.2082,16.3738"),
        (b"uri ", b"tag:phone,2026:notes\0", b"48.2082,16.3738"),
    ]
    infes = (
        _versioned(b"infe", 2, struct.pack(">HH4sx", number, 0, kind), more)
        for number, (kind, more, _) in enumerate(items, 1)
    )
    properties = [
        decoder,
        _versioned(b"ispe", 0, struct.pack(">II", *image.size)),
        _versioned(b"auxC", 0, b"urn:mpeg:hevc:2015:auxid:2\0"),
        _versioned(b"udes", 0, b"en\x0048.2082,16.3738\0\0\0"),
        *(_box(b"colr", colour) for colour in colours),
    ]
    # Of each picture: how to decode it, how large it is, and what else; 0x80 where it matters.
    of_photo = bytes((0x81, 2, *range(4, 5 + len(colours))))
    owned = struct.pack(">HB", 1, len(of_photo)) + of_photo
    owned += struct.pack(">HBBBB", 2, 3, 0x81, 2, 0x83)
    refers = [(b"auxl", 2, 1), (b"cdsc", 3, 1), (b"cdsc", 4, 2), (b"cdsc", 5, 2), (b"cdsc", 6, 1)]
    parts = [
        _versioned(b"hdlr", 0, bytes(4) + b"pict" + bytes(13)),
        _versioned(b"pitm", 0, struct.pack(">H", 1)),
        _versioned(b"iinf", 0, struct.pack(">H", len(items)), *infes),
        _box(
            b"iprp",
            _box(b"ipco", *properties),
            _versioned(b"ipma", 0, struct.pack(">I", 2), owned),
        ),
        _versioned(
            b"iref", 0, *(_box(name, struct.pack(">HHH", a, 1, b)) for name, a, b in refers)
        ),
        extra_of_meta,
    ]

    def head(start: int) -> bytes:
        places = b""
        for number, (_, _, payload) in enumerate(items, 1):
            places += struct.pack(">HHHHII", number, 0, 0, 1, start, len(payload))
            start += len(payload)
        iloc = _versioned(b"iloc", 1, struct.pack(">HH", 0x4400, len(items)), places)
        return _box(b"ftyp", b"heic\0\0\0\0mif1heic") + _versioned(b"meta", 0, *parts, iloc)

    payloads = b"".join(payload for _, _, payload in items)
    return head(len(head(0)) + 8) + _box(b"mdat", payloads)


def _jpeg() -> bytes:
    return drawn_pictures.jpeg(width=300, height=200, lat=48.2082, lon=16.3738)


PHONES: dict[str, Callable[[], bytes]] = {
    "a JPEG with Samsung's trailer": lambda: _jpeg() + samsung_trailer(),
    "a JPEG with a film": lambda: _jpeg() + FILM,
    "a JPEG of two pictures with Samsung's trailer": (
        lambda: jpeg_of_two_pictures() + samsung_trailer()
    ),
    "a JPEG of two pictures with a film": lambda: jpeg_of_two_pictures() + FILM,
    "a JPEG whose second picture is damaged": lambda: jpeg_of_two_pictures()[:-500],
    "a JPEG with depth behind it": lambda: _jpeg() + b"\x89depth" + bytes(range(256)) * 50,
    "a HEIC with an auxiliary picture": heic_of_two_pictures,
    "a HEIC with a film in a box": lambda: heic_of_two_pictures() + _box(b"mpvd", FILM),
    "a HEIC with a film in a large box": (
        lambda: (
            heic_of_two_pictures() + struct.pack(">I4sQ", 1, b"mpvd", 16 + len(FILM)) + FILM
            + _box(b"free")
        )
    ),
    "a HEIC with Samsung's trailer": (
        lambda: heic_of_two_pictures() + _box(b"sefd", samsung_trailer()) + samsung_trailer()
    ),
    "a HEIC with a film among its pixels": lambda: heic_of_two_pictures() + _box(b"mdat", FILM),
    "a HEIC with a box of its maker": (
        lambda: heic_of_two_pictures(extra_of_meta=_box(b"uuid", b"maker" + b"48.2082,16.3738"))
    ),
}  # fmt: skip
