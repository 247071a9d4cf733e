"""The first page of an account: name, e-mail address, language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST
from django.views.i18n import set_language

from bandpics.account.frame import account_page
from bandpics.users.models import User
from invitations import mail

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase


class NameForm(forms.ModelForm[User]):
    class Meta:
        model = User
        fields = ["name"]
        labels = {"name": _("Your name")}
        help_texts = {
            "name": _(
                "The people you share groups with see it beside photos that you add from now on. "
                "Without one they see your e-mail address."
            )
        }
        widgets = {"name": forms.TextInput(attrs={"autocomplete": "name"})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""


@account_page
@require_http_methods(["GET", "HEAD", "POST"])
def account(request: HttpRequest, user: User) -> HttpResponse:
    """Shows the account, and changes the name."""
    is_post = request.method == "POST"
    # Of its own, so that a name that is refused is not shown as the person's in the header.
    form = NameForm(request.POST if is_post else None, instance=User.objects.get(pk=user.pk))
    if is_post and form.is_valid():
        User.objects.filter(pk=user.pk).update(name=form.cleaned_data["name"])
        messages.success(request, _("Your name is saved."))
        return redirect("account")
    may_change_email = mail.can_send() and user.has_usable_password()
    context = {"form": form, "may_change_email": may_change_email}
    return render(request, "account/profile.html", context, status=400 if is_post else 200)


@require_POST
def choose_language(request: HttpRequest) -> HttpResponseBase:
    """Remembers the language of the pages in a cookie of this browser."""
    return set_language(request)
