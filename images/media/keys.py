"""Where each object lives in the bucket. Keys hold ids only: no guest's text, no token.

The layout is a contract: `{group_id}/original/{name}`, `{group_id}/{variant}/{name}`, and
`incoming/{upload_id}` for quarantine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from images.media import formats

if TYPE_CHECKING:
    from uuid import UUID

INCOMING = "incoming/"
_EXTENSIONS = {format_.content_type: format_.extension for format_ in formats.ACCEPTED}


def incoming(upload_id: UUID) -> str:
    return f"{INCOMING}{upload_id}"


def original(*, group_id: UUID, image_id: UUID, version: int, content_type: str) -> str:
    """Raises KeyError for a content type no accepted format has."""
    return f"{group_id}/original/{image_id}-{version}.{_EXTENSIONS[content_type]}"


def variant(*, group_id: UUID, image_id: UUID, version: int, name: str) -> str:
    return f"{group_id}/{name}/{image_id}-{version}.jpg"
