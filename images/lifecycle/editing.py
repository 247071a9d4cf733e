"""Changes what people say of a photo: caption, time, place, and its group."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from images import deletions
from images.models import ONCE_PER_GROUP, UNDER_WAY, Image, Upload, Variant, locks
from images.processing import versions
from images.storage import object_keys
from images.storage.objects import ObjectMissing, StorageUnavailable, photo_storage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from groups.models import Group


class ChangedMeanwhile(Exception):
    """The photo is gone, or no longer what the caller has seen."""


class DuplicateInGroup(Exception):
    """The other group shows a photo of the same bytes already."""


@contextmanager
def once_per_group() -> Iterator[None]:
    """A transaction. Raises DuplicateInGroup if the group would show the same bytes twice."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        if ONCE_PER_GROUP not in str(error):
            raise
        raise DuplicateInGroup from error


@dataclass(frozen=True)
class Taken:
    """When a person says the photo was taken: local time and, if known, its offset from UTC."""

    local: datetime  # naive
    offset: timedelta | None = None


def taken_columns(taken: Taken | None, image: Image) -> dict[str, Any]:
    """The columns of this time; None clears them."""
    local = at = minutes = None
    if taken is not None:
        local = taken.local.replace(tzinfo=UTC)
        if taken.offset is not None:
            at, minutes = local - taken.offset, round(taken.offset.total_seconds() / 60)
    return {
        "taken_at_local": local,
        "utc_offset_minutes": minutes,
        "taken_at": at,
        "sort_at": at or local or image.created_at,
        "taken_source": Image.TimeSource.PERSON,
    }


def place_columns(place: tuple[float, float] | None) -> dict[str, Any]:
    """The columns of this latitude and longitude; None clears them, and only them."""
    latitude, longitude = place or (None, None)
    return {
        "latitude": latitude,
        "longitude": longitude,
        "altitude": None,
        "direction": None,
        "gps_at": None,
        "gps_source": Image.GpsSource.PERSON,
    }


def change(image: Image, columns: dict[str, Any], *, expected: dict[str, Any]) -> None:
    """Updates the row if it still says what is expected. Raises ChangedMeanwhile."""
    rows = Image.objects.kept().filter(pk=image.pk, **expected)
    if not rows.update(**columns, updated_at=Now()):
        raise ChangedMeanwhile


# --- To another group -----------------------------------------------------------------------


def move(image: Image, group: Group, columns: dict[str, Any], *, expected: dict[str, Any]) -> None:
    """Changes the photo and its group. Its objects are copied first, and those of the former
    group removed after the one UPDATE that decides. Its duplicates there inherit its bytes.

    Raises versions.InProcess, DuplicateInGroup, ChangedMeanwhile, locks.Busy, StorageUnavailable.
    """
    versions.purge_old_versions(image.pk)
    with locks.objects_of(image.pk):
        found = _settled().filter(pk=image.pk, **expected).first()
        if found is None:
            is_settled = _settled().filter(pk=image.pk).exists()
            raise ChangedMeanwhile if is_settled else versions.InProcess
        if Image.objects.in_group(group).ready().filter(sha256=found.sha256).exists():
            raise DuplicateInGroup
        copies = _copies(found, group)
        # If this process dies before the UPDATE, the sweeper removes the copies.
        pending_deletion = deletions.record(image.pk, copies.values(), may_be_written=True)
        try:
            _copy(found, copies)
            # The photo leaves its duplicates' group: the oldest of them shows it there from now on.
            versions.promote_duplicate(found, versions.duplicates_of(found), version=found.version)
            _update_moved(found, group, columns, copies)
        finally:
            # The row says what happened. Nobody else writes these keys while we hold the lock.
            if not Image.objects.filter(pk=image.pk, group=group).exists():
                photo_storage().delete_keys(copies.values())
            pending_deletion.delete()


def _settled() -> Any:
    in_process = Upload.objects.filter(UNDER_WAY, image=OuterRef("pk"))
    return Image.objects.ready().filter(~Exists(in_process))


def _copies(image: Image, group: Group) -> dict[str, str]:
    """{key: key in the other group} of all the photo's objects."""
    target = object_keys.Version(group.pk, image.pk, image.version)
    copies = {row.key: target.variant(row.name) for row in image.variants.all()}
    if image.original_dropped_at is None:
        copies[image.original_key] = target.original(content_type=image.content_type)
    return copies


def _copy(image: Image, copies: dict[str, str]) -> None:
    for key, target in copies.items():
        try:
            photo_storage().copy(key, target)
        except ObjectMissing as error:
            raise StorageUnavailable(f"An object of photo {image.pk} is missing.") from error


def _update_moved(
    image: Image, group: Group, columns: dict[str, Any], copies: dict[str, str]
) -> None:
    with once_per_group():
        # updated_at: nothing that was copied has changed since. The worker, too, compares the
        # group with the one it started with.
        rows = _settled().filter(pk=image.pk, group=image.group_id, updated_at=image.updated_at)
        if not rows.update(**columns, group=group, updated_at=Now()):
            raise ChangedMeanwhile
        if versions.duplicates_of(image).exists():
            raise locks.Busy  # a worker has just found a duplicate of the photo here: try again
        for variant in Variant.objects.filter(image=image):
            Variant.objects.filter(pk=variant.pk).update(key=copies[variant.key])
        deletions.record(image.pk, copies)
        deletions.execute_on_commit(image.pk)
