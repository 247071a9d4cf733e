"""Objects in quarantine that no upload waits for any more.

A signed URL outlives a cancelled, finished or deleted upload by minutes: whoever holds it can
still PUT. Nothing in quarantine is ever shown, but it would stay for ever, and cost nobody quota.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from django.db.models import Q
from django.db.models.functions import Now

from images.lifecycle import sweeper
from images.models import KEEP_BYTES, Upload
from images.storage import object_keys
from images.storage.objects import photo_storage

if TYPE_CHECKING:
    from collections.abc import Sequence

# Longer than any signature lives, and than clocks differ.
ORPHAN_AGE = timedelta(hours=1)
FAILED_KEPT = timedelta(days=30)
BATCH = 1000


def remove() -> int:
    """How many there were. Safe to call twice, and at the same time. Raises StorageUnavailable."""
    with sweeper.alone(sweeper.STRAYS_LOCK) as is_alone:
        if not is_alone:
            return 0
        before = datetime.now(UTC) - ORPHAN_AGE
        removed, batch = 0, []
        for found in photo_storage().list_keys(object_keys.INCOMING):
            if found.modified_at < before:
                batch.append(found.key)
            if len(batch) == BATCH:
                removed += remove_unused(batch)
                batch = []
        return removed + remove_unused(batch)


def remove_unused(stored: Sequence[str]) -> int:
    """Of these keys in quarantine, those no upload waits for."""
    wanted = keys_in_use(stored)
    unwanted = [key for key in stored if key not in wanted]
    photo_storage().delete_keys(unwanted)
    return len(unwanted)


def keys_in_use(stored: Sequence[str]) -> set[str]:
    ids = [upload_id for key in stored if (upload_id := object_keys.upload_id_of(key)) is not None]
    under_way = Q(
        status__in=[Upload.Status.PENDING, Upload.Status.QUEUED, Upload.Status.PROCESSING]
    )
    to_look_at = Q(
        status=Upload.Status.FAILED,
        failure__in=KEEP_BYTES,
        finished_at__gte=Now() - FAILED_KEPT,
    )
    rows = Upload.objects.filter(under_way | to_look_at, pk__in=ids)
    return {object_keys.incoming(pk) for pk in rows.values_list("pk", flat=True)}
