"""Photos that somebody could see and does not see any more: what a mirror has to remove.

Those in the trash, those of a group in the trash, and those that were moved away or purged, of
which only a tombstone tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now

from groups.models import Group
from images.access import GuestAccess
from images.models import NOBODYS, Image, Tombstone

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime
    from uuid import UUID

    from django.db.models import QuerySet

    from images.access import MemberAccess
    from images.listing.pagination import Page
    from images.models import ImageQuerySet


class Removal(NamedTuple):
    """A photo, the group it was in, and when it left. `updated_at`, as pages of photos sort."""

    id: UUID
    group_id: UUID
    updated_at: datetime


@dataclass(frozen=True)
class Wanted:
    """Removals since then: of these groups, and of these photos. None named is all."""

    since: datetime
    groups: Collection[UUID] = ()
    ids: Collection[UUID] = ()

    def condition(self, *, group: str, image: str) -> Q:
        """On the columns of that name."""
        condition = Q((f"{group}__in", self.groups)) if self.groups else Q()
        return condition & Q((f"{image}__in", self.ids)) if self.ids else condition


class Removals:
    """Asked of three tables, each with an index of its own."""

    def __init__(
        self,
        wanted: Wanted,
        *,
        trashed: ImageQuerySet,
        with_group: ImageQuerySet,
        tombstones: QuerySet[Tombstone],
        visible: ImageQuerySet,
    ) -> None:
        of_image = wanted.condition(group="group", image="pk")
        of_tombstone = wanted.condition(group="group_id", image="image_id")
        # What was moved to where it is seen, too, or came back, is not gone.
        here = visible.filter(of_image, pk=OuterRef("image_id"))
        parts: list[QuerySet[Any]] = [
            trashed.trashed().filter(of_image).annotate(photo=F("pk"), at=F("trashed_at")),
            with_group.filter(of_image).annotate(photo=F("pk"), at=F("group__trashed_at")),
            tombstones.filter(of_tombstone, ~Exists(here)).annotate(
                photo=F("image_id"), at=F("removed_at")
            ),
        ]
        self._parts = [part.order_by().filter(at__gte=wanted.since) for part in parts]

    def cut(self, page: Page) -> list[Removal]:
        """The page, in the order it is read, and one more, if there is another page."""
        is_down = page.ordering.is_descending != page.backwards
        beyond = Q()
        if page.cursor is not None:
            than, at, photo = "lt" if is_down else "gt", page.cursor.key, page.cursor.id
            beyond = Q((f"at__{than}", at)) | Q(("at", at), (f"photo__{than}", photo))
        first, *others = [
            part.filter(beyond).values_list("photo", "group_id", "at") for part in self._parts
        ]
        start, sign = page.offset or 0, "-" if is_down else ""
        rows = first.union(*others, all=True).order_by(f"{sign}at", f"{sign}photo")
        return [Removal(*row) for row in rows[start : start + page.limit + 1]]

    def count(self) -> int:
        return sum(part.count() for part in self._parts)


def of(access: MemberAccess | GuestAccess, wanted: Wanted) -> Removals:
    """Of a member, whatever was in a group they see, or saw before it was trashed or purged; of a
    guest, own photos and what a gallery showed."""
    if isinstance(access, GuestAccess):
        return _of_guest(access, wanted)
    return _of_member(access, wanted)


def _of_member(access: MemberAccess, wanted: Wanted) -> Removals:
    kept, trashed = Group.objects.visible_to(access), Group.objects.trash_visible_to(access)
    tombstones = Tombstone.objects.filter(team_id__in=access.user.memberships.values("team"))
    if access.group_ids is not None:
        tombstones = tombstones.filter(group_id__in=access.group_ids)
    return Removals(
        wanted,
        trashed=Image.objects.filter(group__in=kept),
        with_group=Image.objects.filter(group__in=trashed),
        tombstones=tombstones,
        visible=Image.objects.kept().filter(group__in=kept),
    )


def _of_guest(access: GuestAccess, wanted: Wanted) -> Removals:
    shown = access.images()
    own = access.key.condition() if access.sees_own else NOBODYS
    gone = own
    if access.sees_gallery:
        gone |= Q(group_id=access.invitation.group_id, was_approved=True)
    return Removals(
        wanted,
        trashed=shown,
        with_group=Image.objects.filter(own, group__trashed_at__isnull=False),
        tombstones=Tombstone.objects.filter(gone),
        visible=shown.kept(),
    )


def forget_old() -> None:
    """Delete tombstones that every mirror in use has read."""
    Tombstone.objects.filter(removed_at__lt=Now() - settings.TOMBSTONE_LIFETIME).delete()
