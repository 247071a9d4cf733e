"""Signing in by password, at whichever door: the page, the admin, the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import ValidationError

from bandpics import limits
from bandpics.users.models import User

if TYPE_CHECKING:
    from django.http import HttpRequest


class TooManyTries(ValidationError):
    """Too many wrong passwords. A ValidationError, so that forms show it in words."""

    def __init__(self, seconds: int) -> None:
        minutes = -(-seconds // 60)
        when = f"{minutes} minutes" if minutes > 1 else "a minute"
        super().__init__(f"Too many wrong passwords. Try again in {when}.", code="too-many")
        self.seconds = seconds


class PasswordBackend(ModelBackend):
    """Django's own, which refuses to be guessed at. Raises TooManyTries.

    Only wrong passwords count, for an account that exists or not: so much from one address at
    one account, more at one account from everywhere, more from one address at all accounts.
    """

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        email = username or kwargs.get(User.USERNAME_FIELD)
        if email is None or password is None:
            return None
        account, address = email.casefold(), limits.address_of(request) if request else ""
        marks = (
            ("password", f"{account} {address}"),
            ("account", account),
            ("guess", address),
        )
        if seconds := limits.wait(*marks):
            raise TooManyTries(seconds)
        user = super().authenticate(request, username=email, password=password)
        if user is None:
            limits.hit(*marks)
        assert user is None or isinstance(user, User)  # noqa: S101 - for the type checker
        return user
