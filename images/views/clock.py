"""The page on which hosts correct the clocks of cameras."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from images.lifecycle import clock
from images.models import ClockCorrection, Image
from images.views.desk import OWNER, desk_page

if TYPE_CHECKING:
    from datetime import datetime

    from django.http import HttpRequest, HttpResponse

    from images.views.desk import Desk

SHOWN = 6  # photos of a preview
LATER, EARLIER = "later", "earlier"


class ShiftForm(forms.Form):
    """How far the times are shifted."""

    direction = forms.ChoiceField(
        label=gettext_lazy("The photos were taken"),
        choices=[
            (LATER, gettext_lazy("later than the camera says")),
            (EARLIER, gettext_lazy("earlier than the camera says")),
        ],
        initial=LATER,
    )
    days = forms.IntegerField(
        label=gettext_lazy("Days"), min_value=0, max_value=366 * 30, required=False
    )
    hours = forms.IntegerField(
        label=gettext_lazy("Hours"), min_value=0, max_value=23, required=False
    )
    minutes = forms.IntegerField(
        label=gettext_lazy("Minutes"), min_value=0, max_value=59, required=False
    )

    def clean(self) -> dict[str, Any]:
        sent: dict[str, Any] = super().clean() or {}
        if not self.errors and self.shift() == 0:
            self.add_error(None, _("Say by how much."))
        return sent

    def shift(self) -> int:
        """In minutes."""
        given = [self.cleaned_data.get(name) or 0 for name in ("days", "hours", "minutes")]
        size = (given[0] * 24 + given[1]) * 60 + given[2]
        return -size if self.cleaned_data.get("direction") == EARLIER else size


@dataclass(frozen=True)
class Shifted:
    """A photo before and after, and the photo of somebody else that is nearest in time then."""

    photo: Image
    before: datetime
    after: datetime
    neighbour: Image | None


@desk_page(needs=OWNER)
@require_http_methods(["GET", "HEAD", "POST"])
def clocks(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Lists the cameras of the group; for one of them, shows what a shift would do, and does it."""
    camera = _camera(request, desk)
    if camera is None:
        found = clock.cameras(desk.group)
        samples = Image.objects.with_variants().in_bulk([each.sample for each in found])
        rows = [(each, samples.get(each.sample)) for each in found]
        context = desk.context(section="group-settings", cameras=rows)
        return render(request, "groups/clocks.html", context)
    asked = request.POST if request.method == "POST" else request.GET
    form = ShiftForm(asked if "direction" in asked else None, label_suffix="")
    if request.method == "POST" and form.is_valid():
        try:
            clock.correct(camera, form.shift(), by=desk.access.user)
        except clock.OutOfRange:
            form.add_error(None, _("A photo would be of a year that is too far away."))
        else:
            messages.success(request, _("The times are corrected."))
            return redirect("group-clocks", desk.group.pk)
    shifted = _preview(camera, form.shift()) if form.is_bound and form.is_valid() else []
    status = 422 if request.method == "POST" else 200
    context = desk.context(
        section="group-settings",
        camera=camera,
        form=form,
        shifted=shifted,
        count=clock.photos_of(camera).ready().count() if shifted else 0,
    )
    return render(request, "groups/clock.html", context, status=status)


def _camera(request: HttpRequest, desk: Desk) -> Image | None:
    """A photo of the camera that is asked for, if one is."""
    asked = request.POST.get("image") or request.GET.get("image")
    if not asked:
        if request.method == "POST":
            raise Http404
        return None
    try:
        image_id = UUID(asked)
    except ValueError:
        raise Http404 from None
    told = Image.objects.in_group(desk.group).ready().filter(taken_source=Image.TimeSource.EXIF)
    return get_object_or_404(told.with_variants(), pk=image_id)


def _preview(camera: Image, minutes: int) -> list[Shifted]:
    """The first photos of a camera, each with its neighbour among those of the others."""
    photos = clock.photos_of(camera).ready().with_variants().order_by("sort_at", "id")[:SHOWN]
    others = Image.objects.filter(group=camera.group_id).ready().with_variants()
    others = others.exclude(pk__in=clock.photos_of(camera).values("pk"))
    found = []
    for photo in photos:
        change = timedelta(minutes=minutes - photo.clock_shift_minutes)
        assert photo.taken_at_local is not None  # noqa: S101 - its camera said so
        try:
            after, moment = photo.taken_at_local + change, photo.sort_at + change
        except OverflowError:
            return []
        neighbour = others.filter(sort_at__lte=moment).order_by("-sort_at", "-id").first()
        found.append(Shifted(photo, photo.taken_at_local, after, neighbour))
    return found


@desk_page(needs=OWNER)
@require_POST
def undo_clock(request: HttpRequest, desk: Desk, correction_id: UUID) -> HttpResponse:
    """Takes a correction back."""
    rows = ClockCorrection.objects.filter(group=desk.group)
    if clock.undo(get_object_or_404(rows, pk=correction_id), by=desk.access.user):
        messages.success(request, _("The times are again as the camera wrote them."))
    return redirect("group-clocks", desk.group.pk)
