"""The quota of an invitation: reserved when files are announced, returned when one ends without a
photo.

The counts are true, so they can exceed a limit: a duplicate inherits the bytes of a photo that is
purged, though its link is full by then. reserve() keeps the limits, and only for new files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import F, Q
from django.db.models.functions import Greatest, Now

from bandpics.writes import Statement, Update, write
from invitations.models import Invitation

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from images.models import Upload


# One UPDATE decides: two guests racing for the last place cannot both get it.
_RESERVE = Update(
    lambda pk, files, byte_count: Invitation.objects.filter(
        Q(max_files=None) | Q(max_files__gte=F("used_files") + files),
        Q(max_bytes=None) | Q(max_bytes__gte=F("used_bytes") + byte_count),
        pk=pk,
    ),
    lambda files, byte_count, **_: {
        "used_files": F("used_files") + files,
        "used_bytes": F("used_bytes") + byte_count,
        "last_seen_at": Now(),
        "declined_at": None,
    },
    pk=UUID(int=1_618_033_988),
    files=1_618_033,
    byte_count=2_718_281_828,
)


class Exhausted(Exception):
    """The invitation's files or bytes are used up."""


def reserve(invitation: Invitation, *, files: int, byte_count: int) -> None:
    """Raises Exhausted, and reserves nothing, if they do not all fit.

    It also records that the guest was there, and has photos after all.
    """
    if not write(reservation(invitation, files=files, byte_count=byte_count)):
        raise Exhausted


def reservation(invitation: Invitation, *, files: int, byte_count: int) -> Statement:
    """Returns what reserve() runs. It changes no row if they do not all fit."""
    return _RESERVE.statement(pk=invitation.pk, files=files, byte_count=byte_count)


def reserve_regardless(upload: Upload) -> None:
    """Reserves for an upload that was accepted before, beyond the limits if need be. Without an
    invitation it does nothing."""
    _link_of(upload).update(
        used_files=F("used_files") + 1, used_bytes=F("used_bytes") + upload.declared_byte_size
    )


def give_back(upload: Upload) -> None:
    """Returns what an upload reserved; in the transaction of the UPDATE that ended it, so once."""
    # Never below zero: a wrong count must not keep an upload from ending.
    _link_of(upload).update(
        used_files=Greatest(F("used_files") - 1, 0),
        used_bytes=Greatest(F("used_bytes") - upload.declared_byte_size, 0),
    )


def _link_of(upload: Upload) -> QuerySet[Invitation]:
    return Invitation.objects.filter(Q(pk=upload.image.invitation_id))
