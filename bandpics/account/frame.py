"""What the pages of an account share: their tabs, and what the forms of several of them need."""

from __future__ import annotations

from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.auth import authenticate
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache

from bandpics.error_handlers import page_for_members
from bandpics.users.models import User

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse

TABS = (
    ("account", _("Account")),
    ("change-password", _("Password")),
    ("sessions", _("Sign-ins")),
    ("api-keys", _("API keys")),
    ("delete-account", _("Delete")),
)
PASSWORD_LENGTH = 1024


@dataclass(frozen=True)
class Tab:
    url: str
    label: str
    is_open: bool


def account_page(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Makes a view of (request, user, …) a page of the signed-in person's own account."""

    @never_cache
    @page_for_members
    @wraps(view)
    def wrapped(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        assert isinstance(request.user, User)  # noqa: S101 - for the type checker
        return view(request, request.user, **kwargs)

    return wrapped


def show(
    request: HttpRequest, template: str, *, tab: str, status: int = 200, **context: Any
) -> HttpResponse:
    """Renders a page of the account below its tabs."""
    tabs = [Tab(reverse(name), str(label), name == tab) for name, label in TABS]
    return render(request, f"account/{template}.html", {"tabs": tabs, **context}, status=status)


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
        "That were too many attempts. Try again in a minute.",
        "That were too many attempts. Try again in %(minutes)d minutes.",
        minutes,
    )
    return text % {"minutes": minutes}
