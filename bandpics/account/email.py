"""The pages on which people change the address they sign in with, once they proved the new one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect, render
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods
from kombu.exceptions import OperationalError as BrokerError

from bandpics import limits
from bandpics.account.frame import (
    OwnPasswordField,
    account_page,
    check_own_password,
    try_again,
)
from bandpics.users import email_change, tasks
from invitations import mail

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from bandpics.users.models import User


class EmailForm(forms.Form):
    email = forms.EmailField(
        label=_("Your new e-mail address"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )
    password = OwnPasswordField()

    def __init__(self, *args: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        self.request, self.user = request, user

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"]
        if not email.rpartition("@")[0].isascii():
            raise forms.ValidationError(_("Enter a valid e-mail address."), code="invalid")
        if email.casefold() == self.user.email.casefold():
            raise forms.ValidationError(_("This is your address already."), code="same")
        return email

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        check_own_password(self.request, self.user, password)
        return password


@sensitive_post_parameters()
@account_page
@require_http_methods(["GET", "HEAD", "POST"])
def change_email(request: HttpRequest, user: User) -> HttpResponse:
    """Sends a link to the new address; the old one stays until somebody opens it."""
    if not (mail.can_send() and user.has_usable_password()):
        raise Http404
    is_post = request.method == "POST"
    form = EmailForm(request.POST if is_post else None, request=request, user=user)
    if is_post and form.is_valid() and _send(form, user):
        text = _("A mail is on its way to {email}. Open its link to finish.")
        messages.success(request, text.format(email=form.cleaned_data["email"]))
        return redirect("account")
    return render(request, "account/email.html", {"form": form}, status=400 if is_post else 200)


def _send(form: EmailForm, user: User) -> bool:
    seconds = limits.consume(("reset", f"user {user.pk}"))
    if seconds:
        form.add_error(None, try_again(seconds))
        return False
    try:
        tasks.mail_email_link.delay(user.pk, form.cleaned_data["email"], get_language())
    except BrokerError:
        form.add_error(None, _("No mail can be sent right now. Please try again soon."))
        return False
    return True


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def confirm_email(request: HttpRequest, token: str) -> HttpResponse:
    """Asks whoever opens the link, on whatever device, and then changes the address."""
    try:
        change = email_change.read(token)
        if request.method == "POST":
            email_change.apply(change)
            messages.success(
                request, _("Your address is changed. From now on, sign in with the new one.")
            )
            return redirect("account")
    except email_change.Stale:
        return render(request, "account/email_stale.html", status=410)
    except email_change.Taken:
        messages.error(request, _("There is another account with this address by now."))
        return redirect("account")
    return render(request, "account/email_confirm.html", {"change": change})
