"""Issues, finds, rotates and revokes API keys."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Least, Now
from django.utils import timezone

from bandpics.audit import trail
from bandpics.audit.models import Action
from bandpics.lookups import Lookup
from bandpics.users.models import ApiKey, User

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

LAST_USED_INTERVAL = timedelta(minutes=1)
_generator = ApiKey.objects.key_generator
_COLUMNS = [field.attname for field in ApiKey._meta.concrete_fields]
_OF_USER = [field.attname for field in User._meta.concrete_fields]
_ROW = Lookup(
    lambda prefix: (
        ApiKey.objects.filter(prefix=prefix)
        .order_by()
        .values_list(*_COLUMNS, *(f"user__{name}" for name in _OF_USER))
    ),
    prefix="a prefix",
)


def issue(
    user: User,
    *,
    name: str,
    scopes: Iterable[str],
    group_ids: Iterable[UUID] = (),
    expires_at: datetime | None = None,
    key: str | None = None,
) -> tuple[ApiKey, str]:
    """Creates a key; returns its row and its text, which is not stored.

    `key` may be given: 8 characters, a dot, and a long random text.
    """
    row = ApiKey(
        user=user,
        name=name,
        scopes=sorted(set(scopes)),
        group_ids=sorted(set(group_ids)),
        expiry_date=expires_at,
    )
    if key is None:
        key = ApiKey.objects.assign_key(row)
    else:
        row.prefix, row.hashed_key = key.partition(".")[0], _generator.hash(key)
        row.id = f"{row.prefix}.{row.hashed_key}"
    with transaction.atomic():
        row.save(force_insert=True)
        _record(Action.KEY_ISSUED, row)
    return row, key


def find(key: str) -> ApiKey | None:
    """Returns the row of a key that is valid and whose user is active."""
    prefix, dot, _ = key.partition(".")
    if not dot or "\0" in key:
        return None
    row = _with_prefix(prefix)
    # Compares in constant time, and before the other checks.
    if row is None or not row.is_valid(key):
        return None
    if row.revoked or row.has_expired or not row.user.is_active:
        return None
    return row


def _with_prefix(prefix: str) -> ApiKey | None:
    found = _ROW.first(prefix=prefix)
    if found is None:
        return None
    row: ApiKey = ApiKey.from_db("default", _COLUMNS, found[: len(_COLUMNS)])
    row.user = User.from_db("default", _OF_USER, found[len(_COLUMNS) :])
    return row


def record_use(row: ApiKey) -> None:
    """Stores that a key was used, at most once a minute."""
    now = timezone.now()
    if row.last_used_at is None or row.last_used_at < now - LAST_USED_INTERVAL:
        stale = Q(last_used_at=None) | Q(last_used_at__lt=now - LAST_USED_INTERVAL)
        ApiKey.objects.filter(stale, pk=row.pk).update(last_used_at=now)


def usable(user: User) -> list[ApiKey]:
    """Returns the valid keys of a user, newest first."""
    alive = Q(expiry_date=None) | Q(expiry_date__gt=Now())
    return list(ApiKey.objects.filter(alive, user=user, revoked=False).order_by("-created"))


@transaction.atomic
def rotate(
    old: ApiKey,
    *,
    name: str,
    scopes: Iterable[str],
    group_ids: Iterable[UUID],
    expires_at: datetime | None,
) -> tuple[ApiKey, str]:
    """Issues a key in place of this one, which stays valid for API_KEY_OVERLAP.

    Safe to call twice, with the old key, in case a response was lost.
    """
    end = timezone.now() + settings.API_KEY_OVERLAP
    # LEAST ignores null, the expiry date of a key that never expired.
    ApiKey.objects.filter(pk=old.pk).update(expiry_date=Least("expiry_date", end))
    old.refresh_from_db(fields=["expiry_date"])
    return issue(old.user, name=name, scopes=scopes, group_ids=group_ids, expires_at=expires_at)


@transaction.atomic
def revoke(user: User, *, prefix: str) -> bool:
    """Revokes a key. Safe to call twice; False if the user has no such key."""
    row = ApiKey.objects.select_for_update().filter(user=user, prefix=prefix).first()
    if row is None:
        return False
    if not row.revoked:
        ApiKey.objects.filter(pk=row.pk).update(revoked=True)
        _record(Action.KEY_REVOKED, row)
    return True


def _record(action: Action, row: ApiKey) -> None:
    details = {"prefix": row.prefix, "of_user": row.user_id, "scopes": list(row.scopes)}
    trail.record(action, details=details)
