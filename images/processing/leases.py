"""Claims on rows that workers make something of: archives, transforms, captions.

The model has the columns `state` (queued, one for a row that is claimed, and those of its ends),
`attempts`, `claim_number`, `lease_until`, `last_checked_at` and `created_at`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.db.models import F, Q
from django.db.models.functions import Now

from images.processing.claims import LEASE, LEASES_LOST, MAX_ATTEMPTS, ClaimLost

if TYPE_CHECKING:
    from datetime import timedelta
    from uuid import UUID

    from django.db.models import Model

QUEUED = "queued"


@dataclass(frozen=True)
class Work:
    """A kind of work. `claimed` is the state of a row that a worker has; rows that do not match
    `wanted` are claimed no more."""

    kind: str  # as metrics name it
    model: type[Model]
    claimed: str
    wanted: Q = field(default_factory=Q)
    max_attempts: int = MAX_ATTEMPTS

    def claim(self, row_id: UUID) -> bool:
        """Queued, or claimed with a lease that ran out -> claimed. False if not to be had."""
        if self._claim(row_id, Q(state=QUEUED)):
            return True
        is_taken_over = self._claim(row_id, self._has_run_out)
        if is_taken_over:
            LEASES_LOST.inc(kind=self.kind)
        return is_taken_over

    def _claim(self, row_id: UUID, which: Q) -> bool:
        won: int = (
            self._all()
            .filter(which, self.wanted, pk=row_id, attempts__lt=self.max_attempts)
            .update(
                state=self.claimed,
                attempts=F("attempts") + 1,
                claim_number=F("claim_number") + 1,
                lease_until=Now() + LEASE,
            )
        )
        return bool(won)

    def stuck_ids(self, *, queued_longer_than: timedelta) -> list[UUID]:
        """Rows whose task was lost: queued too long, or claimed with a lease that ran out."""
        end = Now() - queued_longer_than
        is_old = Q(last_checked_at=None, created_at__lt=end) | Q(last_checked_at__lt=end)
        lost = self._left().filter(self.wanted, is_old | ~Q(state=QUEUED))
        rows = lost.filter(attempts__lt=self.max_attempts).order_by("created_at")
        return list(rows.values_list("pk", flat=True))

    def mark_enqueued(self, row_id: UUID) -> None:
        """Remembers that it has a task again, so that not every sweep gives it one more."""
        self._all().filter(pk=row_id, state=QUEUED).update(last_checked_at=Now())

    def crashed(self) -> Any:
        """Rows that no attempt has finished."""
        return self._left().filter(attempts__gte=self.max_attempts)

    def _left(self) -> Any:
        return self._all().filter(Q(state=QUEUED) | self._has_run_out)

    @property
    def _has_run_out(self) -> Q:
        return Q(state=self.claimed, lease_until__lt=Now())

    def _all(self) -> Any:
        return self.model._default_manager.all()


@dataclass(frozen=True)
class Claim:
    """The right to work on one row until the lease runs out; its number fences every UPDATE."""

    work: Work
    row: Any

    def rows(self) -> Any:
        return self.work.model._default_manager.filter(
            pk=self.row.pk, state=self.work.claimed, claim_number=self.row.claim_number
        )

    @property
    def name(self) -> str:
        return f"{self.work.model._meta.verbose_name} {self.row.pk}"

    def update(self, **columns: Any) -> None:
        """Changes the row, here and in the database. Raises ClaimLost."""
        if not self.rows().update(**columns):
            raise ClaimLost
        for name, value in columns.items():
            setattr(self.row, name, value)

    def release(self) -> bool:
        """Claimed -> queued, as if it had never been claimed. True if it was still ours."""
        return self._queue_again(attempts=F("attempts") - 1)

    def give_up(self) -> bool:
        """Claimed -> queued; the attempt counts. True if it was still ours."""
        return self._queue_again()

    def _queue_again(self, **columns: Any) -> bool:
        columns |= {"state": QUEUED, "lease_until": None, "last_checked_at": Now()}
        return bool(self.rows().update(**columns))
