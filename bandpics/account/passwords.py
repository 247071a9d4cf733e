"""The pages on which people change their password, or get a new one by mail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import PasswordChangeForm, SetPasswordForm
from django.contrib.auth.views import PasswordResetConfirmView
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods
from kombu.exceptions import OperationalError as BrokerError

from bandpics import limits
from bandpics.account.frame import (
    GOOD_PASSWORD,
    PASSWORD_LENGTH,
    account_page,
    check_own_password,
    try_again,
)
from bandpics.users import tasks
from invitations import mail

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from bandpics.users.models import User


class ChangePasswordForm(PasswordChangeForm):
    """Django's form, in which guesses of the present password are limited."""

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request, self.label_suffix = request, ""
        self.fields["old_password"].label = _("Your present password")
        self.fields["new_password1"].help_text = GOOD_PASSWORD
        for field in self.fields.values():
            field.widget.attrs["maxlength"] = PASSWORD_LENGTH

    def clean_old_password(self) -> str:
        password: str = self.cleaned_data["old_password"]
        check_own_password(self.request, self.user, password)
        return password


class ForgottenForm(forms.Form):
    email = forms.EmailField(
        label=_("E-mail"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "username"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""


@sensitive_post_parameters()
@account_page
@require_http_methods(["GET", "HEAD", "POST"])
def change_password(request: HttpRequest, user: User) -> HttpResponse:
    """Changes the password; other sign-ins and tokens end, this one stays."""
    if not user.has_usable_password():
        return render(request, "account/no_password.html")
    is_post = request.method == "POST"
    form = ChangePasswordForm(user, request.POST if is_post else None, request=request)
    if is_post and form.is_valid():
        form.save()
        update_session_auth_hash(request, form.user)
        messages.success(
            request, _("Your password is changed. You were signed out everywhere else.")
        )
        return redirect("account")
    return render(request, "account/password.html", {"form": form}, status=400 if is_post else 200)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def forgotten_password(request: HttpRequest) -> HttpResponse:
    """Sends a link by which a new password is set. Its answer tells nothing of who is here."""
    is_post = request.method == "POST" and mail.can_send()
    form = ForgottenForm(request.POST if is_post else None)
    if is_post and form.is_valid() and _send(request, form):
        text = _(
            "If there is an account with this address, a mail with a link is on its way. It may "
            "take a few minutes; look among the spam, too."
        )
        messages.success(request, text)
        return redirect("login")
    context = {"form": form, "sends_mail": mail.can_send()}
    return render(request, "account/forgotten.html", context, status=400 if is_post else 200)


def _send(request: HttpRequest, form: ForgottenForm) -> bool:
    email = form.cleaned_data["email"]
    seconds = limits.consume(
        ("reset", email.casefold()), ("register", f"reset {limits.address_of(request)}")
    )
    if seconds:
        form.add_error(None, try_again(seconds))
        return False
    try:
        # By a task, whoever asks: how long the answer takes tells nothing, either.
        tasks.mail_password_link.delay(email, get_language())
    except BrokerError:
        form.add_error(None, _("No mail can be sent right now. Please try again soon."))
        return False
    return True


class ResetForm(SetPasswordForm):  # type: ignore[type-arg]  # not at run time
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        self.fields["new_password1"].help_text = GOOD_PASSWORD


class ResetPassword(PasswordResetConfirmView):
    """Django's page behind the link of the mail."""

    template_name = "account/reset.html"
    form_class = ResetForm
    success_url = reverse_lazy("login")

    def form_valid(self, form: Any) -> HttpResponse:
        # Django reads who is signed in when it is first asked. Asked after the password has
        # changed, it would empty the session, which still holds the token of the link.
        _is_signed_in = self.request.user.is_authenticated
        response = super().form_valid(form)
        messages.success(self.request, _("Your new password is set. Sign in with it."))
        return response
