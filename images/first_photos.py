"""A group and its first photos, made by one call: all of it, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction

from groups.models import Group, Team
from images import ingest, senders, uploads

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    from bandpics.users.models import User
    from images.models import Upload
    from images.uploads import Announced, Ticket


class TeamGone(Exception):
    """Somebody deleted the team at the same moment."""


def announce(
    team: Team, user: User, about: dict[str, Any], files: Sequence[Announced] = ()
) -> tuple[Group, list[Ticket]]:
    """The group, and a ticket for each file to send to storage. Raises TeamGone."""
    try:
        with transaction.atomic():
            group = Group.objects.create(team=team, **about)
            tickets = uploads.announce(senders.by_user(user, group=group), files)
    except IntegrityError:
        if Team.objects.filter(pk=team.pk).exists():
            raise
        raise TeamGone from None
    return group, tickets


def take(
    team: Team, user: User, about: dict[str, Any], files: Sequence[tuple[BinaryIO, Announced]]
) -> tuple[Group, list[Upload]]:
    """The group, and its photos stored. Raises TeamGone, StorageUnavailable."""
    group, _ = announce(team, user, about)
    sender = senders.by_user(user, group=group)
    try:
        # The store is slow, so no transaction: whatever goes wrong, the group is taken back, and
        # what was stored of it follows.
        return group, [ingest.take(sender, file, described) for file, described in files]
    except Exception:
        group.delete()
        raise
