"""What a file is, told by its bytes: the formats we take, and those we know well enough to name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Format:
    """A format we take. `declared_as` are the other content types browsers and phones call it."""

    name: str
    label: str
    content_type: str
    extension: str
    declared_as: tuple[str, ...] = ()


JPEG = Format("jpeg", "JPEG", "image/jpeg", "jpg", declared_as=("image/jpg", "image/pjpeg"))
PNG = Format("png", "PNG", "image/png", "png", declared_as=("image/x-png", "image/apng"))
HEIC = Format(
    "heic",
    "HEIC",
    "image/heic",
    "heic",
    declared_as=("image/heif", "image/heic-sequence", "image/heif-sequence"),
)

ACCEPTED: tuple[Format, ...] = (JPEG, PNG, HEIC)

# What an announcement may declare. It stays a hint: `sniff` decides.
ACCEPTED_CONTENT_TYPES: frozenset[str] = frozenset(
    content_type
    for format_ in ACCEPTED
    for content_type in (format_.content_type, *format_.declared_as)
)

ACCEPTED_SENTENCE = "Please send a JPEG, PNG or HEIC photo."


class NotAnImage(Exception):
    """The file is nothing we recognise as a picture."""

    def __init__(self) -> None:
        super().__init__(f"This file is not a picture. {ACCEPTED_SENTENCE}")


class UnsupportedFormat(Exception):
    """The file is of a kind we know and do not take; `kind` names it."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__(f"This file is {kind}, which we cannot take. {ACCEPTED_SENTENCE}")


# Enough for every signature here, and for an SVG that starts with a comment.
HEAD_BYTES = 1024

_KNOWN_BY_START: tuple[tuple[bytes, str], ...] = (
    (b"GIF87a", "a GIF"),
    (b"GIF89a", "a GIF"),
    (b"II*\0", "a TIFF or raw picture"),
    (b"MM\0*", "a TIFF or raw picture"),
    (b"II+\0", "a TIFF or raw picture"),
    (b"MM\0+", "a TIFF or raw picture"),
    (b"IIRO", "a raw picture"),
    (b"IIU\0", "a raw picture"),
    (b"FUJIFILMCCD-RAW", "a raw picture"),
    (b"BM", "a BMP"),
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

# ISO/IEC 23008-12: brands of HEVC-coded pictures. mif1 and msf1 say "a picture" and no more.
_HEIC_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
)
_AVIF_BRANDS = frozenset({b"avif", b"avis"})


def sniff(path: Path) -> Format:
    """Tell the format by the first bytes. Says nothing about the rest of the file."""
    with path.open("rb") as file:
        return sniff_head(file.read(HEAD_BYTES))


def sniff_head(head: bytes) -> Format:
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if head[4:8] == b"ftyp":
        return _sniff_iso_media(head)
    if head.startswith(b"RIFF"):
        raise UnsupportedFormat("a WebP" if head[8:12] == b"WEBP" else "a video or sound file")
    for start, kind in _KNOWN_BY_START:
        if head.startswith(start):
            raise UnsupportedFormat(kind)
    if b"<svg" in head.lower():
        raise UnsupportedFormat("an SVG drawing")
    raise NotAnImage


def _sniff_iso_media(head: bytes) -> Format:
    """Tell HEIC from its relatives (AVIF, MP4, MOV, CR3) by the brands of the `ftyp` box."""
    box_size = min(int.from_bytes(head[:4]), len(head))
    major = head[8:12]
    compatible = {head[at : at + 4] for at in range(16, box_size - 3, 4)}
    if major in _AVIF_BRANDS or (major in {b"mif1", b"msf1"} and compatible & _AVIF_BRANDS):
        raise UnsupportedFormat("an AVIF")
    if major in _HEIC_BRANDS:
        return HEIC
    if major == b"crx ":
        raise UnsupportedFormat("a raw picture")
    raise UnsupportedFormat("a video")
