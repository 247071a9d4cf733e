"""The page on which people make an account, where the operator lets them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.password_validation import validate_password
from django.shortcuts import redirect, render
from django.urls import Resolver404, resolve
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from bandpics import limits
from bandpics.account.frame import GOOD_PASSWORD, PASSWORD_LENGTH, try_again
from bandpics.account.sign_in import next_page
from bandpics.users.models import User
from groups import registration
from invitations import team_invitations
from invitations.models import Invitation, TeamInvitation

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

LINK_LENGTH = 500


class SignUpForm(forms.Form):
    name = forms.CharField(
        label=_("Your name"),
        max_length=120,
        help_text=_("The people you share groups with see it beside your photos."),
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    email = forms.EmailField(
        label=_("E-mail"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "username"}),
    )
    password = forms.CharField(
        label=_("Password"),
        max_length=PASSWORD_LENGTH,
        strip=False,
        help_text=GOOD_PASSWORD,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    link = forms.CharField(
        label=_("The link you were sent"),
        max_length=LINK_LENGTH,
        help_text=_("It must have been sent to the address above."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        self.invitation: Invitation | TeamInvitation | None = None
        if settings.REGISTRATION != "invite":
            del self.fields["link"]

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"]
        # The validator ignores case so well that a long s and the sign for kelvin pass.
        if not email.rpartition("@")[0].isascii():
            raise forms.ValidationError(_("Enter a valid e-mail address."), code="invalid")
        return email

    def clean_link(self) -> str:
        link: str = self.cleaned_data["link"]
        self.invitation = _invitation_of(link)
        if self.invitation is None:
            why = _("This link is not a personal one, was cut short, or does not work any more.")
            raise forms.ValidationError(why, code="unusable")
        return link

    def clean(self) -> dict[str, Any]:
        said = self.cleaned_data
        if "password" in said and "email" in said:
            someone = User(email=said["email"], name=said.get("name", ""))
            try:
                validate_password(said["password"], user=someone)
            except forms.ValidationError as error:
                self.add_error("password", error)
        email = said.get("email", "").lower()
        if self.invitation is not None and email and email != self.invitation.email.lower():
            self.add_error("email", _("The link was sent to another address."))
        return said


@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_up(request: HttpRequest) -> HttpResponse:
    """Makes an account and signs in with it; leads home, or to the page people came from."""
    next_url = next_page(request)
    if request.user.is_authenticated:
        return redirect(next_url or "home")
    if settings.REGISTRATION == "closed":
        return render(request, "account/sign_up_closed.html", {"next": next_url}, status=403)
    is_post = request.method == "POST"
    initial = {"link": next_url if _invitation_of(next_url) else ""}
    form = SignUpForm(request.POST if is_post else None, initial=initial)
    if is_post and _is_within_limit(request, form) and form.is_valid() and _register(request, form):
        return redirect(next_url or "home")
    context = {"form": form, "next": next_url}
    return render(request, "account/sign_up.html", context, status=400 if is_post else 200)


def _is_within_limit(request: HttpRequest, form: SignUpForm) -> bool:
    seconds = limits.consume(("register", limits.address_of(request)))
    if seconds:
        form.add_error(None, try_again(seconds))
    return not seconds


def _register(request: HttpRequest, form: SignUpForm) -> bool:
    said = form.cleaned_data
    try:
        user, _group = registration.sign_up(
            email=said["email"], password=said["password"], name=said["name"]
        )
    except registration.EmailTaken:
        form.add_error("email", _("There is an account with this address. Sign in instead."))
        return False
    login(request, user)
    messages.success(request, _("Welcome! Your account is ready."))
    return True


def _invitation_of(link: str) -> Invitation | TeamInvitation | None:
    """Returns the personal invitation of a link that may still be used, or None."""
    try:
        match = resolve(urlsplit(link.strip()).path)
    except (Resolver404, ValueError):
        return None
    token = match.kwargs.get("token", "")
    if match.url_name == "join-team":
        try:
            return team_invitations.find(token)
        except (team_invitations.Unusable, team_invitations.Expired, team_invitations.Used):
            return None
    if match.url_name == "upload-page":
        personal = Invitation.objects.open().filter(kind=Invitation.Kind.PERSONAL)
        return personal.with_token(token).first()
    return None
