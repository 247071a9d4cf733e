"""What an open gallery asks every few seconds: whether photos have arrived."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from django.http import HttpResponse, HttpResponseBadRequest, HttpResponseNotModified, JsonResponse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.http import parse_etags
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from images.listing.arrivals import arrived_since
from images.models import Image
from images.views.desk import desk_page
from images.views.gallery_filters import GalleryFilters

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    from django.http import HttpRequest

    from images.views.desk import Desk


@desk_page()
@require_safe
def group_news(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Names the photos that arrived since the moment `since`, of those that the page asks for."""
    shown = Image.objects.in_group(desk.group).ready()
    filters = GalleryFilters(request, desk.group, desk.access)
    if filters.asked:
        search = filters.search()
        rows = search.rows if search.plan is None else search.plan.anywhere(search.rows)
        shown = rows.filter(group=desk.group)
    return news_of(request, lambda moment: arrived_since(shown, moment))


def news_of(request: HttpRequest, new_since: Callable[[datetime], list[UUID]]) -> HttpResponse:
    """Answers `{"new": [ids]}`; 304 to a page that knows them."""
    since = moment_in(request.GET.get("since", ""))
    if since is None:
        return HttpResponseBadRequest(_("Say since which moment."))
    ids = [str(pk) for pk in new_since(since)]
    tag = f'W/"{hashlib.sha256(" ".join(ids).encode()).hexdigest()[:16]}"'
    is_known = tag in parse_etags(request.headers.get("If-None-Match", ""))
    answer = HttpResponseNotModified() if is_known else JsonResponse({"new": ids})
    answer["ETag"] = tag
    answer["Cache-Control"] = "private, no-cache"
    return answer


def moment_in(text: str) -> datetime | None:
    """Returns the moment, or None if the text is none with an offset."""
    try:
        moment = parse_datetime(text)
    except ValueError:
        return None
    return None if moment is None or timezone.is_naive(moment) else moment
