"""The page on which owners make, open, change and end the walls of a group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from images.lifecycle import walls
from images.listing import wall_photos
from images.models import Wall
from images.models.wall import RUNNING_FOR
from images.views.desk import OWNER, Desk, desk_page
from invitations import sharing
from invitations.models import may_be_shown_to_guests
from invitations.tokens import TokenLost

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse


ENDED_MEANWHILE = gettext_lazy("This wall has ended meanwhile.")


class CodeChoice(forms.ModelChoiceField):  # type: ignore[type-arg]  # it cannot be subscripted
    """The shared link in the code of a wall."""

    def label_from_instance(self, obj: Any) -> str:
        chosen, name = sharing.short_address_of(obj), obj.name
        if chosen is not None:
            name = f"{name} (/j/{chosen.word}/)" if name else f"/j/{chosen.word}/"
        if name:
            return str(name)
        day = date_format(timezone.localtime(obj.created_at), pgettext("date format", "j F Y"))
        return _("Link of {day}").format(day=day)


class WallForm(forms.Form):
    name = forms.CharField(
        label=gettext_lazy("Name, for you alone"),
        max_length=120,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={"max_length": gettext_lazy("Please use up to 120 letters.")},
    )
    invitation = CodeChoice(
        label=gettext_lazy("Code in the corner"),
        queryset=None,
        required=False,
        empty_label=gettext_lazy("No code"),
        error_messages={"invalid_choice": gettext_lazy("This link cannot be used any more.")},
    )

    def __init__(self, *args: Any, desk: Desk, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        links = sharing.links_of(desk.group, desk.access).open().order_by("created_at")
        self.fields["invitation"].queryset = links  # type: ignore[attr-defined]

    @property
    def chosen(self) -> dict[str, Any]:
        return {"name": self.cleaned_data["name"], "invitation": self.cleaned_data["invitation"]}


@dataclass(frozen=True)
class ShownWall:
    """A wall in the list of the page."""

    wall: Wall
    form: WallForm

    @property
    def address(self) -> str:
        """Empty if the secret of the link was lost."""
        try:
            return self.wall.address
        except TokenLost:
            return ""

    @property
    def runs(self) -> bool:
        seen_at = self.wall.seen_at
        return seen_at is not None and seen_at > timezone.now() - RUNNING_FOR

    @property
    def has_dead_code(self) -> bool:
        """Whether a link was chosen for the code, which takes no photos any more."""
        return self.wall.invitation is not None and wall_photos.handed_out(self.wall) is None


@never_cache
@desk_page(needs=OWNER)
@require_http_methods(["GET", "HEAD", "POST"])
def group_walls(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Lists the walls of a group; a POST makes one."""
    if request.method != "POST":
        best = sharing.link_of(desk.group, desk.access)
        return _page(request, desk, WallForm(desk=desk, initial={"invitation": best}))
    form = WallForm(request.POST, desk=desk)
    if not form.is_valid():
        return _page(request, desk, form, status=422)
    try:
        walls.make(desk.group, by=desk.access.user, **form.chosen)
    except walls.TooMany:
        problem = _("A group has at most {count} walls. Please end one that you do not need.")
        form.add_error(None, problem.format(count=walls.MAX_WALLS))
        return _page(request, desk, form, status=409)
    messages.success(request, _("The wall is ready: open it on the screen."))
    return redirect("group-walls", desk.group.pk)


@never_cache
@desk_page(needs=OWNER)
@require_POST
def change_wall(request: HttpRequest, desk: Desk, wall_id: UUID) -> HttpResponse:
    """Changes the name and the code of a wall, or ends it."""
    wall = get_object_or_404(Wall.objects.filter(group=desk.group), pk=wall_id)
    if request.POST.get("act") == "end":
        walls.end(wall)
        messages.success(request, _("The wall has ended. Screens that show it say so at once."))
        return redirect("group-walls", desk.group.pk)
    form = _form_of(wall, desk, request.POST)
    if not form.is_valid():
        return _page(request, desk, WallForm(desk=desk), wrong={wall.pk: form}, status=422)
    if walls.change(wall, **form.chosen):
        messages.success(request, _("Saved. Screens that show it follow by themselves."))
    else:
        messages.error(request, ENDED_MEANWHILE)
    return redirect("group-walls", desk.group.pk)


def _form_of(wall: Wall, desk: Desk, data: Any = None) -> WallForm:
    initial = {"name": wall.name, "invitation": wall.invitation}
    return WallForm(data, desk=desk, initial=initial, auto_id=f"id_{wall.pk}_%s")


def _page(
    request: HttpRequest,
    desk: Desk,
    form: WallForm,
    *,
    wrong: dict[UUID, WallForm] | None = None,
    status: int = 200,
) -> HttpResponse:
    rows = Wall.objects.of_group(desk.group).select_related("group", "invitation__short_address")
    shown = [
        ShownWall(wall, (wrong or {}).get(wall.pk) or _form_of(wall, desk))
        for wall in rows.order_by("created_at")[: walls.MAX_WALLS]
    ]
    context = desk.context(
        section="group-gallery",
        walls=shown,
        form=form,
        is_surprise=not may_be_shown_to_guests(desk.group),
    )
    return render(request, "groups/walls.html", context, status=status)
