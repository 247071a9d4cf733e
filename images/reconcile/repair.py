"""Repairs what images.reconcile.compare finds: one photo, or one key, at a time.

Every function checks again, under the lock of the photo's objects, before it does anything: what
was found may be an hour old, and photos arrive meanwhile. All are safe to call twice, and raise
locks.Busy and StorageUnavailable.
"""

from __future__ import annotations

import logging
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from images import deletions
from images.lifecycle import forget_location
from images.models import KEEP_BYTES, NOT_FINAL, Image, Upload, Variant, locks
from images.photofile import rendering, variants
from images.processing import columns, versions
from images.storage import object_keys
from images.storage.objects import ObjectMissing, photo_storage
from images.uploads import quota, transfer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from images.photofile.rendering import Rendered
    from images.storage.multipart import OpenMultipart
    from images.storage.objects import StoredObject

logger = logging.getLogger(__name__)

# Bytes of a photo that crashed stay for somebody to look at.
KEPT_AFTER_FAILURE = timedelta(days=30)


class CannotRepair(Exception):
    """No object is left that the missing ones could be made from."""


# --- Objects without a row ------------------------------------------------------------------


def referenced(keys: Iterable[str]) -> set[str]:
    """Returns those of these keys that some row names: shown, to be purged, or about to be
    written."""
    places = {key: place for key in keys if (place := object_keys.place_of(key))}
    image_ids = {place.version.image_id for place in places.values()}
    named = set(Variant.objects.filter(key__in=places).values_list("key", flat=True))
    # The original of a photo that lost it may be back.
    has_original = Q(original_dropped_at=None) | Q(original_lost_at=F("original_dropped_at"))
    images = Image.objects.filter(has_original, pk__in=image_ids, version__gt=0)
    named.update(image.original_key for image in images)
    # The rows of an older version's sizes are the record of it; they go after its objects.
    to_purge = set(
        Variant.objects.filter(image__in=image_ids).values_list("image_id", "version").distinct()
    ) - set(Image.objects.filter(pk__in=image_ids).values_list("pk", "version"))
    # Of a photo whose bytes were bad the objects stay, too: no other row names them.
    may_be_written = NOT_FINAL | Q(status=Upload.Status.FAILED) & ~Q(failure__in=KEEP_BYTES)
    uploads = Upload.objects.filter(may_be_written, image__in=image_ids)
    written = {
        object_keys.Version(*row)
        for row in uploads.values_list("image__group_id", "image_id", "version")
    }
    for key, place in places.items():
        version = (place.version.image_id, place.version.number)
        if place.version in written or (place.is_original and version in to_purge):
            named.add(key)
    return named & places.keys()


def remove_orphans(found: Sequence[StoredObject]) -> int:
    """Removes objects of one photo that no row names. How many of them are gone now."""
    place = object_keys.place_of(found[0].key) if found else None
    if place is None:
        return 0
    with locks.objects_of(place.version.image_id):
        named = referenced(each.key for each in found)
        unwanted = [each.key for each in found if each.key not in named and _is_unchanged(each)]
        photo_storage().delete_keys(unwanted)
        return len(unwanted)


def execute_deletion(image_id: UUID, key: str) -> bool:
    """Executes what is due of the photo. True if this object is gone now."""
    deletions.execute([image_id])
    return not is_there(key)


def remove_from_quarantine(keys: Sequence[str]) -> int:
    """Removes those of these keys that no upload waits for. How many there were."""
    unwanted = set(keys) - awaited(keys)
    photo_storage().delete_keys(unwanted)
    return len(unwanted)


def awaited(keys: Iterable[str]) -> set[str]:
    """Returns those of these keys in quarantine whose uploads have not ended, or crashed lately."""
    ids = [upload_id for key in keys if (upload_id := object_keys.upload_id_of(key))]
    is_kept = Q(
        status=Upload.Status.FAILED,
        failure__in=KEEP_BYTES,
        finished_at__gte=Now() - KEPT_AFTER_FAILURE,
    )
    rows = Upload.objects.filter(NOT_FINAL | is_kept, pk__in=ids)
    return {object_keys.incoming(pk) for pk in rows.values_list("pk", flat=True)}


