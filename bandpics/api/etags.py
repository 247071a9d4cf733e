"""ETag and If-Match: a change is made to what the caller has seen, or not at all.

An ETag names one state of a row. It covers what the row says, not what hangs on it (a group's
photos, signed URLs), so nothing is answered 304 by it.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Protocol

from django.utils.http import parse_etags
from drf_spectacular.utils import OpenApiParameter
from rest_framework import status

from bandpics.api.problems import Problem

if TYPE_CHECKING:
    from datetime import datetime

    from rest_framework.request import Request


IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description="The ETag you read: the change is refused (412) if somebody was faster.",
)


class Dated(Protocol):
    """A row whose every change moves its `updated_at`, by save() or by the UPDATE itself."""

    pk: Any
    updated_at: datetime


class PreconditionFailed(Problem):
    status_code = status.HTTP_412_PRECONDITION_FAILED
    slug = "precondition-failed"
    title = "It was changed since you read it"
    default_detail = "Read it again, and send your change with the new ETag in If-Match."


def etag(row: Dated) -> str:
    """A strong one: equal only for the same row in the same state."""
    state = f"{row.pk}:{row.updated_at.isoformat()}"
    return f'"{hashlib.sha256(state.encode()).hexdigest()[:32]}"'


def headers(row: Dated) -> dict[str, str]:
    return {"ETag": etag(row)}


def expected(request: Request, row: Dated) -> dict[str, Any]:
    """Returns what the UPDATE or DELETE has to filter by. Raises PreconditionFailed where If-Match
    names another state.

    `if not rows.filter(pk=row.pk, **expected(request, row)).update(…)`: somebody was faster,
    or the row is gone.
    """
    wanted = request.headers.get("If-Match")
    if wanted is None:
        return {}
    tags = parse_etags(wanted)
    if tags == ["*"]:
        return {}
    # Behind a dot an ETag tells answers about one state of the row apart.
    rows = {tag.partition(".")[0].rstrip('"') + '"' for tag in tags}
    if etag(row) not in rows:  # strong comparison (RFC 9110, 8.8.3.2): W/"…" never matches
        raise PreconditionFailed
    return {"updated_at": row.updated_at}
