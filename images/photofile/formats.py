"""Tells the format of a file by its first bytes: those we take, and those we can name."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from images.photofile import pieces
from images.photofile.containers import bmp, gif, heif, jpeg, png, tiff, webp
from images.photofile.containers.container import NotDrawable
from images.photofile.metadata.tiff import BYTE_ORDERS

if TYPE_CHECKING:
    from pathlib import Path

    from images.photofile.containers.container import Container


@dataclass(frozen=True)
class Format:
    """A format we take. `declared_as` are the other content types browsers and phones call it;
    `container` is the module that reads its files."""

    container: Container
    name: str
    label: str
    content_type: str
    extension: str
    declared_as: tuple[str, ...] = ()


# A camera's MPO is a JPEG with others behind it; the first is the photo.
JPEG = Format(
    *(jpeg, "jpeg", "JPEG", "image/jpeg", "jpg"),
    declared_as=("image/jpg", "image/pjpeg", "image/mpo", "image/x-mpo"),
)
PNG = Format(png, "png", "PNG", "image/png", "png", declared_as=("image/x-png", "image/apng"))
HEIC = Format(
    *(heif, "heic", "HEIC", "image/heic", "heic"),
    declared_as=("image/heif", "image/heic-sequence", "image/heif-sequence"),
)
WEBP = Format(webp, "webp", "WebP", "image/webp", "webp")
AVIF = Format(heif, "avif", "AVIF", "image/avif", "avif", declared_as=("image/avif-sequence",))
TIFF = Format(
    *(tiff, "tiff", "TIFF", "image/tiff", "tiff"), declared_as=("image/tif", "image/x-tiff")
)
GIF = Format(gif, "gif", "GIF", "image/gif", "gif")
BMP = Format(
    *(bmp, "bmp", "BMP", "image/bmp", "bmp"), declared_as=("image/x-bmp", "image/x-ms-bmp")
)

ACCEPTED: tuple[Format, ...] = (JPEG, PNG, HEIC, WEBP, AVIF, TIFF, GIF, BMP)

# What an announcement may declare. It stays a hint: `sniff` decides.
ACCEPTED_CONTENT_TYPES: frozenset[str] = frozenset(
    content_type
    for format_ in ACCEPTED
    for content_type in (format_.content_type, *format_.declared_as)
)

ACCEPTED_LABELS = f"{', '.join(format_.label for format_ in ACCEPTED[:-1])} or {ACCEPTED[-1].label}"
ACCEPTED_SENTENCE = f"Please send a photo as {ACCEPTED_LABELS}."


class NotAnImage(Exception):
    """The file is nothing we recognise as a picture."""


class UnsupportedFormat(Exception):
    """The file is of a kind we know and do not take; `kind` names it."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__(f"This file is {kind}, which we cannot take. {ACCEPTED_SENTENCE}")


# Enough for every signature here, and for an SVG that starts with a comment.
HEAD_BYTES = 1024

_KNOWN_BY_START: tuple[tuple[bytes, str], ...] = (
    (b"II+\0", "a BigTIFF"),
    (b"MM\0+", "a BigTIFF"),
    (b"IIRO", "a raw picture"),
    (b"IIU\0", "a raw picture"),
    (b"FUJIFILMCCD-RAW", "a raw picture"),
    (b"8BPS", "a Photoshop document"),
    (b"\xff\x0a", "a JPEG XL"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000"),
    (b"%PDF", "a PDF"),
    (b"%!PS", "a PostScript file"),
    (b"\xc5\xd0\xd3\xc6", "a PostScript file"),
    (b"\0\0\1\0", "an icon"),
    (b"\x1aE\xdf\xa3", "a video"),
    (b"PK\3\4", "a ZIP archive or office document"),
    (b"Rar!\x1a", "an archive"),
    (b"7z\xbc\xaf\x27\x1c", "an archive"),
    (b"\x1f\x8b", "an archive"),
)

# ISO/IEC 23008-12: brands of HEVC-coded pictures, and those that say "a picture" and no more.
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_NEUTRAL_BRANDS = frozenset({b"mif1", b"mif2", b"mif3", b"msf1", b"miaf", b"heif"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})


def sniff(path: Path) -> Format:
    """Tell the format by the beginning, and a raw file from a TIFF. Says nothing about the rest.

    Raises NotAnImage, UnsupportedFormat.
    """
    with path.open("rb") as file:
        format_ = sniff_head(file.read(HEAD_BYTES))
        if format_ is TIFF:
            # What is no drawable TIFF is told by whoever reads more of it.
            with contextlib.suppress(NotDrawable), pieces.mapped(file) as data:
                if tiff.read_header(data).is_raw:
                    raise UnsupportedFormat("a raw picture")
    return format_


def sniff_head(head: bytes) -> Format:
    """Tell the format by the first bytes alone. Raises NotAnImage, UnsupportedFormat."""
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if head[4:8] == b"ftyp":
        return _sniff_iso_media(head)
    if head.startswith(b"RIFF"):
        if head[8:12] == b"WEBP":
            return WEBP
        raise UnsupportedFormat("a video or sound file")
    if head[:4] in BYTE_ORDERS:
        return TIFF
    if head[:6] in {b"GIF87a", b"GIF89a"}:
        return GIF
    if bmp.is_header(head):
        return BMP
    for start, kind in _KNOWN_BY_START:
        if head.startswith(start):
            raise UnsupportedFormat(kind)
    if b"<svg" in head.lower():
        raise UnsupportedFormat("an SVG drawing")
    raise NotAnImage(f"This file is not a picture. {ACCEPTED_SENTENCE}")


def _sniff_iso_media(head: bytes) -> Format:
    """Tell HEIC and AVIF from their relatives (MP4, MOV, CR3) by the brands of the `ftyp` box."""
    box_size = min(int.from_bytes(head[:4]), len(head))
    major = head[8:12]
    compatible = {head[at : at + 4] for at in range(16, box_size - 3, 4)}
    if major in _AVIF_BRANDS or (major in _NEUTRAL_BRANDS and compatible & _AVIF_BRANDS):
        return AVIF
    if major in _HEIC_BRANDS | _NEUTRAL_BRANDS:
        return HEIC
    if major == b"crx ":
        raise UnsupportedFormat("a raw picture")
    raise UnsupportedFormat("a video")
