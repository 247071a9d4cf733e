"""Compares the objects of transforms with their rows. None is ever repaired: whoever wants it asks
for it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from images.models import PendingDeletion, Transform, locks
from images.reconcile.bucket_listing import pages
from images.reconcile.repair import is_there
from images.storage import object_keys
from images.storage.objects import photo_storage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from groups.models import Group
    from images.models.transform import TransformQuerySet
    from images.reconcile.bucket_listing import BucketListing
    from images.storage.objects import StoredObject


def unknown(found: Sequence[StoredObject]) -> list[StoredObject]:
    """Returns those of these objects that no row names."""
    ids = {pk for each in found if (pk := object_keys.transformed_image_id_of(each.key))}
    known = {each.key for each in Transform.objects.on_disk().filter(image__in=ids)}
    due = PendingDeletion.objects.filter(image_id__in=ids)
    known.update(key for row in due for key in row.keys)
    return [each for each in found if each.key not in known]


def remove(found: StoredObject) -> bool:
    """Removes the object of a transform that no row names. True if it is gone now."""
    image_id = object_keys.transformed_image_id_of(found.key)
    if image_id is None:
        return False
    with locks.objects_of(image_id):
        if not unknown([found]):
            return False
        photo_storage().delete_keys([found.key])
    return True


def without_object(
    listing: BucketListing, group: Group | None, before: datetime
) -> Iterator[Transform]:
    """Yields transforms that say that they are done, and whose object is missing or another."""
    rows = Transform.objects.done().filter(done_at__lt=before)
    for batch in pages(rows if group is None else rows.filter(group_id=group.pk)):
        stored = listing.sizes(transform.key for transform in batch)
        for transform in batch:
            if (
                stored.get(transform.key) != transform.byte_size
                and not is_there(transform.key, transform.byte_size)
                and _same(transform).exists()
            ):
                yield transform


def forget(transform: Transform) -> bool:
    """Deletes its row. True if this call did."""
    return bool(_same(transform).delete()[0])


def _same(transform: Transform) -> TransformQuerySet:
    return Transform.objects.done().filter(pk=transform.pk, done_at=transform.done_at)
