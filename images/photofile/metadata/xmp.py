"""When and where, as XMP tells it (ISO 16684-1; exif namespace: CIPA DC-010, XMP part 2 §3.3).

Only dates and positions are read as a photo's own. Camera and orientation are not: where EXIF is
missing, they are an editor's copy (CIPA DC-010 §2 leaves EXIF the master), and no browser turns a
picture by `tiff:Orientation`, so neither may we.

The document comes from strangers: it is streamed, never made a tree; it may declare no document
type and so no entity; and depth, size and the number of elements have limits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

MAX_DEPTH: Final = 64
MAX_ELEMENTS: Final = 50_000
MAX_TEXT_LENGTH: Final = 200  # kept of one property

RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns# "
# What is read, by namespace and name as expat joins them, and what we call it.
PROPERTIES: Final = {
    f"{namespace} {name}": f"{prefix}:{name}"
    for prefix, namespace, names in (
        (
            "exif",
            "http://ns.adobe.com/exif/1.0/",
            "DateTimeOriginal DateTimeDigitized GPSLatitude GPSLongitude GPSAltitude "
            "GPSAltitudeRef GPSImgDirection GPSTimeStamp",
        ),
        ("xmp", "http://ns.adobe.com/xap/1.0/", "CreateDate"),
        ("photoshop", "http://ns.adobe.com/photoshop/1.0/", "DateCreated"),
    )
    for name in names.split()
}


class NotReadable(Exception):
    """The document is no well-formed XMP, or does what no metadata needs."""


def read(document: bytes) -> dict[str, str]:
    """Read the properties of `PROPERTIES` that the picture itself has, by "prefix:Name".

    A document that breaks off keeps what was whole before; one that declares a document type, or
    goes beyond the limits, gives nothing.
    """
    reader = _Reader()
    try:
        _parser(reader).Parse(_decoded(document).encode("utf-8", "replace"), True)
    except NotReadable:
        return {}
    except expat.ExpatError:
        pass
    return reader.properties


def read_all(document: bytes) -> list[tuple[str, str]]:
    """Read every element and attribute at any depth, by "namespace name", with its text.

    Texts of RDF's own elements are told as those of the property they belong to. Raises
    NotReadable.
    """
    reader = _ReaderOfAll()
    parser = _parser(reader)
    parser.CommentHandler = _refuse
    try:
        parser.Parse(_decoded(document).encode("utf-8", "replace"), True)
    except expat.ExpatError as error:
        raise NotReadable from error
    return reader.found


def _parser(reader: _Reader | _ReaderOfAll) -> expat.XMLParserType:
    parser = expat.ParserCreate("utf-8", " ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    return parser


def _refuse(*_: object) -> None:
    raise NotReadable


def _decoded(document: bytes) -> str:
    """UTF-8, UTF-16 or UTF-32, told by where the NULs of "<" stand; without what XML forbids."""
    head = document.lstrip(b"\0 \t\r\n")[:4] if document[:1] != b"\0" else document[:4]
    encoding = "utf-8"
    for mark, name in (
        (b"\xff\xfe\0\0", "utf-32"),
        (b"<\0\0\0", "utf-32-le"),
        (b"\0\0\0<", "utf-32-be"),
        (b"\xff\xfe", "utf-16"),
        (b"\xfe\xff", "utf-16"),
        (b"<\0", "utf-16-le"),
        (b"\0<", "utf-16-be"),
    ):
        if head.startswith(mark):
            encoding = name
            break
    text = document.decode(encoding, "replace")
    return re.sub("[\0-\x08\x0b\x0c\x0e-\x1f\ufeff\ufffe\uffff]", "", text).strip()


@dataclass
class _Reader:
    """Keeps what stands in rdf:RDF / rdf:Description; deeper ones are about something else, such
    as the file this one was made from."""

    properties: dict[str, str] = field(default_factory=dict)
    elements: int = 0
    path: list[str] = field(default_factory=list)
    wanted: str = ""
    words: str = ""

    @property
    def is_at_a_property(self) -> bool:
        """Within a Description right below an RDF."""
        at = len(self.path) - 1
        return at >= 1 and self.path[at] == RDF + "Description" and self.path[at - 1] == RDF + "RDF"

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.elements += 1
        if self.elements > MAX_ELEMENTS or len(self.path) >= MAX_DEPTH:
            raise NotReadable
        if self.is_at_a_property and not self.wanted:
            self.wanted, self.words = PROPERTIES.get(name, ""), ""
        self.path.append(name)
        if self.is_at_a_property:
            for key, value in attributes.items():
                self.keep(PROPERTIES.get(key, ""), value)

    def end(self, _: str) -> None:
        self.path.pop()
        if self.is_at_a_property:
            self.keep(self.wanted, self.words)
            self.wanted = ""

    def text(self, text: str) -> None:
        if self.wanted and len(self.words) < MAX_TEXT_LENGTH:
            self.words += text

    def keep(self, name: str, value: str) -> None:
        value = value[:MAX_TEXT_LENGTH].strip()
        if name and value:
            self.properties.setdefault(name, value)


@dataclass
class _ReaderOfAll:
    found: list[tuple[str, str]] = field(default_factory=list)
    path: list[tuple[str, list[str]]] = field(default_factory=list)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self.found) + len(attributes) >= MAX_ELEMENTS or len(self.path) >= MAX_DEPTH:
            raise NotReadable
        self.path.append((name, []))
        self.found += list(attributes.items())

    def end(self, _: str) -> None:
        name, texts = self.path.pop()
        if name.startswith(RDF) and self.path:
            name = next((one for one, _ in reversed(self.path) if not one.startswith(RDF)), name)
        self.found.append((name, "".join(texts).strip()))

    def text(self, text: str) -> None:
        self.path[-1][1].append(text)
