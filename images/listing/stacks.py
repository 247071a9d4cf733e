"""Shows of each stack of photos that look alike the best one only, and how many more there are.

The best one is the sharpest of those that whoever asks may see.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Count, Exists, OuterRef, Q

from images.models import Image

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from images.models import ImageQuerySet


def tops(rows: ImageQuerySet, *, visible: Q) -> ImageQuerySet:
    """Returns the rows that are on top of their stack, among the `visible` photos, and those that
    are in none."""
    same = Image.objects.ready().filter(
        visible, stack_id=OuterRef("stack_id"), group=OuterRef("group")
    )
    sharper = Q(focus__gt=OuterRef("focus"))
    earlier = Q(focus=OuterRef("focus"), id__lt=OuterRef("id"))
    # In this order: most photos are in no stack, and Postgres stops there.
    return rows.filter(Q(stack_id=None) | ~Exists(same.filter(sharper | earlier)))


def more_below(photos: Sequence[Any], *, visible: Q) -> dict[UUID, int]:
    """Returns how many more photos there are below each of these photos, or rows of them, that has
    any: one query."""
    stacks = {photo.stack_id for photo in photos if photo.stack_id is not None}
    if not stacks:
        return {}
    groups = {photo.group_id for photo in photos}
    rows = Image.objects.ready().filter(visible, stack_id__in=stacks, group__in=groups)
    counted = rows.values_list("stack_id", "group").annotate(count=Count("pk"))
    counts = {(stack, group): count for stack, group, count in counted.order_by()}
    more = {photo.id: counts.get((photo.stack_id, photo.group_id), 1) - 1 for photo in photos}
    return {image_id: count for image_id, count in more.items() if count > 0}
