"""Pictures drawn in memory: a known corner, known tags, known colours, and files stuffed to leak.

Upright, every picture has a red corner at the top left, green at the top right, blue at the bottom
left and yellow at the bottom right, whatever its orientation tag says about the stored pixels.
"""

from __future__ import annotations

import io
import random
import struct
import zlib
from fractions import Fraction
from typing import Any

import pillow_heif
from PIL import Image, ImageDraw

from images.media import heif

# Benchmarks take their profile from here.
from images.tests.drawn_profiles import display_p3 as display_p3
from images.tests.drawn_profiles import srgb

RED, GREEN, BLUE, YELLOW = (220, 30, 30), (30, 160, 60), (30, 60, 210), (240, 210, 40)

# What turns an upright picture into the stored pixels that the orientation tag turns back.
STORED_AS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}

# A text that no rendered picture may contain.
SECRET = b"bandpics-secret-48.2082-16.3738"


# Pixels


def picture(*, width: int = 1200, height: int = 800, seed: int = 0) -> Image.Image:
    """An upright RGB picture; another seed is another picture."""
    chance = random.Random(seed)
    image = Image.new("RGB", (width, height), tuple(chance.randrange(90, 170) for _ in range(3)))
    draw = ImageDraw.Draw(image)
    for _ in range(24):
        left, top = chance.randrange(width), chance.randrange(height)
        right, bottom = left + chance.randrange(1, width + 1) // 4, top + height // 6
        draw.rectangle((left, top, right, bottom), tuple(chance.randrange(256) for _ in range(3)))
    corner_width, corner_height = -(-width // 5), -(-height // 5)
    for colour, x, y in (
        (RED, 0, 0),
        (GREEN, width - corner_width, 0),
        (BLUE, 0, height - corner_height),
        (YELLOW, width - corner_width, height - corner_height),
    ):
        draw.rectangle((x, y, x + corner_width - 1, y + corner_height - 1), colour)
    return image


def detailed(*, width: int, height: int, seed: int = 0) -> Image.Image:
    """A picture that costs a codec what a photo does: gradients, edges and noise."""
    chance = random.Random(seed)
    image = picture(width=width // 4, height=height // 4, seed=seed)
    image = image.resize((width, height), Image.Resampling.BICUBIC)
    coarse = Image.frombytes("RGB", (480, 320), chance.randbytes(480 * 320 * 3))
    image = Image.blend(image, coarse.resize((width, height), Image.Resampling.BICUBIC), 0.25)
    tile = Image.frombytes("RGB", (1024, 1024), chance.randbytes(1024 * 1024 * 3))
    noise = Image.new("RGB", (width, height))
    for x in range(0, width, 1024):
        for y in range(0, height, 1024):
            noise.paste(tile, (x, y))
    return Image.blend(image, noise, 0.06)


def stored(image: Image.Image, orientation: int) -> Image.Image:
    """The pixels as a camera stores them for this orientation tag."""
    return image.transpose(STORED_AS[orientation]) if orientation in STORED_AS else image


# Files


def jpeg(
    *,
    width: int = 1200,
    height: int = 800,
    seed: int = 0,
    orientation: int | None = 1,
    stuffed: bool = False,
    image: Image.Image | None = None,
    icc: bytes | None = None,
    exif: bytes | None = None,
    progressive: bool = False,
    quality: int = 88,
    **camera: Any,
) -> bytes:
    """A JPEG. `camera` goes to `exif_block`; `stuffed` adds every place a secret can hide in."""
    image = image or picture(width=width, height=height, seed=seed)
    out = io.BytesIO()
    stored(image, orientation or 1).save(
        out, "JPEG", quality=quality, progressive=progressive, icc_profile=icc
    )
    body = out.getvalue()
    if exif is None:
        exif = exif_block(orientation=orientation, stuffed=stuffed, **camera)
    segments = segment(0xE1, b"Exif\0\0" + exif) if exif else b""
    if stuffed:
        segments += segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + _xmp())
        segments += segment(0xED, b"Photoshop 3.0\0" + _iptc())
        segments += segment(0xE0, b"JFXX\0\x10" + _thumbnail())
        segments += segment(0xE2, b"ICC_PROFILE\0\x01\x01" + srgb(SECRET.decode()))
        segments += segment(0xFE, SECRET) + segment(0xEF, SECRET)
    # Behind the pixels too: phones hang films there.
    return body[:2] + segments + body[2:] + (SECRET if stuffed else b"")


def png(
    *,
    width: int = 1200,
    height: int = 800,
    seed: int = 0,
    orientation: int | None = 1,
    stuffed: bool = False,
    image: Image.Image | None = None,
    icc: bytes | None = None,
    exif: bytes | None = None,
    **camera: Any,
) -> bytes:
    """A PNG with an eXIf chunk."""
    image = image or picture(width=width, height=height, seed=seed)
    out = io.BytesIO()
    stored(image, orientation or 1).save(out, "PNG", icc_profile=icc, compress_level=1)
    body = out.getvalue()
    if exif is None:
        exif = exif_block(orientation=orientation, stuffed=stuffed, **camera)
    chunks = chunk(b"eXIf", exif) if exif else b""
    if stuffed:
        # Pillow would write this one into a JPEG as its comment.
        chunks += chunk(b"tEXt", b"comment\0" + SECRET)
        chunks += chunk(b"zTXt", b"Note\0\0" + zlib.compress(SECRET))
        chunks += chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + _xmp())
    return body[:33] + chunks + body[33:] + (SECRET if stuffed else b"")


