"""Moves photos to the trash and back, and deletes them for good after a while; a group in the trash
takes its photos along."""

from __future__ import annotations

import logging
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now

from bandpics.audit.models import Action
from groups import trash as group_trash
from images import history, journey
from images.lifecycle import markers
from images.lifecycle.editing import GONE, Refused, once_per_group
from images.models import (
    NOT_FINAL,
    UNDER_WAY,
    Image,
    PhotoChange,
    TakedownRequest,
    Upload,
    locks,
)
from images.processing import versions
from images.storage import object_keys
from images.storage.objects import photo_storage
from images.uploads import quota, transfer

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from bandpics.users.models import User
    from images.models import ImageQuerySet, UploadQuerySet

logger = logging.getLogger(__name__)


def put(
    image: Image,
    *,
    by: User | None = None,
    by_uploader: bool = False,
    expected: dict[str, Any] | None = None,
    kind: PhotoChange.Kind = PhotoChange.Kind.TRASHED,
) -> bool:
    """Moves a photo to the trash. True if this call made the move.

    Whoever sent the photo may undo it if it was done `by_uploader`; `expected` is what the row
    must still say, and `kind` how the history calls it.
    """
    moved = put_all([image.pk], by=by, by_uploader=by_uploader, expected=expected, kind=kind)
    return bool(moved)


def put_all(
    image_ids: Collection[UUID],
    *,
    by: User | None = None,
    by_uploader: bool = False,
    expected: dict[str, Any] | None = None,
    kind: PhotoChange.Kind = PhotoChange.Kind.TRASHED,
) -> int:
    """Moves photos to the trash. Returns how many were not in it yet."""
    rows = Image.objects.kept().filter(pk__in=image_ids, **(expected or {}))
    with transaction.atomic():
        found = list(rows.order_by("pk").select_for_update().only("uploader_name"))
        if not found:
            return 0
        Image.objects.filter(pk__in=[image.pk for image in found]).update(
            trashed_at=Now(), trashed_by=by, trashed_by_uploader=by_uploader, updated_at=Now()
        )
        history.record(found, kind, by=by, by_uploader=by_uploader)
        transaction.on_commit(partial(markers.enqueue_update, image_ids))
    return len(found)


def restore(image: Image, *, by: User | None = None, answer: str = "") -> bool:
    """Takes a photo out of the trash. False if it is not in there, or was for too long.

    Requests for its removal are refused with the `answer`. Raises DuplicateInGroup,
    StorageUnavailable.
    """
    with suppress(Refused):
        return bool(restore_all([image.pk], by=by, answer=answer))
    return False


def restore_all(image_ids: Collection[UUID], *, by: User | None = None, answer: str = "") -> int:
    """Takes photos out of the trash, all or none. Returns how many were in it.

    Raises Refused if one was there for too long, DuplicateInGroup, StorageUnavailable.
    """
    rows = Image.objects.filter(pk__in=image_ids, trashed_at__gte=Now() - settings.TRASH_LIFETIME)
    if not rows.exists():
        _refuse_gone(image_ids)
        return 0
    # First: reconcile would trash a photo again that is shown and has a marker.
    markers.unmark_trashed(*image_ids)
    try:
        with once_per_group():
            found = rows.order_by("pk").select_for_update()
            restored = list(found.only("uploader_name", "trashed_by_uploader"))
            restored_ids = [image.pk for image in restored]
            _refuse_gone(set(image_ids) - set(restored_ids))
            TakedownRequest.objects.about(restored_ids).refuse(by=by, answer=answer)
            _record_restored(restored, by=by)
            return Image.objects.filter(pk__in=restored_ids).update(
                trashed_at=None, trashed_by=None, trashed_by_uploader=False, updated_at=Now()
            )
    finally:
        # Somebody may have trashed it meanwhile: the row is read once more.
        transaction.on_commit(partial(markers.enqueue_update, image_ids))


def _record_restored(images: Collection[Image], *, by: User | None) -> None:
    # Guests take back only what they put there themselves.
    by_uploader = by is None and all(image.trashed_by_uploader for image in images)
    history.record(images, PhotoChange.Kind.RESTORED, by=by, by_uploader=by_uploader)


