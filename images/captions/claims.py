"""The claim of a worker on a caption, and what was asked of the provider today."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now

from groups.models import Group
from images.models import CaptionUsage, GeneratedCaption, Image
from images.processing import leases
from images.processing.outcomes import FAILURES

if TYPE_CHECKING:
    from uuid import UUID

State = GeneratedCaption.State
CRASHED = "crashed"
MAX_ATTEMPTS = 6
IS_DUE = Q(next_attempt_at=None) | Q(next_attempt_at__lte=Now())
# What a model may be shown, asked of the rows as they are when one is claimed.
_KEPT = Group.objects.kept().filter(
    pk=OuterRef("group"), caption_language=OuterRef(OuterRef("language"))
)
_SHOWN = Image.objects.ready().filter(
    Exists(_KEPT), pk=OuterRef("image"), version=OuterRef("version"), place_forgotten_at=None
)
IS_SHOWN = Q(Exists(_SHOWN))
WORK = leases.Work(
    "caption",
    GeneratedCaption,
    claimed=State.ASKING,
    wanted=IS_DUE & IS_SHOWN,
    max_attempts=MAX_ATTEMPTS,
)


class Claim(leases.Claim):
    """The right to have one caption written until the lease runs out."""

    @property
    def caption(self) -> GeneratedCaption:
        caption: GeneratedCaption = self.row
        return caption

    def fail(self, reason: str) -> None:
        self.rows().update(state=State.FAILED, failure=reason, lease_until=None, done_at=Now())
        FAILURES.inc(kind="caption", reason=reason)

    def postpone(self, until: datetime, *, counts: bool = True) -> None:
        """ASKING -> QUEUED, not to be claimed before then."""
        attempts = F("attempts") if counts else F("attempts") - 1
        self.rows().update(
            state=State.QUEUED,
            lease_until=None,
            last_checked_at=Now(),
            next_attempt_at=until,
            attempts=attempts,
        )


def claim(caption_id: UUID) -> Claim | None:
    """QUEUED, or ASKING with a lease that ran out -> ASKING. None if not to be had."""
    if not WORK.claim(caption_id):
        return None
    rows = GeneratedCaption.objects.select_related("image__group")
    found = rows.defer("image__exif", "image__search_vector").filter(pk=caption_id).first()
    return None if found is None else Claim(WORK, found)


def fail_crashed() -> int:
    """Ends captions whose every attempt ended with its worker. Returns how many."""
    ended: int = WORK.crashed().update(
        state=State.FAILED, failure=CRASHED, lease_until=None, done_at=Now()
    )
    if ended:
        FAILURES.inc(ended, kind="caption", reason=CRASHED)
    return ended


# --- What was asked -------------------------------------------------------------------------


def reserve(group: Group) -> bool:
    """Counts one more request of this group today. False if it, or all groups, have asked for as
    many as the settings allow."""
    limits = [(group, settings.CAPTIONS_PER_GROUP_PER_DAY), (None, settings.CAPTIONS_PER_DAY)]
    with transaction.atomic():
        for whose, at_most in limits:
            row, _new = CaptionUsage.objects.get_or_create(day=today(), group=whose)
            rows = CaptionUsage.objects.filter(pk=row.pk, asked__lt=at_most)
            if not rows.update(asked=F("asked") + 1):
                transaction.set_rollback(True)
                return False
    return True


def record_tokens(group: Group, *, taken: int, written: int) -> None:
    """Adds what a request has cost, also where its answer was of no use."""
    for whose in (group, None):
        CaptionUsage.objects.filter(day=today(), group=whose).update(
            input_tokens=F("input_tokens") + taken, output_tokens=F("output_tokens") + written
        )


def today() -> date:
    return datetime.now(UTC).date()


def tomorrow() -> datetime:
    """When the counts begin anew."""
    day = datetime.now(UTC).date() + timedelta(days=1)
    return datetime.combine(day, time.min, tzinfo=UTC)
