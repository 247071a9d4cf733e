"""What the pages of an account share: who opens them, and parts of their forms."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.auth import authenticate
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache

from bandpics.error_handlers import page_for_members
from bandpics.users.models import User

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse

PASSWORD_LENGTH = 1024
# What AUTH_PASSWORD_VALIDATORS ask for, in one sentence.
GOOD_PASSWORD = _(
    "At least 8 characters; not only digits, not like your name or address, and none of those that "
    "many people use."
)


def account_page(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Makes a view of (request, user, …) a page of the signed-in person's own account."""

    @never_cache
    @page_for_members
    @wraps(view)
    def wrapped(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        assert isinstance(request.user, User)  # noqa: S101 - for the type checker
        return view(request, request.user, **kwargs)

    return wrapped


class OwnPasswordField(forms.CharField):
    """The present password of who fills in the form."""

    def __init__(self, **options: Any) -> None:
        attributes = {"autocomplete": "current-password"}
        super().__init__(
            label=options.pop("label", _("Your present password")),
            strip=False,
            max_length=PASSWORD_LENGTH,
            widget=forms.PasswordInput(attrs=attributes),
            **options,
        )


def check_own_password(request: HttpRequest, user: User, password: str) -> None:
    """Raises a ValidationError if the password is wrong, or was guessed too often."""
    if authenticate(request, username=user.email, password=password) != user:
        raise forms.ValidationError(_("This is not your present password."), code="wrong")


def try_again(seconds: int) -> str:
    """Says that a limit is reached, and for how long."""
    minutes = -(-seconds // 60)
    text = ngettext(
        "Those were too many attempts. Try again in a minute.",
        "Those were too many attempts. Try again in %(minutes)d minutes.",
        minutes,
    )
    return text % {"minutes": minutes}
