"""The gallery of a group, for its members."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.http import HttpResponse, HttpResponseBadRequest
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from groups import visits
from images.models import Image, Upload
from images.views import grid, neighbours, stacks, subscription, trash
from images.views.desk import Desk, desk_page
from images.views.gallery_filters import GalleryFilters
from images.views.gallery_messages import GALLERY_MESSAGES
from images.views.news import moment_in
from images.views.sharing import share_card

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from django.http import HttpRequest


APPROVED, REJECTED = Image.Moderation.APPROVED, Image.Moderation.REJECTED
# A photo is dated when it is finished, and seen when that is committed.
OVERLAP = timedelta(seconds=5)


@desk_page()
@require_safe
def group_gallery(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Shows the photos of a group."""
    looked_at = timezone.now() - OVERLAP
    filters = GalleryFilters(request, desk.group, desk.access)
    page = filters.page
    new_ids = _new_ids(page.rows, since=visits.last_visit(desk.access.user, desk.group))
    offers = _offers(desk, query=neighbours.query_of(filters))
    more = filters.stacks.more_below(page.rows)
    photos = grid.prepare(page.rows, offers, new_ids=new_ids, more=more)
    context = desk.context(
        share=share_card(desk),
        looked_at=looked_at,
        page_messages=GALLERY_MESSAGES,
        photos=photos,
        filters=filters,
        photo_count=filters.overview.total,
        waiting_count=filters.unfinished["processing"],
        older_url=page.next_url,
        newer_url=page.previous_url,
        may_select=any(map(offers.may_change, photos)),
        selects="select" in request.GET,
        removed=trash.removed_just_now(request),
        has_stacks=bool(more),
        taken_apart=stacks.taken_apart_just_now(request),
        **subscription.context(desk),
    )
    return render(request, "images/gallery.html", context)


def _offers(desk: Desk, *, query: str) -> grid.Offers:
    """Returns what members may do with a photo from the grid: owners remove any, others their own,
    and who may not remove it may ask for that."""
    access = desk.access

    def may_change(photo: Image) -> bool:
        return desk.is_owner or (desk.may_add and access.owns(photo))

    return grid.Offers(
        page_url=lambda photo: reverse("photo", args=[photo.pk]) + query,
        download_url=_download_url,
        removal_url=lambda photo: (
            "" if may_change(photo) else reverse("photo-removal", args=[photo.pk])
        ),
        may_change=may_change,
        moderation=lambda photo: (
            photo.moderation if desk.is_owner and photo.moderation != APPROVED else ""
        ),
        mark=lambda photo: _("Rejected") if photo.moderation == REJECTED else "",
    )


def _download_url(photo: Image) -> str:
    """The original, or else the largest size there is."""
    name = grid.LARGEST if photo.original_dropped_at else "original"
    return reverse("image-variant", args=[photo.pk, name])


def _new_ids(photos: list[Image], *, since: datetime | None) -> set[UUID]:
    """Returns which of these photos were not there when the member last looked; on the first visit
    none, because all are new."""
    if since is None:
        return set()
    # The first upload has the id of its photo.
    arrived = Upload.objects.filter(pk__in=[photo.pk for photo in photos], finished_at__gt=since)
    return set(arrived.values_list("pk", flat=True))


@desk_page()
@require_POST
def visited(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Remembers that the member has seen the group's photos up to a moment, which the script of the
    page sends: what arrived since the page was made is still new."""
    now, seen_at = timezone.now(), moment_in(request.POST.get("seen_at", ""))
    if seen_at is None:
        return HttpResponseBadRequest(_("Say up to which moment."))
    visits.record(desk.access.user, desk.group, seen_at=min(seen_at, now))
    return HttpResponse(status=204)
