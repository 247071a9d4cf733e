"""Orders of transforms: each spec of each version of a photo has one row, whoever asks for it."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from bandpics.users.models import User
from groups.models import Group
from images.access import GuestAccess
from images.models import Image, Transform
from images.storage.objects import photo_storage
from images.transforms import presets, queue

if TYPE_CHECKING:
    from images.access import MemberAccess
    from images.models.transform import TransformQuerySet
    from images.photofile.transforms.spec import Spec

# What one person may have waiting at a time, in all groups; all guests of a group count as one.
WAITING_AT_MOST = 100
# An answer from a row must cost no UPDATE each time.
MARKED_USED_EACH = timedelta(hours=1)
State = Transform.State


class TooManyWaiting(Exception):
    """Many transforms of this person are not rendered yet."""


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
        waiting = _own_waiting(image, access)
        _hold(image, spec)
        found = rows.first()
        if found is not None and found.state != State.FAILED:
            return found
        if waiting.count() >= WAITING_AT_MOST:
            raise TooManyWaiting
        user = None if isinstance(access, GuestAccess) else access.user
        if found is None:
            found = rows.create(
                image=image,
                group_id=image.group_id,
                version=image.version,
                spec=spec.canonical(),
                spec_hash=spec.hash,
                watermark_image_id=spec.watermark.image or None if spec.watermark else None,
                requested_by=user,
            )
        else:
            again = {"state": State.QUEUED, "failure": "", "attempts": 0, "requested_by": user}
            rows.update(**again, last_checked_at=Now(), last_used_at=Now())
            found.refresh_from_db()
        transaction.on_commit(partial(queue.enqueue, found.pk))
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


def _own_waiting(image: Image, access: MemberAccess | GuestAccess) -> TransformQuerySet:
    waiting = Transform.objects.filter(state__in=[State.QUEUED, State.RENDERING])
    if isinstance(access, GuestAccess):
        Group.objects.select_for_update(no_key=True).filter(pk=image.group_id).first()
        return waiting.filter(requested_by=None, group_id=image.group_id)
    User.objects.select_for_update(no_key=True).filter(pk=access.user.pk).first()
    return waiting.filter(requested_by=access.user)


def _hold(image: Image, spec: Spec) -> None:
    """Holds the rows of photo and watermark, so that triggers find the row that is made now."""
    wanted = {image.pk: image.version}
    if spec.watermark is not None and spec.watermark.image:
        wanted[presets.watermark_id(spec)] = spec.watermark.version
    photos = Image.objects.select_for_update(no_key=True).filter(group=image.group_id).ready()
    held = photos.filter(pk__in=wanted).order_by("pk").values_list("pk", "version")
    if dict(held) != wanted:
        raise Changed
