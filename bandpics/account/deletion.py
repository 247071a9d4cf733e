"""The page on which people delete their account, and are told before what that means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from bandpics.account.frame import OwnPasswordField, account_page, check_own_password
from images.lifecycle import account_deletion

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from bandpics.users.models import User
    from images.lifecycle.account_deletion import Outlook


class DeletionForm(forms.Form):
    """What to decide. Questions about photos that are not there are left out."""

    own_groups = forms.ChoiceField(label=_("Your own groups"), widget=forms.RadioSelect)
    credit = forms.ChoiceField(
        label=_("Your photos in groups of other teams"), widget=forms.RadioSelect
    )
    password = OwnPasswordField(label=_("Your password"))
    email = forms.EmailField(
        label=_("Your e-mail address"),
        help_text=_("Type it to show that you mean it."),
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )

    def __init__(
        self, *args: Any, request: HttpRequest, user: User, outlook: Outlook, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        self.request, self.user = request, user
        fields: Any = self.fields
        days = settings.TRASH_LIFETIME.days
        fields["own_groups"].choices = [
            (
                "trash",
                _("Put them into the trash. After {days} days they end for good.").format(
                    days=days
                ),
            ),
            ("purge", _("Delete them with their photos at once, for good.")),
        ]
        fields["credit"].choices = [
            *([("keep", _("They stay under my name, {name}.").format(name=user.name))]
              if user.name else []),
            ("anonymous", _("They stay without my name.")),
        ]  # fmt: skip
        fields["own_groups"].initial = "trash"
        fields["credit"].initial = fields["credit"].choices[0][0]
        if not outlook.groups:
            del fields["own_groups"]
        if not outlook.kept_photos:
            del fields["credit"]
        del fields["email" if user.has_usable_password() else "password"]

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        check_own_password(self.request, self.user, password)
        return password

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"]
        if email.casefold() != self.user.email.casefold():
            raise forms.ValidationError(_("This is not your address."), code="wrong")
        return email


@sensitive_post_parameters()
@account_page
@require_http_methods(["GET", "HEAD", "POST"])
def delete_account(request: HttpRequest, user: User) -> HttpResponse:
    """Says what deleting the account does, asks for the password, and does it."""
    outlook = account_deletion.outlook(user)
    is_post = request.method == "POST"
    form = DeletionForm(
        request.POST if is_post else None, request=request, user=user, outlook=outlook
    )
    if is_post and form.is_valid():
        try:
            account_deletion.delete(
                user,
                # What was not asked, because it was not there a moment ago, is done carefully.
                keep_name=form.cleaned_data.get("credit") == "keep",
                at_once=form.cleaned_data.get("own_groups") == "purge",
            )
        except (account_deletion.MustHandOver, account_deletion.LastAdmin):
            form.add_error(None, _("Your account is not deleted: see below what to do first."))
            outlook = account_deletion.outlook(user)
        else:
            logout(request)
            messages.success(request, _("Your account is deleted. Goodbye!"))
            return redirect("login")
    context = {"form": form, "outlook": outlook}
    return render(request, "account/delete.html", context, status=400 if is_post else 200)
