"""Time-ordered identifiers."""

from __future__ import annotations

from uuid import UUID

from uuid_utils.compat import uuid7 as _uuid7


def new_id() -> UUID:
    """Returns a UUIDv7 (RFC 9562), so that primary-key indexes grow at one end."""
    return UUID(int=_uuid7().int)
