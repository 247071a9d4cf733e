"""What becomes of bytes that are shown no more: duplicates that rest on them inherit them, then
they go."""

from __future__ import annotations

import contextlib
import logging
from functools import partial
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from images import doorbell, locks, quota
from images.media import keys, variants
from images.media.storage import ObjectMissing, photo_storage
from images.models import Image, Upload, Variant

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from images.models import UploadQuerySet

logger = logging.getLogger(__name__)


class InProcess(Exception):
    """A worker has the photo, or it was never finished: it has to wait, or to be retried."""


def retire(image_id: UUID) -> None:
    """Remove the versions a photo had before the one it shows. Safe to call twice.

    The old variants' rows are the record of what is still to be removed: they go last.
    Raises locks.Busy, StorageUnavailable.
    """
    with locks.objects_of(image_id):
        image = Image.objects.filter(pk=image_id).first()
        if image is None:
            return
        old = Variant.objects.filter(image=image, version__lt=image.version)
        for number in sorted(set(old.values_list("version", flat=True))):
            pass_on(image, _resting_on_version(image, number), version=number)
            photo_storage().delete_keys(keys_of(image, number).all_keys())
            old.filter(version=number).delete()


def ids_to_retire(limit: int) -> list[UUID]:
    """Photos with something left of an older version; last those of which the store refused it."""
    replaced = Upload.objects.filter(version__gt=1, status=Upload.Status.DONE)
    old = Variant.objects.filter(
        image__in=replaced.values("image"), version__lt=F("image__version")
    )
    photos = Image.objects.filter(pk__in=old.values("image"))
    first = F("looked_at").asc(nulls_first=True)
    return list(photos.order_by(first, "pk").values_list("pk", flat=True)[:limit])


def resting_on(image: Image) -> UploadQuerySet:
    """Uploads that were told: your photo is here already, it is this one."""
    return Upload.objects.filter(duplicate_of=image, status=Upload.Status.DUPLICATE)


def _resting_on_version(image: Image, number: int) -> UploadQuerySet:
    """All but those whose bytes a later version still has. Not simply those of the same bytes: who
    rests on an heir of a rendering was told of the original's."""
    later = image.uploads.filter(
        status=Upload.Status.DONE, version__gt=number, version__lte=image.version
    )
    kept = {image.sha256, *later.values_list("sha256", flat=True)}
    return resting_on(image).exclude(sha256__in=kept)


def pass_on(image: Image, heirs: UploadQuerySet, *, version: int) -> None:
    """Give the bytes of a version to the oldest of these duplicates, which is queued with them;
    the others rest on its photo from now on. Copied first, so that a crash costs nothing.

    Raises StorageUnavailable.
    """
    # What somebody trashed inherits only if nobody else does.
    in_order = heirs.select_related("image__invitation").order_by(
        F("image__trashed_at").asc(nulls_first=True), "created_at", "id"
    )
    heir = in_order.first()
    if heir is None:
        return
    if not _copy_stored(keys_of(image, version), heir.incoming_key):
        logger.error("Photo %s has no bytes left for its duplicate %s", image.pk, heir.pk)
        return
    with transaction.atomic():
        won = heirs.filter(pk=heir.pk).update(
            status=Upload.Status.QUEUED,
            duplicate_of=None,
            sha256="",
            attempt=0,
            queued_at=Now(),
            finished_at=None,
        )
        if not won:
            return
        heirs.update(duplicate_of=heir.image)
        if heir.image.invitation is not None:
            # It was told "already here": a full link must not make that untrue.
            quota.reserve_regardless(heir)
        transaction.on_commit(partial(doorbell.ring, heir.pk))


def find_stored(version: keys.Version) -> str | None:
    """The key a photo can be made from again: of its original, or of the largest rendering where
    the original was dropped. None if the bucket holds neither. Raises StorageUnavailable."""
    return _first_stored([*version.originals(), version.variant(variants.FULLSIZE.name)])


def find_original(version: keys.Version) -> str | None:
    """As find_stored(), but the original or nothing."""
    return _first_stored(version.originals())


def _first_stored(candidates: Iterable[str]) -> str | None:
    for key in candidates:
        with contextlib.suppress(ObjectMissing):
            return photo_storage().head(key).key
    return None


def _copy_stored(version: keys.Version, target: str) -> bool:
    key = find_stored(version)
    if key is None:
        return False
    try:
        photo_storage().copy(key, target)
    except ObjectMissing:
        return False
    return True


def keys_of(image: Image, number: int) -> keys.Version:
    return keys.Version(image.group_id, image.pk, number)


def under_way() -> Q:
    """Of uploads: the worker has them, or is about to."""
    return Q(status__in=[Upload.Status.QUEUED, Upload.Status.PROCESSING])
