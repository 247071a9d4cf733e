"""Changes the e-mail address of an account, once a link that was sent there is opened."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta

from django.core import signing
from django.db import IntegrityError, transaction
from django.utils.crypto import constant_time_compare, salted_hmac

from bandpics.audit import trail
from bandpics.audit.models import Action
from bandpics.users.models import User

LIFETIME = timedelta(hours=24)
SALT = "bandpics.users.email_change"


class Stale(Exception):
    """The link is too old, or the account has another address by now."""


class Taken(Exception):
    """There is another account with the new address."""


@dataclass(frozen=True)
class EmailChange:
    user_id: int
    old: str
    new: str
    password: str  # a digest: another password ends the link


def token_of(user: User, *, new: str) -> str:
    """Returns the secret of the link that is sent to the new address."""
    change = EmailChange(user.pk, user.email, new, _password_digest(user))
    return signing.dumps(asdict(change), salt=SALT)


def read(token: str) -> EmailChange:
    """Returns what a link of ours says. Raises Stale."""
    try:
        change = EmailChange(**signing.loads(token, salt=SALT, max_age=LIFETIME))
    except signing.BadSignature:
        raise Stale from None
    _user_of(change)
    return change


def apply(change: EmailChange) -> None:
    """Changes the address. Raises Stale, Taken."""
    user = _user_of(change)
    rows = User.objects.filter(pk=user.pk, email=change.old, password=user.password)
    try:
        with transaction.atomic():
            if not rows.update(email=User.objects.normalize_email(change.new)):
                raise Stale
            trail.record(Action.EMAIL_CHANGED, user_id=user.pk)
    except IntegrityError:
        raise Taken from None


def _user_of(change: EmailChange) -> User:
    user = User.objects.filter(pk=change.user_id, email=change.old, is_active=True).first()
    if user is None or not constant_time_compare(_password_digest(user), change.password):
        raise Stale
    return user


def _password_digest(user: User) -> str:
    return salted_hmac(SALT, user.password, algorithm="sha256").hexdigest()