def _refuse_gone(image_ids: Collection[UUID]) -> None:
    """Raises Refused for those of these photos that are not shown."""
    kept = Image.objects.kept().filter(pk__in=image_ids)
    if gone := set(image_ids) - set(kept.values_list("pk", flat=True)):
        raise Refused(dict.fromkeys(gone, GONE))


def expire(image_ids: Collection[UUID]) -> int:
    """Ends the time in the trash of these photos, so that the next sweep purges them.

    Returns how many this call concerned: nobody can restore them from then on.
    """
    rows = Image.objects.trashed().filter(
        pk__in=image_ids, trashed_at__gte=group_trash.end_of_lifetime()
    )
    with transaction.atomic():
        ended = list(rows.order_by("pk").select_for_update().values_list("pk", flat=True))
        history.audit(Action.PHOTOS_PURGED, ended)
        return Image.objects.filter(pk__in=ended).update(
            trashed_at=group_trash.just_overdue(), updated_at=Now()
        )


def ids_to_purge(limit: int) -> list[UUID]:
    # Photos the store refused to delete come last.
    first = F("last_checked_at").asc(nulls_first=True)
    # Not joined: mostly there are none, and then an index of photos is enough.
    groups = list(group_trash.overdue().values_list("pk", flat=True)[:limit])
    overdue = Q(trashed_at__lt=group_trash.end_of_lifetime()) | Q(group__in=groups)
    under_way = Upload.objects.filter(UNDER_WAY, image=OuterRef("pk"))
    rows = Image.objects.filter(overdue, ~Exists(under_way)).order_by(first, "trashed_at")
    return list(rows.values_list("pk", flat=True)[:limit])


def purge(image_id: UUID) -> bool:
    """Deletes a photo whose time in the trash is over: its objects first, then its rows, so that
    a crash leaves nothing behind. Safe to call twice. True if this call deleted it.

    Its duplicates inherit its bytes, unless they go with their group. Raises locks.Busy,
    StorageUnavailable.
    """
    versions.purge_old_versions(image_id)
    with locks.objects_of(image_id):
        image = _overdue().filter(pk=image_id).first()
        if image is None:
            return False
        for upload in image.uploads.filter(status=Upload.Status.PENDING):
            transfer.discard(upload)
        if image.uploads.filter(UNDER_WAY).exists():
            return False  # until a later sweep
        versions.promote_duplicate(image, _successors(image), version=image.version)
        photo_storage().delete_keys(_all_keys(image))
        return _delete_rows(image)


def _successors(image: Image) -> UploadQuerySet:
    """Returns the photo's duplicates, except those that go with its group."""
    duplicates = versions.duplicates_of(image)
    if not group_trash.overdue().filter(pk=image.group_id).exists():
        return duplicates
    # Replacements of photos that were moved away. By their ids: promote_duplicate() updates them.
    elsewhere = duplicates.exclude(image__group=image.group_id).values_list("pk", flat=True)
    return duplicates.filter(pk__in=list(elsewhere))


def _overdue() -> ImageQuerySet:
    # Nobody can restore it from now on: so its objects may go before its rows.
    end = group_trash.end_of_lifetime()
    return Image.objects.filter(Q(trashed_at__lt=end) | Q(group__trashed_at__lt=end))


def _all_keys(image: Image) -> list[str]:
    keys = [*image.variants.values_list("key", flat=True), *object_keys.markers(image.pk)]
    for upload in image.uploads.all():
        keys += [upload.incoming_key, *image.version_keys(upload.version).all_keys()]
    return sorted(set(keys))


def _delete_rows(image: Image) -> bool:
    with transaction.atomic():
        row = _overdue().select_for_update(of=("self",)).filter(pk=image.pk).first()
        if row is None or row.uploads.filter(NOT_FINAL).exists():
            return False
        shown = row.uploads.filter(status=Upload.Status.DONE, version=F("image__version"))
        for upload in shown:
            quota.give_back(upload)
        TakedownRequest.objects.about([row.pk]).grant(by=None)
        row.delete()
        journey.tell(journey.Step.PURGED, image_id=image.pk)
        return True
