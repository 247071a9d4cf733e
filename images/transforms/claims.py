"""The claim of a worker on a transform, and the ways in which it fails."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from django.db import transaction

from images import deletions
from images.models import Transform
from images.processing import leases
from images.processing.outcomes import FAILURES

if TYPE_CHECKING:
    from uuid import UUID

logger = logging.getLogger(__name__)

# Why a transform failed, beside the reasons of BadPicture.
CRASHED, IMPOSSIBLE = "crashed", "impossible"
ORIGINAL_MISSING, WATERMARK_MISSING = "original-missing", "watermark-missing"
WORK = leases.Work("transform", Transform, claimed=Transform.State.RENDERING)


class Claim(leases.Claim):
    """The right to render one transform until the lease runs out."""

    @property
    def transform(self) -> Transform:
        transform: Transform = self.row
        return transform


def claim(transform_id: UUID) -> Claim | None:
    """QUEUED, or RENDERING with a lease that ran out -> RENDERING. None if not to be had."""
    if not WORK.claim(transform_id):
        return None
    found = Transform.objects.select_related("image").filter(pk=transform_id).first()
    return None if found is None else Claim(WORK, found)


def fail(claim: Claim, reason: str) -> bool:
    """RENDERING -> FAILED. True if it was still ours."""
    return _fail(claim.rows(), claim.transform, reason)


def fail_crashed() -> int:
    """Ends transforms that no attempt has finished. Returns how many."""
    # By its claim: whoever takes it over, or asks again, meanwhile, keeps it.
    return sum(
        _fail(WORK.crashed().filter(claim_number=found.claim_number), found, CRASHED)
        for found in WORK.crashed()
    )


def _fail(rows: Any, transform: Transform, reason: str) -> bool:
    with transaction.atomic():
        ended = rows.filter(pk=transform.pk).update(
            state=Transform.State.FAILED, failure=reason, lease_until=None
        )
        if ended:
            # An attempt that ended in silence may have written it.
            deletions.record(transform.image_id, [transform.key], may_be_written=True)
            FAILURES.inc(kind="transform", reason=reason)
            logger.info("Transform %s failed: %s", transform.pk, reason)
    return bool(ended)
