"""Chooses how a search runs: by an index if few photos match, else along the order of the list.

An index finds every match to fill one page; the order reads all of a group where nothing matches.
So Postgres counts matches up to a limit and decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from django.contrib.postgres.expressions import ArraySubquery
from django.db import models
from django.db.models import Case, Exists, F, Func, OuterRef, Q, Subquery, Sum, When
from django.db.models.functions import Cast

from images.models import Image, Upload, search_vector

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from django.db.models import Expression, QuerySet

    from groups.models import GroupQuerySet
    from images.listing.pagination import Page
    from images.models import ImageQuerySet

# Photos that are fetched and sorted for one page; an upload costs but a look into an index.
FEW_PHOTOS = 1000
FEW_UPLOADS = 10_000

GROUP = OuterRef("pk")  # of the photo's, in a query of groups


@dataclass(frozen=True)
class Search:
    """The photos that a list asks for: those `rows` of the groups that the plan finds."""

    groups: GroupQuerySet
    rows: ImageQuerySet
    plan: SearchPlan | None = None
    # Whether an index finds the rows in all groups at once.
    is_selective: bool = False

    def cut(self, page: Page) -> ImageQuerySet:
        """The rows of the page, and one more.

        Each group gives the page's worth of its own first rows, from its own part of the index:
        however many photos others have, they cost nothing.
        """

        def first(rows: ImageQuerySet) -> Expression:
            # Cast: where nothing can match, Django writes NULL.
            return Func(
                ArraySubquery(page.head(rows).values("pk")), template="(%(expressions)s)::uuid[]"
            )

        if self.is_selective:
            rows = self.plan.anywhere(self.rows) if self.plan else self.rows
            rows = rows.filter(group__in=self.groups)
        else:
            ids = self.groups.order_by().values(image=Func(self._each(first), function="unnest"))
            rows = Image.objects.filter(pk__in=ids)
        cut: ImageQuerySet = page.cut(rows)
        return cut

    def count(self) -> int:
        """Counts the matching photos in one query."""
        counted = self.groups.order_by().annotate(rows=self._each(_how_many))
        # Cast: of what cannot match anything Django makes a NULL, which has no type.
        number = Cast("rows", models.IntegerField())
        return counted.aggregate(sum=Sum(number, default=0))["sum"]  # type: ignore[no-any-return]  # an int

    def _each(self, answer: Callable[[ImageQuerySet], Expression]) -> Expression:
        """The answer about the rows of each group, in a query of groups."""
        rows, plan = self.rows.filter(group=GROUP), self.plan
        if plan is None:
            return answer(rows)
        if self.is_selective:
            return answer(plan.anywhere(rows))
        scanning = When(plan.prefer_scan(), then=answer(plan.scanning(rows)))
        return Case(scanning, default=answer(plan.using_index(rows)))


def _how_many(rows: ImageQuerySet) -> Any:
    template = "(SELECT count(*) FROM (%(subquery)s) counted)"
    ids = rows.order_by().values("pk")
    return Subquery(ids, template=template, output_field=models.IntegerField())


# --- Plans ----------------------------------------------------------------------------------


class SearchPlan(Protocol):
    """Two ways to find the photos of GROUP that match, and one for photos of whichever group."""

    def prefer_scan(self) -> Q:
        """Whether so many match that going along the order finds a page of them sooner."""

    def using_index(self, photos: ImageQuerySet) -> ImageQuerySet: ...

    def scanning(self, photos: ImageQuerySet) -> ImageQuerySet: ...

    def anywhere(self, photos: ImageQuerySet) -> ImageQuerySet: ...


@dataclass(frozen=True)
class TextMatch:
    """Photos with these words."""

    query: str  # of search_vector.query_of()

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
    """Photos that were edited, or whose upload arrived or ended, from then on."""

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
            output_field=models.BooleanField(),
        )
        return photos.filter(Q(updated_at__gte=self.since) | Q(is_moved))

    def scanning(self, photos: ImageQuerySet) -> ImageQuerySet:
        return photos.changed_since(self.since)

    anywhere = scanning


def _more_than(few: int, rows: QuerySet[Any]) -> Q:
    return Q(Exists(rows.order_by()[few : few + 1]))
