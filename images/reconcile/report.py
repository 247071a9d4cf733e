"""What images.reconcile.compare finds, counted."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class Kind(StrEnum):
    """What can differ, and what mending makes of it."""

    ORPHAN = "object-without-row"
    UNKNOWN_PHOTO = "photo-without-row"
    UNFINISHED = "photo-ended-too-early"
    MISPLACED = "object-in-other-group"
    DOOMED = "doomed-object"
    STALE = "stale-incoming"
    MULTIPART = "forgotten-multipart"
    FOREIGN = "foreign-object"
    SIZE_MISSING = "size-missing"
    ORIGINAL_MISSING = "original-missing"
    ORIGINAL_FOUND = "original-found-again"
    ORIGINAL_DIFFERS = "original-wrong-size"
    PHOTO_MISSING = "photo-missing"
    INCOMING_MISSING = "incoming-missing"
    ARRIVED = "arrived-unreported"
    PLACE_BACK = "forgotten-place-is-back"
    TRASH_BACK = "trashed-photo-is-back"
    MARKER_MISSING = "marker-missing"


MENDED_BY = {
    Kind.ORPHAN: "removed",
    Kind.UNKNOWN_PHOTO: "made a photo again, to be approved; without its group, kept for 30 days",
    Kind.UNFINISHED: "queued; in the trash, if its upload was cancelled",
    Kind.MISPLACED: "brought to where its row looks for it",
    Kind.DOOMED: "removed",
    Kind.STALE: "removed",
    Kind.MULTIPART: "aborted",
    Kind.FOREIGN: "not ours: left alone",
    Kind.SIZE_MISSING: "rendered again",
    Kind.ORIGINAL_MISSING: "noted; the sizes stay",
    Kind.ORIGINAL_FOUND: "noted as lost no more",
    Kind.ORIGINAL_DIFFERS: "nothing known to mend it with: left alone",
    Kind.PHOTO_MISSING: "failed, so that it can be sent again",
    Kind.INCOMING_MISSING: "failed, so that it can be sent again",
    Kind.ARRIVED: "queued",
    Kind.PLACE_BACK: "forgotten again",
    Kind.TRASH_BACK: "trashed again",
    Kind.MARKER_MISSING: "written",
}


@dataclass
class Difference:
    found: int = 0
    mended: int = 0
    first: list[str] = field(default_factory=list)


@dataclass
class Report:
    """`too_young` is what nobody can judge yet: it may be somebody's who is at it; `judge_after`
    is when the youngest of it can be judged."""

    objects: int = 0
    photos: int = 0
    uploads: int = 0
    differences: dict[Kind, Difference] = field(default_factory=lambda: defaultdict(Difference))
    too_young: int = 0
    judge_after: datetime | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Nothing differs, or differs any more, or may yet. What is not ours does not count."""
        kinds = self.differences.items()
        is_mended = all(one.mended == one.found for kind, one in kinds if kind != Kind.FOREIGN)
        return is_mended and not self.too_young

    def wait_until(self, moment: datetime) -> None:
        """Count something that cannot be judged before then."""
        self.too_young += 1
        self.judge_after = max(moment, self.judge_after or moment)