def abort_multipart(found: OpenMultipart) -> bool:
    photo_storage().abort_multipart(found.key, multipart_id=found.multipart_id)
    return True


def _is_unchanged(found: StoredObject) -> bool:
    """The object was not written anew since it was listed; it may be gone.

    It is listed again: a store may tell another time by HEAD, as rclone's does of a copy.
    """
    listed = photo_storage().list_keys(found.key)
    now = next((each for each in listed if each.key == found.key), None)
    return now in {None, found}


def is_misplaced(image: Image, version: object_keys.Version) -> bool:
    """The photo shows this version, or is about to, but it lies in another group's folder."""
    if image.group_id == version.group_id:
        return False
    is_under_way = image.uploads.filter(NOT_FINAL, version=version.number)
    return image.version == version.number or is_under_way.exists()


def relocate(found: StoredObject) -> bool:
    """Copies an object of what a photo shows, or is about to, from another group's folder to where
    its row looks for it, if it is not there. True if it is there now, so that this one may go."""
    place = object_keys.place_of(found.key)
    if place is None:
        return False
    with locks.objects_of(place.version.image_id):
        image = Image.objects.filter(pk=place.version.image_id).first()
        if image is None or not is_misplaced(image, place.version):
            return False
        if image.version == place.version.number:
            wanted = {row.key for row in image.variants.filter(version=image.version)}
            if image.original_dropped_at is None or image.is_original_lost:
                wanted.add(image.original_key)
        else:
            wanted = set(image.version_keys(place.version.number).all_keys())
        target = found.key.replace(str(place.version.group_id), str(image.group_id), 1)
        return target not in wanted or is_there(target) or copy(found.key, target)


def copy(key: str, target: str) -> bool:
    """False if there is nothing to copy."""
    try:
        photo_storage().copy(key, target)
    except ObjectMissing:
        return False
    return True


# --- Rows without their objects -------------------------------------------------------------


def places_of(upload: Upload) -> list[str]:
    """The keys that may hold the bytes of an upload under way: in quarantine or, of a photo that a
    restored database takes for unfinished, its original or its largest size."""
    version = upload.image.version_keys(upload.version)
    largest = version.variant(variants.FULLSIZE.name)
    return [upload.incoming_key, *version.originals(), largest]


def complete(upload: Upload) -> bool:
    """Queues a pending upload whose bytes are there."""
    try:
        transfer.complete(upload)
    except (transfer.NotArrived, transfer.SizeMismatch):  # removed: as if it had not come
        transfer.recover(upload)
    return True


def is_there(key: str, byte_size: int | None = None) -> bool:
    """Whether the bucket has this object and, if given, of this size."""
    try:
        stored = photo_storage().head(key)
    except ObjectMissing:
        return False
    return byte_size is None or stored.byte_size == byte_size


def restore_sizes(image_id: UUID) -> bool:
    """Renders again what is missing of a photo, or of the wrong size: from its original, which
    gives the same bytes, or from the largest size there is. True if all are there now.

    Raises CannotRepair, and OSError if the disk is full.
    """
    with locks.objects_of(image_id):
        image = Image.objects.filter(pk=image_id, version__gt=0).first()
        if image is None:
            return False
        rows = image.variant_by_name
        here = {row.name: row for row in rows.values() if is_there(row.key, row.byte_size)}
        missing = {spec.name for spec in variants.ALL} - here.keys()
        if missing:
            with tempfile.TemporaryDirectory(prefix="bandpics-", dir=settings.WORK_DIR) as folder:
                made = _render(image, here, missing, Path(folder))
                _put(image, made)
        # Rows of sizes that are made no more, and whose objects are gone.
        gone = rows.keys() - here.keys() - missing
        image.variants.filter(version=image.version, name__in=gone).delete()
        return True


