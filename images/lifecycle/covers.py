"""Finds the photos of a group that may be its cover."""

from __future__ import annotations

from typing import TYPE_CHECKING

from images.models import Image

if TYPE_CHECKING:
    from uuid import UUID

    from groups.models import Group

OFFERED = 24


def may_be_cover(group: Group, image_id: UUID) -> bool:
    """Whether this is a photo of the group that can be shown."""
    return Image.objects.in_group(group).ready().filter(pk=image_id).exists()


def offered(group: Group) -> list[Image]:
    """Returns the newest photos of the group with their variants, its cover of now first."""
    ready = Image.objects.in_group(group).ready().with_variants()
    if group.cover_id is None:
        return list(ready.newest_first()[:OFFERED])
    now = list(ready.filter(pk=group.cover_id))
    newest = ready.exclude(pk=group.cover_id)
    return now + list(newest.newest_first()[: OFFERED - len(now)])
