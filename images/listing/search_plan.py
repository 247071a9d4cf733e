"""Chooses how a search runs: along the order of the list, or by an index.

An index finds every match to fill one page; the order reads all of a group where nothing matches.
So Postgres reads the beginning of the order, counts matches up to a limit, and decides. It does so
itself, in one statement, but is not left to choose: it cannot know how many photos have a word, and
guesses by the size of the table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Case, Exists, F, Func, OuterRef, Q, Subquery, Sum, Value, When
from django.db.models.functions import Cast, Coalesce

from images.listing import across_groups
from images.models import EVERY_PHOTO, Image, Upload, search_vector

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from django.db.models import Expression, QuerySet

    from groups.models import GroupQuerySet
    from images.listing.pagination import Page
    from images.models import ImageQuerySet, UploadQuerySet

# Photos that are fetched and sorted for one page; an upload costs but a look into an index.
FEW_PHOTOS = 1000
FEW_UPLOADS = 10_000
# Matches that are fetched and sorted for one page of a search for words.
FEW_MATCHES = 3000
# How far a search for words reads along the order, before it asks the index and after.
FIRST_PART, LONG_PART = 1000, 10_000
# A search that has found no page of matches in the first part reads on along the order if, of its
# first NEAR_PART photos, at least LEAST_NEAR match; otherwise it asks the index. Both take about as
# long for a word that each 150th of a million photos has.
NEAR_PART, LEAST_NEAR = 250, 2
# A search looks at one of so many photos of a group, those whose digests are the least: where at
# least so many of them match, it learns how far a page of matches reaches.
ONE_OF, LEAST_SEEN = 4096, 24
# How far a list of very many groups reads along the order of all photos.
ALL_PART = 2000

_MOMENT = models.DateTimeField()
_IDS: Any = ArrayField(models.UUIDField())
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
    # Whether there are very many groups.
    is_wide: bool = False

    def cut(self, page: Page) -> ImageQuerySet:
        """The rows of the page, and one more.

        Each group gives the page's worth of its own first rows, from its own part of the index:
        however many photos others have, they cost nothing. Of very many groups, an order or an
        index of all photos is asked first.
        """

        if self.is_selective:
            rows = self.plan.anywhere(self.rows) if self.plan else self.rows
            rows = rows.filter(group__in=self.groups)
        elif self.is_wide:
            rows = Image.objects.filter(_is_one_of(self._across(page)))
        else:
            rows = Image.objects.filter(_is_one_of(ArraySubquery(self._each_first(page))))
        cut: ImageQuerySet = page.cut(rows)
        return cut

    def _across(self, page: Page) -> Any:
        """An array of ids, those of the page among them."""
        parts, each = [], self
        if page.ordering.has_index_of_all:
            parts = self._parts_across(page)
        if self.plan is None and not self.is_narrowed and page.ordering.has_index:
            near = _is_one_of(ArraySubquery(self._nearest(page)))
            each = replace(self, groups=self.groups.filter(near))
        return _coalesced(*parts, ArraySubquery(each._each_first(page)))

    def _parts_across(self, page: Page) -> list[Expression]:
        if self.plan is not None:
            return self.plan.across(self.groups, self.rows, page)
        return [across_groups.walk(self.groups, self.rows, page, how_far=ALL_PART)]

    def _nearest(self, page: Page) -> QuerySet[Any, Any]:
        """The ids of the groups whose first photos come first: no others are on the page."""
        first = _ids(page.sorted(self.rows.filter(group=GROUP))[:1])
        ids = self.groups.order_by().values(image=Func(first, function="unnest"))
        heads = Image.objects.filter(_is_one_of(ArraySubquery(ids)))
        return page.head(heads).values("group")

    def _each_first(self, page: Page) -> QuerySet[Any, Any]:
        """The ids of the first photos of each group."""
        return self.groups.order_by().values(image=Func(self._first(page), function="unnest"))

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


def _coalesced(*arrays: Any) -> Any:
    return Coalesce(*arrays) if len(arrays) > 1 else arrays[0]


def _is_one_of(ids: Any) -> Func:
    """Whether the id of a row is in this array, which is made once: Postgres takes a sub-select
    for thousands of ids, and would rather go through all photos in their order."""
    return Func(
        *(F("pk"), ids),
        template="%(expressions)s)",
        arg_joiner=" = ANY (",
        output_field=models.BooleanField(),
    )


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

    def across(self, groups: GroupQuerySet, rows: ImageQuerySet, page: Page) -> list[Expression]:
        """The ids of those rows that are of many groups, match, and come first on the page, in ways
        of which each is NULL if it would take too long."""


@dataclass(frozen=True)
class TextMatch:
    """Photos with these words."""

    query: str  # of search_vector.query_of()

    def first(self, rows: ImageQuerySet, page: Page, *, is_narrowed: bool) -> Expression:
        """Reads the beginning of the order. If that has fewer matches than a page, but some, it
        reads on. If it has next to none, it asks the index of words: for the matches before a place
        that a sample suggests, or, if few photos of the sample match, for all matches.

        So a word costs little that is common, rare, or somewhere between. What costs more the
        larger the group is: a word of many photos of which none is near.
        """
        if not page.ordering.has_index:
            return _chosen(self, rows.filter(group=GROUP), lambda found: _ids(page.head(found)))
        in_order, found = self._in_order(rows, page), self._by_index(rows, page)
        far, every = _Along(in_order[:LONG_PART], page), _FirstOfAll(found, page)
        if is_narrowed:
            # Filters may leave so few photos that it takes the whole order to find the first part.
            few = _Matches(found[: FEW_MATCHES + 1], page, at_least=0, at_most=FEW_MATCHES)
            return Coalesce(few, far, every)
        first = _Along(in_order[:FIRST_PART], page)
        is_longer = _more_than(FIRST_PART, page.beyond(rows.filter(group=GROUP)))
        some_are_near = Q(_HasMatches(in_order[:NEAR_PART], at_least=LEAST_NEAR))
        further = Case(When(is_longer & some_are_near, then=far), output_field=_IDS)
        return Coalesce(first, further, self._by_sample(found, page), every)

    def _in_order(self, rows: ImageQuerySet, page: Page) -> Any:
        # Each row is looked up once more for its words. So the order is read from its index alone,
        # also where most groups are small: then Postgres would fetch all of a group and sort it.
        same = Image.objects.filter(pk=OuterRef("pk"))
        matches = Subquery(same.values(matches=self._matching(group=OuterRef(GROUP))))
        in_order: Any = page.sorted(rows.filter(group=GROUP))
        in_order = in_order.annotate(matches=matches, place=page.ordering.key)
        return in_order.values("id", "place", "matches")

    def _by_index(self, rows: ImageQuerySet, page: Page) -> Any:
        # The words say the group. Said twice, Postgres would look up all photos of it.
        found = self.using_index(page.beyond(rows)).annotate(place=page.ordering.key)
        return found.order_by().values("id", "place")

    def _by_sample(self, found: Any, page: Page) -> Any:
        """Those that are found up to a place that may have a page of them before it. Postgres puts
        together where the index of words and that of the order point, before it reads any photo."""
        sample: Any = Image.objects.filter(
            self._matching(group=OuterRef(GROUP)),
            group=OuterRef(GROUP),
            sha256__lt=f"{2**256 // ONE_OF:064x}",
            # As the index of digests has it.
            version__gt=0,
            trashed_at=None,
        )
        last = _PlaceInSample(page.beyond(sample).values(place=page.ordering.key), page)
        ever = Cast(Value("infinity" if page.is_downwards else "-infinity"), _MOMENT)
        first = Value(page.cursor.key) if page.cursor else ever
        # Both ends are named: Postgres takes a range of which it knows but one for a large one.
        reach = (last, first) if page.is_downwards else (first, last)
        found = found.filter(group=GROUP, place__range=reach)
        return _Matches(found, page, at_least=page.end, at_most=2**62)

    def prefer_scan(self) -> Q:
        return _more_than(FEW_PHOTOS, self.using_index(Image.objects.all()))

    def using_index(self, photos: ImageQuerySet) -> ImageQuerySet:
        return photos.filter(search_vector.matching(self.query, group=GROUP))

    def scanning(self, photos: ImageQuerySet) -> ImageQuerySet:
        return photos.filter(self._matching(group=GROUP))

    def anywhere(self, photos: ImageQuerySet) -> ImageQuerySet:
        return photos.filter(self._matching())

    def _matching(self, *, group: OuterRef | None = None) -> Func:
        return search_vector.seen_to_match(search_vector.matching(self.query, group=group))

    def across(self, groups: GroupQuerySet, rows: ImageQuerySet, page: Page) -> list[Expression]:
        """As first(), along the order of all photos and by the index of their words alone."""
        matching = self.anywhere(rows)
        found = Image.objects.filter(search_vector.matching_anywhere(self.query))
        return [
            across_groups.walk(groups, matching, page, how_far=FIRST_PART),
            across_groups.among(found, groups, rows, page, at_most=FEW_MATCHES),
            across_groups.walk(groups, matching, page, how_far=LONG_PART),
        ]


@dataclass(frozen=True)
class ChangedSince:
    """Photos that were edited, or whose upload arrived or ended, from then on."""

    since: datetime

    def first(self, rows: ImageQuerySet, page: Page, *, is_narrowed: bool) -> Expression:
        return _chosen(self, rows.filter(group=GROUP), lambda found: _ids(page.head(found)))

    def prefer_scan(self) -> Q:
        edited = Image.objects.filter(group=GROUP, updated_at__gte=self.since)
        return _more_than(FEW_PHOTOS, edited) | _more_than(FEW_UPLOADS, self._moved())

    def using_index(self, photos: ImageQuerySet) -> ImageQuerySet:
        moved = ArraySubquery(self._moved().values("image")[:FEW_UPLOADS])
        return photos.filter(Q(updated_at__gte=self.since) | Q(_is_one_of(moved)))

    def scanning(self, photos: ImageQuerySet) -> ImageQuerySet:
        return photos.changed_since(self.since)

    anywhere = scanning

    def across(self, groups: GroupQuerySet, rows: ImageQuerySet, page: Page) -> list[Expression]:
        """Mostly there is little news, or very much."""
        changed = rows.changed_since(self.since)
        found = self.using_index(Image.objects.filter(EVERY_PHOTO))
        few = across_groups.among(found, groups, rows, page, at_most=FEW_PHOTOS)
        few_moved = ~_more_than(FEW_UPLOADS, self._moved())
        return [
            Case(When(few_moved, then=few), output_field=_IDS),
            across_groups.walk(groups, changed, page, how_far=LONG_PART),
        ]

    def _moved(self) -> UploadQuerySet:
        return Upload.objects.moved_since(self.since)


def _more_than(few: int, rows: QuerySet[Any]) -> Q:
    return Q(Exists(rows.order_by()[few : few + 1]))


class _PageOf(Subquery):
    """Selects the ids of those rows that come first on a page. `numbers` fill in the template."""

    output_field = _IDS

    def __init__(self, rows: Any, page: Page, **numbers: Any) -> None:
        super().__init__(rows, way=_way(page), end=page.end, **numbers)


class _Matches(_PageOf):
    """Selects from all rows; gives NULL if they are fewer than `at_least`, or more than `at_most`.

    Postgres finds all rows before it sorts them: told that it needs only the first, it would go
    along the order.
    """

    template = (
        "(SELECT CASE WHEN count(*) BETWEEN %(at_least)s AND %(at_most)s THEN"
        " coalesce((array_agg(found.id ORDER BY place %(way)s, found.id %(way)s))[1:%(end)s], '{}')"
        " END FROM (%(subquery)s) found)"
    )


class _Along(_PageOf):
    """Selects the rows that match, from rows along the order; gives NULL if they do not fill the
    page. Postgres reads no further than the last row of the page."""

    template = (
        "(SELECT CASE WHEN count(*) = %(end)s THEN"
        " array_agg(found.id ORDER BY place %(way)s, found.id %(way)s) END"
        " FROM (SELECT id, place FROM (%(subquery)s) passed WHERE matches"
        " ORDER BY place %(way)s, id %(way)s LIMIT %(end)s) found)"
    )


class _FirstOfAll(_PageOf):
    """Selects from any number of rows: Postgres reads all, and sorts and keeps those of the page.
    OFFSET 0 has it find the rows in their own way, as in _Matches."""

    template = (
        "ARRAY(SELECT found.id FROM (%(subquery)s OFFSET 0) found"
        " ORDER BY place %(way)s, found.id %(way)s LIMIT %(end)s)"
    )


class _HasMatches(Subquery):
    """Tells whether at least so many rows match."""

    output_field = models.BooleanField()
    template = "EXISTS (SELECT FROM (%(subquery)s) passed WHERE matches OFFSET %(others)s)"

    def __init__(self, in_order: Any, *, at_least: int) -> None:
        super().__init__(in_order, others=at_least - 1)


class _PlaceInSample(Subquery):
    """The place of one of the first matches of a sample: so many that a page of all matches is
    hardly ever beyond it. NULL if so few match that all are read sooner."""

    output_field = _MOMENT
    template = (
        "(SELECT CASE WHEN count(*) >= %(least)s THEN"
        " (array_agg(found.place ORDER BY found.place %(way)s))[%(number)s]"
        " END FROM (%(subquery)s) found)"
    )

    def __init__(self, rows: Any, page: Page) -> None:
        numbers: dict[str, Any] = {"least": LEAST_SEEN, "number": 2 + 4 * page.end // ONE_OF}
        super().__init__(rows, way=_way(page), **numbers)


def _way(page: Page) -> str:
    return "DESC" if page.is_downwards else "ASC"
