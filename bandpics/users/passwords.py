"""Sign-in by password, for the page, the admin and the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import ValidationError
from django.utils.translation import ngettext

from bandpics import limits
from bandpics.audit.trail import current_request
from bandpics.lookups import Lookup
from bandpics.users.models import User
from bandpics.users.sessions import SessionStore

if TYPE_CHECKING:
    from django.http import HttpRequest

_COLUMNS = [field.attname for field in User._meta.concrete_fields]
_USER = Lookup(
    lambda pk: User.objects.filter(pk=pk).order_by().values_list(*_COLUMNS), pk=1_618_033_988
)


class TooManyAttempts(ValidationError):
    """Too many wrong passwords. Forms show it, because it is a ValidationError."""

    def __init__(self, seconds: int) -> None:
        minutes = -(-seconds // 60)
        text = ngettext(
            "Too many wrong passwords. Try again in a minute.",
            "Too many wrong passwords. Try again in %(minutes)d minutes.",
            minutes,
        )
        super().__init__(text % {"minutes": minutes}, code="too-many")
        self.seconds = seconds


class PasswordBackend(ModelBackend):
    """Django's backend with rate limits. Raises TooManyAttempts.

    Only wrong passwords count, whether the account exists or not: per account and address, per
    account, and per address.
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
        keys = (("password", f"{account} {address}"), ("account", account), ("guess", address))
        if seconds := limits.retry_after(*keys):
            raise TooManyAttempts(seconds)
        user = super().authenticate(request, username=email, password=password)
        if user is None:
            limits.consume(*keys)
        assert user is None or isinstance(user, User)  # noqa: S101 - for the type checker
        return user

    def get_user(self, user_id: int) -> User | None:
        """Returns who is signed in, at each request of a session."""
        session = getattr(current_request.get(), "session", None)
        user = session.take_user(int(user_id)) if isinstance(session, SessionStore) else None
        if user is None and (row := _USER.first(pk=int(user_id))):
            user = User.from_db("default", _COLUMNS, row)
        return user if user is not None and self.user_can_authenticate(user) else None
