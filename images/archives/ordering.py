"""Orders of archives: who asked for one, and what they are shown of it."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.db.models import Max, Sum
from django.shortcuts import get_object_or_404
from django.utils import timezone, translation

from bandpics.audit import trail
from bandpics.audit.models import Action
from groups.models import Team
from images.access import GuestAccess
from images.archives import content, manifest, queue, zip_format
from images.models import Archive, ArchiveOrder
from images.storage.objects import photo_storage

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from django.db.models import QuerySet

    from groups.models import Group
    from images.access import MemberAccess
    from images.archives.content import File, What

CONTENT_TYPE = "application/zip"
# What one person may have waiting at a time, in all groups.
WAITING_AT_MOST = 5
# Time to download it.
LASTS_AT_LEAST = timedelta(days=1)
# A guest must not use up what the hosts need.
SHARE_OF_GUESTS = 0.5


class NothingToDownload(Exception):
    """No photo is what was asked for."""


class TooManyWaiting(Exception):
    """Several archives of this person are not built yet."""


class QuotaExceeded(Exception):
    """The archives of the team take up all the room they may."""

    def __init__(self, *, needed: int, used: int, limit: int) -> None:
        super().__init__()
        self.needed, self.used, self.limit = needed, used, limit


class NotReady(Exception):
    """The archive is not built yet, or is there no longer."""


def order(
    group: Group,
    *,
    what: What | None = None,
    access: MemberAccess | GuestAccess,
    wants_mail: bool = False,
) -> ArchiveOrder:
    """Orders a ZIP of photos of a group: `what` may name their `images` (ids), or an `uploader`
    (by the name shown), or say `since` (a time in ISO format); empty, it means all.

    Who orders what is there already, or being built, shares it. Its `archive` says how far it is.
    Raises NothingToDownload, TooManyWaiting, QuotaExceeded.
    """
    if not is_shown(group, access):
        raise NothingToDownload
    what = _stored(what or {})
    files = list(content.files(group, what, for_guests=access.is_guest))
    if not files:
        raise NothingToDownload
    fingerprint = content.fingerprint(files)
    with transaction.atomic():
        # Orders of a team wait for each other: so the same is built once, within the quota.
        Team.objects.select_for_update(no_key=True).get(pk=group.team_id)
        archive = _same(group, fingerprint, is_guest=access.is_guest)
        if archive is None:
            archive = _create(group, what, files, fingerprint, access)
            transaction.on_commit(partial(queue.enqueue, archive.pk))
        return _ordered(archive, access, wants_mail=wants_mail)


def is_shown(group: Group, access: MemberAccess | GuestAccess) -> bool:
    """Whether a guest sees the gallery of the group now. Of members the doors ask before."""
    if isinstance(access, GuestAccess):
        return access.sees_gallery and access.invitation.group_id == group.pk
    return True


def orders(group: Group, access: MemberAccess | GuestAccess) -> QuerySet[ArchiveOrder]:
    """Returns the orders of this person, the newest first. None of a shared link without a device
    secret: whoever asks is not known, and is shown nobody else's."""
    found = _orders(group, access)
    return found if access.key.is_identified else found.none()


def find(group: Group, access: MemberAccess | GuestAccess, archive_id: UUID) -> ArchiveOrder:
    """Returns this person's order of an archive. Raises Http404.

    Who is not known needs no more than its id, which only the answer to an order of it tells.
    """
    found: ArchiveOrder = get_object_or_404(_orders(group, access), archive_id=archive_id)
    return found


def _orders(group: Group, access: MemberAccess | GuestAccess) -> QuerySet[ArchiveOrder]:
    rows = ArchiveOrder.objects.filter(archive__group=group, archive__for_guests=access.is_guest)
    found: QuerySet[ArchiveOrder] = rows.filter(access.key.condition())
    return found.select_related("archive__group").order_by("-created_at", "-pk")


def last_download(group: Group, access: MemberAccess | GuestAccess) -> datetime | None:
    """Returns when the newest archive was made that this person has downloaded of the group."""
    downloaded = orders(group, access).order_by().exclude(downloaded_at=None)
    made_at: datetime | None = downloaded.aggregate(at=Max("archive__created_at"))["at"]
    return made_at


