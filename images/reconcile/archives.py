"""Compares the objects of archives with their rows. No archive is ever repaired: whoever wants it
orders it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from images.archives import expiry
from images.models import Archive, PendingDeletion
from images.reconcile.bucket_listing import pages
from images.reconcile.repair import is_there
from images.storage import object_keys
from images.storage.objects import photo_storage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from groups.models import Group
    from images.reconcile.bucket_listing import BucketListing
    from images.storage.objects import StoredObject


def unknown(found: Sequence[StoredObject]) -> list[StoredObject]:
    """Returns those of these objects that no row names: of deleted archives, or of such that an
    older database does not know."""
    ids = {pk for each in found if (pk := object_keys.archive_id_of(each.key))}
    rows = Archive.objects.on_disk().filter(pk__in=ids)
    known = {archive.key for archive in rows}
    due = PendingDeletion.objects.filter(image_id__in=ids)
    known.update(key for row in due for key in row.keys)
    return [each for each in found if each.key not in known]


def remove(found: StoredObject) -> bool:
    """Removes the object of an archive that no row names. True if it is gone now."""
    if not unknown([found]):
        return False
    photo_storage().delete_keys([found.key])
    return True


def awaited_multiparts(multipart_ids: Iterable[str]) -> set[str]:
    """Returns those of these multipart uploads that a worker goes on with."""
    rows = Archive.objects.filter(removed_at=None, multipart_id__in=multipart_ids)
    return set(rows.values_list("multipart_id", flat=True))


def without_object(
    listing: BucketListing, group: Group | None, before: datetime
) -> Iterator[Archive]:
    """Yields archives that say that they can be downloaded, and cannot."""
    rows = Archive.objects.filter(state=Archive.State.READY, removed_at=None, ready_at__lt=before)
    for batch in pages(rows if group is None else rows.filter(group=group)):
        stored = listing.sizes(archive.key for archive in batch)
        for archive in batch:
            if (
                stored.get(archive.key) != archive.total_bytes
                and not is_there(archive.key, archive.total_bytes)
                and Archive.objects.filter(pk=archive.pk, removed_at=None).exists()
            ):
                yield archive


def end(archive: Archive) -> bool:
    """Ends it: nothing of it is left to download. True if it has ended now."""
    expiry.end(archive.pk)
    return True
