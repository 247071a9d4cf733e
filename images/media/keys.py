"""Where each object lives in the bucket. Keys hold ids only: no guest's text, no token.

The layout is a contract: `{group_id}/original/{name}`, `{group_id}/{variant}/{name}`, and
`incoming/{upload_id}` for quarantine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from images.media import formats, variants

if TYPE_CHECKING:
    from uuid import UUID

INCOMING = "incoming/"
_EXTENSIONS = {format_.content_type: format_.extension for format_ in formats.ACCEPTED}


def incoming(upload_id: UUID) -> str:
    return f"{INCOMING}{upload_id}"


@dataclass(frozen=True)
class Version:
    """One version of a photo, and where its objects lie."""

    group_id: UUID
    image_id: UUID
    number: int

    def original(self, *, content_type: str) -> str:
        """Raises KeyError for a content type no accepted format has."""
        return self._key("original", extension=_EXTENSIONS[content_type])

    def variant(self, name: str) -> str:
        return self._key(name, extension="jpg")

    def all_keys(self) -> list[str]:
        """Of every format an original may have, and every size we make."""
        return self.originals() + [self.variant(spec.name) for spec in variants.ALL]

    def originals(self) -> list[str]:
        """Only one of them is there: which, tells the content type."""
        extensions = sorted(set(_EXTENSIONS.values()))
        return [self._key("original", extension=extension) for extension in extensions]

    def _key(self, folder: str, *, extension: str) -> str:
        return f"{self.group_id}/{folder}/{self.image_id}-{self.number}.{extension}"
