"""Requests for the removal of a photo: it is hidden at once, and a host decides."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from django.db import transaction

from bandpics import limits
from bandpics.audit import trail
from bandpics.audit.models import Action
from groups.models import Group
from images.lifecycle import trash
from images.models import Image, PhotoChange, TakedownRequest, UploaderKind

if TYPE_CHECKING:
    from bandpics.users.models import User
    from images.models import UploaderKey

# Of one asker: somebody who means harm hides no more photos than a host restores in a minute.
OPEN_AT_MOST = 20
# By a shared link: whoever was refused needs only another browser to ask again.
REFUSED_AT_MOST = 3


class TooManyOpen(Exception):
    """The asker waits for the answers to many requests."""


class RefusedBefore(Exception):
    """A host has refused this asker's request about this photo, or those of several devices that
    hold the same link: that is the last word."""


class PhotoGone(Exception):
    """The photo was trashed meanwhile."""


class DecidedMeanwhile(Exception):
    """Another host has decided about the request, or has restored the photo."""


def seconds_to_wait(asker: UploaderKey, *, address: str) -> int:
    """Counts a request of this asker from this address. 0 if they may ask now."""
    return limits.consume(("takedown", " ".join(asker)), ("takedown", address))


def ask(image: Image, *, asker: UploaderKey, name: str = "", reason: str = "") -> TakedownRequest:
    """Moves a photo to the trash until a host decides. Raises TooManyOpen, RefusedBefore,
    PhotoGone."""
    mine = TakedownRequest.objects.asked_by(asker)
    with transaction.atomic():
        # Requests about one group wait for each other, so that twenty at once are counted.
        Group.objects.select_for_update(no_key=True).filter(pk=image.group_id).first()
        if _is_refused(image.pk, asker):
            raise RefusedBefore
        if mine.open().count() >= OPEN_AT_MOST:
            raise TooManyOpen
        row = Image.objects.kept().select_for_update(of=("self",)).filter(pk=image.pk).first()
        # Who asked is for the hosts: their request says it, the history does not.
        if row is None or not trash.put(row, kind=PhotoChange.Kind.REMOVAL_ASKED):
            raise PhotoGone
        request = TakedownRequest.objects.create(
            group_id=row.group_id,
            image=row,
            photo_id=row.pk,
            name=name,
            reason=reason,
            **asker.columns,
        )
        _record(Action.REMOVAL_ASKED, request, link=_link(asker))
        return request


def _is_refused(image_id: UUID, asker: UploaderKey) -> bool:
    refused = TakedownRequest.objects.filter(photo_id=image_id, state=TakedownRequest.State.REFUSED)
    if refused.asked_by(asker).exists():
        return True
    if asker.kind != UploaderKind.SHARED:
        return False
    by_link = refused.filter(uploader_kind=asker.kind, uploader_id=asker.id)
    return by_link.count() >= REFUSED_AT_MOST


def request_of(image_id: UUID, *, asker: UploaderKey) -> TakedownRequest | None:
    """Returns the newest request of this asker about this photo, which may be purged by now."""
    if not asker.is_identified:
        return None
    found = TakedownRequest.objects.asked_by(asker).filter(photo_id=image_id)
    return found.order_by("-created_at").first()


def grant(request: TakedownRequest, *, by: User, answer: str = "", and_purge: bool = False) -> None:
    """Leaves the photo in the trash, or has it purged by the next sweep. Raises
    DecidedMeanwhile."""
    with transaction.atomic():
        if not TakedownRequest.objects.filter(pk=request.pk).grant(by=by, answer=answer):
            raise DecidedMeanwhile
        _record(Action.REMOVAL_GRANTED, request)
        if and_purge and request.image_id is not None:
            trash.expire([request.image_id])


def refuse(request: TakedownRequest, *, by: User, answer: str = "") -> None:
    """Shows the photo again. Raises DecidedMeanwhile, DuplicateInGroup, StorageUnavailable."""
    found = TakedownRequest.objects.filter(pk=request.pk).open().select_related("image").first()
    image = found.image if found else None
    if image is None or not trash.restore(image, by=by, answer=answer):
        raise DecidedMeanwhile
    _record(Action.REMOVAL_REFUSED, request)


def _link(asker: UploaderKey) -> UUID | None:
    """Returns the id of a guest's invitation."""
    return None if asker.kind == UploaderKind.MEMBER else UUID(asker.id)


def _record(action: Action, request: TakedownRequest, *, link: UUID | None = None) -> None:
    team_id = Group.objects.values_list("team_id", flat=True).get(pk=request.group_id)
    ids = [request.photo_id]
    trail.record(
        action, team_id=team_id, group_id=request.group_id, objects=ids, invitation_id=link
    )
