"""What is sought in a group: by an index where little matches, else along the list's own order.

Either alone fails somewhere: an index gives all that matches to fill one page, and along the order
all of the group is read where nothing matches. The database counts a little ahead and decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import BooleanField, Exists, F, Func, OuterRef, Q

from images.models import Image, Upload, search_vector

if TYPE_CHECKING:
    from datetime import datetime

    from django.db.models import QuerySet

    from images.models import ImageQuerySet

# Photos that are fetched and sorted for one page; an upload costs but a look into an index.
FEW_PHOTOS = 1000
FEW_UPLOADS = 10_000

GROUP = OuterRef("pk")  # of the photo's, in a query of groups


class SearchPlan(Protocol):
    """Conditions of photos in GROUP, and of photos of whichever group."""

    def prefer_scan(self) -> Q:
        """Whether to go along the order."""

    def using_index(self, photos: ImageQuerySet) -> ImageQuerySet: ...

    def scanning(self, photos: ImageQuerySet) -> ImageQuerySet: ...

    def anywhere(self, photos: ImageQuerySet) -> ImageQuerySet: ...


@dataclass(frozen=True)
class TextMatch:
    query: str  # of search.query_of()

    def prefer_scan(self) -> Q:
        return _more_than(FEW_PHOTOS, self.using_index(Image.objects.all()))

    def using_index(self, photos: ImageQuerySet) -> ImageQuerySet:
        return photos.filter(search_vector.matching(self.query, group=GROUP))

    def scanning(self, photos: ImageQuerySet) -> ImageQuerySet:
        return photos.filter(
            search_vector.seen_to_match(search_vector.matching(self.query, group=GROUP))
        )

    def anywhere(self, photos: ImageQuerySet) -> ImageQuerySet:
        return photos.filter(search_vector.seen_to_match(search_vector.matching(self.query)))


@dataclass(frozen=True)
class ChangedSince:
    since: datetime

    def prefer_scan(self) -> Q:
        edited = Image.objects.filter(group=GROUP, updated_at__gte=self.since)
        moved = Upload.objects.moved_since(self.since)
        return _more_than(FEW_PHOTOS, edited) | _more_than(FEW_UPLOADS, moved)

    def using_index(self, photos: ImageQuerySet) -> ImageQuerySet:
        moved = Upload.objects.moved_since(self.since).values("image")[:FEW_UPLOADS]
        # An array, read once: a sub-select would be asked for each photo, beside the index.
        is_moved = Func(
            *(F("pk"), ArraySubquery(moved)),
            template="%(expressions)s)",
            arg_joiner=" = ANY (",
            output_field=BooleanField(),
        )
        return photos.filter(Q(updated_at__gte=self.since) | Q(is_moved))

    def scanning(self, photos: ImageQuerySet) -> ImageQuerySet:
        return photos.changed_since(self.since)

    anywhere = scanning


def _more_than(few: int, rows: QuerySet[Any]) -> Q:
    return Q(Exists(rows.order_by()[few : few + 1]))
