"""Changes many photos at once, all of them or none. Each function raises editing.Refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from images.lifecycle import editing, moderation, trash
from images.lifecycle.editing import DuplicateInGroup, Refused
from images.models import Image, TakedownRequest

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from bandpics.users.models import User

AT_MOST = 200


def moderate(
    image_ids: Collection[UUID],
    decision: str,
    *,
    by: User,
    reason: str = "",
    expected: str = "",
) -> None:
    """Decides whether guests see these photos. `expected` is what each must have been before, so
    that nobody undoes unseen what another host has decided."""
    with transaction.atomic():
        kept = {row.pk: row.moderation for row in _locked(image_ids) if row.trashed_at is None}
        why = dict.fromkeys(set(image_ids) - kept.keys(), editing.GONE)
        if expected:
            why |= {pk: editing.DECIDED for pk, state in kept.items() if state != expected}
        if why:
            raise Refused(why)
        moderation.moderate(image_ids, decision, by=by, reason=reason)


def put_in_trash(
    image_ids: Collection[UUID], *, by: User | None, own: Collection[UUID] = ()
) -> None:
    """Moves photos to the trash; their uploader may undo it for their `own`. Those in there stay:
    requests for their removal are granted."""
    with transaction.atomic():
        found = _locked(image_ids)
        if gone := set(image_ids) - {row.pk for row in found}:
            raise Refused(dict.fromkeys(gone, editing.GONE))
        trash.put_all(set(image_ids) - set(own), by=by)
        trash.put_all(own, by=by, by_uploader=True)
        if by is not None:
            TakedownRequest.objects.about(image_ids).grant(by=by)


def restore(image_ids: Collection[UUID], *, by: User | None) -> None:
    """Takes photos out of the trash; those that are not in there stay as they are.

    Raises StorageUnavailable, too.
    """
    try:
        trash.restore_all(image_ids, by=by)
    except DuplicateInGroup:
        raise Refused(_duplicates(image_ids)) from None


def _locked(image_ids: Collection[UUID]) -> list[Image]:
    rows = Image.objects.filter(pk__in=image_ids).order_by("pk").select_for_update()
    return list(rows.only("pk", "trashed_at", "moderation"))


def _duplicates(image_ids: Collection[UUID]) -> dict[UUID, str]:
    """Those of which the group shows the same bytes, or would after the first of them is back."""
    rows = list(Image.objects.filter(pk__in=image_ids).order_by("pk"))
    shown = Image.objects.ready().filter(
        group__in={row.group_id for row in rows}, sha256__in={row.sha256 for row in rows}
    )
    known = set(shown.values_list("group", "sha256"))
    why = {}
    for row in rows:
        if row.trashed_at is not None and (row.group_id, row.sha256) in known:
            why[row.pk] = editing.DUPLICATE
        known.add((row.group_id, row.sha256))
    return why
