"""Moves photos to another group, with their objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Exists, F, OuterRef
from django.db.models.functions import Now

from images import deletions, history
from images.access import name_for_guests
from images.lifecycle import editing
from images.lifecycle.editing import ChangedMeanwhile, DuplicateInGroup, Refused, once_per_group
from images.models import UNDER_WAY, Image, PhotoChange, Upload, Variant, locks
from images.processing import versions
from images.storage import object_keys
from images.storage.objects import ObjectMissing, StorageUnavailable, photo_storage

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from uuid import UUID

    from bandpics.users.models import User
    from groups.models import Group

Copies = dict[str, str]  # {key: key in the other group}


def move(
    image: Image,
    group: Group,
    columns: dict[str, Any],
    *,
    expected: dict[str, Any],
    by: User | None = None,
) -> None:
    """Changes the photo and its group. Its objects are copied first, and those of the former
    group removed after the one UPDATE that decides. Its duplicates there inherit its bytes.

    Raises versions.InProcess, DuplicateInGroup, ChangedMeanwhile, locks.Busy, StorageUnavailable.
    """
    versions.purge_old_versions(image.pk)
    with locks.objects_of(image.pk):
        found = _settled().select_related("group").filter(pk=image.pk, **expected).first()
        if found is None:
            is_settled = _settled().filter(pk=image.pk).exists()
            raise ChangedMeanwhile if is_settled else versions.InProcess
        if Image.objects.in_group(group).ready().filter(sha256=found.sha256).exists():
            raise DuplicateInGroup
        _move([found], group, columns, by=by)


def move_all(image_ids: Collection[UUID], group: Group, *, by: User | None = None) -> None:
    """Moves these photos, or none of them: all objects are copied before one transaction moves
    the rows. Those that are in the group already stay there.

    Raises Refused, locks.Busy, StorageUnavailable.
    """
    old = Variant.objects.filter(image__in=image_ids, version__lt=F("image__version"))
    for image_id in set(old.values_list("image", flat=True)):
        versions.purge_old_versions(image_id)
    with locks.objects_of(*image_ids):
        rows = Image.objects.filter(pk__in=image_ids)
        leaving = rows.exclude(group=group).order_by("pk")
        settled = _settled().select_related("group").order_by("pk")
        found = list(settled.filter(pk__in=leaving.values("pk")))
        if why := _reasons_against(found, rows=list(rows), group=group):
            raise Refused(why)
        _move(found, group, {}, by=by)


def _settled() -> Any:
    in_process = Upload.objects.filter(UNDER_WAY, image=OuterRef("pk"))
    return Image.objects.ready().filter(~Exists(in_process))


def _reasons_against(
    found: Sequence[Image], *, rows: Sequence[Image], group: Group
) -> dict[UUID, str]:
    settled = {image.pk for image in found}
    why = {
        image.pk: editing.NOT_READY if image.trashed_at is None else editing.GONE
        for image in rows
        if image.pk not in settled and image.group_id != group.pk
    }
    shown = Image.objects.in_group(group).ready()
    hashes = set(
        shown.filter(sha256__in=[image.sha256 for image in found]).values_list("sha256", flat=True)
    )
    for image in found:
        if image.sha256 in hashes:
            why[image.pk] = editing.DUPLICATE
        hashes.add(image.sha256)
    return why


def _move(
    images: Sequence[Image], group: Group, columns: dict[str, Any], *, by: User | None
) -> None:
    """Needs the locks of the photos' objects."""
    copies = {image.pk: _copies(image, group) for image in images}
    # If this process dies before the UPDATE, the sweeper removes the copies.
    pending_deletions = [
        deletions.record(image_id, keys.values(), may_be_written=True)
        for image_id, keys in copies.items()
    ]
    try:
        _copy(copies.values())
        _promote_duplicates(images)
        with once_per_group():
            for image in images:
                _update_moved(image, group, columns, copies[image.pk])
                history.record_edit(image, columns, by=by)
            history.record(images, PhotoChange.Kind.MOVED, by=by)
    except _ChangedOne as error:
        if len(images) == 1:
            raise ChangedMeanwhile from error
        raise Refused({error.image_id: editing.CHANGED}) from error
    finally:
        # The rows say what happened. Nobody else writes these keys while we hold the locks.
        moved = Image.objects.filter(pk__in=copies.keys(), group=group)
        stay = copies.keys() - set(moved.values_list("pk", flat=True))
        photo_storage().delete_keys([key for pk in stay for key in copies[pk].values()])
        for row in pending_deletions:
            row.delete()


class _ChangedOne(Exception):
    """The row of this photo is not what it was when its objects were copied."""

    def __init__(self, image_id: UUID) -> None:
        super().__init__(image_id)
        self.image_id = image_id


def _copies(image: Image, group: Group) -> Copies:
    """Returns the keys of all the photo's objects, here and there."""
    target = object_keys.Version(group.pk, image.pk, image.version)
    copies = {row.key: target.variant(row.name) for row in image.variants.all()}
    if image.original_dropped_at is None:
        copies[image.original_key] = target.original(content_type=image.content_type)
    return copies


def _copy(copies: Collection[Copies]) -> None:
    try:
        photo_storage().copy_all({key: to for keys in copies for key, to in keys.items()})
    except ObjectMissing as error:
        raise StorageUnavailable("An object of the photo is missing.") from error


def _promote_duplicates(images: Sequence[Image]) -> None:
    """Lets the oldest duplicate of each photo show it in the group that the photo leaves."""
    by_id = {image.pk: image for image in images}
    duplicates = Upload.objects.filter(duplicate_of__in=by_id, status=Upload.Status.DUPLICATE)
    for image_id in set(duplicates.values_list("duplicate_of", flat=True)):
        image = by_id[image_id]
        versions.promote_duplicate(image, versions.duplicates_of(image), version=image.version)


def _update_moved(
    image: Image, group: Group, columns: dict[str, Any], copies: Mapping[str, str]
) -> None:
    # updated_at: nothing that was copied has changed since. The worker, too, compares the group
    # with the one it started with.
    rows = _settled().filter(pk=image.pk, group=image.group_id, updated_at=image.updated_at)
    columns = {**columns, **_without_address(image, group)}
    if not rows.update(**columns, group=group, updated_at=Now()):
        raise _ChangedOne(image.pk)
    if versions.duplicates_of(image).exists():
        raise locks.Busy  # a worker has just found a duplicate of the photo here: try again
    for variant in Variant.objects.filter(image=image):
        Variant.objects.filter(pk=variant.pk).update(key=copies[variant.key])
    if image.group.team_id != group.team_id:
        image.changes.filter(name__contains="@").update(name="")
    deletions.record(image.pk, copies)
    deletions.execute_on_commit(image.pk)


def _without_address(image: Image, group: Group) -> dict[str, str]:
    """Members without a name are known by their e-mail address, within their team alone."""
    if image.group.team_id == group.team_id or "@" not in image.uploader_name:
        return {}
    name = image.uploaded_by.name if image.uploaded_by else ""
    return {"uploader_name": name_for_guests(name)[:120]}
