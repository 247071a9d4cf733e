"""Tokens of another issuer (Cognito, Keycloak, …): verified by its published keys."""

from __future__ import annotations

import functools
import time
from typing import Any

import jwt
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.module_loading import import_string

from bandpics.users.models import ApiKey, ExternalIdentity, User

ALGORITHM = "RS256"  # pinned: what the token says of itself is not asked
CLOCK_SKEW_SECONDS = 30
KEYS_KEPT_SECONDS = 300
# For a key we do not know, the issuer is asked again, but not more often than this.
KEYS_COOLDOWN_SECONDS = 30
TIMEOUT_SECONDS = 3
PAUSE_SECONDS = 10


class TokenRefused(Exception):
    """The token is not good, or not for us; the message says why."""


class IssuerUnavailable(Exception):
    """The issuer's keys cannot be read now."""


def is_issuer(name: object) -> bool:
    return bool(settings.OIDC_ISSUER) and name == settings.OIDC_ISSUER


def verify(token: str) -> dict[str, Any]:
    """The claims of a token that this issuer signed for us and that is in its time.

    Raises TokenRefused, IssuerUnavailable.
    """
    try:
        key = _keys(settings.OIDC_JWKS_URL).get_signing_key_from_jwt(token)
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
            # The audience may stand in either of two claims: see below.
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
    """The person these claims are about; raises TokenRefused if it is nobody here.

    Known by issuer and subject. The first time, by an e-mail address the issuer has verified:
    then the account's password and keys are good no more. Whoever is not here is made, if
    OIDC_CREATES_USERS says so.
    """
    identity = (
        ExternalIdentity.objects.select_related("user")
        .filter(issuer=claims["iss"], subject=claims["sub"])
        .first()
    )
    user = identity.user if identity else _first_time(claims)
    if not user.is_active:
        raise TokenRefused("The person of this token was deactivated.")
    return user


def _is_for_us(claims: dict[str, Any]) -> bool:
    audience = claims.get("aud")
    if audience is None and settings.OIDC_CLIENT_ID_IS_AUDIENCE:
        audience = claims.get("client_id")
    named = audience if isinstance(audience, list) else [audience]
    return any(isinstance(name, str) and name in settings.OIDC_AUDIENCE for name in named)


def _first_time(claims: dict[str, Any]) -> User:
    email = claims.get("email")
    verified = claims.get("email_verified")  # a text in some tokens of Cognito
    if not isinstance(email, str) or not (verified is True or verified == "true"):
        raise TokenRefused(
            "We do not know the person of this token. The first time, send a token with an e-mail "
            "address that its issuer has verified (an ID token)."
        )
    for _ in range(2):
        try:
            with transaction.atomic():
                found = User.objects.with_email(email).first()
                user = found or _made(email, claims)
                _, is_new = ExternalIdentity.objects.get_or_create(
                    issuer=claims["iss"], subject=claims["sub"], defaults={"user": user}
                )
                if found and is_new:
                    _shut_out_others(found)
                return user
        except IntegrityError:
            continue  # another request made the same person just now
    raise IssuerUnavailable


def _shut_out_others(user: User) -> None:
    """Whoever made this account never proved its address: only the issuer signs in from now on.

    Ends the password and with it all tokens and sessions; and the keys.
    """
    user.set_unusable_password()
    user.save(update_fields=["password"])
    ApiKey.objects.filter(user=user).update(revoked=True)


def _made(email: str, claims: dict[str, Any]) -> User:
    if not settings.OIDC_CREATES_USERS:
        raise TokenRefused("Nobody here has the e-mail address of this token.")
    name = claims.get("name")
    user = User.objects.create_user(email, name=name[:120] if isinstance(name, str) else "")
    import_string(settings.MAKE_HOME)(user)
    return user


@functools.lru_cache(maxsize=2)
def _keys(url: str) -> _Keys:
    return _Keys(
        url,
        lifespan=KEYS_KEPT_SECONDS,
        timeout=TIMEOUT_SECONDS,
        cooldown_duration=KEYS_COOLDOWN_SECONDS,
    )


class _Keys(jwt.PyJWKClient):
    """After a failure, nobody waits for the issuer for a while."""

    _down_until = 0.0

    def fetch_data(self) -> Any:
        if time.monotonic() < self._down_until:
            raise jwt.PyJWKClientConnectionError("The issuer did not answer a moment ago.")
        try:
            return super().fetch_data()
        except (jwt.PyJWKClientConnectionError, ValueError) as error:
            self._down_until = time.monotonic() + PAUSE_SECONDS
            raise jwt.PyJWKClientConnectionError(str(error)) from error