def heic(
    *,
    width: int = 1200,
    height: int = 800,
    seed: int = 0,
    orientation: int | None = 1,
    stuffed: bool = False,
    image: Image.Image | None = None,
    icc: bytes | None = None,
    exif: bytes | None = None,
    xmp: bytes | None = None,
    quality: int = 70,
    **camera: Any,
) -> bytes:
    """A HEIC as phones write it: pixels stored lying, turned by irot and imir *and* by EXIF."""
    image = image or picture(width=width, height=height, seed=seed)
    if exif is None:
        exif = exif_block(orientation=orientation, stuffed=stuffed, **camera)
    out = io.BytesIO()
    # pillow-heif takes pixels as stored and writes irot and imir from the EXIF orientation.
    pixels = stored(image, orientation or 1)
    extra: dict[str, Any] = {"exif": b"Exif\0\0" + exif} if exif else {}
    if stuffed or xmp:
        extra["xmp"] = xmp or _xmp()
    if icc:
        extra |= {"icc_profile": icc, "icc_profile_type": "prof"}
    pillow_heif.encode(pixels.mode, pixels.size, pixels.tobytes(), out, quality=quality, **extra)
    return out.getvalue()


def heic_of_tiles(width: int, height: int, *, edge: int = 512, seed: int = 0) -> bytes:
    """A HEIC of the shape phones write, a grid of tiles, all of which are the same one here.

    ISO/IEC 23008-12, 6.6.2.3.
    """
    file = heic(image=picture(width=edge, height=edge, seed=seed), exif=b"")
    (tile,) = heif.items(file)
    coded = tile.read(file, max_bytes=len(file))
    at = file.index(b"hvcC") - 4
    decoder = file[at : at + int.from_bytes(file[at : at + 4])]
    columns, rows = -(-width // edge), -(-height // edge)
    tiles = range(2, 2 + columns * rows)

    def box(name: bytes, *parts: bytes) -> bytes:
        return struct.pack(">I4s", 8 + sum(map(len, parts)), name) + b"".join(parts)

    def versioned(name: bytes, version: int, *parts: bytes) -> bytes:
        return box(name, struct.pack(">I", version << 24), *parts)

    entries = [(1, b"grid"), *((number, b"hvc1") for number in tiles)]
    infes = (
        versioned(b"infe", 2, struct.pack(">HH4sx", number, 0, kind)) for number, kind in entries
    )
    sizes = [
        versioned(b"ispe", 0, struct.pack(">II", *size)) for size in ((edge, edge), (width, height))
    ]
    owned = [struct.pack(">HBB", 1, 1, 3)]
    owned += [struct.pack(">HBBB", number, 2, 0x81, 2) for number in tiles]
    parts = [
        versioned(b"hdlr", 0, bytes(4) + b"pict" + bytes(13)),
        versioned(b"pitm", 0, struct.pack(">H", 1)),
        versioned(b"iinf", 0, struct.pack(">H", len(entries)), *infes),
        box(
            b"iprp",
            box(b"ipco", decoder, *sizes),
            versioned(b"ipma", 0, struct.pack(">I", len(entries)), *owned),
        ),
        versioned(
            b"iref", 0, box(b"dimg", struct.pack(f">HH{len(tiles)}H", 1, len(tiles), *tiles))
        ),
        box(b"idat", struct.pack(">BBBBII", 0, 1, rows - 1, columns - 1, width, height)),
    ]

    def head(coded_at: int) -> bytes:
        places = [struct.pack(">HHHHII", 1, 1, 0, 1, 0, 12)]
        places += [
            struct.pack(">HHHHII", number, 0, 0, 1, coded_at, len(coded)) for number in tiles
        ]
        iloc = versioned(b"iloc", 1, struct.pack(">HH", 0x4400, len(entries)), *places)
        return box(b"ftyp", b"heic\0\0\0\0mif1heic") + versioned(b"meta", 0, *parts, iloc)

    return head(len(head(0)) + 8) + box(b"mdat", coded)


def webp(
    *,
    width: int = 1200,
    height: int = 800,
    seed: int = 0,
    orientation: int | None = 1,
    stuffed: bool = False,
    image: Image.Image | None = None,
    icc: bytes | None = None,
    exif: bytes | None = None,
    quality: int = 90,
    lossless: bool = False,
    **camera: Any,
) -> bytes:
    """A WebP with an EXIF chunk."""
    image = image or picture(width=width, height=height, seed=seed)
    if exif is None:
        exif = exif_block(orientation=orientation, stuffed=stuffed, **camera)
    out = io.BytesIO()
    stored(image, orientation or 1).save(
        *(out, "WEBP"),
        quality=quality,
        lossless=lossless,
        exif=exif,
        method=1,
        icc_profile=srgb(SECRET.decode()) if stuffed else icc,
        xmp=_xmp() if stuffed else b"",
    )
    body = out.getvalue()
    if stuffed:
        unknown = b"junk" + struct.pack("<L", len(SECRET)) + SECRET + b"\0" * (len(SECRET) % 2)
        body = b"RIFF" + struct.pack("<L", len(body) + len(unknown) - 8) + body[8:] + unknown
        body += SECRET
    return body


def webp_of_one_colour(width: int, height: int) -> bytes:
    """32 bytes that are a whole picture, of whatever size (RFC 9649, section 3).

    Prefix codes of one symbol each take no bits a pixel.
    """
    fields = [(width - 1, 14), (height - 1, 14), (0, 1), (0, 3)]  # no alpha, version 0
    fields += [(0, 1)] * 3  # no transform, no colour cache, no meta prefix codes
    for level in (RED[1], RED[0], RED[2], 255):  # green, red, blue, alpha
        fields += [(1, 1), (0, 1), (1, 1), (level, 8)]  # simple, one symbol, of 8 bits
    fields += [(1, 1), (0, 1), (0, 1), (0, 1)]  # distance: the symbol 0, of 1 bit
    bits = at = 0
    for value, length in fields:
        bits |= value << at
        at += length
    coded = b"\x2f" + bits.to_bytes(-(-at // 8), "little")
    body = b"WEBPVP8L" + struct.pack("<L", len(coded)) + coded + b"\0" * (len(coded) % 2)
    return b"RIFF" + struct.pack("<L", len(body)) + body


def avif(
    *,
    width: int = 1200,
    height: int = 800,
    seed: int = 0,
    orientation: int | None = 1,
    stuffed: bool = False,
    image: Image.Image | None = None,
    icc: bytes | None = None,
    exif: bytes | None = None,
    quality: int = 85,
    **camera: Any,
) -> bytes:
    """An AVIF as a HEIC is drawn: turned by irot and imir *and*, once more, by its EXIF."""
    image = image or picture(width=width, height=height, seed=seed)
    if exif is None:
        # Pillow turns the orientation into irot and imir, and takes it out of the EXIF: its twin,
        # of the next number, stays, and takes its place below.
        twin: Tags = {0x0113: (SHORT, orientation or 1)}
        exif = exif_block(orientation=orientation, stuffed=stuffed, ifd0=twin, **camera)
    out = io.BytesIO()
    stored(image, orientation or 1).save(
        *(out, "AVIF"),
        quality=quality,
        speed=10,
        exif=exif,
        icc_profile=srgb(SECRET.decode()) if stuffed else icc,
        xmp=_xmp() if stuffed else b"",
    )
    short = b"\3\0\1\0\0\0"
    body = out.getvalue().replace(b"\x13\1" + short, b"\x12\1" + short)
    return body + (b"\0\0\0\x38free" + SECRET.ljust(48) if stuffed else b"")


def tiff_file(
    *,
    width: int = 1200,
    height: int = 800,
    seed: int = 0,
    orientation: int | None = 1,
    stuffed: bool = False,
    image: Image.Image | None = None,
    icc: bytes | None = None,
    endian: str = "<",
    **camera: Any,
) -> bytes:
    """A TIFF of one deflated strip, whose IFD0 holds the camera's tags as well."""
    image = image or picture(width=width, height=height, seed=seed)
    image = stored(image.convert("RGB"), orientation or 1)
    pixels = zlib.compress(image.tobytes(), 1)
    tags: Tags = {
        0x0100: (LONG, image.width),
        0x0101: (LONG, image.height),
        0x0102: (SHORT, [8, 8, 8]),
        0x0103: (SHORT, 8),  # deflate
        0x0106: (SHORT, 2),  # RGB
        0x0111: (LONG, 0),
        0x0115: (SHORT, 3),
        0x0116: (LONG, image.height),
        0x0117: (LONG, len(pixels)),
    }
    if stuffed:
        icc = srgb(SECRET.decode())
        tags |= {0x02BC: (BYTE, _xmp()), 0x83BB: (UNDEFINED, _iptc()), 0x8649: (BYTE, _iptc())}
    if icc:
        tags[0x8773] = (UNDEFINED, icc)
    settings = {"orientation": orientation, "stuffed": stuffed, "endian": endian, **camera}
    at = len(exif_block(ifd0=tags, **settings))
    return exif_block(ifd0=tags | {0x0111: (LONG, at)}, **settings) + pixels


def gif(
    *,
    width: int = 1200,
    height: int = 800,
    seed: int = 0,
    stuffed: bool = False,
    image: Image.Image | None = None,
    frames: int = 1,
) -> bytes:
    """A GIF; the frames behind the first are other pictures."""
    image = image or picture(width=width, height=height, seed=seed)
    others = [
        picture(width=image.width, height=image.height, seed=9 + n) for n in range(frames - 1)
    ]
    out = io.BytesIO()
    extra: dict[str, Any] = {"comment": SECRET} if stuffed else {}
    if others:
        extra |= {"save_all": True, "append_images": others}
    image.save(out, "GIF", **extra)
    body = out.getvalue()
    if stuffed:
        # The application extension of XMP, and a text behind the end.
        xmp = b"!\xff\x0bXMP DataXMP" + _xmp() + b"\x01" + bytes(range(255, -1, -1)) + b"\0"
        palette_end = 13 + (3 << (body[10] & 7) + 1 if body[10] & 0x80 else 0)
        body = body[:palette_end] + xmp + body[palette_end:] + SECRET
    return body


def mpo(**options: Any) -> bytes:
    """A JPEG with a second one behind it, as cameras with two eyes write."""
    first = jpeg(**options)
    second = jpeg(width=640, height=480, seed=7)
    # CIPA DC-007: the index of two pictures, in a segment of APP2 right behind SOI.
    entries = b"".join(
        struct.pack("<LLLHH", kind, length, offset, 0, 0)
        for kind, length, offset in ((0x030000, len(first), 0), (0x020002, len(second), len(first)))
    )
    index = tiff({0xB000: (UNDEFINED, b"0100"), 0xB001: (LONG, 2), 0xB002: (UNDEFINED, entries)})
    return first[:2] + segment(0xE2, b"MPF\0" + index) + first[2:] + second


def bmp(
    *,
    width: int = 1200,
    height: int = 800,
    seed: int = 0,
    stuffed: bool = False,
    image: Image.Image | None = None,
) -> bytes:
    image = image or picture(width=width, height=height, seed=seed)
    out = io.BytesIO()
    image.save(out, "BMP")
    return out.getvalue() + (SECRET if stuffed else b"")


def segment(marker: int, payload: bytes) -> bytes:
    """One JPEG segment."""
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def chunk(name: bytes, payload: bytes) -> bytes:
    """One PNG chunk."""
    return (
        struct.pack(">I", len(payload))
        + name
        + payload
        + struct.pack(">I", zlib.crc32(name + payload))
    )


# EXIF

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, SRATIONAL, DOUBLE = 1, 2, 3, 4, 5, 7, 10, 12
_LETTER = {BYTE: "B", SHORT: "H", LONG: "L", DOUBLE: "d"}

# {tag: (type, value)}; the value is bytes, text, a number, or a list of numbers or (n, d) pairs.
Tags = dict[int, tuple[int, Any]]


def exif_block(
    *,
    taken_at: str | None = "2026:06:21 21:30:00",
    offset: str | None = "+02:00",
    lat: float | None = None,
    lon: float | None = None,
    altitude: float | None = None,
    direction: float | None = None,
    gps_at: str | None = None,
    make: str | None = "Drawn",
    model: str | None = "Pencil 1",
    lens: str | None = None,
    software: str | None = None,
    iso: int | None = None,
    orientation: int | None = 1,
    stuffed: bool = False,
    endian: str = "<",
    ifd0: Tags | None = None,
    exif: Tags | None = None,
    gps: Tags | None = None,
) -> bytes:
    """A TIFF structure of tags. `ifd0`, `exif` and `gps` add to or replace single ones."""
    if stuffed:
        lat, lon = (48.2082, 16.3738) if lat is None else (lat, lon)
    image_tags: Tags = {}
    for tag, text in ((0x010F, make), (0x0110, model), (0x0131, software)):
        if text is not None:
            image_tags[tag] = (ASCII, text)
    if orientation is not None:
        image_tags[0x0112] = (SHORT, orientation)
    exif_tags: Tags = {0x9000: (UNDEFINED, b"0232")}
    for tag, text in ((0x9003, taken_at), (0x9011, offset), (0xA434, lens)):
        if text is not None:
            exif_tags[tag] = (ASCII, text)
    if iso is not None:
        exif_tags[0x8827] = (SHORT, iso)
    gps_tags: Tags = {}
    if lat is not None and lon is not None:
        gps_tags = {
            0x01: (ASCII, "N" if lat >= 0 else "S"),
            0x02: (RATIONAL, _degrees(abs(lat))),
            0x03: (ASCII, "E" if lon >= 0 else "W"),
            0x04: (RATIONAL, _degrees(abs(lon))),
        }
    if altitude is not None:
        gps_tags[0x05] = (BYTE, int(altitude < 0))
        gps_tags[0x06] = (RATIONAL, [_ratio(abs(altitude))])
    if direction is not None:
        gps_tags[0x11] = (RATIONAL, [_ratio(direction)])
    if gps_at is not None:
        date, time = gps_at.split()
        gps_tags[0x1D] = (ASCII, date)
        gps_tags[0x07] = (RATIONAL, [(int(part), 1) for part in time.split(":")])
    if stuffed:
        image_tags[0x010E] = (ASCII, SECRET)
        image_tags[0x9C9C] = (BYTE, SECRET.decode().encode("utf-16-le"))
        exif_tags[0x9286] = (UNDEFINED, b"ASCII\0\0\0" + SECRET)
        exif_tags[0x927C] = (UNDEFINED, b"MakerNote" + SECRET)
    return tiff(
        image_tags | (ifd0 or {}),
        exif=exif_tags | (exif or {}),
        gps=gps_tags | (gps or {}),
        thumbnail=_thumbnail() if stuffed else b"",
        endian=endian,
    )


def tiff(
    ifd0: Tags,
    *,
    exif: Tags | None = None,
    gps: Tags | None = None,
    thumbnail: bytes = b"",
    endian: str = "<",
) -> bytes:
    """A TIFF structure: IFD0, the Exif and GPS IFDs it points to, and IFD1 with a thumbnail."""
    ifd0 = dict(ifd0)
    ifd1: Tags = {}
    if exif:
        ifd0.setdefault(0x8769, (LONG, 0))
    if gps:
        ifd0.setdefault(0x8825, (LONG, 0))
    if thumbnail:
        ifd1 = {0x0103: (SHORT, 6), 0x0201: (LONG, 0), 0x0202: (LONG, len(thumbnail))}
    at = 8 + len(_ifd(ifd0, at=0, endian=endian))
    for pointer, tags in ((0x8769, exif), (0x8825, gps)):
        if tags:
            # A pointer that the test has set to something else stays as it is.
            if ifd0[pointer] == (LONG, 0):
                ifd0[pointer] = (LONG, at)
            at += len(_ifd(tags, at=0, endian=endian))
    ifd1_at = at
    if ifd1:
        ifd1[0x0201] = (LONG, at + len(_ifd(ifd1, at=0, endian=endian)))
    out = (b"II*\0" if endian == "<" else b"MM\0*") + struct.pack(endian + "L", 8)
    out += _ifd(ifd0, at=8, endian=endian, following=ifd1_at if ifd1 else 0)
    for tags in (exif, gps, ifd1):
        if tags:
            out += _ifd(tags, at=len(out), endian=endian)
    return out + thumbnail


def _ifd(tags: Tags, *, at: int, endian: str, following: int = 0) -> bytes:
    entries = struct.pack(endian + "H", len(tags))
    values = b""
    values_at = at + 2 + 12 * len(tags) + 4
    for tag, (kind, value) in sorted(tags.items()):
        count, data = _encoded(kind, value, endian)
        if len(data) > 4:
            field = struct.pack(endian + "L", values_at + len(values))
            values += data + b"\0" * (len(data) % 2)
        else:
            field = data.ljust(4, b"\0")
        entries += struct.pack(endian + "HHL", tag, kind, count) + field
    return entries + struct.pack(endian + "L", following) + values


def _encoded(kind: int, value: Any, endian: str) -> tuple[int, bytes]:
    if isinstance(value, str):
        value = value.encode() + b"\0"
    if isinstance(value, bytes):
        return len(value), value
    values = value if isinstance(value, list) else [value]
    if kind in (RATIONAL, SRATIONAL):
        letter = "L" if kind == RATIONAL else "l"
        return len(values), b"".join(struct.pack(endian + 2 * letter, *pair) for pair in values)
    return len(values), struct.pack(f"{endian}{len(values)}{_LETTER[kind]}", *values)


def _degrees(value: float) -> list[tuple[int, int]]:
    degrees = int(value)
    minutes = int((value - degrees) * 60)
    seconds = (value - degrees - minutes / 60) * 3600
    return [(degrees, 1), (minutes, 1), (round(seconds * 10000), 10000)]


def _ratio(value: float) -> tuple[int, int]:
    ratio = Fraction(value).limit_denominator(10000)
    return ratio.numerator, ratio.denominator


def _thumbnail() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (160, 120), RED).save(out, "JPEG", comment=SECRET)
    return out.getvalue()


def _xmp() -> bytes:
    return (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
        b'xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:GPSLatitude="48,12.492N" '
        b'xmlns:dc="http://purl.org/dc/elements/1.1/" dc:source="' + SECRET + b'"/>'
        b"</rdf:RDF></x:xmpmeta>"
    )


def _iptc() -> bytes:
    caption = b"\x1c\x02\x78" + struct.pack(">H", len(SECRET)) + SECRET
    return b"8BIM\x04\x04\0\0" + struct.pack(">L", len(caption)) + caption
