"""What guests of a group may see of other people's photos is what its owners approved."""

from __future__ import annotations

from django.db.models.functions import Now

from images.models import Image

APPROVE, REJECT = "approve", "reject"
_OUTCOMES = {APPROVE: Image.Moderation.APPROVED, REJECT: Image.Moderation.REJECTED}


def decide(image: Image, decision: str, *, reason: str = "") -> bool:
    """APPROVE or REJECT; the last word counts. False if the photo is gone or trashed."""
    rows = Image.objects.kept().filter(pk=image.pk)
    return bool(
        rows.update(
            moderation=_OUTCOMES[decision],
            moderation_reason=reason if decision == REJECT else "",
            updated_at=Now(),
        )
    )
