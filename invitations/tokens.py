"""The secret in an upload link, which can be shown again but is not stored.

A token is an HMAC over the invitation's id and a random nonce. The database holds only the
token's digest, for look-ups, and the nonce, which make no link without INVITATION_TOKEN_KEY.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from uuid import UUID

NONCE_BYTES = 16
TOKEN_LENGTH = 43  # 256 bits in base64url without padding


class TokenLost(Exception):
    """The key of this invitation's token is lost. Rotate it for a new link."""


def make(invitation_id: UUID, nonce: bytes, *, key: str | None = None) -> str:
    """Returns the 43-character token: HMAC-SHA256 (RFC 2104), base64url (RFC 4648) unpadded."""
    secret = settings.INVITATION_TOKEN_KEY if key is None else key
    mac = hmac.digest(secret.encode(), invitation_id.bytes + nonce, "sha256")
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()


def digest(token: str) -> str:
    """Returns the hex SHA-256 by which the database finds a token.

    A plain hash is enough, because the token has 256 random bits.
    """
    return hashlib.sha256(token.encode()).hexdigest()


def recover(invitation_id: UUID, nonce: bytes, *, expected_digest: str) -> str:
    """Returns the token as it was sent, by the current key or a fallback. Raises TokenLost."""
    for key in [settings.INVITATION_TOKEN_KEY, *settings.INVITATION_TOKEN_KEY_FALLBACKS]:
        token = make(invitation_id, nonce, key=key)
        if hmac.compare_digest(digest(token), expected_digest):
            return token
    raise TokenLost
