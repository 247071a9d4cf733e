"""What gives the pages of a group's guests their look: its logo, its colour and its cover."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.utils.http import parse_etags
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from groups import colours, editing
from groups.models import GroupLogo
from images.lifecycle import covers
from images.views.desk import OWNER, Desk, desk_page
from images.views.guest_page import GuestPage

if TYPE_CHECKING:
    from django.http import HttpRequest

    from groups.models import Group

DAY_SECONDS = 24 * 3600
YEAR_SECONDS = 365 * DAY_SECONDS


def logo_of(group: Group) -> dict[str, Any] | None:
    """Returns what a page shows a logo by: width, height, and a version for its address. Not its
    bytes."""
    rows = GroupLogo.objects.filter(group=group).values("width", "height", "updated_at")
    found = rows.first()
    if found is None:
        return None
    return {**found, "version": int(found["updated_at"].timestamp() * 1000)}


def context(group: Group) -> dict[str, Any]:
    """Returns what the pages of guests need to look like the group's."""
    return {"logo": logo_of(group), "accent": group.accent_colour.removeprefix("#")}


@require_safe
def stylesheet(request: HttpRequest, colour: str) -> HttpResponse:
    """Answers the CSS of one colour. It never changes, so that browsers keep it."""
    if not colours.HEX.match(colour):
        raise Http404
    answer = HttpResponse(colours.stylesheet(f"#{colour}"), content_type="text/css; charset=utf-8")
    answer["Cache-Control"] = f"public, max-age={YEAR_SECONDS}, immutable"
    return answer


class GuestLogo(GuestPage):
    """The logo of the group behind a link."""

    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest) -> HttpResponse:
        return _logo(request, self.invitation.group)


guest_logo = GuestLogo.as_view()


@desk_page()
@require_safe
def group_logo(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Answers the logo of a group to its members."""
    return _logo(request, desk.group)


def _logo(request: HttpRequest, group: Group) -> HttpResponse:
    logo = GroupLogo.objects.filter(group=group).first()
    if logo is None:
        raise Http404
    tag = f'"{logo.updated_at.timestamp()}"'
    headers = {"ETag": tag, "Cache-Control": f"private, max-age={DAY_SECONDS}"}
    if tag in parse_etags(request.headers.get("If-None-Match", "")):
        return HttpResponse(status=304, headers=headers)
    return HttpResponse(bytes(logo.content), content_type="image/png", headers=headers)


@desk_page(needs=OWNER)
@require_POST
def choose_cover(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Makes a photo the cover of its group."""
    try:
        chosen = UUID(request.POST.get("image", ""))
    except ValueError:
        raise Http404 from None
    if not covers.may_be_cover(desk.group, chosen):
        raise Http404
    try:
        editing.change(desk.group, {"cover_id": chosen})
    except editing.ChangedMeanwhile:
        raise Http404 from None
    messages.success(request, _("This photo is the cover of the group now."))
    return redirect("photo", chosen)
