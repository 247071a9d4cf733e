"""A forgotten place is in no text of the file either: XMP, IPTC, EXIF's descriptions and comments.

exiftool reads each file back, where it is installed.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

import pytest

from bandpics.testing.matrix import few
from images.models import Image
from images.photofile import location
from images.photofile.metadata import exif
from images.tests import drawn_exif, drawn_metadata, drawn_pictures
from images.tests.drawn_metadata import packet
from images.tests.guest_client import get
from images.tests.test_originals import EXIFTOOL, exiftool_tags

if TYPE_CHECKING:
    from pathlib import Path

COORDINATES = "48.2082,16.3738"
# Each is looked for in everything that is left.
REVEALING = ("48.2082", "48,2082", "16.3738", "wien", "österreich", "8fwr6953", "48°12")
CELL_TOWER = "2517"  # an id or a signature may hold it, too


def xmp(properties: str, **namespaces: str) -> bytes:
    """A packet with one more description."""
    declared = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in namespaces.items())
    other = f'<rdf:Description rdf:about="" {declared}>{properties}</rdf:Description>'
    whole = packet({"dc:rights": "me"}).decode()
    return whole.replace("</rdf:RDF>", f"{other}</rdf:RDF>").encode()


def bag(name: str, *values: str) -> str:
    items = "".join(f"<rdf:li>{value}</rdf:li>" for value in values)
    return f"<{name}><rdf:Bag>{items}</rdf:Bag></{name}>"


IPTC_CORE = "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/"
IPTC_EXT = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
PACKETS = {
    "cell tower": xmp(
        "<cell:mcc>232</cell:mcc><cell:lac>2517</cell:lac><cell:cellid>51713</cell:cellid>",
        cell="http://developer.sonyericsson.com/cell/1.0/",
    ),
    "w3c position": xmp(
        "<geo:lat>48.2082</geo:lat><geo:long>16.3738</geo:long>",
        geo="http://www.w3.org/2003/01/geo/wgs84_pos#",
    ),
    "coverage": packet({"dc:coverage": "Wien"}),
    "coverage in a list": packet(body=bag("dc:coverage", "Wien")),
    "city": packet({"photoshop:City": "Wien"}),
    "state": packet({"photoshop:State": "Wien"}),
    "country": packet({"photoshop:Country": "Österreich"}),
    "location": xmp("<core:Location>Wien</core:Location>", core=IPTC_CORE),
    "location created": xmp(bag("ext:LocationCreated", "<ext:City>Wien</ext:City>"), ext=IPTC_EXT),
    "keywords": packet(body=bag("dc:subject", "wedding", "Wien")),
    "keywords of Lightroom": xmp(
        bag("lr:hierarchicalSubject", "Places|Österreich|Wien"),
        lr="http://ns.adobe.com/lightroom/1.0/",
    ),
    "keywords of digiKam": xmp(
        bag("digiKam:TagsList", "Orte/Wien"), digiKam="http://www.digikam.org/ns/1.0/"
    ),
    "keywords of Windows": xmp(
        bag("mp:LastKeywordXMP", "Wien"), mp="http://ns.microsoft.com/photo/1.0/"
    ),
    "categories": packet(body=bag("photoshop:SupplementalCategories", "Wien")),
    "coordinates in a description": packet(body=bag("dc:description", f"At {COORDINATES}")),
    "coordinates in an attribute": packet({"photoshop:Headline": f"At {COORDINATES}"}),
    "city in a title": packet({"photoshop:City": "Wien", "dc:title": "A night in Wien"}),
    "a comment": packet(body=f"<!-- {COORDINATES} -->"),
    "a name without a namespace": packet(body="<city>Wien</city>"),
    "an older version within": packet(
        body='<xmpMM:Pantry rdf:parseType="Resource"><exif:GPSLatitude>48,2082N'
        "</exif:GPSLatitude></xmpMM:Pantry>"
    ),
    "cut off": packet({"photoshop:City": "Wien"})[:-30],
    "a document type": b"<!DOCTYPE x [<!ENTITY a 'Wien'>]>" + packet({"dc:rights": "&a;"}),
}


def iptc(*datasets: tuple[int, str]) -> bytes:
    data = b"".join(
        b"\x1c\x02" + struct.pack(">BH", number, len(text.encode())) + text.encode()
        for number, text in datasets
    )
    block = b"8BIM\x04\x04\0\0" + struct.pack(">L", len(data)) + data + bytes(len(data) % 2)
    return drawn_pictures.segment(0xED, b"Photoshop 3.0\0" + block)


CREDIT = (80, "Ada")
SEGMENTS = {
    "keywords": iptc(CREDIT, (25, COORDINATES)),
    "a city": iptc(CREDIT, (90, "Wien")),
    "a part of a city": iptc(CREDIT, (92, "Wien 1")),
    "a state": iptc(CREDIT, (95, "Wien")),
    "a country": iptc(CREDIT, (101, "Österreich")),
    "a location": iptc(CREDIT, (27, "Wien")),
    "a caption with coordinates": iptc(CREDIT, (120, f"At {COORDINATES}")),
    "a dataset nobody knows": iptc(CREDIT, (200, "Wien")),
    "Photoshop's copy of EXIF": drawn_pictures.segment(
        0xED, b"Photoshop 3.0\x008BIM\x04\x22\0\0" + struct.pack(">L", 4) + b"Wien"
    ),
    "a comment": drawn_pictures.segment(0xFE, COORDINATES.encode()),
}

ASCII, UNDEFINED, BYTE = drawn_exif.ASCII, drawn_exif.UNDEFINED, drawn_exif.BYTE
WIDE = COORDINATES.encode("utf-16-le")
BLOCKS = {
    "a description": {"ifd0": {0x010E: (ASCII, f"GPS camera {COORDINATES}")}},
    "a description in words": {"ifd0": {0x010E: (ASCII, "Lat 48.2082 / Long 16.3738")}},
    "a description in degrees": {"ifd0": {0x010E: (ASCII, "48°12'29\"N 16°22'25\"E")}},
    "a description with hemispheres": {"ifd0": {0x010E: (ASCII, "48.2082 N, 16.3738 E")}},
    "a description with commas": {"ifd0": {0x010E: (ASCII, "48,2082; 16,3738")}},
    "a description by ISO 6709": {"ifd0": {0x010E: (ASCII, "+48.2082+016.3738/")}},
    "a description with a plus code": {"ifd0": {0x010E: (ASCII, "8FWR6953+7G")}},
    "a document's name": {"ifd0": {0x010D: (ASCII, COORDINATES)}},
    "keywords of Windows": {"ifd0": {0x9C9E: (BYTE, WIDE)}},
    "a comment of Windows": {"ifd0": {0x9C9C: (BYTE, WIDE)}},
    "a comment": {"exif": {0x9286: (UNDEFINED, b"ASCII\0\0\0" + COORDINATES.encode())}},
    "a comment in Unicode": {"exif": {0x9286: (UNDEFINED, b"UNICODE\0" + WIDE)}},
    "a tag nobody knows": {"ifd0": {0x87B0: (ASCII, COORDINATES)}},
    "a tag of EXIF nobody knows": {"exif": {0xFDE8: (ASCII, "Wien")}},
}

PLAIN = drawn_pictures.jpeg()
FILES = {
    **{f"XMP: {name}": drawn_metadata.jpeg(xmp=document) for name, document in PACKETS.items()},
    **{f"IPTC: {name}": PLAIN[:2] + one + PLAIN[2:] for name, one in SEGMENTS.items()},
    **{
        f"EXIF: {name}": drawn_pictures.jpeg(exif=drawn_exif.exif_block(**tags))
        for name, tags in BLOCKS.items()
    },
    "PNG: keywords": drawn_metadata.png(xmp=PACKETS["keywords"]),
    "WebP: a cell tower": drawn_metadata.webp(xmp=PACKETS["cell tower"]),
    "HEIC: a cell tower": drawn_metadata.heic(xmp=PACKETS["cell tower"]),
    "AVIF: w3c position": drawn_metadata.avif(xmp=PACKETS["w3c position"]),
    "GIF: coverage": drawn_metadata.gif(xmp=PACKETS["coverage"]),
    "TIFF: a description": drawn_metadata.tiff(ifd0={0x010E: (ASCII, COORDINATES)}),
    "HEIC: a comment": drawn_pictures.heic(exif=drawn_exif.exif_block(**BLOCKS["a comment"])),
}


def left(data: bytes, tmp_path: Path) -> bytes:
    source, into = tmp_path / "source", tmp_path / "into"
    source.write_bytes(data)
    return into.read_bytes() if location.remove_location(source, into) else data


def check_that_nothing_reveals_it(data: bytes, tmp_path: Path) -> None:
    text = data.replace(b"\0", b"").decode("utf-8", "ignore").lower()
    assert [word for word in (*REVEALING, CELL_TOWER) if word in text] == []
    tags = exiftool_tags(data, tmp_path / "looked-at")
    seen = json.dumps({name: tags[name] for name in tags if not name.startswith("System:")})
    assert [word for word in REVEALING if word in seen.lower()] == []


@pytest.mark.parametrize("name", few(FILES, 12))
def test_no_text_reveals_a_removed_location(name: str, tmp_path: Path):
    after = left(FILES[name], tmp_path)
    assert after != FILES[name]
    check_that_nothing_reveals_it(after, tmp_path)


@pytest.mark.parametrize("words", ["A night in WIEN", "Österreich, Wien", "wien"])
@pytest.mark.parametrize(
    "place",
    [
        iptc((90, "Wien"), (101, "Österreich")),
        drawn_pictures.segment(
            0xE1,
            b"http://ns.adobe.com/xap/1.0/\0"
            + packet({"photoshop:City": "Wien", "photoshop:Country": "Österreich"}),
        ),
    ],
    ids=["IPTC", "XMP"],
)
def test_the_photos_own_place_names_go_from_its_texts(place: bytes, words: str, tmp_path: Path):
    tags: drawn_exif.Tags = {0x010E: (ASCII, words), 0x9C9B: (BYTE, words.encode("utf-16-le"))}
    data = drawn_pictures.jpeg(ifd0=tags)
    check_that_nothing_reveals_it(left(data[:2] + place + data[2:], tmp_path), tmp_path)


def test_words_that_tell_no_place_stay(tmp_path: Path):
    xmp_kept = packet(
        {"dc:rights": "Ada", "dc:title": "The encore", "xmp:CreatorTool": "Darkroom 4.1"},
        body=bag("dc:creator", "Ada"),
    )
    tags: drawn_exif.Tags = {0x010E: (ASCII, "Wienerwalzer, f/1.8, 1/125 s, take 2")}
    comment = {0x9286: (UNDEFINED, b"ASCII\0\0\0the state of George's city hall")}
    data = drawn_pictures.jpeg(
        exif=drawn_exif.exif_block(lat=48.2, lon=16.4, ifd0=tags, exif=comment, software="7.1234")
    )
    segment = drawn_pictures.segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp_kept)
    credit = iptc(CREDIT, (116, "Ada"), (120, "The encore"))
    after = left(data[:2] + segment + credit + data[2:], tmp_path)
    for kept in (xmp_kept, credit, b"Wienerwalzer", b"the state of George's city hall", b"7.1234"):
        assert kept in after
    assert exif.read(tmp_path / "into").gps is None
    if EXIFTOOL:
        tags_left = exiftool_tags(after, tmp_path / "looked-at")
        assert tags_left["IPTC:Caption-Abstract"] == tags_left["XMP-dc:Title"] == "The encore"


def test_a_gain_map_keeps_what_says_how_to_draw_it(tmp_path: Path):
    gain_map = xmp(
        "<hdr:HDRGainMapVersion>65536</hdr:HDRGainMapVersion>",
        hdr="http://ns.apple.com/HDRGainMap/1.0/",
    )
    block = drawn_exif.exif_block(lat=1, lon=2)
    assert gain_map in left(drawn_metadata.jpeg(exif=block, xmp=gain_map), tmp_path)


def test_texts_without_end_are_not_looked_at_but_left_out(tmp_path: Path):
    """A text of degrees and blanks, over which a search could go again and again."""
    for text in ("1" + " " * 60_000, "1." * 30_000, "1° " * 20_000, "48.20820" * 8_000):
        tags: drawn_exif.Tags = {0x010E: (ASCII, text)}
        left(drawn_metadata.tiff(ifd0=tags), tmp_path)
    many: drawn_exif.Tags = dict.fromkeys(range(42032, 42064), (ASCII, "x" * 60000))
    assert len(left(drawn_metadata.tiff(exif=many), tmp_path)) > 1_000_000


# --- Through the door -----------------------------------------------------------------------


@pytest.mark.django_db
def test_nothing_of_the_record_reveals_a_removed_location(cleo, ada, bucket, signed_in):
    data = drawn_pictures.jpeg(
        exif=drawn_exif.exif_block(
            lat=48.2082,
            lon=16.3738,
            ifd0={0x010E: (ASCII, f"GPS camera {COORDINATES}"), 0x87B0: (ASCII, "Wien")},
            exif={0x9286: (UNDEFINED, b"ASCII\0\0\0" + COORDINATES.encode())},
        )
    )
    segment = drawn_pictures.segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + PACKETS["keywords"])
    image = cleo.send_and_process(data[:2] + segment + data[2:], filename=f"{COORDINATES}.jpg")
    client, path = signed_in(ada), f"/api/v1/images/{image.pk}/"
    words = {"caption": "At 48.2082,16.3738 we met", "description": "In Wien"}
    Image.objects.update(**words)
    assert "48.2082" in json.dumps(client.get(path).json()["exif"])

    answer = cleo.client.delete(f"{path}location/")
    assert answer.json() == {
        "original": "edited",
        "removed": ["other", "position", "texts", "xmp"],
    }
    body = client.get(path).json()
    assert {name: body.pop(name) for name in words} == words  # what a person typed
    assert [word for word in REVEALING if word in json.dumps(body).lower()] == []
    assert body["original_filename"] == "photo.jpg"
    row = Image.objects.get()
    assert [word for word in REVEALING if word in str(row.exif).lower()] == []
    assert row.exif["IFD0"]["Make"] == "Drawn"
    Image.objects.update(caption="", description="")
    assert client.get("/api/v1/images/", {"q": "48"}).json()["results"] == []
    original = get(client.get(f"{path}variants/original/")["Location"]).data
    assert [word for word in REVEALING if word.encode() in original.lower()] == []
