"""Who wants a mail when photos arrive in a group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils import timezone

from groups.models import GroupSubscription

if TYPE_CHECKING:
    from bandpics.users.models import User
    from groups.models import Group


def is_subscribed(user: User, group: Group) -> bool:
    return GroupSubscription.objects.filter(user=user, group=group).exists()


def subscribe(user: User, group: Group, *, language: str) -> None:
    """Has the member told of photos that arrive from now on, in this language. Safe to call
    twice."""
    GroupSubscription.objects.update_or_create(
        user=user,
        group=group,
        defaults={"language": language},
        create_defaults={"language": language, "told_until": timezone.now()},
    )


def unsubscribe(user: User, group: Group) -> None:
    GroupSubscription.objects.filter(user=user, group=group).delete()
