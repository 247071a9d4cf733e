"""Groups the photos of a group by place: what lies in one cell of a grid is one cluster.

The grid is laid over the part of the map that is asked for, so that there are never more clusters
than fit, whatever the number of photos. Its lines stay where they are while the map is moved.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db.models import Avg, Count, F, Func, IntegerField, Max, Min, Q, TextField
from django.db.models.functions import Cast, Collate

from images.listing.filters import TAKEN, Box
from images.models import Image

if TYPE_CHECKING:
    from datetime import datetime

    from groups.models import Group

COLUMNS, ROWS = 12, 8  # at most, and one more where lines do not meet the edges
FINEST = 22  # halvings of the globe: cells of about ten metres
WORLD = Box(-180, -90, 180, 90)


@dataclass(frozen=True)
class Cluster:
    """Photos taken close together."""

    count: int
    latitude: float  # the middle of them
    longitude: float
    box: Box  # the smallest that holds them all
    first_at: datetime | None  # when they were taken; None where none says
    last_at: datetime | None
    image: Image  # the newest of them, with its variants


@dataclass(frozen=True)
class Extent:
    """How many photos say where they were taken, and the box that holds them all."""

    located: int
    unlocated: int
    box: Box | None


def extent_of(group: Group) -> Extent:
    """Makes one query."""
    found = (
        Image.objects.in_group(group)
        .ready()
        .aggregate(
            photos=Count("group_id"),
            located=Count("group_id", filter=Q(latitude__isnull=False)),
            west=Min("longitude"),
            south=Min("latitude"),
            east=Max("longitude"),
            north=Max("latitude"),
        )
    )
    located, photos = found.pop("located"), found.pop("photos")
    return Extent(located, photos - located, Box(**found) if located else None)


def within(group: Group, box: Box) -> list[Cluster]:
    """Returns the clusters of the photos in the box, the largest first. Makes three queries."""
    ready: Any = Image.objects.in_group(group).ready().filter(box.around("latitude", "longitude"))
    width = box.east - box.west if box.west <= box.east else 360 - box.west + box.east
    rows = (
        ready.order_by()
        .values(
            column=_cell("longitude", _step(360, width / COLUMNS)),
            row=_cell("latitude", _step(180, (box.north - box.south) / ROWS)),
        )
        .annotate(
            count=Count("group_id"),
            mean_latitude=Avg("latitude"),
            mean_longitude=Avg("longitude"),
            west=Min("longitude"),
            south=Min("latitude"),
            east=Max("longitude"),
            north=Max("latitude"),
            first_at=Min(TAKEN),
            last_at=Max(TAKEN),
            newest=Max(Collate(Cast("id", TextField()), "C")),  # ids begin with the time
        )
        .order_by("-count", "newest")
    )
    found = list(rows)
    images = _images([row["newest"] for row in found])
    return [_cluster(row, images[row["newest"]]) for row in found if row["newest"] in images]


def _step(whole: float, least: float) -> float:
    """The smallest of 1, 1/2, 1/4 … of the globe that is not below `least`."""
    halvings = FINEST if least <= 0 else math.floor(math.log2(whole / least))
    return whole / float(2 ** max(0, min(FINEST, halvings)))


def _cell(column: str, step: float) -> Func:
    """The number of the cell: counted from the edge of the globe in steps of so many degrees."""
    edge = 180 if column == "longitude" else 90
    return Func(
        (F(column) + edge) / step,
        function="floor",
        template="%(function)s(%(expressions)s)::int",
        output_field=IntegerField(),
    )


def _images(ids: list[str]) -> dict[str, Image]:
    rows = Image.objects.ready().with_variants().defer("exif", "search_vector")
    return {str(pk): image for pk, image in rows.in_bulk(ids).items()}


def _cluster(row: dict[str, Any], image: Image) -> Cluster:
    return Cluster(
        count=row["count"],
        latitude=row["mean_latitude"],
        longitude=row["mean_longitude"],
        box=Box(row["west"], row["south"], row["east"], row["north"]),
        first_at=row["first_at"],
        last_at=row["last_at"],
        image=image,
    )
