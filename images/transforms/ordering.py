"""Orders of transforms: each spec of each version of a photo has one row, whoever asks for it."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from bandpics.lookups import Lookup
from bandpics.users.models import User
from groups.models import Group
from images.access import GuestAccess, MemberAccess
from images.models import Image, Transform
from images.storage.objects import photo_storage
from images.transforms import presets, queue

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from images.models.transform import TransformQuerySet
    from images.photofile.transforms.spec import Spec

# What one person may have waiting at a time: a member in all groups, a guest in theirs.
WAITING_AT_MOST = 100
# All guests of a group together: a shared link has as many devices as somebody makes up.
GUESTS_WAITING_AT_MOST = 500
# An answer from a row must cost no UPDATE each time.
MARKED_USED_EACH = timedelta(hours=1)
State = Transform.State
_COLUMNS = [field.attname for field in Transform._meta.concrete_fields]


def _made(user: int, image: UUID, spec_hash: str) -> QuerySet[Transform, tuple[Any, ...]]:
    seen = MemberAccess(User(pk=user)).images().kept().filter(pk=image)
    current = Transform.objects.done().filter(
        image=image, image__in=seen, version=F("image__version"), spec_hash=spec_hash
    )
    return current.order_by().values_list(*_COLUMNS)


_MADE = Lookup(
    _made, user=1_618_033_988, image=UUID("16180339887498948482045868343656"), spec_hash="a hash"
)


class TooManyWaiting(Exception):
    """Many transforms of this person, or of the guests of the group, are not rendered yet."""


class Changed(Exception):
    """The photo, or its watermark, was replaced, moved or trashed at this moment."""


def request(image: Image, spec: Spec, access: MemberAccess | GuestAccess) -> Transform:
    """Returns the transform of the photo's current version; one that is not there, or failed, is
    rendered in the background.

    The spec is one that `presets.check` lets pass. Raises TooManyWaiting, Changed.
    """
    rows = Transform.objects.filter(image=image, version=image.version, spec_hash=spec.hash)
    found = rows.first()
    if found is not None and found.state != State.FAILED:
        return found
    with transaction.atomic():
        # Orders of one person wait for each other, and so do those of one photo: what is counted
        # and looked up stays so.
        has_room = _has_room(image, access)
        _hold(image, spec)
        found = rows.first()
        if found is not None and found.state != State.FAILED:
            return found
        if not has_room:
            raise TooManyWaiting
        who = _who(access)
        if found is None:
            found = rows.create(
                image=image,
                group_id=image.group_id,
                version=image.version,
                spec=spec.canonical(),
                spec_hash=spec.hash,
                watermark_image_id=spec.watermark.image or None if spec.watermark else None,
                **who,
            )
        else:
            again = {"state": State.QUEUED, "failure": "", "attempts": 0}
            rows.update(**again, **who, last_checked_at=Now(), last_used_at=Now())
            found.refresh_from_db()
        transaction.on_commit(partial(queue.enqueue, found.pk))
    return found


def made_before(
    image_id: UUID, spec_hash: str, access: MemberAccess | GuestAccess
) -> Transform | None:
    """Returns a transform that is done, of a photo that a member sees, by one cheap look-up.

    None says nothing: it looks for people who see all of their groups, and not for guests, or for
    keys of some groups.
    """
    if isinstance(access, GuestAccess) or access.group_ids is not None:
        return None
    row = _MADE.first(user=access.user.pk, image=image_id, spec_hash=spec_hash)
    if row is None:
        return None
    found = Transform.from_db("default", _COLUMNS, row)
    found.spec = json.loads(found.spec)
    return found


def visible(image: Image, access: MemberAccess | GuestAccess) -> TransformQuerySet:
    """Returns the transforms of what the photo shows now that they may see: guests those of the
    presets for guests."""
    rows = Transform.objects.filter(image=image, version=image.version)
    if isinstance(access, GuestAccess):
        rows = rows.filter(spec_hash__in=presets.guest_hashes(image.group_id))
    return rows


def url(transform: Transform, access: MemberAccess | GuestAccess, *, filename: str = "") -> str:
    """Returns the signed address of a transform that is done; with `filename`, to be saved."""
    return photo_storage().presign_get(
        transform.key,
        content_type=transform.content_type,
        filename=filename or None,
        until=access.expires_at,
    )


def mark_used(transform: Transform) -> None:
    """Remembers that somebody wants it: those not used for longest leave first."""
    if transform.last_used_at < timezone.now() - MARKED_USED_EACH:
        Transform.objects.filter(pk=transform.pk).update(last_used_at=Now())


def _has_room(image: Image, access: MemberAccess | GuestAccess) -> bool:
    """Whether they may have one more waiting. Others of the same person, or group, wait until the
    transaction ends."""
    waiting = Transform.objects.filter(state__in=[State.QUEUED, State.RENDERING])
    if isinstance(access, GuestAccess):
        Group.objects.select_for_update(no_key=True).filter(pk=image.group_id).first()
        guests = waiting.filter(requested_by=None, group_id=image.group_id)
        if guests.count() >= GUESTS_WAITING_AT_MOST:
            return False
        theirs = guests.filter(**_who(access))
    else:
        User.objects.select_for_update(no_key=True).filter(pk=access.user.pk).first()
        theirs = waiting.filter(requested_by=access.user)
    return theirs.count() < WAITING_AT_MOST


def _who(access: MemberAccess | GuestAccess) -> dict[str, Any]:
    """Returns the columns that say who asks."""
    if isinstance(access, GuestAccess):
        text = " ".join(access.key)
        return {"requested_by": None, "guest_digest": hashlib.sha256(text.encode()).hexdigest()}
    return {"requested_by": access.user, "guest_digest": ""}


def _hold(image: Image, spec: Spec) -> None:
    """Holds the rows of photo and watermark, so that triggers find the row that is made now."""
    wanted = {image.pk: image.version}
    if spec.watermark is not None and spec.watermark.image:
        wanted[presets.watermark_id(spec)] = spec.watermark.version
    photos = Image.objects.select_for_update(no_key=True).filter(group=image.group_id).ready()
    held = photos.filter(pk__in=wanted).order_by("pk").values_list("pk", "version")
    if dict(held) != wanted:
        raise Changed