def url(order: ArchiveOrder, access: MemberAccess | GuestAccess) -> str:
    """Returns a signed address of the ZIP, which downloads of ranges may use, too. Raises
    NotReady."""
    archive = order.archive
    if not (archive.is_ready and is_shown(archive.group, access)):
        raise NotReady
    ends = [each for each in (access.expires_at, archive.expires_at) if each is not None]
    return photo_storage().presign_get(
        archive.key,
        content_type=CONTENT_TYPE,
        filename=f"{archive.group.name}.zip",
        until=min(ends),
    )


def download(order: ArchiveOrder, access: MemberAccess | GuestAccess) -> str:
    """Returns url(), and remembers the download for `since` my last one. Raises NotReady."""
    address = url(order, access)
    if access.key.is_identified:  # or it would be said to others who are not known
        ArchiveOrder.objects.filter(pk=order.pk).update(downloaded_at=timezone.now())
    group = order.archive.group
    trail.record(
        Action.ARCHIVE_READ,
        team_id=group.team_id,
        group_id=group.pk,
        objects=[order.archive_id],
        invitation_id=access.invitation.pk if access.invitation else None,
    )
    return address


def used_bytes(team: Team) -> int:
    """Returns what the archives of a team take up in the bucket, and those to be built will."""
    rows = Archive.objects.on_disk().filter(group__team=team)
    return int(rows.aggregate(bytes=Sum("total_bytes", default=0))["bytes"])


def _stored(what: What) -> What:
    if "images" in what:
        return {"images": sorted(str(each) for each in what["images"])}
    return what


def _same(group: Group, fingerprint: str, *, is_guest: bool) -> Archive | None:
    rows = Archive.objects.live().filter(group=group, for_guests=is_guest, fingerprint=fingerprint)
    # One that is about to expire is built anew.
    return rows.filter(expires_at__gt=timezone.now() + LASTS_AT_LEAST).first()


def _create(
    group: Group,
    what: What,
    files: list[File],
    fingerprint: str,
    access: MemberAccess | GuestAccess,
) -> Archive:
    waiting = Archive.objects.live().exclude(state=Archive.State.READY)
    theirs = ArchiveOrder.objects.filter(access.key.condition(), archive__in=waiting)
    if theirs.count() >= WAITING_AT_MOST:
        raise TooManyWaiting
    needed, limit = expected_bytes(files), settings.ARCHIVE_MAX_BYTES_PER_TEAM
    used = used_bytes(group.team)
    if access.is_guest:
        rows = Archive.objects.on_disk().filter(group__team=group.team_id, for_guests=True)
        used_by_guests = rows.aggregate(bytes=Sum("total_bytes", default=0))["bytes"]
        if used_by_guests + needed > limit * SHARE_OF_GUESTS:
            raise QuotaExceeded(needed=needed, used=used, limit=limit)
    if used + needed > limit:
        raise QuotaExceeded(needed=needed, used=used, limit=limit)
    return Archive.objects.create(
        group=group,
        for_guests=access.is_guest,
        what=what,
        fingerprint=fingerprint,
        file_count=sum(1 for file in files if file.key),
        total_bytes=needed,
        expires_at=timezone.now() + settings.ARCHIVE_LIFETIME,
    )


def expected_bytes(files: list[File]) -> int:
    """Returns about what the ZIP will have: some sizes are known once the worker has asked."""
    total = 0
    for file in files:
        total += len(manifest.line([file.name, "0" * manifest.HASH_LENGTH, *file.row]))
        if file.key:
            total += zip_format.local_header_length(file.name, byte_size=file.byte_size)
            total += file.byte_size + zip_format.central_header_length(
                file.name, byte_size=file.byte_size, offset=total
            )
    return total


def _ordered(
    archive: Archive, access: MemberAccess | GuestAccess, *, wants_mail: bool
) -> ArchiveOrder:
    user = None if isinstance(access, GuestAccess) else access.user
    found, is_new = ArchiveOrder.objects.get_or_create(
        archive=archive,
        **access.key.columns,
        defaults={
            "user": user,
            "wants_mail": wants_mail,
            "language": translation.get_language() or settings.LANGUAGE_CODE,
        },
    )
    if wants_mail and not is_new and not found.wants_mail:
        ArchiveOrder.objects.filter(pk=found.pk).update(wants_mail=True)
        found.wants_mail = True
    order: ArchiveOrder = found
    order.archive = archive
    return order
