"""Writes small objects by which the bucket remembers what people decided about a photo.

A database that is restored from a backup is older than the bucket: it brings back places that were
forgotten, and photos that were trashed. images.reconcile.compare reads them and repairs both.
"""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING

from celery import current_app
from kombu.exceptions import OperationalError

from images.models import Image
from images.storage import object_keys
from images.storage.objects import photo_storage

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

logger = logging.getLogger(__name__)

FORGOTTEN_TEXT = b"The place of this photo was forgotten on request. Keep this object.\n"
TRASHED_TEXT = b"This photo is in the trash. Keep this object.\n"


def mark_forgotten(image_id: UUID) -> None:
    """Writes a marker that stays as long as the photo. Safe to call twice.

    Raises StorageUnavailable.
    """
    _put(object_keys.forgotten(image_id), FORGOTTEN_TEXT)


def update_trashed(image_id: UUID) -> None:
    """Writes or removes the marker, as the photo's row says. Safe to call twice, and at the same
    time: the last to write has read the row after the last change. Raises StorageUnavailable."""
    row = Image.objects.trashed().filter(pk=image_id)
    is_trashed = None
    while is_trashed != row.exists():
        is_trashed = row.exists()
        if is_trashed:
            _put(object_keys.trashed(image_id), TRASHED_TEXT)
        else:
            unmark_trashed(image_id)


def unmark_trashed(*image_ids: UUID) -> None:
    """Removes the markers of these photos. Raises StorageUnavailable."""
    photo_storage().delete_keys([object_keys.trashed(image_id) for image_id in image_ids])


def enqueue_update(image_ids: Collection[UUID]) -> None:
    """Lets workers call update_trashed(): trashing photos must not wait for the store. If the
    broker loses a task, reconcile writes the marker."""
    for image_id in image_ids:
        try:
            # By name: the tasks import the modules that call this.
            current_app.send_task("images.tasks.update_trashed_marker", args=[str(image_id)])
        except OperationalError as error:
            # The others would wait for the broker just as long.
            logger.warning("Markers from photo %s on wait for reconcile: %s", image_id, error)
            return


def _put(key: str, text: bytes) -> None:
    photo_storage().put_stream(
        key, io.BytesIO(text), byte_size=len(text), content_type="text/plain"
    )
