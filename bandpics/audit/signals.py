"""Records what Django does itself: signing in and out, and changes in the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model, user_logged_in, user_logged_out, user_login_failed
from django.db.models.signals import post_save
from django.dispatch import receiver

from bandpics.audit import trail
from bandpics.audit.models import Action

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser


@receiver(user_logged_in)
def record_sign_in(user: AbstractBaseUser, **_: Any) -> None:
    trail.record(Action.SIGNED_IN, user_id=user.pk)


@receiver(user_logged_out)
def record_sign_out(user: AbstractBaseUser | None, **_: Any) -> None:
    if user is not None:
        trail.record(Action.SIGNED_OUT, user_id=user.pk)


@receiver(user_login_failed)
def record_failed_sign_in(credentials: dict[str, Any], **_: Any) -> None:
    """Not the address that was typed: it may be a password in the wrong field."""
    users: Any = get_user_model().objects
    typed = str(credentials.get("username", ""))
    user = users.with_email(typed).first() if "\0" not in typed else None
    trail.record(Action.SIGN_IN_FAILED, details={"of_user": user.pk} if user else None)


@receiver(post_save, sender=LogEntry)
def record_change_in_admin(instance: LogEntry, **_: Any) -> None:
    """Django's log tells what changed; this tells from where, and cannot be deleted."""
    kind = instance.content_type.model if instance.content_type else ""
    did = {1: "added", 2: "changed", 3: "deleted"}.get(instance.action_flag, "")
    details = {"object": kind, "object_id": str(instance.object_id)[:64], "did": did}
    trail.record(Action.ADMIN, user_id=instance.user_id, details=details)
