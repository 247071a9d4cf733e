"""The page that shows where and when the photos of a group were taken, for its members.

Places and hours lead to the gallery, narrowed to them. Guests have no such page: it shows places.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.core.exceptions import ValidationError
from django.http import HttpResponseBadRequest, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from images.listing import clusters, histogram
from images.listing.filters import BoxField
from images.templatetags.photos import coordinates, in_words, signed_url
from images.views import map_picker
from images.views.desk import Desk, desk_page
from images.views.messages import counted

if TYPE_CHECKING:
    from datetime import datetime

    from django.http import HttpRequest, HttpResponse

    from groups.models import Group
    from images.listing.clusters import Cluster
    from images.listing.filters import Box
    from images.listing.histogram import Bar, Histogram

LISTED = 24  # places beside the map
NEAR_METRES = 150  # of the venue: a phone indoors does not know better
EARTH_METRES = 6_371_000
MESSAGES: dict[str, Any] = {
    "photos": counted("{count} photo", "{count} photos"),
    "photosHere": counted(
        "Show the {count} photo of this part", "Show the {count} photos of this part"
    ),
    "nothingHere": gettext_lazy("No photos in this part of the map"),
    "openPhoto": gettext_lazy("Open the photo"),
    "zoomIn": counted("{count} photo: zoom in", "{count} photos: zoom in"),
    "bar": counted("{when}: {count} photo", "{when}: {count} photos"),
    "noMap": gettext_lazy("The map could not be loaded. The places are listed below."),
    "noPlaces": gettext_lazy(
        "The photos of this part could not be loaded. Move the map to try again."
    ),
}


@dataclass(frozen=True)
class ListedPlace:
    """One cluster in the list of places."""

    cluster: Cluster
    url: str  # of the gallery, with its photos
    where: str
    when: str


@dataclass(frozen=True)
class ListedBar:
    """One bar of the histogram in the list of hours."""

    bar: Bar
    url: str
    label: str  # short, below the bar
    day: str  # above the labels of one day
    when: str  # in full


@map_picker.allow_tiles
@desk_page()
@require_safe
def group_map(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Shows the map, the places and the histogram."""
    group = desk.group
    extent = clusters.extent_of(group)
    found = clusters.within(group, extent.box) if extent.box else []
    times = histogram.of(group)
    context = desk.context(
        extent=extent,
        initial_box=",".join(map(_degrees, _corners(extent.box))) if extent.box else "",
        places=[_listed_place(cluster, group) for cluster in found[:LISTED]],
        further=sum(cluster.count for cluster in found[LISTED:]),
        times=times,
        bars=_listed_bars(times, group),
        busiest=_when(times.busiest, times.unit) if times.busiest else "",
        page_messages=MESSAGES,
        **map_picker.context(),
    )
    return render(request, "groups/map.html", context)


