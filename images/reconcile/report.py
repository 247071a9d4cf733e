"""Counts what images.reconcile.compare finds."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from django.utils.timezone import localtime

if TYPE_CHECKING:
    from datetime import datetime

FIRST_KEYS = 10


class Kind(StrEnum):
    """A kind of difference between the bucket and the database."""

    ORPHAN = "object-without-row"
    UNKNOWN_PHOTO = "photo-without-row"
    UNFINISHED = "photo-ended-too-early"
    MISPLACED = "object-in-other-group"
    NOT_DELETED = "object-not-deleted"
    STALE = "stale-incoming"
    MULTIPART = "forgotten-multipart"
    FOREIGN = "foreign-object"
    SIZE_MISSING = "size-missing"
    PLACEHOLDER_MISSING = "placeholder-missing"
    ORIGINAL_MISSING = "original-missing"
    ORIGINAL_FOUND = "original-found-again"
    ORIGINAL_DIFFERS = "original-wrong-size"
    PHOTO_MISSING = "photo-missing"
    INCOMING_MISSING = "incoming-missing"
    ARRIVED = "arrived-unreported"
    PLACE_BACK = "forgotten-place-is-back"
    TRASH_BACK = "trashed-photo-is-back"
    MARKER_MISSING = "marker-missing"
    ARCHIVE_MISSING = "archive-missing"
    TRANSFORM_MISSING = "transform-missing"


REPAIRS = {
    Kind.ORPHAN: "removes it",
    Kind.UNKNOWN_PHOTO: "makes it a photo again, to be approved; without its group, it is kept "
    "for 30 days",
    Kind.UNFINISHED: "queues it; if its upload was cancelled, the photo ends in the trash",
    Kind.MISPLACED: "moves it to the group of its photo",
    Kind.NOT_DELETED: "removes it",
    Kind.STALE: "removes it",
    Kind.MULTIPART: "aborts it",
    Kind.FOREIGN: "leaves it alone: Bandpics did not write it",
    Kind.SIZE_MISSING: "renders it again",
    Kind.PLACEHOLDER_MISSING: "makes it of the smallest size",
    Kind.ORIGINAL_MISSING: "marks the original as lost; the sizes stay",
    Kind.ORIGINAL_FOUND: "marks the original as found",
    Kind.ORIGINAL_DIFFERS: "leaves it alone: nothing is known to repair it with",
    Kind.PHOTO_MISSING: "fails its upload, so that it can be sent again",
    Kind.INCOMING_MISSING: "fails its upload, so that it can be sent again",
    Kind.ARRIVED: "queues it",
    Kind.PLACE_BACK: "forgets the place again",
    Kind.TRASH_BACK: "moves the photo to the trash again",
    Kind.MARKER_MISSING: "writes it",
    Kind.ARCHIVE_MISSING: "ends it, so that it can be ordered again",
    Kind.TRANSFORM_MISSING: "deletes its row; who asks for it again gets it rendered again",
}


@dataclass
class Difference:
    found: int = 0
    repaired: int = 0
    first: list[str] = field(default_factory=list)


@dataclass
class Report:
    """`too_young` objects and uploads cannot be judged yet, because somebody may be writing them;
    `judge_after` is when the youngest of them can be."""

    objects: int = 0
    photos: int = 0
    uploads: int = 0
    differences: dict[Kind, Difference] = field(default_factory=dict)
    too_young: int = 0
    judge_after: datetime | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Everything is judged, and all that differed is repaired. Foreign objects do not count."""
        kinds = self.differences.items()
        is_repaired = all(one.repaired == one.found for kind, one in kinds if kind != Kind.FOREIGN)
        return is_repaired and not self.too_young

    def add(self, kind: Kind, key: str) -> Difference:
        difference = self.differences.setdefault(kind, Difference())
        difference.found += 1
        if len(difference.first) < FIRST_KEYS:
            difference.first.append(key)
        return difference

    def add_too_young(self, judge_after: datetime) -> None:
        self.too_young += 1
        self.judge_after = max(judge_after, self.judge_after or judge_after)

    def as_text(self, *, is_repairing: bool) -> str:
        """Returns the report in lines for a person."""
        lines = [f"{self.objects} objects, {self.photos} photos, {self.uploads} open uploads."]
        for kind, one in self.differences.items():
            repaired = f", {one.repaired} repaired" if is_repairing else ""
            lines.append(f"{kind}: {one.found}{repaired} (--fix {REPAIRS[kind]})")
            lines += [f"  {key}" for key in one.first]
            if one.found > len(one.first):
                lines.append(f"  … and {one.found - len(one.first)} more")
        lines += self.notes
        if self.judge_after is not None:
            when = localtime(self.judge_after) + timedelta(minutes=1)  # said in whole minutes
            day = "" if when.date() == localtime().date() else f"{when:%Y-%m-%d} "
            lines.append(f"{self.too_young} too young to judge; run again after {day}{when:%H:%M}.")
        elif not self.differences:
            lines.append("Bucket and database agree.")
        elif self.is_clean:
            lines.append("All that differed is repaired.")
        return "\n".join(lines)
