"""Tells the journey of each photo: a line in the log for every step of its life, with the ids of
photo and upload. `grep` for either tells where a photo is.

No line says what the photo shows, where it was taken, what its file is called, or who sent it: the
ids of team, group, link and user of a request are in its lines anyway.
"""

from __future__ import annotations

import logging
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import transaction

from bandpics.telemetry import metrics

if TYPE_CHECKING:
    from uuid import UUID

logger = logging.getLogger(__name__)


class Step(StrEnum):
    """Steps of an upload. Those of a finished photo are named as its history names them."""

    ANNOUNCED = "announced"
    SIGNED = "signed"
    ARRIVED = "arrived"
    QUEUED = "queued"
    CLAIMED = "claimed"
    DECODED = "decoded"
    RENDERED = "rendered"
    STORED = "stored"
    DONE = "done"
    DUPLICATE = "duplicate"
    FAILED = "failed"
    QUARANTINED = "quarantined"  # it failed, and its bytes are kept
    DISCARDED = "discarded"
    RELEASED = "released"  # by a worker, for another attempt
    LEASE_LOST = "lease lost"
    VERSION_PURGED = "version purged"
    ORIGINAL_DROPPED = "original dropped"
    PURGED = "purged"


UPLOADS = metrics.Counter(
    "bandpics_uploads_total",
    "Uploads that came to this step.",
    "step",
    known=[{"step": step.value} for step in Step],
)


_STEPS = frozenset(Step)


def tell(step: str, *, image_id: UUID, upload_id: UUID | None = None, **facts: Any) -> None:
    """Writes a line once the transaction is committed, so that no step is told that was undone."""
    ids = {"image_id": str(image_id)}
    if upload_id is not None:
        ids["upload_id"] = str(upload_id)
    transaction.on_commit(partial(_write, step, ids | facts))


def _write(step: str, facts: dict[str, Any]) -> None:
    if step in _STEPS:
        UPLOADS.inc(step=step)
    logger.info(step, extra=facts)
