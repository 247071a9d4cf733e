"""Invites people, and changes, rotates and revokes their links."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from bandpics.audit import trail
from bandpics.audit.models import Action
from invitations.models import Invitation, default_expiry

if TYPE_CHECKING:
    from datetime import datetime

    from bandpics.users.models import User
    from groups.models import Group

# What invite_many() may change of a row that is there.
RENEWED_FIELDS = [
    *("nonce", "digest", "revoked_at", "created_by", "trusted", "visibility", "expires_at"),
    *("name", "updated_at"),
]
# Each limit and the column that counts its use.
USES = {"max_files": "used_files", "max_bytes": "used_bytes"}


@dataclass(frozen=True)
class Person:
    email: str
    name: str = ""


@dataclass(frozen=True)
class ManyInvited:
    """What invite_many() did."""

    new: list[Invitation]
    extended: list[Invitation]
    withdrawn: list[Invitation]  # by somebody else, and left so

    @property
    def open(self) -> list[Invitation]:
        return self.new + self.extended


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
        with transaction.atomic():
            new.save(force_insert=True)
            _record(Action.INVITATION_CREATED, group, [new])
        return new, True
    with transaction.atomic():
        # ON CONFLICT DO NOTHING: the second of two requests waits, and finds the first's row.
        Invitation.objects.bulk_create([new], ignore_conflicts=True)
        rows = Invitation.objects.personal_to(email, group=group).select_for_update()
        invitation = rows.get()
        if invitation.pk == new.pk:
            _record(Action.INVITATION_CREATED, group, [new])
            return new, True
        is_new_link = _renew(
            invitation, by=by, is_owner=is_owner, expires_at=expires_at, options=options
        )
        invitation.save()
        _record(Action.INVITATION_CHANGED, group, [invitation])
    return invitation, is_new_link


def invite_many(
    group: Group,
    people: list[Person],
    *,
    by: User,
    is_owner: bool,
    expires_at: datetime | None = None,
    **options: Any,
) -> ManyInvited:
    """Creates or extends the personal invitations of many people, as invite() does, in one
    transaction.

    Each address is there once. What somebody else sent is only extended, without the options, if
    `by` is no owner; what somebody else sent and revoked stays revoked.
    """
    until = expires_at or default_expiry()
    made = [_personal(group, person, by=by, expires_at=until, **options) for person in people]
    new_ids = {invitation.pk for invitation in made}
    names = {person.email.lower(): person.name for person in people}
    outcome = ManyInvited([], [], [])
    # In one order, here and below, so that two requests for the same people wait for each other.
    made.sort(key=lambda invitation: invitation.email.lower())
    with transaction.atomic():
        Invitation.objects.bulk_create(made, ignore_conflicts=True)
        rows = Invitation.objects.personal_to_any([person.email for person in people], group=group)
        for invitation in rows.order_by("pk").select_for_update():
            if invitation.pk in new_ids:
                outcome.new.append(invitation)
                continue
            own: dict[str, Any] = {"expires_at": expires_at, "options": dict(options)}
            if not (is_owner or invitation.created_by_id == by.pk):
                own = {"expires_at": None, "options": {}}
            elif name := names.get(invitation.email.lower()):
                own["options"]["name"] = name
            try:
                _renew(invitation, by=by, is_owner=is_owner, **own)
            except Withdrawn:
                outcome.withdrawn.append(invitation)
            else:
                outcome.extended.append(invitation)
        Invitation.objects.bulk_update(outcome.extended, RENEWED_FIELDS, batch_size=500)
        _record(Action.INVITATION_CREATED, group, outcome.new)
        _record(Action.INVITATION_CHANGED, group, outcome.extended)
    return outcome


def _record(
    action: Action, group: Group, made: list[Invitation], details: dict[str, Any] | None = None
) -> None:
    if made:
        ids = [invitation.pk for invitation in made]
        trail.record(action, team_id=group.team_id, group_id=group.pk, objects=ids, details=details)


def _personal(group: Group, person: Person, *, by: User, **options: Any) -> Invitation:
    invitation = Invitation(
        group=group,
        kind=Invitation.Kind.PERSONAL,
        email=person.email,
        name=person.name,
        created_by=by,
        **options,
    )
    invitation.new_secret()
    return invitation


def _renew(
    invitation: Invitation,
    *,
    by: User,
    is_owner: bool,
    expires_at: datetime | None,
    options: dict[str, Any],
) -> bool:
    """Changes the row that somebody has already, without saving it; True if its link is new."""
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
    invitation.updated_at = timezone.now()
    return was_revoked


def _check_use(invitation: Invitation, options: dict[str, Any]) -> None:
    """Refuses a new limit below the use. An unchanged limit may be exceeded by inherited photos."""
    for field, used in USES.items():
        limit = options.get(field)
        if limit is None or limit == getattr(invitation, field):
            continue
        if limit < getattr(invitation, used):
            raise BelowUse(field)


@transaction.atomic
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
    if changes:
        fields = {"fields": sorted(changes)}
        _record(Action.INVITATION_CHANGED, invitation.group, [invitation], fields)


@transaction.atomic
def revoke(invitation: Invitation) -> bool:
    """Ends a link. Safe to call twice; True if this call ended it."""
    rows = Invitation.objects.filter(pk=invitation.pk, revoked_at=None)
    is_ended = bool(rows.update(revoked_at=Now(), updated_at=Now()))
    if is_ended:
        _record(Action.INVITATION_REVOKED, invitation.group, [invitation])
    return is_ended


@transaction.atomic
def rotate(invitation: Invitation) -> None:
    """Replaces the link; the old one ends at once. Raises Revoked.

    Of two requests at once one makes the link, and both get it.
    """
    rows = Invitation.objects.filter(pk=invitation.pk, digest=invitation.digest, revoked_at=None)
    invitation.new_secret()
    if rows.update(nonce=invitation.nonce, digest=invitation.digest, updated_at=Now()):
        _record(Action.INVITATION_ROTATED, invitation.group, [invitation])
    invitation.refresh_from_db(fields=["nonce", "digest", "revoked_at", "updated_at"])
    if invitation.is_revoked:
        raise Revoked
