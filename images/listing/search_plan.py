"""Chooses how a search runs: along the order of the list, or by an index.

An index finds every match to fill one page; the order reads all of a group where nothing matches.
So Postgres reads the beginning of the order, counts matches up to a limit, and decides. It does so
itself, in one statement, but is not left to choose: it cannot know how many photos have a word, and
guesses by the size of the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Case, Exists, F, Func, OuterRef, Q, Subquery, Sum, When
from django.db.models.functions import Cast, Coalesce

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
# Matches that are fetched and sorted for one page of a search for words.
FEW_MATCHES = 3000
# How far a search for words reads along the order, before it asks the index and after.
FIRST_PART, LONG_PART = 1000, 10_000

GROUP = OuterRef("pk")  # of the photo's, in a query of groups


@dataclass(frozen=True)
class Search:
    """The photos that a list asks for: those `rows` of the groups that the plan finds."""

    groups: GroupQuerySet
    rows: ImageQuerySet
    plan: SearchPlan | None = None
    # Whether an index finds the rows in all groups at once.
    is_selective: bool = False
    # Whether rows lacks photos of the groups, so that there may be few far apart.
    is_narrowed: bool = False

    def cut(self, page: Page) -> ImageQuerySet:
        """The rows of the page, and one more.

        Each group gives the page's worth of its own first rows, from its own part of the index:
        however many photos others have, they cost nothing.
        """

        if self.is_selective:
            rows = self.plan.anywhere(self.rows) if self.plan else self.rows
            rows = rows.filter(group__in=self.groups)
        else:
            ids = self.groups.order_by().values(image=Func(self._first(page), function="unnest"))
            rows = Image.objects.filter(pk__in=ids)
        cut: ImageQuerySet = page.cut(rows)
        return cut

    def _first(self, page: Page) -> Expression:
        if self.plan is None:
            return _ids(page.head(self.rows.filter(group=GROUP)))
        return self.plan.first(self.rows, page, is_narrowed=self.is_narrowed)

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
        return _chosen(plan, rows, answer)


def _chosen(
    plan: SearchPlan, rows: ImageQuerySet, answer: Callable[[ImageQuerySet], Expression]
) -> Expression:
    scanning = When(plan.prefer_scan(), then=answer(plan.scanning(rows)))
    return Case(scanning, default=answer(plan.using_index(rows)))


def _ids(rows: ImageQuerySet) -> Expression:
    # Cast: where nothing can match, Django writes NULL.
    return Func(ArraySubquery(rows.values("pk")), template="(%(expressions)s)::uuid[]")


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

    def first(self, rows: ImageQuerySet, page: Page, *, is_narrowed: bool) -> Expression:
        """The ids of those rows that are of GROUP, match, and come first on the page."""


@dataclass(frozen=True)
class TextMatch:
    """Photos with these words."""

    query: str  # of search_vector.query_of()

    def first(self, rows: ImageQuerySet, page: Page, *, is_narrowed: bool) -> Expression:
        """Reads the beginning of the order; if it does not hold a page of matches, asks the index
        for all, up to a limit; if there are more, reads on; and if those at the beginning were
        few all the same, takes all from the index.

        So a word costs little that is common, rare, or somewhere between. What costs more the
        larger the group is: a word of many photos of which none is near.
        """
        if not page.ordering.has_index:
            return _chosen(self, rows.filter(group=GROUP), lambda found: _ids(page.head(found)))
        few = _Matches(self._by_index(rows, page)[: FEW_MATCHES + 1], page, at_most=FEW_MATCHES)
        far = self._along(rows, page, LONG_PART)
        every = _Matches(self._by_index(rows, page), page)
        # Filters may leave so few photos that it takes the whole order to find the first part.
        parts = [] if is_narrowed else [self._along(rows, page, FIRST_PART)]
        return Coalesce(*parts, few, far, every)

    def _along(self, rows: ImageQuerySet, page: Page, how_far: int) -> Any:
        matches = search_vector.seen_to_match(search_vector.matching(self.query, group=GROUP))
        part: Any = page.sorted(rows.filter(group=GROUP)).annotate(
            matches=matches, place=page.ordering.key
        )
        part = part.values("id", "place", "matches")[:how_far]
        return _Matches(part, page, at_least=page.end, condition="matches")

    def _by_index(self, rows: ImageQuerySet, page: Page) -> Any:
        # The words say the group. Said twice, Postgres would look up all photos of it.
        found = self.using_index(page.beyond(rows)).annotate(place=page.ordering.key)
        return found.order_by().values("id", "place")

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

    def first(self, rows: ImageQuerySet, page: Page, *, is_narrowed: bool) -> Expression:
        return _chosen(self, rows.filter(group=GROUP), lambda found: _ids(page.head(found)))

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


class _Matches(Subquery):
    """The ids of the first rows of a page; NULL if there are fewer rows than `at_least`, or more
    than `at_most`.

    Postgres finds all rows before it sorts them: told that it needs only the first, it would go
    along the order.
    """

    output_field = ArrayField(models.UUIDField())
    template = (
        "(SELECT CASE WHEN count(*) BETWEEN %(at_least)s AND %(at_most)s THEN"
        " coalesce((array_agg(found.id ORDER BY place %(way)s, found.id %(way)s))[1:%(end)s], '{}')"
        " END FROM (%(subquery)s) found WHERE %(condition)s)"
    )

    def __init__(
        self,
        rows: Any,
        page: Page,
        *,
        at_least: int = 0,
        at_most: int = 2**62,
        condition: str = "true",
    ) -> None:
        way = "DESC" if page.is_downwards else "ASC"
        numbers: dict[str, Any] = {"at_least": at_least, "at_most": at_most, "end": page.end}
        super().__init__(rows, way=way, condition=condition, **numbers)