@desk_page()
@require_safe
@cache_control(private=True, max_age=60)
def group_clusters(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Returns the clusters of one part of the map as JSON: `?bbox=west,south,east,north`."""
    try:
        box = BoxField().clean(request.GET.get("bbox", ""))
    except ValidationError as error:
        return HttpResponseBadRequest(" ".join(error.messages))
    found = clusters.within(desk.group, box)
    answer = {
        "count": sum(cluster.count for cluster in found),
        "clusters": [_cluster_json(cluster) for cluster in found],
    }
    return JsonResponse(answer)


def _cluster_json(cluster: Cluster) -> dict[str, Any]:
    image = cluster.image
    thumb = image.variant_by_name.get("thumb")
    return {
        "count": cluster.count,
        "lat": round(cluster.latitude, 6),
        "lon": round(cluster.longitude, 6),
        "box": [float(_degrees(each)) for each in _corners(cluster.box)],
        "url": reverse("photo", args=[image.pk]),
        "alt": in_words(image),
        "thumb": signed_url(thumb) if thumb else "",
    }


# --- Addresses ------------------------------------------------------------------------------


def _gallery_url(group: Group, **narrowed: str) -> str:
    query = urlencode(narrowed, safe=":,")
    return f"{reverse('group-gallery', args=[group.pk])}?{query}"


def _corners(box: Box) -> tuple[float, float, float, float]:
    return box.west, box.south, box.east, box.north


def _degrees(value: float) -> str:
    """As exactly as the position is kept, so that a box holds what it was made of."""
    return repr(value)


# --- Places in words ------------------------------------------------------------------------


def _listed_place(cluster: Cluster, group: Group) -> ListedPlace:
    url = _gallery_url(group, bbox=",".join(map(_degrees, _corners(cluster.box))))
    return ListedPlace(cluster, url, _where(cluster, group), _span(cluster, group))


def _where(cluster: Cluster, group: Group) -> str:
    """Returns how far from the venue it is, or its degrees if nobody said where that is."""
    if group.latitude is None or group.longitude is None:
        return coordinates(cluster, decimals=3)  # about a hundred metres
    metres = _distance(cluster.latitude, cluster.longitude, group.latitude, group.longitude)
    venue = group.venue or _("the place of the event")
    if metres <= NEAR_METRES:
        return _("At {venue}").format(venue=venue)
    if metres < 950:
        return _("{metres} m from {venue}").format(metres=10 * round(metres / 10), venue=venue)
    kilometres = number_format(metres / 1000, 0 if metres > 9_950 else 1)
    return _("{kilometres} km from {venue}").format(kilometres=kilometres, venue=venue)


def _distance(latitude: float, longitude: float, other_lat: float, other_lon: float) -> float:
    """Returns metres along the globe (haversine)."""
    lat, lat2 = math.radians(latitude), math.radians(other_lat)
    dlat, dlon = lat2 - lat, math.radians(other_lon - longitude)
    a = math.sin(dlat / 2) ** 2 + math.cos(lat) * math.cos(lat2) * math.sin(dlon / 2) ** 2
    return 2 * EARTH_METRES * math.asin(min(1.0, math.sqrt(a)))


def _span(cluster: Cluster, group: Group) -> str:
    """Returns the day or days on which its photos were taken."""
    if cluster.first_at is None or cluster.last_at is None:
        return ""
    first, last = (histogram.local(at, group) for at in (cluster.first_at, cluster.last_at))
    if first.date() == last.date():
        return _day(first)
    return _("{first} to {last}").format(first=_day(first), last=_day(last))


# --- Hours in words -------------------------------------------------------------------------


def _listed_bars(times: Histogram, group: Group) -> list[ListedBar]:
    this_year = histogram.local(timezone.now(), group).year
    says_year = {bar.starts_at.year for bar in times.bars} != {this_year}
    return [_listed_bar(bar, times.unit, group, says_year=says_year) for bar in times.bars]


def _listed_bar(bar: Bar, unit: str, group: Group, *, says_year: bool) -> ListedBar:
    url = _gallery_url(
        group, taken_after=histogram.utc(bar.starts_at), taken_before=histogram.utc(bar.ends_at)
    )
    at = bar.starts_at
    label, day = {
        "hour": (
            date_format(at, pgettext("hour of a day on an axis", "H")),
            _short_day(at, says_year=says_year),
        ),
        "day": (date_format(at, "j"), date_format(at, pgettext("month on an axis", "M Y"))),
        "month": (date_format(at, "M"), date_format(at, "Y")),
        "year": (date_format(at, "Y"), ""),
    }[unit]
    return ListedBar(bar, url, label, day, _when(bar, unit))


def _when(bar: Bar, unit: str) -> str:
    at = bar.starts_at
    if unit == "hour":
        hours = f"{date_format(at, 'H:i')}–{date_format(bar.ends_at, 'H:i')}"  # noqa: RUF001
        return f"{_day(at)}, {hours}"
    if unit == "day":
        return _day(at)
    return date_format(at, pgettext("month of a year", "F Y") if unit == "month" else "Y")


def _day(at: datetime) -> str:
    return date_format(at, pgettext("date format", "j F Y"))


def _short_day(at: datetime, *, says_year: bool) -> str:
    if says_year:
        return date_format(at, pgettext("day of a year on an axis", "j M Y"))
    return date_format(at, pgettext("day on an axis", "j M"))