def _render(
    image: Image, here: dict[str, Variant], missing: set[str], folder: Path
) -> list[Rendered]:
    source, into = folder / "source", folder / "sizes"
    into.mkdir()
    largest_first = sorted(here.values(), key=lambda row: row.width, reverse=True)
    for key in [image.original_key, *(row.key for row in largest_first)]:
        try:
            photo_storage().download(key, source)
            header = rendering.inspect(source)
            made = rendering.render(source, header=header, into=into)
        except (ObjectMissing, rendering.BadPicture):
            continue
        return [rendered for rendered in made if rendered.name in missing]
    raise CannotRepair


def _put(image: Image, made: list[Rendered]) -> None:
    version = image.version_keys(image.version)
    photo_storage().put_files(
        (version.variant(rendered.name), rendered.path, rendered.content_type) for rendered in made
    )
    with transaction.atomic():
        # Whoever moves or replaces it needs the lock we hold; but a group may be deleted.
        if Image.objects.select_for_update().filter(pk=image.pk).first() is None:
            deletions.record(image.pk, [version.variant(rendered.name) for rendered in made])
            deletions.execute_on_commit(image.pk)
            return
        Variant.objects.bulk_create(
            columns.variant_rows(version, made),
            update_conflicts=True,
            unique_fields=["image", "version", "name"],
            update_fields=["key", "width", "height", "byte_size", "content_type"],
        )


def mark_original_lost(image_id: UUID) -> bool:
    """Writes to the photo's row that its original is gone. True if it says so now."""
    with locks.objects_of(image_id):
        image = Image.objects.filter(pk=image_id, version__gt=0).first()
        if image is None or image.original_dropped_at is not None:
            return image is not None
        if is_there(image.original_key):
            return True
        # The marker says that it went on request, with its place.
        is_lost = not is_there(object_keys.forgotten(image_id))
        rows = Image.objects.filter(pk=image.pk, version=image.version, original_dropped_at=None)
        lost_at = {"original_lost_at": Now()} if is_lost else {}
        is_noted = bool(rows.update(original_dropped_at=Now(), updated_at=Now(), **lost_at))
    if is_noted and is_lost:
        logger.error("The original of photo %s is lost; its sizes stay", image_id)
    return is_noted


def mark_original_found(image: Image) -> bool:
    """Writes to the photo's row that its lost original is back, without its place if that was
    forgotten meanwhile. True if it is marked as lost no more."""
    with locks.objects_of(image.pk):
        rows = Image.objects.filter(
            pk=image.pk,
            group=image.group_id,
            version=image.version,
            original_dropped_at=image.original_lost_at,
        )
        now = rows.first()
        if now is None or not is_there(now.original_key):
            return False
        if now.is_place_removed and not forget_location.forget_in_found(now):
            return True
        found = {"original_dropped_at": None, "original_lost_at": None, "updated_at": Now()}
        return bool(rows.update(**found))


def fail_lost(image_id: UUID) -> bool:
    """Fails a finished photo of which nothing is left: its upload DONE -> FAILED(original-missing),
    quota returned, so that it can be sent again. Its duplicates fail, too. True if this call made
    the move.
    """
    with locks.objects_of(image_id):
        image = Image.objects.filter(pk=image_id, version__gt=0).first()
        if image is None or has_something(image):
            return False
        shown = image.uploads.filter(version=image.version, status=Upload.Status.DONE)
        upload = shown.select_related("image").first()
        if upload is None:
            return False
        failed = {
            "status": Upload.Status.FAILED,
            "failure": Upload.Failure.ORIGINAL_MISSING,
            "finished_at": Now(),
        }
        with transaction.atomic():
            rows = Image.objects.filter(pk=image.pk, version=image.version, group=image.group_id)
            if not rows.update(version=0, updated_at=Now()):
                return False
            if not Upload.objects.filter(pk=upload.pk, status=Upload.Status.DONE).update(**failed):
                transaction.set_rollback(True)
                return False
            quota.give_back(upload)
            image.variants.filter(version=image.version).delete()
            versions.duplicates_of(image).update(**failed, duplicate_of=None)
    logger.error("Photo %s is lost: neither its original nor any size is there", image_id)
    return True


def has_something(image: Image) -> bool:
    """Whether anything is left that the version it shows could be made from."""
    found = [row.key for row in image.variants.filter(version=image.version)]
    return any(is_there(key) for key in [image.original_key, *found])
