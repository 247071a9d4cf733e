"""The claim of a worker on an archive: a lease, and a number that fences every later UPDATE."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db.models import F, Q
from django.db.models.functions import Now

from images.models import Archive
from images.processing.claims import LEASE, MAX_ATTEMPTS, ClaimLost, renewed_lease

if TYPE_CHECKING:
    from datetime import timedelta
    from uuid import UUID

__all__ = ["Claim", "ClaimLost", "claim", "fail_crashed", "release", "renewed_lease", "stuck_ids"]

CRASHED, EMPTY = "crashed", "empty"


@dataclass(frozen=True)
class Claim:
    """The right to build one archive until the lease runs out."""

    archive: Archive

    def rows(self) -> Any:
        return Archive.objects.filter(
            pk=self.archive.pk,
            state=Archive.State.BUILDING,
            claim_number=self.archive.claim_number,
        )

    @property
    def name(self) -> str:
        return f"archive {self.archive.pk}"

    def update(self, **columns: Any) -> None:
        """Changes the row, here and in the database. Raises ClaimLost."""
        if not self.rows().update(**columns):
            raise ClaimLost
        for name, value in columns.items():
            setattr(self.archive, name, value)


def claim(archive_id: UUID) -> Claim | None:
    """QUEUED, or BUILDING with a lease that ran out -> BUILDING. None if not to be had."""
    claimable = Q(state=Archive.State.QUEUED) | Q(
        state=Archive.State.BUILDING, lease_until__lt=Now()
    )
    rows = Archive.objects.filter(claimable, pk=archive_id, expires_at__gt=Now())
    won = rows.filter(attempts__lt=MAX_ATTEMPTS).update(
        state=Archive.State.BUILDING,
        attempts=F("attempts") + 1,
        claim_number=F("claim_number") + 1,
        lease_until=Now() + LEASE,
    )
    if not won:
        return None
    found = Archive.objects.select_related("group").filter(pk=archive_id).first()
    return None if found is None else Claim(found)


def release(claim: Claim) -> bool:
    """BUILDING -> QUEUED, as if it had never been claimed. True if it was still ours."""
    columns = {"state": Archive.State.QUEUED, "lease_until": None, "last_checked_at": Now()}
    return bool(claim.rows().update(**columns, attempts=F("attempts") - 1))


def stuck_ids(*, queued_longer_than: timedelta) -> list[UUID]:
    """Archives whose task was lost: QUEUED too long, or BUILDING with a lease that ran out."""
    is_old = Q(last_checked_at=None, created_at__lt=Now() - queued_longer_than) | Q(
        last_checked_at__lt=Now() - queued_longer_than
    )
    lost = Q(is_old, state=Archive.State.QUEUED) | Q(
        state=Archive.State.BUILDING, lease_until__lt=Now()
    )
    rows = Archive.objects.filter(lost, attempts__lt=MAX_ATTEMPTS, expires_at__gt=Now())
    return list(rows.order_by("created_at").values_list("pk", flat=True))


def fail_crashed() -> int:
    """Ends archives that no attempt has finished. Returns how many."""
    given_up = Q(state=Archive.State.QUEUED) | Q(
        state=Archive.State.BUILDING, lease_until__lt=Now()
    )
    rows = Archive.objects.filter(given_up, attempts__gte=MAX_ATTEMPTS)
    return rows.update(
        state=Archive.State.FAILED, failure=CRASHED, lease_until=None, expires_at=Now()
    )
