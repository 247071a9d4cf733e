"""Identifiers that sort by the time they were made."""

from __future__ import annotations

from uuid import UUID

from uuid_utils.compat import uuid7 as _uuid7


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562): time-ordered, so that primary-key indexes grow at one end."""
    return UUID(int=_uuid7().int)
