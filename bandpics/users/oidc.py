"""Verifies tokens of another issuer (Cognito, Keycloak, …) by its published keys."""

from __future__ import annotations

import functools
import time
from typing import Any

import jwt
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.module_loading import import_string

from bandpics.users.models import ApiKey, ExternalIdentity, User

ALGORITHM = "RS256"  # pinned: the header of a token could name a weaker one
CLOCK_SKEW_SECONDS = 30
KEYS_KEPT_SECONDS = 300
# The issuer is asked for unknown keys, but not more often than this.
KEYS_COOLDOWN_SECONDS = 30
TIMEOUT_SECONDS = 3
PAUSE_SECONDS = 10


class TokenRefused(Exception):
    """The token is not valid, or not for us; the message says why."""


class IssuerUnavailable(Exception):
    """The issuer's keys cannot be read at the moment."""


def is_issuer(name: object) -> bool:
    return bool(settings.OIDC_ISSUER) and name == settings.OIDC_ISSUER


def verify(token: str) -> dict[str, Any]:
    """Returns the claims of a valid token. Raises TokenRefused, IssuerUnavailable."""
    try:
        key = _key_client(settings.OIDC_JWKS_URL).get_signing_key_from_jwt(token)
    except jwt.PyJWKClientConnectionError:
        raise IssuerUnavailable from None
    except (jwt.PyJWKClientError, jwt.PyJWKSetError, jwt.InvalidTokenError):
        raise TokenRefused("This token was signed with a key its issuer does not name.") from None
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            issuer=settings.OIDC_ISSUER,
            leeway=CLOCK_SKEW_SECONDS,
            # The audience may be in one of two claims: see _is_for_us().
            options={"require": ["exp", "iss", "sub"], "verify_aud": False},
        )
    except jwt.ExpiredSignatureError:
        raise TokenRefused("This token has expired; sign in again.") from None
    except (jwt.InvalidTokenError, jwt.InvalidKeyError):
        raise TokenRefused("This token is malformed, or not what its issuer signed.") from None
    if not _is_for_us(claims):
        raise TokenRefused("This token is for another audience.")
    return claims


def user_of(claims: dict[str, Any]) -> User:
    """Returns the user of these claims, found by issuer and subject. Raises TokenRefused.

    The first time the user is found by an e-mail address that the issuer has verified; then the
    account's password and keys end. OIDC_CREATES_USERS creates missing users.
    """
    identity = (
        ExternalIdentity.objects.select_related("user")
        .filter(issuer=claims["iss"], subject=claims["sub"])
        .first()
    )
    user = identity.user if identity else _find_by_email(claims)
    if not user.is_active:
        raise TokenRefused("The person of this token was deactivated.")
    return user


def _is_for_us(claims: dict[str, Any]) -> bool:
    audience = claims.get("aud")
    if audience is None and settings.OIDC_CLIENT_ID_IS_AUDIENCE:
        audience = claims.get("client_id")
    named = audience if isinstance(audience, list) else [audience]
    return any(isinstance(name, str) and name in settings.OIDC_AUDIENCE for name in named)


def _find_by_email(claims: dict[str, Any]) -> User:
    email = claims.get("email")
    verified = claims.get("email_verified")  # some tokens of Cognito have a string
    if not isinstance(email, str) or not (verified is True or verified == "true"):
        raise TokenRefused(
            "We do not know the person of this token. The first time, send a token with an e-mail "
            "address that its issuer has verified (an ID token)."
        )
    for _ in range(2):
        try:
            with transaction.atomic():
                found = User.objects.with_email(email).first()
                user = found or _create(email, claims)
                _, is_new = ExternalIdentity.objects.get_or_create(
                    issuer=claims["iss"], subject=claims["sub"], defaults={"user": user}
                )
                if found and is_new:
                    _end_other_credentials(found)
                return user
        except IntegrityError:
            continue  # another request created the same user
    raise IssuerUnavailable


def _end_other_credentials(user: User) -> None:
    """Ends the password, tokens, sessions and keys of a user who had not proved the address."""
    user.set_unusable_password()
    user.save(update_fields=["password"])
    ApiKey.objects.filter(user=user).update(revoked=True)


def _create(email: str, claims: dict[str, Any]) -> User:
    if not settings.OIDC_CREATES_USERS:
        raise TokenRefused("Nobody here has the e-mail address of this token.")
    name = claims.get("name")
    user = User.objects.create_user(email, name=name[:120] if isinstance(name, str) else "")
    import_string(settings.MAKE_HOME)(user)
    return user


@functools.lru_cache(maxsize=2)
def _key_client(url: str) -> _KeyClient:
    return _KeyClient(
        url,
        lifespan=KEYS_KEPT_SECONDS,
        timeout=TIMEOUT_SECONDS,
        cooldown_duration=KEYS_COOLDOWN_SECONDS,
    )


class _KeyClient(jwt.PyJWKClient):
    """Reads the keys of an issuer, and not for PAUSE_SECONDS after a failure."""

    _paused_until = 0.0

    def fetch_data(self) -> Any:
        if time.monotonic() < self._paused_until:
            raise jwt.PyJWKClientConnectionError("The issuer did not answer a moment ago.")
        try:
            return super().fetch_data()
        except (jwt.PyJWKClientConnectionError, ValueError) as error:
            self._paused_until = time.monotonic() + PAUSE_SECONDS
            raise jwt.PyJWKClientConnectionError(str(error)) from error
