"""The page of a person's API keys."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST

from bandpics.account.frame import account_page
from bandpics.users import api_keys
from bandpics.users.access import Access
from bandpics.users.models import Scope
from groups.models import Group

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from bandpics.users.models import ApiKey, User

SCOPES = [
    (Scope.READ.value, _("See photos and groups")),
    (Scope.UPLOAD.value, _("Add and change photos")),
    (Scope.MODERATE.value, _("Approve, reject and remove other people's photos")),
    (Scope.ADMIN.value, _("Manage groups, invitations, teams and keys")),
]
LIFETIMES = [
    ("30", _("30 days")),
    ("90", _("90 days")),
    ("365", _("A year")),
    ("", _("Until I revoke it")),
]
GROUPS_OFFERED = 100


class KeyForm(forms.Form):
    name = forms.CharField(
        label=_("Name"), max_length=50, help_text=_("What the key is for: “photo booth”.")
    )
    scopes = forms.MultipleChoiceField(
        label=_("What it may do"),
        choices=SCOPES,
        initial=[Scope.READ.value, Scope.UPLOAD.value],
        widget=forms.CheckboxSelectMultiple,
    )
    lifetime = forms.ChoiceField(
        label=_("How long it works"), choices=LIFETIMES, initial="365", required=False
    )
    groups = forms.ModelMultipleChoiceField(
        label=_("Only for some groups"),
        queryset=Group.objects.none(),
        required=False,
        help_text=_("If none is ticked, it is good for all groups you see, now and later."),
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        self.user = user
        groups: Any = self.fields["groups"]
        newest = Group.objects.visible_to(Access(user)).order_by("-created_at")
        offered = list(newest.values_list("pk", flat=True)[:GROUPS_OFFERED])
        if offered:
            groups.queryset = Group.objects.filter(pk__in=offered).order_by("name")
        else:
            del self.fields["groups"]

    def issue(self) -> tuple[ApiKey, str]:
        said = self.cleaned_data
        days = said["lifetime"]
        return api_keys.issue(
            self.user,
            name=said["name"],
            scopes=said["scopes"],
            group_ids=[group.pk for group in said.get("groups", [])],
            expires_at=timezone.now() + timedelta(days=int(days)) if days else None,
        )


@account_page
@require_http_methods(["GET", "HEAD", "POST"])
def api_keys_page(request: HttpRequest, user: User) -> HttpResponse:
    """Lists the keys that work now, and makes another, which is shown only in this answer."""
    is_post = request.method == "POST"
    form = KeyForm(request.POST if is_post else None, user=user)
    made = None
    if is_post and form.is_valid():
        row, key = form.issue()
        made, form = {"row": row, "key": key}, KeyForm(user=user)
    scopes = dict(SCOPES)
    keys = api_keys.usable(user)
    names = _group_names(user, keys)
    listed = [
        {
            "row": row,
            "scopes": [scopes[scope] for scope, _label in SCOPES if scope in row.scopes],
            "groups": [
                names.get(group_id, _("a group that you do not see any more"))
                for group_id in row.group_ids
            ],
        }
        for row in keys
    ]
    status = 400 if is_post and made is None else 200
    return render(
        request, "account/keys.html", {"form": form, "keys": listed, "made": made}, status=status
    )


def _group_names(user: User, keys: list[ApiKey]) -> dict[Any, str]:
    ids = {group_id for row in keys for group_id in row.group_ids}
    if not ids:
        return {}
    groups = Group.objects.visible_to(Access(user)).filter(pk__in=ids)
    return dict(groups.values_list("pk", "name"))


@account_page
@require_POST
def revoke_key(request: HttpRequest, user: User, prefix: str) -> HttpResponse:
    if api_keys.revoke(user, prefix=prefix):
        messages.success(request, _("The key is revoked. It does not work any more."))
    else:
        messages.error(request, _("You have no such key."))
    return redirect("api-keys")
