"""The page on which owners change what a group says, how it looks and what guests may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from bandpics.middleware import body_limit
from groups import editing, logos, trash
from groups.models import Group
from images.captions import provider
from images.lifecycle import covers, moderation
from images.models import Image
from images.photofile import logo
from images.views import look, map_picker
from images.views.desk import OWNER, Desk, desk_page
from images.views.settings_form import SettingsForm

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

SAVE_TRIES = 3
MEANWHILE = gettext_lazy(
    "Somebody else saved this group while you wrote. Nothing of yours is saved yet, and nothing is"
    " lost: look at the marked fields, and save again."
)
# The other fields of the form, and what separates them.
ROOM_FOR_THE_REST = 256 * 1024


@body_limit.takes(lambda _request: logo.MAX_BYTES + ROOM_FOR_THE_REST)
@map_picker.allow_tiles
@desk_page(needs=OWNER)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def group_settings(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Shows the settings of a group, and saves them."""
    if request.method != "POST":
        return _page(request, desk, SettingsForm(_current(desk.group)))
    form = SettingsForm(_current(desk.group), request.POST, files=request.FILES)
    if not form.is_valid():
        return _page(request, desk, form, status=400)
    approved = _save(form, desk)
    if approved is None:
        return _page(request, desk, form.merged(MEANWHILE), status=409)
    messages.success(request, _("Your changes are saved."))
    if approved:
        text = ngettext("{count} photo was approved.", "{count} photos were approved.", approved)
        messages.success(request, text.format(count=approved))
    return redirect("group-settings", desk.group.pk)


def _current(group: Group) -> Group:
    """Returns the row as it is now, with what the form shows of it. Raises Http404."""
    rows = Group.objects.kept().select_related("team", "licence")
    found: Group = get_object_or_404(rows, pk=group.pk)
    return found


def _save(form: SettingsForm, desk: Desk) -> int | None:
    """Saves the form. Returns how many photos it approved; None if another host was faster."""
    for _try in range(SAVE_TRIES):
        if form.conflicts():
            return None
        try:
            with transaction.atomic():
                expected = {"updated_at": form.group.updated_at}
                editing.change(form.group, form.changes(), expected=expected)
                _save_logo(form)
                if not form.cleaned_data["approve_waiting"]:
                    return 0
                return moderation.approve_all_waiting(form.group, by=desk.access.user)
        except editing.ChangedMeanwhile:
            form.read_again(_current(form.group))
    return None


def _save_logo(form: SettingsForm) -> None:
    if drawn := form.cleaned_data["logo"]:
        logos.replace(form.group, drawn)
    elif form.cleaned_data["remove_logo"]:
        logos.remove(form.group)


def _page(
    request: HttpRequest, desk: Desk, form: SettingsForm, *, status: int = 200
) -> HttpResponse:
    context = desk.context(
        form=form,
        photos=covers.offered(desk.group),
        chosen_cover=form["cover"].value() or "",
        logo=look.logo_of(desk.group),
        caption_host=provider.host(),
        **map_picker.context(),
    )
    return render(request, "groups/settings.html", context, status=status)


@desk_page(needs=OWNER)
@require_http_methods(["GET", "HEAD", "POST"])
def delete_group(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Asks whether the group is to be deleted, and puts it into the trash."""
    if request.method != "POST":
        photo_count = Image.objects.in_group(desk.group).ready().count()
        context = desk.context(photo_count=photo_count, trash_days=settings.TRASH_LIFETIME.days)
        return render(request, "groups/delete.html", context)
    trash.put(desk.group)
    text = _("“{group}” is in the trash. You can restore it below.")
    messages.success(request, text.format(group=desk.group.name))
    return redirect("home")
