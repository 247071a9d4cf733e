"""Finds a page of photos for somebody who sees very many groups.

To read the first photos of each group costs as much as there are groups. So Postgres goes along one
order of all photos, or asks an index of all photos, and looks at each photo whether it is shown. It
reads so many at most, whoever has sent them: if that is not enough, these expressions are NULL, and
the groups are read after all.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Case, OuterRef, Q, Subquery, Value, When

from bandpics.lookups import Lookup
from bandpics.users.models import User
from images.access import MemberAccess
from images.models import EVERY_PHOTO, Image

if TYPE_CHECKING:
    from django.db.models import Expression

    from groups.models import GroupQuerySet
    from images.access import PhotoAccess
    from images.listing.pagination import Page
    from images.models import ImageQuerySet

# A member of more groups than that has many.
FEW_GROUPS = 20
# So long this is believed: whoever has more by now waits longer, and sees the same.
KNOWN_SECONDS = 600.0
MOST_KNOWN = 10_000

_BEYOND_FEW = Lookup(
    lambda user_id: (
        MemberAccess(User(pk=user_id))
        .groups()
        .order_by()
        .values_list("pk")[FEW_GROUPS : FEW_GROUPS + 1]
    ),
    user_id=1_618_033_988,
)
# By the ids of members: whether they have many, and until when that is believed.
_known: dict[int, tuple[bool, float]] = {}


def are_many(access: PhotoAccess) -> bool:
    """Whether somebody sees photos of very many groups. Asked once in a while in each process: to
    let Postgres find out in each list would take it longer than most lists."""
    if not isinstance(access, MemberAccess) or access.group_ids is not None:
        return False
    has_many, until = _known.get(access.user.pk, (False, 0.0))
    if until < time.monotonic():
        has_many = bool(_BEYOND_FEW.all(user_id=access.user.pk))
        if len(_known) >= MOST_KNOWN:
            _known.clear()
        _known[access.user.pk] = has_many, time.monotonic() + KNOWN_SECONDS
    return has_many


def walk(groups: GroupQuerySet, rows: ImageQuerySet, page: Page, *, how_far: int) -> Any:
    """The ids of the first `rows` of the page, as an array, from so many photos of whichever group.
    There are as many as the page holds, or it is NULL."""
    in_order: Any = page.sorted(Image.objects.filter(EVERY_PHOTO))
    walked = in_order.annotate(place=page.ordering.key, passes=_passes(groups, rows))
    return _Walked(walked.values("id", "place", "passes")[:how_far], page)


def among(
    found: ImageQuerySet, groups: GroupQuerySet, rows: ImageQuerySet, page: Page, *, at_most: int
) -> Any:
    """The ids of the first `rows` of the page, as an array, from all photos that an index finds;
    NULL if it finds more than `at_most`."""
    passes = _passes(groups, page.beyond(rows))
    each: Any = found.order_by().annotate(place=page.ordering.key, passes=passes)
    return _Found(each.values("id", "place", "passes")[: at_most + 1], page, at_most=at_most)


def _passes(groups: GroupQuerySet, rows: ImageQuerySet) -> Expression:
    """Whether a photo is one of `rows` in one of these groups. Each is looked up by its key:
    Postgres would read all of them at once, were this an EXISTS."""
    group = groups.order_by().filter(pk=OuterRef("group_id")).values(yes=Value(True))[:1]
    row = rows.order_by().filter(pk=OuterRef("pk")).values(yes=Value(True))[:1]
    in_group = When(Q(Subquery(group)), then=Subquery(row))
    return Case(in_group, default=Value(False), output_field=models.BooleanField())


class _First(Subquery):
    output_field = ArrayField(models.UUIDField())

    def __init__(self, rows: Any, page: Page, **numbers: int) -> None:
        way = "DESC" if page.is_downwards else "ASC"
        more: dict[str, Any] = {"way": way, "end": page.end, **numbers}
        super().__init__(rows, **more)


class _Walked(_First):
    # What is read in order is looked at one by one, until the page is full.
    template = (
        "(SELECT CASE WHEN count(*) = %(end)s THEN array_agg(found.id) END FROM ("
        "SELECT walked.id FROM (%(subquery)s) walked WHERE walked.passes"
        " ORDER BY walked.place %(way)s, walked.id %(way)s LIMIT %(end)s) found)"
    )


class _Found(_First):
    template = (
        "(SELECT CASE WHEN count(*) <= %(at_most)s THEN coalesce((array_agg(found.id"
        " ORDER BY found.place %(way)s, found.id %(way)s) FILTER (WHERE found.passes)"
        ")[1:%(end)s], '{}') END FROM (%(subquery)s) found)"
    )
