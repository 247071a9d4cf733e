"""The end of archives: what the sweeper does about them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Least, Now

from images import deletions
from images.archives import claims, queue
from images.models import Archive, ArchiveEntry

if TYPE_CHECKING:
    from uuid import UUID

QUEUED_BEFORE_ENQUEUING = timedelta(minutes=1)
BATCH = 100


def sweep() -> None:
    """Queues lost archives again, fails those that crash, and ends those whose time is over."""
    for archive_id in claims.WORK.stuck_ids(queued_longer_than=QUEUED_BEFORE_ENQUEUING)[:BATCH]:
        claims.WORK.mark_enqueued(archive_id)
        queue.enqueue(archive_id)
    claims.fail_crashed()
    for archive_id in Archive.objects.ended().values_list("pk", flat=True)[:BATCH]:
        end(archive_id)
    # What was in it is of no use any more. The row stays, for those who ask what became of it, and
    # for what is new since their last download.
    ArchiveEntry.objects.filter(archive__removed_at__isnull=False).delete()
    Archive.objects.filter(removed_at__lt=Now() - settings.TOMBSTONE_LIFETIME).delete()


def end(archive_id: UUID) -> bool:
    """Leaves the object of an archive to the outbox. True if this call did."""
    with transaction.atomic():
        rows = Archive.objects.select_for_update(no_key=True).filter(removed_at=None)
        archive = rows.filter(pk=archive_id).first()
        if archive is None:
            return False
        deletions.record_archive(archive)
        Archive.objects.filter(pk=archive.pk).update(
            removed_at=Now(),
            expires_at=Least("expires_at", Now()),
            multipart_id="",
            claim_number=F("claim_number") + 1,
        )
        deletions.execute_on_commit(archive.pk)
    return True
