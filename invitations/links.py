"""Invites people, and changes, rotates and revokes their links."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from invitations.models import Invitation, default_expiry

if TYPE_CHECKING:
    from datetime import datetime

    from bandpics.users.models import User
    from groups.models import Group

# Each limit and the column that counts its use.
USES = {"max_files": "used_files", "max_bytes": "used_bytes"}


class NotYours(Exception):
    """Somebody else invited this person; others may only extend the invitation."""


class Withdrawn(Exception):
    """The invitation was revoked; only owners and its creator may renew it."""


class BelowUse(Exception):
    """The new limit `field` is below what was already sent."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


class ChangedMeanwhile(Exception):
    """The invitation was changed by another request."""


class Revoked(Exception):
    """A revoked invitation has no link to rotate. Invite the person again."""


def invite(
    group: Group,
    *,
    kind: str,
    email: str = "",
    by: User,
    is_owner: bool,
    expires_at: datetime | None = None,
    **options: Any,
) -> tuple[Invitation, bool]:
    """Creates an invitation, or extends the one that this person has for the group.

    Returns it, and whether its link is new. A revoked one gets another link, and loses its
    visibility and trust. `options` are name, max_files, max_bytes, visibility and trusted.
    Raises NotYours, Withdrawn, BelowUse.
    """
    new = Invitation(group=group, kind=kind, email=email, created_by=by, **options)
    new.expires_at = expires_at or new.expires_at
    new.new_secret()
    if kind == Invitation.Kind.SHARED:
        new.save(force_insert=True)
        return new, True
    with transaction.atomic():
        # ON CONFLICT DO NOTHING: the second of two requests waits, and finds the first's row.
        Invitation.objects.bulk_create([new], ignore_conflicts=True)
        rows = Invitation.objects.personal_to(email, group=group).select_for_update()
        invitation = rows.get()
        if invitation.pk == new.pk:
            return new, True
        was_revoked = invitation.is_revoked
        if not is_owner and invitation.created_by_id != by.pk:
            if was_revoked:
                raise Withdrawn
            if options or expires_at:
                raise NotYours
        _check_use(invitation, options)
        requested = expires_at or default_expiry()
        if was_revoked:
            invitation.new_secret()
            invitation.revoked_at, invitation.created_by = None, by
            invitation.trusted, invitation.visibility = False, ""
            invitation.expires_at = requested
        else:
            invitation.expires_at = max(invitation.expires_at, requested)
        for name, value in options.items():
            setattr(invitation, name, value)
        invitation.save()
    return invitation, was_revoked


def _check_use(invitation: Invitation, options: dict[str, Any]) -> None:
    """Refuses a new limit below the use. An unchanged limit may be exceeded by inherited photos."""
    for field, used in USES.items():
        limit = options.get(field)
        if limit is None or limit == getattr(invitation, field):
            continue
        if limit < getattr(invitation, used):
            raise BelowUse(field)


def change(invitation: Invitation, *, only_if: dict[str, Any], **changes: Any) -> None:
    """Changes columns in one UPDATE. Raises BelowUse; ChangedMeanwhile unless `only_if` holds."""
    rows = Invitation.objects.filter(pk=invitation.pk)
    matching = rows.filter(**only_if)
    for field, used in USES.items():
        if changes.get(field) is not None:
            is_enough = Q(**{f"{used}__lte": changes[field]}) | Q(**{field: changes[field]})
            matching = matching.filter(is_enough)
    if changes and not matching.update(**changes, updated_at=Now()):
        if not rows.filter(**only_if).exists():
            raise ChangedMeanwhile
        for invitation in rows:
            _check_use(invitation, changes)
        raise ChangedMeanwhile


def revoke(invitation: Invitation) -> bool:
    """Ends a link. Safe to call twice; True if this call ended it."""
    rows = Invitation.objects.filter(pk=invitation.pk, revoked_at=None)
    return bool(rows.update(revoked_at=Now(), updated_at=Now()))


def rotate(invitation: Invitation) -> None:
    """Replaces the link; the old one ends at once. Raises Revoked.

    Of two requests at once one makes the link, and both get it.
    """
    rows = Invitation.objects.filter(pk=invitation.pk, digest=invitation.digest, revoked_at=None)
    invitation.new_secret()
    rows.update(nonce=invitation.nonce, digest=invitation.digest, updated_at=Now())
    invitation.refresh_from_db(fields=["nonce", "digest", "revoked_at", "updated_at"])
    if invitation.is_revoked:
        raise Revoked
