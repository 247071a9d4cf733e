"""The ETag of a photo has two halves: the state of its row, and the answer about it.

If-Match compares the first: whatever a person or a worker changes of a photo changes it.
If-None-Match compares both: an answer also holds signed URLs, which live for an hour or two, a
status, and only what the client may see.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from django.utils.http import parse_etags

from bandpics.api import etags

if TYPE_CHECKING:
    from rest_framework.request import Request

    from images.access import PhotoAccess
    from images.models import Image


def etag(image: Image, access: PhotoAccess) -> str:
    moment, ends = datetime.now(UTC), access.expires_at
    if ends is None or ends > moment:  # else its URLs are of this very moment
        moment = moment.replace(minute=0, second=0, microsecond=0)
    who = f"{access.is_guest} {access.key} {access.sees_others_roughly} {ends}"
    answer = f"{image.status} {image.failure} {image.processed_at} {who} {moment}"
    digest = hashlib.sha256(answer.encode()).hexdigest()[:16]
    return f'{etags.etag(image)[:-1]}.{digest}"'


def is_known(request: Request, tag: str) -> bool:
    """Whether the client holds this very answer (If-None-Match: the weak comparison)."""
    header = request.headers.get("If-None-Match")
    return header is not None and tag in [known.removeprefix("W/") for known in parse_etags(header)]
