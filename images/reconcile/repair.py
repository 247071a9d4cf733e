"""Makes good what images.reconcile.compare finds: one photo, or one key, at a time.

Every function looks again, under the lock of the photo's objects, before it does anything: what
was found may be an hour old, and photos arrive meanwhile. All are safe to call twice, and raise
locks.Busy and StorageUnavailable.
"""

from __future__ import annotations

import logging
import tempfile
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from groups.models import Group
from images import deletions
from images.lifecycle import forget_location
from images.models import KEEP_BYTES, Image, PendingDeletion, Upload, Variant, locks
from images.photofile import rendering, variants
from images.processing import versions
from images.storage import object_keys
from images.storage.objects import ObjectMissing, photo_storage
from images.uploads import queue, quota
from images.uploads.announce import UNKNOWN_CONTENT_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from images.photofile.rendering import Rendered
    from images.storage.objects import StoredObject

logger = logging.getLogger(__name__)

# In the words of images.access.uploader: whose photo it was, went with its row.
RECOVERED = "recovered"
MAY_BE_WRITTEN = Q(
    status__in=[Upload.Status.PENDING, Upload.Status.QUEUED, Upload.Status.PROCESSING]
)


class CannotRepair(Exception):
    """What is left is not enough to make it good."""


# --- Objects without a row ------------------------------------------------------------------


def named_of(places: Iterable[tuple[str, object_keys.Place]]) -> set[str]:
    """Of these keys, those some row names: shown, to be retired, or about to be written."""
    by_key = dict(places)
    image_ids = {place.version.image_id for place in by_key.values()}
    named = set(Variant.objects.filter(key__in=by_key).values_list("key", flat=True))
    # Of one that was lost the original may be back.
    is_kept = Q(original_dropped_at=None) | Q(original_lost_at=F("original_dropped_at"))
    kept = Image.objects.filter(is_kept, pk__in=image_ids, version__gt=0)
    named.update(image.original_key for image in kept)
    # Of an older version the rows of its sizes are the record; they go after its objects.
    to_retire = set(
        Variant.objects.filter(image__in=image_ids).values_list("image_id", "version").distinct()
    )
    shown = set(Image.objects.filter(pk__in=image_ids).values_list("pk", "version"))
    # Of one whose bytes were bad the objects stay, too: nobody knows better, and none is shown.
    may_be_written = MAY_BE_WRITTEN | Q(status=Upload.Status.FAILED) & ~Q(failure__in=KEEP_BYTES)
    under_way = {
        object_keys.Version(*row)
        for row in Upload.objects.filter(may_be_written, image__in=image_ids).values_list(
            "image__group_id", "image_id", "version"
        )
    }
    for key, place in by_key.items():
        version = (place.version.image_id, place.version.number)
        if place.version in under_way or (place.is_original and version in to_retire - shown):
            named.add(key)
    return named & by_key.keys()


def remove_orphans(image_id: UUID, found: Sequence[StoredObject]) -> int:
    """Remove objects of a photo that no row names. How many of them are gone now."""
    with locks.objects_of(image_id):
        named = named_of(_places(found))
        unwanted = [each.key for each in found if each.key not in named and _is_unchanged(each)]
        photo_storage().delete_keys(unwanted)
        return len(unwanted)


def remove_doomed(image_id: UUID, key: str) -> bool:
    """Remove what is noted of a photo. True if this object is gone now."""
    deletions.execute([image_id])
    return not is_there(key)


def _places(found: Iterable[StoredObject]) -> list[tuple[str, object_keys.Place]]:
    read = [(each.key, object_keys.place_of(each.key)) for each in found]
    return [(key, place) for key, place in read if place is not None]


def _is_unchanged(found: StoredObject) -> bool:
    """Gone is fine; written anew it is somebody's."""
    try:
        now = photo_storage().head(found.key)
    except ObjectMissing:
        return True
    # HEAD tells whole seconds, listings do not.
    is_as_old = now.modified_at <= found.modified_at + timedelta(seconds=1)
    return now.byte_size == found.byte_size and is_as_old


def recover(version: object_keys.Version, source: StoredObject) -> bool:
    """Make a photo again of the bytes of one the record does not know: after an older database was
    restored, they are all there is of it. It waits for approval, because nobody knows whose it was
    and what was said of it. True if it is queued by this call.
    """
    with locks.objects_of(version.image_id):
        if not _is_adoptable(version, source):
            return False
        image = Image.objects.filter(pk=version.image_id).first()
        is_first = not Upload.objects.filter(pk=version.image_id).exists()
        upload = Upload(
            **({"id": version.image_id} if is_first else {}),
            image_id=version.image_id,
            version=version.number,
            sender=RECOVERED,
            declared_content_type=UNKNOWN_CONTENT_TYPE,
            declared_byte_size=source.byte_size,
            status=Upload.Status.QUEUED,
        )
        try:
            photo_storage().copy(source.key, upload.incoming_key)
        except ObjectMissing:
            return False
        try:
            with transaction.atomic():
                if image is None:
                    _recovered(version).save(force_insert=True)
                upload.save(force_insert=True)
                if image is not None and image.invitation_id is not None:
                    quota.reserve_regardless(upload)  # given back when it ends, or is replaced
                Upload.objects.filter(pk=upload.pk).update(arrived_at=Now(), queued_at=Now())
                transaction.on_commit(partial(queue.enqueue, upload.pk))
        except IntegrityError:  # the group went, or another version came
            photo_storage().delete_keys([upload.incoming_key])
            return False
    logger.warning("Photo %s was made again from %s", version.image_id, source.key)
    return True


