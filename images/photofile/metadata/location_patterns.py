"""Recognises texts and XMP properties that tell where a photo was taken."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from images.photofile.metadata import xmp

if TYPE_CHECKING:
    from collections.abc import Iterable
    from mmap import mmap


class CannotRemoveLocation(Exception):
    """The file cannot be edited so that its location is certainly gone."""


class Removed(StrEnum):
    """A kind of metadata that was taken out of a file."""

    POSITION = "position"
    MAKER_NOTES = "maker_notes"
    TEXTS = "texts"  # descriptions and comments that tell where
    KEYWORDS = "keywords"
    XMP = "xmp"
    IPTC = "iptc"
    ATTACHMENTS = "attachments"  # films, sounds and other files, behind the picture or beside it
    OTHER = "other"  # what is not understood


MAX_TEXT_BYTES: Final = 64 * 1024
_MAX_NAMES: Final = 50

_DECIMALS = r"\d{1,3}[.,]\d{3,}"
_DEGREES = r"\d{1,3}(?:[.,]\d{1,20})?\s{0,3}[°º˚]?\s{0,3}"
_COORDINATES: Final = re.compile(
    "|".join(
        (
            rf"{_DECIMALS}\D{{1,20}}{_DECIMALS}",  # 48.2082,16.3738 and +48.2082+016.3738/
            rf"\b{_DEGREES}[NS]\b.{{0,5}}?{_DEGREES}[EWO]\b",  # 48.2 N, 16.4 E
            r"\d\s{0,3}[°º˚]\s{0,3}\d{1,2}(?:[.,]\d{1,20})?\s{0,3}['\u2032\u2019]",  # 48°12'
            r"\b(?:gps|lat(?:itude)?|lon(?:g|gitude)?|lng)[^\w]{0,8}\d",
            r"\bgeo:",
            r"\b[23456789CFGHJMPQRVWX]{4,8}\+[23456789CFGHJMPQRVWX]{2,3}\b",  # open location code
            r"(?:google\.[a-z.]{2,6}/maps|maps\.|goo\.gl/maps|openstreetmap\.org|w3w\.co)",
            r"\b\d{1,2}[C-X](?:\s?[A-Z]{2}\s?\d{4,5}\s?\d{4,5}|\s\d{6}\s\d{7})\b",  # MGRS, UTM
        )
    ),
    re.IGNORECASE,
)

# IIM 2:27 content location name, 90 city, 92 sub-location, 95 state, 101 country, and a length.
_IPTC_PLACE: Final = re.compile(rb"\x1c\x02[\x1b\x5a\x5c\x5f\x65]\0([\x03-\x64])")
_IPTC_SEARCHED_BYTES: Final = 4 * 1024 * 1024
_XMP_PLACE: Final = re.compile(
    r"city|state|country|countryname|province\w*|\w*location\w*|landmark|coverage|worldregion", re.I
)


@dataclass
class Redaction:
    """Collects what was removed from one file, and knows the names that it must not tell any more.

    `names` are those of places in the photo's own fields, such as its city.
    """

    names: re.Pattern[str] | None = None
    removed: set[Removed] = field(default_factory=set)

    def reveals(self, text: str) -> bool:
        """True for a text with coordinates, or with one of the names."""
        return bool(_COORDINATES.search(text) or (self.names and self.names.search(text)))

    def bytes_reveal(self, data: bytes) -> bool:
        """True for a text in any encoding that reveals a location, or is too long to be read."""
        if len(data) > MAX_TEXT_BYTES:
            return True
        texts = [data.replace(b"\0", b"").decode("latin-1"), data.decode("utf-8", "ignore")]
        if self.names:
            texts += [data.decode(f"utf-16-{order}", "ignore") for order in ("le", "be")]
        return any(self.reveals(text) for text in texts)

    def allows_xmp(self, *documents: bytes) -> bool:
        """True if documents hold nothing but properties that are known to tell no place."""
        try:
            found = [one for document in documents for one in xmp.read_all(document)]
        except xmp.NotReadable:
            return False
        return all(_is_known(name) and not self.reveals(value) for name, value in found)


def begin_redaction(data: mmap, documents: Iterable[bytes]) -> Redaction:
    """Begin the redaction of a file: read the names of places in its own place fields."""
    names: set[str] = set()
    for document in documents:
        with suppress(xmp.NotReadable):
            for name, value in xmp.read_all(document):
                if _XMP_PLACE.fullmatch(name.rpartition(" ")[2]):
                    names.add(value)
    head = data[:_IPTC_SEARCHED_BYTES]
    for found in _IPTC_PLACE.finditer(head):
        names.add(head[found.end() : found.end() + found[1][0]].decode("utf-8", "ignore"))
    wanted = sorted(name.strip() for name in names)[:_MAX_NAMES]
    # Two letters, as of a country's code, may be any word.
    spelled = [re.escape(name) for name in wanted if 3 <= len(name) <= 100 and _is_word(name)]
    if not spelled:
        return Redaction()
    return Redaction(re.compile(rf"(?<!\w)(?:{'|'.join(spelled)})(?!\w)", re.IGNORECASE))


def _is_word(name: str) -> bool:
    return name.isprintable() and any(character.isalpha() for character in name)


# Namespaces whose properties are known, and those among them that tell a place, or may as
# keywords do. A property of any other namespace may tell anything.
_LOCATION_PROPERTIES: Final[dict[str, str]] = {
    "adobe:ns:meta/": "",
    "http://www.w3.org/XML/1998/namespace": "",
    "http://www.w3.org/1999/02/22-rdf-syntax-ns#": "",
    "http://purl.org/dc/elements/1.1/": "coverage subject",
    "http://ns.adobe.com/xap/1.0/": "Thumbnails",
    "http://ns.adobe.com/xap/1.0/mm/": "",
    "http://ns.adobe.com/xap/1.0/rights/": "",
    "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#": "",
    "http://ns.adobe.com/xap/1.0/sType/ResourceRef#": "",
    "http://ns.adobe.com/xap/1.0/sType/Dimensions#": "",
    "http://ns.adobe.com/xmp/note/": "",
    "http://ns.adobe.com/xmp/sType/Area#": "",
    "http://ns.adobe.com/tiff/1.0/": "",
    "http://ns.adobe.com/exif/1.0/": "MakerNote",  # and all that begins with GPS
    "http://ns.adobe.com/exif/1.0/aux/": "",
    "http://cipa.jp/exif/1.0/": "",
    "http://ns.adobe.com/camera-raw-settings/1.0/": "",
    "http://ns.adobe.com/hdr-gain-map/1.0/": "",
    "http://ns.adobe.com/photoshop/1.0/": "City State Country SupplementalCategories",
    "http://ns.microsoft.com/photo/1.0": "LastKeywordXMP LastKeywordIPTC",
    "http://ns.microsoft.com/photo/1.0/": "LastKeywordXMP LastKeywordIPTC",
    "http://www.metadataworkinggroup.com/schemas/regions/": "",
    "http://ns.apple.com/HDRGainMap/1.0/": "",
    "http://ns.apple.com/faceinfo/1.0/": "",
    "http://ns.apple.com/pixeldatainfo/1.0/": "",
    "http://ns.google.com/photos/1.0/camera/": "",
    "http://ns.google.com/photos/1.0/container/": "",
    "http://ns.google.com/photos/1.0/container/item/": "",
    "http://ns.google.com/photos/1.0/panorama/": "",
}


def _is_known(name: str) -> bool:
    namespace, _, local = name.rpartition(" ")
    if not namespace:  # as in old RDF
        return local in {"about", "ID", "parseType", "resource"}
    locations = _LOCATION_PROPERTIES.get(namespace)
    return locations is not None and local not in locations.split() and not local.startswith("GPS")
