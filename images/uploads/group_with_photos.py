"""Creates a group together with its first photos: all of it, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction

from groups import editing
from groups.models import Group, Team
from images.uploads import announce, server_upload
from invitations import sharing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    from images.access import MemberAccess
    from images.models import Upload
    from images.uploads.announce import Announced, Ticket


class TeamGone(Exception):
    """Somebody deleted the team at the same moment."""


def create_announced(
    team: Team,
    access: MemberAccess,
    about: dict[str, Any],
    files: Sequence[Announced] = (),
    *,
    with_link: bool = False,
) -> tuple[Group, list[Ticket]]:
    """Creates the group, its first shared link if wanted, and a ticket for each file to send to
    the bucket. Raises TeamGone."""
    try:
        with transaction.atomic():
            group = editing.create(team, about)
            if with_link:
                sharing.make(group, access)
            tickets = announce.create_announced(access.uploader(group), files)
    except IntegrityError:
        if Team.objects.filter(pk=team.pk).exists():
            raise
        raise TeamGone from None
    return group, tickets


def create_received(
    team: Team,
    access: MemberAccess,
    about: dict[str, Any],
    files: Sequence[tuple[BinaryIO, Announced]],
    *,
    with_link: bool = False,
) -> tuple[Group, list[Upload]]:
    """Creates the group, its first shared link if wanted, and stores its photos. Raises TeamGone,
    StorageUnavailable."""
    group, _ = create_announced(team, access, about, with_link=with_link)
    uploader = access.uploader(group)
    try:
        # The bucket is slow, so no transaction: if anything fails, the group is deleted, and the
        # objects of its photos with it.
        return group, [server_upload.take(uploader, file, described) for file, described in files]
    except Exception:
        group.delete()
        raise
