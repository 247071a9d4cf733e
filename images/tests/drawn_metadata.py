"""Small pictures of every format with metadata put in where the format keeps it."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, Any

from PIL import Image

from images.tests import drawn_exif, drawn_pictures
from images.tests.drawn_exif import LONG, SHORT

if TYPE_CHECKING:
    from collections.abc import Callable

NAMESPACES = " ".join(
    f'xmlns:{prefix}="{uri}"'
    for prefix, uri in (
        ("rdf", "http://www.w3.org/1999/02/22-rdf-syntax-ns#"),
        ("exif", "http://ns.adobe.com/exif/1.0/"),
        ("tiff", "http://ns.adobe.com/tiff/1.0/"),
        ("xmp", "http://ns.adobe.com/xap/1.0/"),
        ("photoshop", "http://ns.adobe.com/photoshop/1.0/"),
        ("xmpMM", "http://ns.adobe.com/xap/1.0/mm/"),
        ("dc", "http://purl.org/dc/elements/1.1/"),
    )
)
PLACE = {"exif:GPSLatitude": "48,12.492N", "exif:GPSLongitude": "16,22.428W"}


def packet(properties: dict[str, str] | None = None, *, body: str = "") -> bytes:
    """A packet of XMP with properties as attributes, and whatever `body` adds."""
    attributes = " ".join(f'{name}="{value}"' for name, value in (properties or {}).items())
    text = (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF {NAMESPACES}>'
        f'<rdf:Description rdf:about="" {attributes}>{body}</rdf:Description></rdf:RDF>'
        '</x:xmpmeta><?xpacket end="w"?>'
    )
    return text.encode()


def _saved(kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    drawn_pictures.picture(width=60, height=40).save(out, kind, **options)
    return out.getvalue()


def jpeg(*, exif: bytes = b"", xmp: bytes = b"") -> bytes:
    data = drawn_pictures.jpeg(width=60, height=40, exif=exif)
    start = b"http://ns.adobe.com/xap/1.0/\0"
    return data[:2] + (drawn_pictures.segment(0xE1, start + xmp) if xmp else b"") + data[2:]


def png(*, exif: bytes = b"", xmp: bytes = b"") -> bytes:
    data = drawn_pictures.png(width=60, height=40, exif=exif)
    text = drawn_pictures.chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp) if xmp else b""
    return data[:33] + text + data[33:]


def old_png(*, exif: bytes = b"", xmp: bytes = b"") -> bytes:
    """As ImageMagick wrote them before there was a chunk for it."""
    chunks = b""
    for keyword, payload in (
        (b"Raw profile type exif", exif and b"Exif\0\0" + exif),
        (b"Raw profile type xmp", xmp),
    ):
        if payload:
            digits = b"\n".join(payload.hex().encode()[at : at + 72] for at in range(0, 2**20, 72))
            text = b"\nname\n%8d\n%s\n" % (len(payload), digits.rstrip())
            chunks += drawn_pictures.chunk(b"zTXt", keyword + b"\0\0" + zlib.compress(text))
    data = drawn_pictures.png(width=60, height=40, exif=b"")
    return data[:33] + chunks + data[33:]


def heic(*, exif: bytes = b"", xmp: bytes = b"") -> bytes:
    return drawn_pictures.heic(width=64, height=64, exif=exif, xmp=xmp or None)


def avif(*, exif: bytes = b"", xmp: bytes = b"") -> bytes:
    return _saved("AVIF", **_present(exif=exif, xmp=xmp))


def webp(*, exif: bytes = b"", xmp: bytes = b"") -> bytes:
    return _saved("WEBP", lossless=True, **_present(exif=exif, xmp=xmp))


def gif(*, xmp: bytes = b"") -> bytes:
    data = _saved("GIF")
    colours = 13 + 3 * 2 ** ((data[10] & 7) + 1)
    way_out = b"\1" + bytes(range(255, -1, -1)) + b"\0"
    block = b"!\xff\x0bXMP DataXMP" + xmp + way_out if xmp else b""
    return b"GIF89a" + data[6:colours] + block + data[colours:]


def bmp() -> bytes:
    return _saved("BMP")


def tiff(
    *,
    xmp: bytes = b"",
    ifd0: drawn_exif.Tags | None = None,
    exif: drawn_exif.Tags | None = None,
    gps: drawn_exif.Tags | None = None,
    endian: str = "<",
    make: str | None = "Drawn",
) -> bytes:
    """A TIFF of 60 x 40 pixels in two strips, at its end."""
    pixels = drawn_pictures.picture(width=60, height=40).tobytes()
    tags: drawn_exif.Tags = {
        0x0100: (SHORT, 60),
        0x0101: (SHORT, 40),
        0x0102: (SHORT, [8, 8, 8]),
        0x0103: (SHORT, 1),
        0x0106: (SHORT, 2),
        0x0111: (LONG, [0, 0]),
        0x0115: (SHORT, 3),
        0x0116: (SHORT, 20),
        0x0117: (LONG, [3600, 3600]),
    }
    if make:
        tags[0x010F] = (drawn_exif.ASCII, make)
    if xmp:
        tags[0x02BC] = (drawn_exif.BYTE, xmp)
    tags |= ifd0 or {}
    at = len(drawn_exif.tiff(tags, exif=exif, gps=gps, endian=endian))
    tags[0x0111] = (LONG, [at, at + 3600])
    return drawn_exif.tiff(tags, exif=exif, gps=gps, endian=endian) + pixels


def big_tiff(tags: dict[int, tuple[int, bytes]], *, gps: dict[int, tuple[int, bytes]]) -> bytes:
    """A BigTIFF of tags: {tag: (type, value as it stands)}; the count follows from the type."""
    unit = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8}

    def directory(entries: dict[int, tuple[int, bytes]], at: int) -> bytes:
        values_at = at + 8 + 20 * len(entries) + 8
        table, values = struct.pack("<Q", len(entries)), b""
        for tag, (kind, value) in sorted(entries.items()):
            field = value.ljust(8, b"\0")
            if len(value) > 8:
                field = struct.pack("<Q", values_at + len(values))
                values += value
            table += struct.pack("<HHQ", tag, kind, len(value) // unit[kind]) + field
        return table + bytes(8) + values

    gps_at = 16 + len(directory(tags | {0x8825: (4, bytes(4))}, 16))
    first = directory(tags | {0x8825: (4, struct.pack("<L", gps_at))}, 16)
    return b"II+\0\x08\0\0\0" + struct.pack("<Q", 16) + first + directory(gps, gps_at)


def _present(**metadata: bytes) -> dict[str, bytes]:
    return {name: value for name, value in metadata.items() if value}


# What takes an EXIF block, and what takes a packet of XMP.
WITH_EXIF: dict[str, Callable[..., bytes]] = {
    "jpeg": jpeg,
    "png": png,
    "old png": old_png,
    "heic": heic,
    "avif": avif,
    "webp": webp,
}
WITH_XMP: dict[str, Callable[..., bytes]] = {**WITH_EXIF, "gif": gif, "tiff": tiff}


def pixels(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")
