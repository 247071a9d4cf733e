"""The claim of a worker on an archive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Q
from django.db.models.functions import Now

from images.models import Archive
from images.processing import leases
from images.processing.claims import ClaimLost, renewed_lease
from images.processing.outcomes import FAILURES

if TYPE_CHECKING:
    from uuid import UUID

__all__ = ["WORK", "Claim", "ClaimLost", "claim", "fail_crashed", "renewed_lease"]

CRASHED, EMPTY = "crashed", "empty"
WORK = leases.Work(
    "archive", Archive, claimed=Archive.State.BUILDING, wanted=Q(expires_at__gt=Now())
)


class Claim(leases.Claim):
    """The right to build one archive until the lease runs out."""

    @property
    def archive(self) -> Archive:
        archive: Archive = self.row
        return archive


def claim(archive_id: UUID) -> Claim | None:
    """QUEUED, or BUILDING with a lease that ran out -> BUILDING. None if not to be had."""
    if not WORK.claim(archive_id):
        return None
    found = Archive.objects.select_related("group").filter(pk=archive_id).first()
    return None if found is None else Claim(WORK, found)


def fail_crashed() -> int:
    """Ends archives that no attempt has finished. Returns how many."""
    ended: int = WORK.crashed().update(
        state=Archive.State.FAILED, failure=CRASHED, lease_until=None, expires_at=Now()
    )
    if ended:
        FAILURES.inc(ended, kind="archive", reason=CRASHED)
    return ended
