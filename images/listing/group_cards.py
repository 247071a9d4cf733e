"""The groups of a member as cards: cover, number of photos, what is new and what waits for a host.

The number of queries does not depend on the number of groups.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, Exists, F, Func, IntegerField, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce, TruncDate

from groups.models import Group, GroupVisit, Membership
from images.listing import overview
from images.models import Image, TakedownRequest, Upload

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from groups.models import GroupQuerySet
    from images.access import MemberAccess
    from images.models import Variant

MOST_WORDS = 8  # of a search
MOST_NEW = 100  # so many are counted: of a group never visited all are new
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
# A photo may be announced long before its bytes arrive: its row is older than its arrival.
LONGEST_WAY = timedelta(days=7)


@dataclass(frozen=True)
class GroupCard:
    """One group as its member sees it on the first page."""

    group: Group
    cover: Image | None
    photo_count: int
    new_count: int
    waiting: int  # photos to approve; 0 for others than owners, as the next
    takedowns: int

    @property
    def picture(self) -> Variant | None:
        """The variant of the cover that is shown."""
        variants = self.cover.variant_by_name if self.cover else {}
        return variants.get("tile") or variants.get("thumb")

    @property
    def has_more_new(self) -> bool:
        return self.new_count >= MOST_NEW

    @property
    def counted_new(self) -> int:
        return min(self.new_count, MOST_NEW - 1)


def find(access: MemberAccess, query: str) -> GroupQuerySet:
    """Returns the groups of a member in which each word of the query is found, the latest event
    first."""
    groups = access.groups().select_related("team").with_role_of(access.user)
    for word in query.split()[:MOST_WORDS]:
        found = Q(team__name__icontains=word)
        for column in ("name", "event_name", "venue"):
            found |= Q(**{f"{column}__icontains": word})
        if word.isascii() and word.isdigit() and len(word) == 4 and word != "0000":
            found |= Q(event_date__year=int(word))
        groups = groups.filter(found)
    day = Coalesce("event_date", TruncDate("created_at"))
    return groups.order_by(day.desc(), "-created_at", "-pk")


def cards_of(groups: Sequence[Group], access: MemberAccess) -> list[GroupCard]:
    """Returns the cards of groups that were found, in their order."""
    ids = [group.pk for group in groups]
    owned = [group.pk for group in groups if group.role == Membership.Role.OWNER]
    photo_counts = overview.totals(ids)
    waiting = _count(Image.objects.waiting_for_approval(), owned)
    takedowns = _count(TakedownRequest.objects.open(), owned)
    about = {each["pk"]: each for each in _covers_and_news(ids, access)}
    covers = Image.objects.with_variants().only("group", "version")
    cover_by_id = covers.in_bulk([each["cover"] for each in about.values() if each["cover"]])
    return [
        GroupCard(
            group=group,
            cover=cover_by_id.get(about[group.pk]["cover"]),
            photo_count=photo_counts.get(group.pk, 0),
            new_count=about[group.pk]["new_count"],
            waiting=waiting.get(group.pk, 0),
            takedowns=takedowns.get(group.pk, 0),
        )
        for group in groups
        if group.pk in about  # else it was purged just now
    ]


def _count(rows: Any, group_ids: Sequence[UUID]) -> dict[UUID, int]:
    found = rows.filter(group__in=group_ids).order_by().values("group")
    return dict(found.annotate(number=Count("pk")).values_list("group", "number"))


def _covers_and_news(group_ids: Sequence[UUID], access: MemberAccess) -> Any:
    ready = Image.objects.ready().filter(group=OuterRef("pk"))
    chosen = ready.filter(pk=OuterRef("cover_id"))
    newest = ready.exclude(moderation=Image.Moderation.REJECTED).newest_first()
    visit = GroupVisit.objects.filter(group=OuterRef("pk"), user=access.user)
    # The first upload has the id of its photo.
    arrived = Upload.objects.filter(
        pk=OuterRef("pk"), finished_at__gt=OuterRef(OuterRef("seen_at"))
    )
    new = ready.filter(Q(uploaded_by=None) | ~Q(uploaded_by=access.user))
    new = new.filter(Exists(arrived), created_at__gt=OuterRef("announced_after"))
    return (
        Group.objects.filter(pk__in=group_ids)
        .annotate(
            cover=Coalesce(Subquery(chosen.values("pk")[:1]), Subquery(newest.values("pk")[:1])),
            seen_at=Coalesce(Subquery(visit.values("visited_at")[:1]), Value(NEVER)),
        )
        .annotate(announced_after=F("seen_at") - Value(LONGEST_WAY))
        .annotate(
            new_count=Func(
                ArraySubquery(new.order_by().values("pk")[:MOST_NEW]),
                function="CARDINALITY",
                output_field=IntegerField(),
            )
        )
        .order_by()
        .values("pk", "cover", "new_count")
    )
