"""The sign-in page, and where it leads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _

from bandpics.account.frame import PASSWORD_LENGTH
from invitations import mail

if TYPE_CHECKING:
    from django.http import HttpRequest


class SignInForm(AuthenticationForm):
    """Django's form with our labels."""

    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": _(
            "This e-mail address and this password do not belong together. Please check both."
        ),
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        self.fields["username"].label = _("E-mail")
        self.fields["username"].widget = forms.EmailInput(
            attrs={"autocomplete": "username", "maxlength": 254}
        )
        self.fields["password"].label = _("Password")
        self.fields["password"].widget.attrs["maxlength"] = PASSWORD_LENGTH


class SignIn(LoginView):
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        more = {
            "may_sign_up": settings.REGISTRATION != "closed",
            "sends_mail": mail.can_send(),
        }
        return super().get_context_data(**kwargs) | more


def next_page(request: HttpRequest) -> str:
    """Returns the page of ours that `next` names, or nothing."""
    page = request.POST.get("next") or request.GET.get("next") or ""
    is_ours = url_has_allowed_host_and_scheme(
        page, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return page if is_ours else ""
