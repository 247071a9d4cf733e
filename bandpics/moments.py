"""Moments: the years in which evenings and deadlines lie, and how the API writes them."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

YEARS: Final = range(1970, 2200)


def as_json(moment: datetime) -> str:
    """Returns a moment as DRF's DateTimeField writes it: ISO 8601, in UTC."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat()}Z"
