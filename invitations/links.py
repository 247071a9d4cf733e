"""Inviting people, and renewing, replacing or withdrawing the links they were sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from invitations.models import Invitation, default_expiry

if TYPE_CHECKING:
    from datetime import datetime

    from bandpics.users.models import User
    from groups.models import Group

# Each limit, and the column that counts what it bounds.
USES = {"max_files": "used_files", "max_bytes": "used_bytes"}


class NotYours(Exception):
    """Somebody else invited this person, and said how; extending it is all one may do."""


class Withdrawn(Exception):
    """It was revoked; letting this person in again is for owners and whoever had invited them."""


class BelowUse(Exception):
    """The new limit is below what was already sent; `field` says which."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


class ChangedMeanwhile(Exception):
    """The invitation is not in the expected state any more."""


class Revoked(Exception):
    """A withdrawn invitation has no link to replace. Invite the person again."""


@dataclass(frozen=True)
class Invited:
    """An invitation, and whether its link is one that did not exist before."""

    invitation: Invitation
    is_new_link: bool


def invite(
    group: Group,
    *,
    kind: str,
    email: str = "",
    by: User,
    is_owner: bool,
    expires_at: datetime | None = None,
    **wishes: Any,
) -> Invited:
    """Make a link; or find the one this person has for the group, and let it live longer.

    A withdrawn one comes back as another link, without what had been granted to it. `wishes` are
    name, max_files, max_bytes, visibility and trusted. Raises NotYours, Withdrawn, BelowUse.
    """
    fresh = Invitation(group=group, kind=kind, email=email, created_by=by, **wishes)
    fresh.expires_at = expires_at or fresh.expires_at
    fresh.new_secret()
    if kind == Invitation.Kind.SHARED:
        fresh.save(force_insert=True)
        return Invited(fresh, is_new_link=True)
    with transaction.atomic():
        # ON CONFLICT DO NOTHING: of two at once, the second waits and then finds the first's.
        Invitation.objects.bulk_create([fresh], ignore_conflicts=True)
        rows = Invitation.objects.personal_to(email, group=group).select_for_update()
        invitation = rows.get()
        if invitation.pk == fresh.pk:
            return Invited(fresh, is_new_link=True)
        was_revoked = invitation.is_revoked
        if not is_owner and invitation.created_by_id != by.pk:
            if was_revoked:
                raise Withdrawn
            if wishes or expires_at:
                raise NotYours
        if was_revoked:
            _revive(invitation, by=by)
        _refuse_below_use(invitation, wishes)
        for name, value in wishes.items():
            setattr(invitation, name, value)
        asked_for = expires_at or default_expiry()
        if was_revoked:
            invitation.expires_at = asked_for
        else:
            invitation.expires_at = max(invitation.expires_at, asked_for)
        invitation.save()
    return Invited(invitation, is_new_link=was_revoked)


def _revive(invitation: Invitation, *, by: User) -> None:
    invitation.new_secret()
    invitation.revoked_at = None
    invitation.created_by = by
    invitation.trusted, invitation.visibility = False, ""


def _refuse_below_use(invitation: Invitation, wishes: dict[str, Any]) -> None:
    """What it has already it keeps, even where a photo was inherited beyond it."""
    for field, used in USES.items():
        limit = wishes.get(field)
        if limit is None or limit == getattr(invitation, field):
            continue
        if limit < getattr(invitation, used):
            raise BelowUse(field)


def change(invitation: Invitation, *, only_if: dict[str, Any], **changes: Any) -> None:
    """Limits are only set where they hold what was sent, and announced, by then.

    Raises BelowUse, and ChangedMeanwhile if the row is not as `only_if` says.
    """
    rows = Invitation.objects.filter(pk=invitation.pk)
    fitting = rows.filter(**only_if)
    for field, used in USES.items():
        if changes.get(field) is not None:
            is_held = Q(**{f"{used}__lte": changes[field]}) | Q(**{field: changes[field]})
            fitting = fitting.filter(is_held)
    if changes and not fitting.update(**changes, updated_at=Now()):
        if not rows.filter(**only_if).exists():
            raise ChangedMeanwhile
        for invitation in rows:
            _refuse_below_use(invitation, changes)
        raise ChangedMeanwhile


def revoke(invitation: Invitation) -> bool:
    """The link is dead at once. Safe to call twice; True if this call did it."""
    rows = Invitation.objects.filter(pk=invitation.pk, revoked_at=None)
    return bool(rows.update(revoked_at=Now(), updated_at=Now()))


def rotate(invitation: Invitation) -> None:
    """Another link; the old one is dead at once. All else stays, as do photos sent by it.

    Of two at once, one makes the link and both have it. Raises Revoked.
    """
    rows = Invitation.objects.filter(pk=invitation.pk, digest=invitation.digest, revoked_at=None)
    invitation.new_secret()
    rows.update(nonce=invitation.nonce, digest=invitation.digest, updated_at=Now())
    invitation.refresh_from_db(fields=["nonce", "digest", "revoked_at", "updated_at"])
    if invitation.is_revoked:
        raise Revoked