def _is_adoptable(version: object_keys.Version, source: StoredObject) -> bool:
    """There is a place for it, and nobody removed it: it is only not known."""
    notes = list(PendingDeletion.objects.filter(image_id=version.image_id))
    image = Image.objects.filter(pk=version.image_id).first()
    if image is None:
        return not notes and not is_nowhere(version)
    if any(source.key in deletions.keys_of(note) for note in notes):
        return False
    is_later = version.number > image.version
    return is_later and not image.uploads.filter(version__gte=version.number).exists()


def is_nowhere(version: object_keys.Version) -> bool:
    """Neither the photo nor the group is known."""
    return not (
        Image.objects.filter(pk=version.image_id).exists()
        or Group.objects.filter(pk=version.group_id).exists()
    )


def _recovered(version: object_keys.Version) -> Image:
    is_forgotten = is_there(object_keys.forgotten(version.image_id))
    is_trashed = is_there(object_keys.trashed(version.image_id))
    return Image(
        id=version.image_id,
        group_id=version.group_id,
        sender=RECOVERED,
        original_filename=f"recovered-{version.image_id}",
        moderation=Image.Moderation.PENDING,
        place_forgotten_at=timezone.now() if is_forgotten else None,
        gps_source=Image.GpsSource.REMOVED if is_forgotten else "",
        trashed_at=timezone.now() if is_trashed else None,
        trashed_by=RECOVERED if is_trashed else "",
    )


def is_misplaced(image: Image, version: object_keys.Version) -> bool:
    """Of what the photo shows, or is about to: but in another group's folder."""
    if image.group_id == version.group_id:
        return False
    is_under_way = image.uploads.filter(MAY_BE_WRITTEN, version=version.number)
    return image.version == version.number or is_under_way.exists()


def relocate(found: StoredObject, place: object_keys.Place) -> bool:
    """Copy an object of what a photo shows, or is about to, from another group's folder to where
    its row looks for it, if it is not there. True if it is there now, so that this one may go."""
    with locks.objects_of(place.version.image_id):
        image = Image.objects.filter(pk=place.version.image_id).first()
        if image is None or not is_misplaced(image, place.version):
            return False
        if image.version == place.version.number:
            shown = image.variants.filter(version=image.version)
            wanted = set(shown.values_list("key", flat=True))
            if image.original_dropped_at is None or image.is_original_lost:
                wanted.add(image.original_key)
        else:
            wanted = set(image.version_keys(place.version.number).all_keys())
        target = found.key.replace(str(place.version.group_id), str(image.group_id), 1)
        if target not in wanted or is_there(target):
            return True
        try:
            photo_storage().copy(found.key, target)
        except ObjectMissing:
            return False
        return True


# --- Rows without their objects -------------------------------------------------------------


def places_of(upload: Upload) -> list[str]:
    """Where the bytes of an upload under way may be: in quarantine, or, of a photo that a restored
    database takes for unfinished, as its original or its largest size."""
    version = upload.image.version_keys(upload.version)
    largest = version.variant(variants.FULLSIZE.name)
    return [upload.incoming_key, *version.originals(), largest]


def is_there(key: str, byte_size: int | None = None) -> bool:
    """And, if it is known, of this size."""
    try:
        stored = photo_storage().head(key)
    except ObjectMissing:
        return False
    return byte_size is None or stored.byte_size == byte_size


def restore_sizes(image_id: UUID) -> bool:
    """Render again what is missing, or of the wrong size, of a photo: from its original, which
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
        # Of a size we make no more, the row is all that is left.
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
    for rendered in made:
        key = version.variant(rendered.name)
        photo_storage().put_file(key, rendered.path, content_type=rendered.content_type)
    with transaction.atomic():
        # Whoever moves or replaces it needs the lock we hold; but a group may be deleted.
        if Image.objects.select_for_update().filter(pk=image.pk).first() is None:
            deletions.record(image.pk, [version.variant(rendered.name) for rendered in made])
            deletions.execute_on_commit(image.pk)
            return
        for rendered in made:
            Variant.objects.update_or_create(
                image=image,
                version=image.version,
                name=rendered.name,
                defaults={
                    "key": version.variant(rendered.name),
                    "width": rendered.width,
                    "height": rendered.height,
                    "byte_size": rendered.byte_size,
                    "content_type": rendered.content_type,
                },
            )


def note_lost_original(image_id: UUID) -> bool:
    """The sizes are there, the original is not: say so in the record. True if it says so now."""
    with locks.objects_of(image_id):
        image = Image.objects.filter(pk=image_id, version__gt=0).first()
        if image is None or image.original_dropped_at is not None:
            return image is not None
        if is_there(image.original_key):
            return True
        # With its place it went on request, if the bucket says so.
        is_lost = not is_there(object_keys.forgotten(image_id))
        rows = Image.objects.filter(pk=image.pk, version=image.version, original_dropped_at=None)
        lost_at = {"original_lost_at": Now()} if is_lost else {}
        is_noted = bool(rows.update(original_dropped_at=Now(), updated_at=Now(), **lost_at))
    if is_noted and is_lost:
        logger.error("The original of photo %s is lost; its sizes stay", image_id)
    return is_noted


def note_original_found(image: Image) -> bool:
    """An original that was noted as lost is back, and forgets its place if the photo did
    meanwhile. True if it is noted as lost no more."""
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


def bury_lost(image_id: UUID) -> bool:
    """Nothing is left of a finished photo: its upload DONE -> FAILED(original-missing), quota
    returned, so that it can be sent again. Duplicates that rest on it share its fate. True if this
    call made the move.
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
    """Whether anything is left that the version it shows could be made of."""
    found = [row.key for row in image.variants.filter(version=image.version)]
    return any(is_there(key) for key in [image.original_key, *found])
