"""Which photos wait for a caption: what the sweeper does about them.

A photo of a group that wants captions gets a row some seconds after it is finished, the newest
first. A few wait at a time, so that switching a large group on, or a provider that is away, makes
no heap of rows and tasks.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.postgres.expressions import ArraySubquery
from django.db import transaction
from django.db.models import Count, Func, IntegerField, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce, Now

from groups.models import Group
from images.captions import claims, queue
from images.models import CaptionUsage, GeneratedCaption, Image

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from uuid import UUID

State = GeneratedCaption.State
WAITING = Q(state__in=[State.QUEUED, State.ASKING])
WAITING_AT_MOST = 100
BATCH = 500
QUEUED_BEFORE_ENQUEUING = timedelta(minutes=1)


def sweep() -> None:
    """Drops what is not wanted any more, queues what was lost or is due, and adds new photos."""
    _drop_outdated()
    if not settings.CAPTIONS_ON:
        return
    claims.fail_crashed()
    for caption_id in claims.WORK.stuck_ids(queued_longer_than=QUEUED_BEFORE_ENQUEUING):
        claims.WORK.mark_enqueued(caption_id)
        queue.enqueue(caption_id)
    for caption_id in add():
        queue.enqueue(caption_id)


def add() -> list[UUID]:
    """Makes rows for photos that have none, the newest first, as many as may be asked for today.
    Returns their ids."""
    rows = [
        GeneratedCaption(image_id=image_id, version=version, language=language)
        for image_id, version, language in _newest(room())
    ]
    if not rows:
        return []
    GeneratedCaption.objects.bulk_create(rows, ignore_conflicts=True)
    made = GeneratedCaption.objects.filter(pk__in=[row.pk for row in rows])
    made.update(last_checked_at=Now())  # so that the next sweep does not enqueue them again
    return list(made.order_by("-image_id").values_list("pk", flat=True))


def room() -> int:
    """Returns how many more may wait now."""
    most: int = min(WAITING_AT_MOST, settings.CAPTIONS_PER_DAY - _asked_today())
    return max(0, most - GeneratedCaption.objects.filter(WAITING).count())


def _newest(count: int) -> Iterator[tuple[UUID, int, str]]:
    """The newest photos without a caption; of each group as many as it may still ask for."""
    if not count:
        return
    left = {
        group_id: (language, settings.CAPTIONS_PER_GROUP_PER_DAY - spent)
        for group_id, language, spent in _groups()
    }
    due = Image.objects.ready().filter(
        caption_due=True, place_forgotten_at=None, group=OuterRef("pk")
    )
    first = Func(ArraySubquery(due.order_by("-id").values("pk")[:count]), function="unnest")
    ids = Group.objects.filter(pk__in=left).order_by().values(image=first)
    found = Image.objects.filter(pk__in=ids).order_by("-id")
    for image_id, version, group_id in found.values_list("pk", "version", "group")[:count]:
        language, may_ask = left[group_id]
        if may_ask > 0:
            left[group_id] = language, may_ask - 1
            yield image_id, version, language


def _groups() -> list[tuple[UUID, str, int]]:
    """Groups that want captions and may have more today: id, language, and what they have spent."""
    asked = CaptionUsage.objects.filter(group=OuterRef("pk"), day=claims.today())
    waiting = GeneratedCaption.objects.filter(WAITING, image__group=OuterRef("pk"))
    count = waiting.order_by().values("image__group").annotate(n=Count("pk")).values("n")
    spent = Coalesce(Subquery(asked.values("asked")), 0) + Coalesce(
        Subquery(count, output_field=IntegerField()), 0
    )
    rows = Group.objects.kept().exclude(caption_language="").annotate(spent=spent)
    rows = rows.filter(spent__lt=settings.CAPTIONS_PER_GROUP_PER_DAY)
    return list(rows.values_list("pk", "caption_language", "spent"))


def _asked_today() -> int:
    row = CaptionUsage.objects.filter(group=None, day=claims.today()).first()
    return row.asked if row else 0


# --- What is not wanted any more ------------------------------------------------------------


def _drop_outdated() -> None:
    """Removes what a model wrote in another language than its group has now, and what waits in
    groups that are in the trash. What a host corrected or hid stays."""
    changed = Group.objects.filter(captions_outdated=True)
    for group_id, language in changed.values_list("pk", "caption_language")[:BATCH]:
        written = GeneratedCaption.objects.filter(is_corrected=False, hidden_at=None)
        other = written.exclude(language=language)
        found = other.filter(image__group=group_id).values_list("image_id", flat=True)[:BATCH]
        if image_ids := list(found):
            _drop(image_ids, Q(is_corrected=False, hidden_at=None) & ~Q(language=language))
        else:
            same = Group.objects.filter(pk=group_id, caption_language=language)
            same.update(captions_outdated=False)
    gone = GeneratedCaption.objects.filter(WAITING, image__group__trashed_at__isnull=False)
    if image_ids := list(gone.values_list("image_id", flat=True)[:BATCH]):
        _drop(image_ids, WAITING)


@transaction.atomic
def _drop(image_ids: Collection[UUID], which: Q) -> None:
    # First the photos, as whoever trashes or replaces one does: see images/models.
    photos = Image.objects.select_for_update(no_key=True).filter(pk__in=image_ids)
    list(photos.order_by("pk").values_list("pk"))
    GeneratedCaption.objects.filter(which, image__in=image_ids).delete()
