"""Compares the bucket with the record, both ways: objects without a row, rows without objects.

What was found is looked at once more before it is reported or mended: photos arrive, move and go
meanwhile, and none of them is a difference.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import connection

from images import deletions
from images.lifecycle import forget_location, orphans, sweeper
from images.models import UNDER_WAY, Image, PendingDeletion, Upload, Variant, locks
from images.photofile import variants
from images.processing import outcomes, versions
from images.reconcile import bucket_listing, compare_markers, repair, restored
from images.reconcile.bucket_listing import BATCH, batches, best_of, by_version, pages
from images.reconcile.report import Kind, Report
from images.storage import object_keys
from images.storage.objects import StorageUnavailable, StoredObject, photo_storage
from images.uploads import transfer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from groups.models import Group
    from images.models import ImageQuerySet, UploadQuerySet
    from images.reconcile.bucket_listing import BucketListing

# A worker stores before it commits, and a signed URL outlives its upload.
GRACE = timedelta(hours=1)
# The last copy of what may have been a photo: time for a second thought, or another backup.
ORIGINALS_GRACE = timedelta(days=30)
FIRST_KEYS = 10
LOCK = 0x62616E66
# Somebody is at it, or has been: the next time tells.
NOT_NOW = (
    *(locks.Busy, repair.CannotRepair, forget_location.Gone, versions.InProcess),
    *(transfer.NotArrived, transfer.NotPending),
)


class Running(Exception):
    """Another comparison is under way."""


class WrongPlace(Exception):
    """The bucket holds nothing of what the database names: mending would be a disaster."""


@dataclass(frozen=True)
class Options:
    """`group` looks at one group's photos only; `grace` is how old a leftover must be to count;
    `believes_empty` mends even where one side holds nothing."""

    mends: bool = False
    group: Group | None = None
    grace: timedelta = GRACE
    believes_empty: bool = False


def reconcile(options: Options | None = None) -> Report:
    """Safe to call twice, and while photos arrive.

    Raises Running, WrongPlace, StorageUnavailable.
    """
    with sweeper.alone(LOCK) as is_alone:
        if not is_alone:
            raise Running
        with bucket_listing.empty() as listing:
            return Comparison(options or Options(), listing).run()


class Comparison:
    def __init__(self, options: Options, listing: BucketListing) -> None:
        self.options, self.listing = options, listing
        self.report = Report()
        self.unfinished: list[tuple[object_keys.Version, StoredObject]] = []
        self.started_at = _database_now()
        self.old = datetime.now(UTC) - options.grace

    def run(self) -> Report:
        for batch in batches(self._listed(), BATCH):
            self.listing.add(batch)
        self.report.objects = self.listing.count()
        if self.options.mends and not self.options.believes_empty:
            self._refuse_the_wrong_place()
        if self.options.mends:
            outcomes.fail_crashed()  # else their uploads would seem to be under way
        self._look_at_doomed()
        for photos in self.listing.by_photo():
            self._look_at_objects(photos)
        for pending in pages(self._uploads().pending()):
            self.report.uploads += len(pending)
            self._look_at_pending(pending)
        for waiting in pages(self._uploads().filter(UNDER_WAY)):
            self.report.uploads += len(waiting)
            self._look_at_queued(waiting)
        for images in pages(self._images()):
            self.report.photos += len(images)
            self._look_at_photos(images)
        # After the photos: a duplicate whose twin turned out to be lost is no duplicate any more.
        for version, best in self.unfinished:
            self.note(Kind.UNFINISHED, best.key, partial(restored.finish, version, best))
        compare_markers.look(self)
        if self.options.group is None:
            self._look_at_multiparts()
        return self.report

    def _listed(self) -> Iterator[StoredObject]:
        storage, group = photo_storage(), self.options.group
        if group is None:
            yield from storage.list_keys("")
        else:
            yield from storage.list_keys(f"{group.pk}/")
            for prefix in (object_keys.INCOMING, *object_keys.MARKERS):
                yield from storage.list_keys(prefix)

    def _images(self) -> ImageQuerySet:
        rows = Image.objects.filter(version__gt=0).defer("exif")
        return rows if self.options.group is None else rows.in_group(self.options.group)

    def _uploads(self) -> UploadQuerySet:
        rows = Upload.objects.select_related("image")
        group = self.options.group
        return rows if group is None else rows.filter(image__group=group)

    def _refuse_the_wrong_place(self) -> None:
        has_photos = False
        for images in pages(self._images()):
            has_photos = True
            wanted = Variant.objects.filter(image__in=images).values_list("key", flat=True)
            if self.listing.sizes([*wanted, *(image.original_key for image in images)]):
                return
        is_fresh = not has_photos and not Image.objects.exists()
        if has_photos or (is_fresh and self.listing.count(of_photos=True)):
            raise WrongPlace

    def note(self, kind: Kind, key: str, mend: Callable[[], object] | None) -> bool:
        """Count it and, if so wished, mend it. True if it is mended."""
        difference = self.report.differences[kind]
        difference.found += 1
        if len(difference.first) < FIRST_KEYS:
            difference.first.append(key)
        if mend is None or not self.options.mends:
            return False
        try:
            is_mended = bool(mend())
        except NOT_NOW:
            return False
        difference.mended += is_mended
        return is_mended

    # Objects without a row

    def _look_at_doomed(self) -> None:
        """Objects of deleted rows that the sweeper should have removed by now."""
        if self.options.group is not None:
            return
        for notes in pages(PendingDeletion.objects.all()):
            stored = self.listing.sizes(key for note in notes for key in deletions.keys_of(note))
            left = set(stored)
            for note in notes:
                unwanted = set(deletions.keys_of(note)) - deletions.keys_in_use(note.image_id)
                for key in sorted(left & unwanted):
                    left.remove(key)
                    if repair.is_there(key) and self.is_old(note.recorded_at):
                        image_id = note.image_id
                        self.note(Kind.DOOMED, key, partial(repair.remove_doomed, image_id, key))

    def is_old(self, *moments: datetime) -> bool:
        """Old enough to be judged. Counts it among what is too young otherwise."""
        youngest = max(moments)
        if youngest < self.old:
            return True
        self.report.wait_until(youngest + self.options.grace)
        return False

    def _look_at_objects(self, photos: list[list[StoredObject]]) -> None:
        """Each all that lies there of one photo; or objects that are of none."""
        everything = [each for found in photos for each in found]
        places = [(each.key, object_keys.place_of(each.key)) for each in everything]
        named = repair.named_of((key, place) for key, place in places if place)
        for found in photos:
            place = object_keys.place_of(found[0].key)
            if place is None:
                self._look_at_other(found)
                continue
            left = [each for each in found if each.key not in named]
            if left:
                self._look_at_orphans(place.version.image_id, left)

    def _look_at_orphans(self, image_id: UUID, found: list[StoredObject]) -> None:
        notes = PendingDeletion.objects.filter(image_id=image_id)
        known = {key for note in notes for key in deletions.keys_of(note)}
        left = [each for each in found if each.key not in known]
        if not any(repair.is_there(each.key) for each in left):
            return
        image = Image.objects.filter(pk=image_id).first()
        for version, objects in by_version(left):
            # As a whole: the others of its objects may be what it is made of again.
            if self.is_old(*(each.modified_at for each in objects)):
                self._look_at_version(image, version, objects)

    def _look_at_version(
        self, image: Image | None, version: object_keys.Version, found: list[StoredObject]
    ) -> None:
        best = best_of(found)
        if image is not None and repair.is_misplaced(image, version):
            for each in found:
                self.note(Kind.MISPLACED, each.key, partial(self._bring_home, each))
            return
        if best is not None and (image is None or _is_unheard_of(image, version)):
            self.note(Kind.UNKNOWN_PHOTO, best.key, lambda: self._adopt(version, best, found))
            return
        if best is not None and restored.ended_too_early(version) is not None:
            self.unfinished.append((version, best))
            return
        for each in found:
            self.note(Kind.ORPHAN, each.key, partial(_remove, each))

    def _bring_home(self, found: StoredObject) -> bool:
        place = object_keys.place_of(found.key)
        return place is not None and repair.relocate(found, place) and _remove(found)

    def _adopt(
        self, version: object_keys.Version, best: StoredObject, found: list[StoredObject]
    ) -> bool:
        if repair.recover(version, best):
            return True
        if not repair.is_nowhere(version):
            return False
        # Neither photo nor group.
        if best.modified_at > datetime.now(UTC) - ORIGINALS_GRACE:
            return False
        return sum(_remove(each) for each in found) == len(found)

    def _look_at_other(self, found: list[StoredObject]) -> None:
        incoming = [each for each in found if each.key.startswith(object_keys.INCOMING)]
        if self.options.group is None:
            for each in found:
                if each not in incoming and not object_keys.marked_image_id_of(each.key):
                    self.note(Kind.FOREIGN, each.key, None)
            wanted = orphans.keys_in_use([each.key for each in incoming])
            for each in incoming:
                key = each.key
                if key not in wanted and repair.is_there(key) and self.is_old(each.modified_at):
                    self.note(Kind.STALE, key, partial(orphans.remove_unused, [key]))

    def _look_at_multiparts(self) -> None:
        try:
            for batch in batches(photo_storage().open_multiparts(object_keys.INCOMING), BATCH):
                wanted = set(
                    Upload.objects.pending()
                    .filter(multipart_id__in=[each.multipart_id for each in batch])
                    .values_list("multipart_id", flat=True)
                )
                for each in batch:
                    if each.multipart_id not in wanted and self.is_old(each.started_at):
                        self.note(Kind.MULTIPART, each.key, partial(_abort, each))
        except StorageUnavailable as error:
            self.report.notes.append(f"Unfinished multipart uploads could not be listed: {error}")

    # Rows without objects

    def _look_at_photos(self, images: list[Image]) -> None:
        rows: dict[UUID, list[Variant]] = defaultdict(list)
        for row in Variant.objects.filter(image__in=images):
            rows[row.image_id].append(row)
        wanted = [row.key for each in rows.values() for row in each]
        wanted += [image.original_key for image in images]
        stored = self.listing.sizes(wanted)
        for image in images:
            if image.updated_at < self.started_at:
                current = [row for row in rows[image.pk] if row.version == image.version]
                self._look_at_photo(image, current, stored)

    def _look_at_photo(self, image: Image, rows: list[Variant], stored: dict[str, int]) -> None:
        original, size = image.original_key, stored.get(image.original_key)
        if image.is_original_lost and repair.is_there(original):
            self.note(Kind.ORIGINAL_FOUND, original, partial(repair.note_original_found, image))
        missing = [row for row in rows if stored.get(row.key) != row.byte_size]
        lacks_rows = not {row.name for row in rows} >= {spec.name for spec in variants.ALL}
        lacks_original = image.original_dropped_at is None and size is None
        if not (missing or lacks_rows or lacks_original):
            self._compare_original(image, size)
            return
        # Once more, now: what is mended, or written anew, since it was listed, is not missing.
        missing = [row for row in missing if not repair.is_there(row.key, row.byte_size)]
        lacks_original = lacks_original and not repair.is_there(original)
        if not self._is_still_so(image):
            return
        if not repair.has_something(image):
            if not _is_under_way(image):  # else the next version is about to show
                self.note(Kind.PHOTO_MISSING, original, lambda: repair.bury_lost(image.pk))
            return
        if lacks_original:
            self.note(Kind.ORIGINAL_MISSING, original, lambda: repair.note_lost_original(image.pk))
        if missing or lacks_rows:
            first = missing[0].key if missing else original
            self.note(Kind.SIZE_MISSING, first, lambda: repair.restore_sizes(image.pk))

    def _compare_original(self, image: Image, size: int | None) -> None:
        # Without its place it is another file; sha256 and byte_size stay those of what arrived.
        if size is None or size == image.byte_size or image.is_place_removed:
            return
        if self._is_still_so(image):
            self.note(Kind.ORIGINAL_DIFFERS, image.original_key, None)

    def _is_still_so(self, image: Image) -> bool:
        """Nobody moved, replaced or removed the photo since its row was read."""
        return Image.objects.filter(
            pk=image.pk,
            group=image.group_id,
            version=image.version,
            original_dropped_at=image.original_dropped_at,
        ).exists()

    def _look_at_queued(self, waiting: list[Upload]) -> None:
        stored = self._with_bytes(waiting)
        for upload in waiting:
            if upload.pk in stored:
                continue
            if upload.queued_at is None or upload.queued_at >= self.started_at:
                continue
            rows = Upload.objects.filter(UNDER_WAY, pk=upload.pk, queued_at=upload.queued_at)
            if rows.exists() and not repair.is_there(upload.incoming_key) and rows.exists():
                self.note(
                    Kind.INCOMING_MISSING,
                    upload.incoming_key,
                    partial(outcomes.fail_missing, upload),
                )

    def _look_at_pending(self, pending: list[Upload]) -> None:
        stored = self._with_bytes(pending)
        for upload in pending:
            if upload.pk in stored and self.is_old(upload.created_at):
                self.note(
                    Kind.ARRIVED,
                    upload.incoming_key,
                    partial(_complete, upload),
                )

    def _with_bytes(self, found: list[Upload]) -> set[UUID]:
        """Those whose bytes the bucket holds: in quarantine, or as a finished photo."""
        places = {upload.pk: repair.places_of(upload) for upload in found}
        stored = self.listing.sizes(key for each in places.values() for key in each)
        return {pk for pk, each in places.items() if not stored.keys().isdisjoint(each)}


def _database_now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now


def _is_unheard_of(image: Image, version: object_keys.Version) -> bool:
    """A later version than the record knows."""
    is_later = version.number > image.version
    return is_later and not image.uploads.filter(version__gte=version.number).exists()


def _is_under_way(image: Image) -> bool:
    return bool(image.uploads.filter(UNDER_WAY).exists())


def _remove(found: StoredObject) -> bool:
    place = object_keys.place_of(found.key)
    return place is not None and bool(repair.remove_orphans(place.version.image_id, [found]))


def _abort(found: Any) -> bool:
    photo_storage().abort_multipart(found.key, multipart_id=found.multipart_id)
    return True


def _complete(upload: Upload) -> bool:
    try:
        transfer.complete(upload)
    except (transfer.NotArrived, transfer.SizeMismatch):  # removed: it is as if it had not come
        transfer.recover(upload)
    return True
