"""Names the objects of the bucket. Keys hold ids only: no guest's text, no token.

The layout is a contract: `{group_id}/original/{name}`, `{group_id}/{variant}/{name}`,
`{group_id}/transforms/{name}` for transforms (whose name goes on with the hash of the spec),
`{group_id}/archives/{archive_id}-{build}.zip` for archives, `incoming/{upload_id}` for quarantine,
and markers of photos: `forgotten/{image_id}` for one whose place was forgotten,
`trashed/{image_id}` for one in the trash. Markers name no group, so they stay where they are when
a photo is moved or replaced.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID

from images.photofile import formats, variants

INCOMING = "incoming/"
FORGOTTEN = "forgotten/"
TRASHED = "trashed/"
ARCHIVES = "archives"
TRANSFORMS = "transforms"
MARKERS = (FORGOTTEN, TRASHED)
_EXTENSIONS = {format_.content_type: format_.extension for format_ in formats.ACCEPTED}


def incoming(upload_id: UUID) -> str:
    return f"{INCOMING}{upload_id}"


def forgotten(image_id: UUID) -> str:
    return f"{FORGOTTEN}{image_id}"


def trashed(image_id: UUID) -> str:
    return f"{TRASHED}{image_id}"


def markers(image_id: UUID) -> list[str]:
    return [forgotten(image_id), trashed(image_id)]


def archive(group_id: UUID, archive_id: UUID, build: int) -> str:
    return f"{group_id}/{ARCHIVES}/{archive_id}-{build}.zip"


@dataclass(frozen=True)
class Version:
    """One version of a photo, and the keys of its objects."""

    group_id: UUID
    image_id: UUID
    number: int

    def original(self, *, content_type: str) -> str:
        """Raises KeyError for a content type no accepted format has."""
        return self._key("original", extension=_EXTENSIONS[content_type])

    def variant(self, name: str) -> str:
        return self._key(name, extension="jpg")

    def transform(self, spec_hash: str, format_name: str) -> str:
        """The key of a transform, which names the photo, the version and the spec."""
        extension = "jpg" if format_name == "jpeg" else format_name
        name = f"{self.image_id}-{self.number}-{spec_hash}.{extension}"
        return f"{self.group_id}/{TRANSFORMS}/{name}"

    def all_keys(self) -> list[str]:
        """Keys for every format an original may have, and every size we make; of transforms only
        their rows know."""
        return self.originals() + [self.variant(spec.name) for spec in variants.ALL]

    def originals(self) -> list[str]:
        """Returns the keys that an original may have. Only one of them is there: its extension
        tells the content type."""
        extensions = sorted(set(_EXTENSIONS.values()))
        return [self._key("original", extension=extension) for extension in extensions]

    def _key(self, folder: str, *, extension: str) -> str:
        return f"{self.group_id}/{folder}/{self.image_id}-{self.number}.{extension}"


@dataclass(frozen=True)
class Place:
    """The version and folder that the key of an original or a size names."""

    version: Version
    folder: str

    @property
    def is_original(self) -> bool:
        return self.folder == "original"


_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_PLACE = re.compile(rf"({_UUID})/([a-z0-9_-]+)/({_UUID})-([0-9]{{1,9}})\.[a-z0-9]+")


def place_of(key: str) -> Place | None:
    """Parses the key of a photo's object; None for archives, quarantine, markers and foreign
    objects."""
    found = _PLACE.fullmatch(key)
    if found is None or found[2] == ARCHIVES:
        return None
    group_id, folder, image_id, number = found.groups()
    return Place(Version(UUID(group_id), UUID(image_id), int(number)), folder)


_TRANSFORM = re.compile(
    rf"({_UUID})/{TRANSFORMS}/({_UUID})-([0-9]{{1,9}})-[0-9a-f]{{64}}\.[a-z0-9]+"
)


def transformed_image_id_of(key: str) -> UUID | None:
    """Parses the key of a transform; returns the photo's id, and None for any other key."""
    found = _TRANSFORM.fullmatch(key)
    return UUID(found[2]) if found else None


def archive_id_of(key: str) -> UUID | None:
    """Parses the key of an archive; None for any other key."""
    found = _PLACE.fullmatch(key)
    return UUID(found[3]) if found and found[2] == ARCHIVES else None


def upload_id_of(key: str) -> UUID | None:
    """Parses the key of an object in quarantine; None for any other key."""
    return _id_after(INCOMING, key)


def marked_image_id_of(key: str) -> UUID | None:
    """Parses the key of a marker; None for any other key."""
    found = [_id_after(prefix, key) for prefix in MARKERS]
    return next((image_id for image_id in found if image_id), None)


def is_known(key: str) -> bool:
    """Whether the key is that of an archive, a transform or a marker."""
    parsers = (archive_id_of, transformed_image_id_of, marked_image_id_of)
    return any(parsed(key) for parsed in parsers)


def _id_after(prefix: str, key: str) -> UUID | None:
    name = key.removeprefix(prefix)
    if name == key or not re.fullmatch(_UUID, name):
        return None
    return UUID(name)
