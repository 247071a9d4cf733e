"""The sessions of a person: on which devices somebody is signed in, and since when.

This is Django's session engine with a few more columns (Django, "Extending database-backed session
engines").
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from bandpics.audit import trail
from bandpics.audit.models import Action
from bandpics.lookups import Lookup
from bandpics.users.models import Session, User

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.http import HttpRequest

SEEN_INTERVAL = timedelta(minutes=5)
LISTED = 100
# What stands in a User-Agent, and what to call it. The first match counts: Edge calls itself
# Chrome, and Chrome calls itself Safari.
BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
PLATFORMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Macintosh", "Mac"),
    ("Linux", "Linux"),
)
_OF_USER = [field.attname for field in User._meta.concrete_fields]
_ROW = Lookup(
    lambda session_key: (
        Session.objects.filter(session_key=session_key, expire_date__gt=Now())
        .order_by()
        .values_list("session_data", "last_seen_at", *(f"user__{name}" for name in _OF_USER))
    ),
    session_key="a session key",
)


class SessionStore(DatabaseStore):
    """Django's store, which also says whose a session is, of which device, and when it was used."""

    last_seen_at: datetime | None = None
    _user: User | None = None

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def load(self) -> dict[str, Any]:
        row = _ROW.first(session_key=self.session_key)
        if row is None:
            self._session_key = None
            return {}
        data, self.last_seen_at, *columns = row
        if columns[0] is not None:
            self._user = User.from_db("default", _OF_USER, columns)
        return dict(self.decode(data))

    def take_user(self, user_id: int) -> User | None:
        """Returns the user who was read with the session, once: somebody may change the row."""
        user, self._user = self._user, None
        return user if user is not None and user.pk == user_id else None

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        row = super().create_model_instance(data)
        assert isinstance(row, Session)  # noqa: S101 - for the type checker
        user_id, signed_in_at = data.get(SESSION_KEY), data.get("signed_in_at")
        row.user_id = int(user_id) if user_id else None
        row.browser, row.platform = data.get("browser", ""), data.get("platform", "")
        row.signed_in_at = datetime.fromisoformat(signed_in_at) if signed_in_at else None
        self.last_seen_at = row.last_seen_at = timezone.now()
        return row


@dataclass(frozen=True)
class SignedIn:
    """A session as its owner sees it. `handle` names it in a form without giving it away."""

    handle: str
    browser: str
    platform: str
    signed_in_at: datetime | None
    last_seen_at: datetime | None
    is_current: bool


def record_activity(session: SessionStore) -> None:
    """Stores that a session was used, at most every five minutes."""
    limit = timezone.now() - SEEN_INTERVAL
    if SESSION_KEY not in session or (session.last_seen_at and session.last_seen_at > limit):
        return
    stale = Q(last_seen_at=None) | Q(last_seen_at__lte=limit)
    Session.objects.filter(stale, pk=session.session_key).update(last_seen_at=timezone.now())


def of(user: User, *, current: str | None) -> list[SignedIn]:
    """Returns the sessions in which the user is signed in, the last used first."""
    found = [
        SignedIn(
            handle=_handle(row),
            browser=row.browser,
            platform=row.platform,
            signed_in_at=row.signed_in_at,
            last_seen_at=row.last_seen_at,
            is_current=row.pk == current,
        )
        for row in _valid(user)
    ]
    return sorted(found, key=lambda each: not each.is_current)


def end(user: User, *, handle: str, current: str | None) -> bool:
    """Ends another session of the user. Safe to call twice; True if this call ended it."""
    keys = [row.pk for row in _valid(user) if _handle(row) == handle and row.pk != current]
    with transaction.atomic():
        is_ended = bool(Session.objects.filter(pk__in=keys, user=user).delete()[0])
        if is_ended:
            trail.record(Action.SESSIONS_ENDED)
    return is_ended


def end_others(user: User, *, current: str | None) -> int:
    """Ends all sessions of the user but this one; returns how many there were."""
    count = len([row for row in _valid(user) if row.pk != current])
    with transaction.atomic():
        Session.objects.filter(user=user).exclude(pk=current).delete()
        trail.record(Action.SESSIONS_ENDED, details={"count": count})
    return count


def device_of(user_agent: str) -> tuple[str, str]:
    """Returns the browser and the platform that a User-Agent names, or nothing."""
    browser = next((name for mark, name in BROWSERS if mark in user_agent), "")
    platform = next((name for mark, name in PLATFORMS if mark in user_agent), "")
    return browser, platform


def _valid(user: User) -> list[Session]:
    """Leaves out sessions that ended because the password was changed."""
    rows = Session.objects.filter(user=user, expire_date__gt=timezone.now())
    expected = user.get_session_auth_hash()
    return [
        row
        for row in rows.order_by("-last_seen_at")[:LISTED]
        if constant_time_compare(row.get_decoded().get(HASH_SESSION_KEY, ""), expected)
    ]


def _handle(row: Session) -> str:
    return hashlib.sha256(row.pk.encode()).hexdigest()[:32]


def _describe(sender: Any, request: HttpRequest, user: AbstractBaseUser, **kwargs: Any) -> None:
    """Stores the device and the time of a sign-in in its session."""
    browser, platform = device_of(request.headers.get("User-Agent", ""))
    request.session["browser"], request.session["platform"] = browser, platform
    request.session["signed_in_at"] = timezone.now().isoformat()


user_logged_in.connect(_describe, dispatch_uid="bandpics.users.sessions")
