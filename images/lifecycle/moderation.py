"""Decides whether guests see photos, and remembers who decided."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models.functions import Now

from images import history
from images.models import Image, PhotoChange

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from bandpics.users.models import User
    from groups.models import Group
    from images.models import ImageQuerySet

# WAIT takes a decision back.
APPROVE, REJECT, WAIT = "approve", "reject", "wait"
MODERATION = {
    APPROVE: Image.Moderation.APPROVED,
    REJECT: Image.Moderation.REJECTED,
    WAIT: Image.Moderation.PENDING,
}
CHANGES = {
    APPROVE: PhotoChange.Kind.APPROVED,
    REJECT: PhotoChange.Kind.REJECTED,
    WAIT: PhotoChange.Kind.UNDECIDED,
}


def moderate(
    image_ids: Collection[UUID],
    decision: str,
    *,
    by: User | None,
    reason: str = "",
    expected: str = "",
) -> int:
    """Decides about photos; the last decision counts.

    Returns how many there were: those in the trash are left out, and those whose moderation is
    not the `expected` one, if one is named.
    """
    rows = Image.objects.kept().filter(pk__in=image_ids)
    if expected:
        rows = rows.filter(moderation=expected)
    return _decide(rows, decision, by=by, reason=reason)


def approve_all_waiting(group: Group, *, by: User | None) -> int:
    """Approves the photos of a group that wait for approval. Returns how many there were."""
    return _decide(Image.objects.in_group(group).waiting_for_approval(), APPROVE, by=by)


@transaction.atomic
def _decide(rows: ImageQuerySet, decision: str, *, by: User | None, reason: str = "") -> int:
    columns: dict[str, Any] = {"moderated_by": by, "moderated_at": Now()}
    if decision == WAIT:
        columns = {"moderated_by": None, "moderated_at": None}
    found = list(rows.order_by("pk").select_for_update().only("uploader_name"))
    Image.objects.filter(pk__in=[image.pk for image in found]).update(
        moderation=MODERATION[decision],
        moderation_reason=reason if decision == REJECT else "",
        updated_at=Now(),
        **columns,
    )
    history.record(found, CHANGES[decision], by=by)
    return len(found)
