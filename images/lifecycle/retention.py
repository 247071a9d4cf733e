"""Drops originals that a group does not want to keep for ever; their variants stay."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models import DurationField, Exists, ExpressionWrapper, F, OuterRef
from django.db.models.functions import Now

from images import journey
from images.models import Image, Upload, locks
from images.storage.objects import photo_storage

if TYPE_CHECKING:
    from uuid import UUID

    from images.models import ImageQuerySet


def ids_to_drop(limit: int) -> list[UUID]:
    """Photos whose group's `retain_originals_days` have passed since they were processed. Those
    whose original the store refused to delete come last."""
    first = F("last_checked_at").asc(nulls_first=True)
    return list(_overdue().order_by(first, "pk").values_list("pk", flat=True)[:limit])


def drop_original(image_id: UUID) -> bool:
    """Deletes the original, then writes so to the row. Safe to call twice; True if it went now.

    The next sweep finishes what a crash in between left undone.
    Raises locks.Busy, StorageUnavailable.
    """
    with locks.objects_of(image_id):
        image = _overdue().filter(pk=image_id).first()
        if image is None:
            return False
        photo_storage().delete_keys([image.original_key])
        rows = Image.objects.filter(pk=image.pk, version=image.version, original_dropped_at=None)
        is_dropped = bool(rows.update(original_dropped_at=Now(), updated_at=Now()))
        if is_dropped:
            journey.tell(journey.Step.ORIGINAL_DROPPED, image_id=image.pk, version=image.version)
        return is_dropped


def _overdue() -> ImageQuerySet:
    kept_for = ExpressionWrapper(
        F("image__group__retain_originals_days") * timedelta(days=1), output_field=DurationField()
    )
    processed_long_ago = Upload.objects.filter(
        image=OuterRef("pk"),
        version=OuterRef("version"),
        status=Upload.Status.DONE,
        finished_at__lt=Now() - kept_for,
    )
    return (
        Image.objects.ready()
        .in_kept_groups()
        .filter(
            Exists(processed_long_ago),
            group__retain_originals_days__isnull=False,
            original_dropped_at=None,
        )
    )
