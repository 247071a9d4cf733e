"""Forgets where a photo was taken: in its row, in its raw EXIF, and in the original."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from images import deletions, history
from images.lifecycle import markers
from images.models import Image, PhotoChange, Upload, locks
from images.photofile import location
from images.processing import versions
from images.storage import object_keys
from images.storage.objects import ObjectMissing, photo_storage
from images.uploads import when_and_where

if TYPE_CHECKING:
    from uuid import UUID

    from bandpics.users.models import User

TRIES = 5


class Original(StrEnum):
    """The fate of the original."""

    EDITED = "edited"  # the same pixels, without the position
    DROPPED = "dropped"  # nothing less would have been certain
    NONE = "none"  # there is none, or it holds no position


@dataclass(frozen=True)
class Outcome:
    """`removed` names what was taken out of an original that was edited."""

    original: Original
    redaction: location.Redaction = field(default_factory=location.Redaction)

    @property
    def removed(self) -> list[str]:
        return sorted(self.redaction.removed) if self.original == Original.EDITED else []


class Gone(Exception):
    """The photo was removed meanwhile."""


def forget(image_id: UUID, *, by: User | None = None, by_uploader: bool = False) -> Outcome:
    """Forgets the position for good: reading the file again, or another file, brings none back.

    `sha256` stays that of the bytes that arrived, by which duplicates are known. Safe to call
    twice. Raises versions.InProcess, Gone, locks.Busy, StorageUnavailable.
    """
    image = Image.objects.filter(pk=image_id).first()
    if image is None:
        raise Gone
    with locks.objects_of(image.pk):
        for _ in range(TRIES):
            image = _forget_in_row(image, by=by, by_uploader=by_uploader)
            markers.mark_forgotten(image.pk)
            has_original = image.version and not image.original_dropped_at
            outcome = _edit_original(image) if has_original else Outcome(Original.NONE)
            if _write_outcome(image, outcome):
                return outcome
        raise locks.Busy


def _forget_in_row(image: Image, *, by: User | None, by_uploader: bool) -> Image:
    for _ in range(TRIES):
        found = Image.objects.filter(pk=image.pk).first()
        if found is None:
            raise Gone
        if found.uploads.filter(status=Upload.Status.PROCESSING).exists():
            raise versions.InProcess
        rows = Image.objects.filter(pk=found.pk, updated_at=found.updated_at)
        columns = when_and_where.place_columns(None) | {"gps_source": Image.GpsSource.REMOVED}
        exif = location.dump_without_location(found.exif)
        with transaction.atomic():
            if not rows.update(**columns, place_forgotten_at=Now(), exif=exif, updated_at=Now()):
                continue
            if found.place_forgotten_at is None or found.latitude is not None:
                kind = PhotoChange.Kind.PLACE_FORGOTTEN
                history.record([found], kind, by=by, by_uploader=by_uploader)
        return found
    raise locks.Busy


def forget_in_found(image: Image) -> bool:
    """Removes the place from an original that was lost when the place was forgotten, and is back.
    False if the original had to go. The caller holds the lock of the photo's objects."""
    outcome = _edit_original(image)
    return _write_outcome(image, outcome) and outcome.original != Original.DROPPED


def _edit_original(image: Image) -> Outcome:
    storage, key = photo_storage(), image.original_key
    with tempfile.TemporaryDirectory(prefix="bandpics-", dir=settings.WORK_DIR) as folder:
        source, edited = Path(folder) / "original", Path(folder) / "edited"
        try:
            storage.download(key, source)
        except ObjectMissing:
            return Outcome(Original.DROPPED)  # by a call that died before it could write so
        try:
            redaction = location.remove_location(source, edited)
        except location.CannotRemoveLocation:
            storage.delete_keys([key])
            return Outcome(Original.DROPPED)
        if redaction is None:
            return Outcome(Original.NONE)
        storage.put_file(key, edited, content_type=image.content_type)
        if deletions.delete_if_image_deleted(image, [key, *object_keys.markers(image.pk)]):
            raise Gone
        return Outcome(Original.EDITED, redaction)


def _write_outcome(image: Image, outcome: Outcome) -> bool:
    """False if the photo was moved or replaced meanwhile: then all of it is done again."""
    rows = Image.objects.filter(pk=image.pk, group=image.group_id, version=image.version)
    changes: dict[str, Any] = {"updated_at": Now()}
    if outcome.original == Original.DROPPED:
        changes["original_dropped_at"] = Now()
    filename = location.filename_without_location(image.original_filename, outcome.redaction)
    if filename != image.original_filename:
        changes["original_filename"] = filename
    for upload in image.uploads.exclude(filename=""):
        filename = location.filename_without_location(upload.filename, outcome.redaction)
        if filename != upload.filename:
            Upload.objects.filter(pk=upload.pk).update(filename=filename)
    return bool(rows.update(**changes))
