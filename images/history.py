"""The history of photos: records who changed what, in the transaction that changes it.

It holds no place and no text: what is forgotten or written anew must not be found here.
"""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from django.db.models import Exists, OuterRef

from bandpics.audit import trail
from bandpics.audit.models import Action
from bandpics.users.models import User
from groups.models import Membership
from images import journey
from images.models import Image, PhotoChange, UploaderKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import timedelta
    from uuid import UUID

    from django.db.models import QuerySet

    from images.models import Upload

BATCH = 1000
Kind = PhotoChange.Kind
# What a person edits: the kind of change, and the columns that show whether there is one.
EDITS = {
    Kind.DESCRIPTION: ("description",),
    Kind.CAPTION: ("caption",),
    Kind.DATE: ("taken_at_local", "utc_offset_minutes"),
    Kind.PLACE: ("latitude", "longitude"),
}


# What the audit trail of the team tells of, too.
AUDITED = {
    Kind.APPROVED: Action.PHOTOS_APPROVED,
    Kind.REJECTED: Action.PHOTOS_REJECTED,
    Kind.UNDECIDED: Action.PHOTOS_UNDECIDED,
    Kind.TRASHED: Action.PHOTOS_TRASHED,
    Kind.RESTORED: Action.PHOTOS_RESTORED,
    Kind.MOVED: Action.PHOTOS_MOVED,
    Kind.REPLACED: Action.PHOTO_REPLACED,
    Kind.PLACE_FORGOTTEN: Action.PLACE_FORGOTTEN,
}


def record(
    images: Iterable[Image],
    kind: PhotoChange.Kind,
    *,
    by: User | None = None,
    by_uploader: bool = False,
    details: dict[str, Any] | None = None,
) -> None:
    """Records one change of each of these photos, of which `pk` and `uploader_name` are read.

    Without an account it was whoever sent the photo, if it was done `by_uploader`, or somebody
    whose name the history does not tell.
    """
    images = list(images)
    rows = [
        PhotoChange(
            image_id=image.pk,
            kind=kind,
            changed_by=by,
            name=image.uploader_name if by is None and by_uploader else "",
            details=details or {},
        )
        for image in images
    ]
    PhotoChange.objects.bulk_create(rows, batch_size=BATCH)
    for image in images:
        journey.tell(kind.value, image_id=image.pk)
    if kind in AUDITED:
        audit(AUDITED[kind], [row.image_id for row in rows], by=by)


def audit(
    action: Action,
    image_ids: Collection[UUID],
    *,
    by: User | None = None,
    once_in: timedelta | None = None,
) -> None:
    """Records in the audit trail what was done with these photos: an event for each group."""
    rows = Image.objects.filter(pk__in=image_ids).order_by("group_id", "pk")
    found = rows.values_list("group__team_id", "group_id", "pk")
    for (team_id, group_id), photos in groupby(found, key=itemgetter(0, 1)):
        trail.record(
            action,
            team_id=team_id,
            group_id=group_id,
            objects=[pk for *_, pk in photos],
            user_id=by.pk if by else None,
            once_in=once_in,
        )


def record_edit(
    before: Image, columns: Mapping[str, Any], *, by: User | None = None, by_uploader: bool = False
) -> None:
    """Records which of these columns say something else than the photo did before."""
    for kind, names in EDITS.items():
        if any(name in columns and columns[name] != getattr(before, name) for name in names):
            record([before], kind, by=by, by_uploader=by_uploader)


def record_replacement(image: Image, upload: Upload) -> None:
    """Records that the file of an upload took the place of another one."""
    is_member = upload.uploader_kind == UploaderKind.MEMBER
    sender = User.objects.filter(pk=upload.uploader_id).first() if is_member else None
    record([image], Kind.REPLACED, by=sender)


def keep_name(user: User) -> None:
    """Writes the name of a user whose account is about to be deleted to what they changed."""
    PhotoChange.objects.filter(changed_by=user).update(name=user.name[:120])


# --- Reading --------------------------------------------------------------------------------


def of(image: Image) -> QuerySet[PhotoChange]:
    """Returns the changes of a photo with who made them, latest first; for name_of()."""
    team = Membership.objects.filter(team=image.group.team_id, user=OuterRef("changed_by"))
    return image.changes.select_related("changed_by").annotate(is_of_team=Exists(team))


def name_of(change: PhotoChange) -> str:
    """Returns the name of whoever made a change. Their address is shown within their team alone:
    photos are moved to the groups of others."""
    user = change.changed_by
    if user is None:
        return change.name
    return user.name or (user.email if getattr(change, "is_of_team", False) else "")
