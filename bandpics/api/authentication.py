"""Authenticates members in the API: by API key, by token, or by the browser's session.

Whoever sends an Authorization header is judged by it alone: a wrong one is a 401 and never
falls through to the session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import jwt
from rest_framework import authentication, exceptions, status
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework_simplejwt.authentication import JWTAuthentication

from bandpics.api import throttles
from bandpics.api.problems import Forbidden, Problem, Unavailable
from bandpics.telemetry import context
from bandpics.users import api_keys, oidc

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise
    from rest_framework.request import Request
    from rest_framework_simplejwt.tokens import Token

    from bandpics.users.models import ApiKey, User

API_KEY, BEARER = "Api-Key", "Bearer"


def challenge(*schemes: str) -> str:
    """WWW-Authenticate (RFC 9110, 11.6.1)."""
    return ", ".join(f'{scheme} realm="Bandpics"' for scheme in schemes)


CHALLENGE = challenge(BEARER, API_KEY)


class CredentialInvalid(Problem, exceptions.AuthenticationFailed):
    """`scheme` is that of the credential, where it is known: the answer names no other."""

    status_code = status.HTTP_401_UNAUTHORIZED
    slug = "credential-invalid"
    title = "This credential is not valid"
    explanation = (
        "The key or token is malformed, unknown, revoked or expired, or the password is wrong. "
        "Sign in again, or rotate the key."
    )

    def __init__(self, detail: _StrOrPromise | None = None, *, scheme: str = "") -> None:
        super().__init__(detail)
        self.challenge = challenge(scheme) if scheme else None


class CsrfFailed(Forbidden):
    slug = "csrf-failed"
    title = "The browser's CSRF token is missing or wrong"
    explanation = (
        "Writing with the browser's session takes the CSRF token: send the csrftoken cookie's "
        "value as the header X-CSRFToken. Or use a key or token instead of the session."
    )

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason} Send the csrftoken cookie's value as X-CSRFToken.")


_SEND_KEY = f"Send an API key as `Authorization: {API_KEY} <key>`."


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Api-Key <key>`. Sets `request.auth` to the ApiKey."""

    def authenticate(self, request: Request) -> tuple[User, ApiKey] | None:
        text = _credential(request, API_KEY)
        if text is None:
            return None
        key = api_keys.find(text)
        if key is None:
            throttles.guessed_wrong(request)
            if text.count(".") == 2:
                why = f"This looks like a token. Send it as `Authorization: {BEARER} <token>`."
            else:
                why = "There is no such API key, or it was revoked or has expired."
            raise CredentialInvalid(why, scheme=API_KEY)
        api_keys.record_use(key)
        context.say(credential="api-key", prefix=key.prefix)
        return key.user, key

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer <JWT>`, of our own making or of the issuer in the settings."""

    def authenticate(self, request: Request) -> tuple[User, Token | dict[str, Any]] | None:
        text = _credential(request, BEARER)
        if text is None:
            return None
        try:
            found = self._by_issuer(text) if _names_issuer(text) else self._by_us(text)
            context.say(credential="token")
            return found
        except (exceptions.AuthenticationFailed, oidc.TokenRefused) as error:
            throttles.guessed_wrong(request)
            why = _SEND_KEY if text.count(".") == 1 else _reason(error)
            raise CredentialInvalid(why, scheme=BEARER) from None

    def _by_us(self, text: str) -> tuple[User, Token]:
        ours = JWTAuthentication()
        token = ours.get_validated_token(text.encode())
        return cast("User", ours.get_user(token)), token

    def _by_issuer(self, text: str) -> tuple[User, dict[str, Any]]:
        try:
            claims = oidc.verify(text)
        except oidc.IssuerUnavailable:
            raise Unavailable("The issuer of this token does not answer; try again soon.") from None
        return oidc.user_of(claims), claims


class SessionAuthentication(authentication.SessionAuthentication):
    """The browser's session; writing takes the CSRF token, too."""

    def authenticate(self, request: Request) -> tuple[User, None] | None:
        if get_authorization_header(request).strip():
            raise CredentialInvalid(
                f"This address takes `Authorization: {BEARER} <token>` or `{API_KEY} <key>`."
            )
        found = super().authenticate(request)
        if found is None and "X-Api-Key" in request.headers:
            raise CredentialInvalid(f"X-Api-Key is not read. {_SEND_KEY}", scheme=API_KEY)
        return found

    def enforce_csrf(self, request: Request) -> None:
        try:
            super().enforce_csrf(request)
        except exceptions.PermissionDenied as error:
            raise CsrfFailed(str(error.detail).removeprefix("CSRF Failed: ")) from None


# In this order: the first that finds its own kind of credential decides.
MEMBER_AUTHENTICATION: list[type[BaseAuthentication]] = [
    ApiKeyAuthentication,
    TokenAuthentication,
    SessionAuthentication,
]


def _credential(request: Request, scheme: str) -> str | None:
    """Returns what follows the scheme: None for another scheme or no header, empty if malformed."""
    words = get_authorization_header(request).split()
    if not words or words[0].lower() != scheme.lower().encode():
        return None
    return words[1].decode("latin-1") if len(words) == 2 else ""


def _names_issuer(text: str) -> bool:
    """Whom it says it is from; nothing of it is believed yet."""
    try:
        claims = jwt.decode(text, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        return False
    return oidc.is_issuer(claims.get("iss"))


def _reason(error: Exception) -> str:
    if isinstance(error, oidc.TokenRefused):
        return str(error)
    detail = getattr(error, "detail", None)
    code = detail.get("code") if isinstance(detail, dict) else getattr(detail, "code", None)
    return {
        "user_not_found": "The person of this token is gone.",
        "user_inactive": "The person of this token was deactivated.",
        "password_changed": "The password was changed since; sign in again.",
    }.get(str(code), "This token is malformed, expired, or not of our making; sign in again.")
