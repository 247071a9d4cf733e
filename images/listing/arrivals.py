"""Which photos a group has got since a moment: what an open page asks again and again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models import F, Q
from django.utils import timezone

from images.models import Upload

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from images.models import ImageQuerySet

AT_MOST = 100  # a page then says "more than 99"
LONGEST = timedelta(days=1)  # no page looks further back


def arrived_since(images: ImageQuerySet, moment: datetime) -> list[UUID]:
    """Returns the ids of those of these photos that were finished after the moment, up to AT_MOST.

    It reads the uploads since then, of all groups, by their index: none, most of the time.
    """
    return _first_of(images.filter(_finished_since(_start(moment))))


def approved_since(images: ImageQuerySet, moment: datetime) -> list[UUID]:
    """Returns the ids of those of these photos that guests are shown since the moment: because
    they were finished, or approved, after it. Up to AT_MOST."""
    start = _start(moment)
    # Whatever was decided about was changed then, too, and that has an index.
    approved = images.filter(updated_at__gt=start, moderated_at__gt=start)
    finished = images.filter(_finished_since(start))
    return sorted({*_first_of(approved), *_first_of(finished)})[:AT_MOST]


def _start(moment: datetime) -> datetime:
    return max(moment, timezone.now() - LONGEST)


def _finished_since(start: datetime) -> Q:
    # Replaced files are no new photos: the first upload has the id of its photo.
    first = Upload.objects.moved_since(start).filter(pk=F("image_id"), finished_at__gt=start)
    return Q(pk__in=first.values("image_id"))


def _first_of(images: ImageQuerySet) -> list[UUID]:
    return list(images.order_by("pk").values_list("pk", flat=True)[:AT_MOST])
