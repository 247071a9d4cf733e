"""Reads from XMP when and where a photo was taken (ISO 16684-1; CIPA DC-010, XMP part 2 §3.3).

Only dates and positions are read as a photo's own. Camera and orientation are not: where EXIF is
missing, they are an editor's copy (CIPA DC-010 §2 leaves EXIF the master), and no browser turns a
picture by `tiff:Orientation`, so neither may we.

The document comes from strangers: it is streamed, never made a tree; it may declare no document
type and so no entity; and depth, size and the number of elements have limits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, Protocol
from xml.parsers import expat

MAX_DEPTH: Final = 64
MAX_ELEMENTS: Final = 50_000
MAX_TEXT_LENGTH: Final = 200  # kept of one property

RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns# "
_DESCRIPTION: Final = [RDF + "RDF", RDF + "Description"]
# What is read, by namespace and name as expat joins them, and what we call it.
PROPERTIES: Final = {
    "http://ns.adobe.com/xap/1.0/ CreateDate": "xmp:CreateDate",
    "http://ns.adobe.com/photoshop/1.0/ DateCreated": "photoshop:DateCreated",
} | {
    f"http://ns.adobe.com/exif/1.0/ {name}": f"exif:{name}"
    for name in (
        *("DateTimeOriginal", "DateTimeDigitized", "GPSLatitude", "GPSLongitude"),
        *("GPSAltitude", "GPSAltitudeRef", "GPSImgDirection", "GPSTimeStamp"),
    )
}


class NotReadable(Exception):
    """The document is no well-formed XMP, or does what no metadata needs."""


def read(document: bytes) -> dict[str, str]:
    """Read the properties of `PROPERTIES` that the picture itself has, by "prefix:Name".

    A document that breaks off keeps what was whole before; one that declares a document type, or
    goes beyond the limits, gives nothing.
    """
    properties: dict[str, str] = {}

    def keep(name: str, value: str, *, is_own: bool) -> None:
        value = value[:MAX_TEXT_LENGTH].strip()
        if is_own and value and name in PROPERTIES:
            properties.setdefault(PROPERTIES[name], value)

    try:
        _parse(document, _parser(keep))
    except NotReadable:
        return {}
    except expat.ExpatError:
        pass
    return properties


def read_all(document: bytes) -> list[tuple[str, str]]:
    """Read every element and attribute at any depth, by "namespace name", with its text.

    Texts of RDF's own elements are told as those of the property they belong to. Raises
    NotReadable, for a comment, too.
    """
    found: list[tuple[str, str]] = []
    parser = _parser(lambda name, value, **_: found.append((name, value)))
    parser.CommentHandler = _refuse
    try:
        _parse(document, parser)
    except expat.ExpatError as error:
        raise NotReadable from error
    return found


class _Keep(Protocol):
    def __call__(self, name: str, value: str, *, is_own: bool) -> None: ...


@dataclass
class _Element:
    """`owner` is its own name, or that of the property which an element of RDF belongs to.

    `is_own` if that stands in an rdf:RDF's rdf:Description: deeper ones are about something else,
    such as the file this one was made from.
    """

    name: str
    owner: str
    is_own: bool
    texts: list[str] = field(default_factory=list)


def _parser(keep: _Keep) -> expat.XMLParserType:
    """A parser that calls `keep` with each attribute, and with each element at its end."""
    path = [_Element("", "", is_own=False)]
    count = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1 + len(attributes)
        if count > MAX_ELEMENTS or len(path) > MAX_DEPTH:
            raise NotReadable
        parent = path[-1]
        if name.startswith(RDF):
            path.append(_Element(name, parent.owner or name, is_own=parent.is_own))
        else:
            is_own = [element.name for element in path[-2:]] == _DESCRIPTION
            path.append(_Element(name, name, is_own=is_own))
        for key, value in attributes.items():
            keep(key, value, is_own=[parent.name, name] == _DESCRIPTION)

    def end(_: str) -> None:
        element = path.pop()
        keep(element.owner, "".join(element.texts).strip(), is_own=element.is_own)

    parser = expat.ParserCreate("utf-8", " ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = lambda text: path[-1].texts.append(text)
    return parser


def _refuse(*_: object) -> None:
    raise NotReadable


def _parse(document: bytes, parser: expat.XMLParserType) -> None:
    parser.Parse(_decoded(document).encode("utf-8", "replace"), True)


# How a document begins: with a byte order mark, or with "<".
_ENCODINGS: Final = {
    b"\xff\xfe\0\0": "utf-32",
    b"<\0\0\0": "utf-32-le",
    b"\0\0\0<": "utf-32-be",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
    b"<\0": "utf-16-le",
    b"\0<": "utf-16-be",
}


def _decoded(document: bytes) -> str:
    """UTF-8, UTF-16 or UTF-32, told by where the NULs of "<" stand; without what XML forbids."""
    head = document.lstrip(b"\0 \t\r\n")[:4] if document[:1] != b"\0" else document[:4]
    encoding = next((name for mark, name in _ENCODINGS.items() if head.startswith(mark)), "utf-8")
    text = document.decode(encoding, "replace")
    return re.sub("[\0-\x08\x0b\x0c\x0e-\x1f\ufeff\ufffe\uffff]", "", text).strip()
