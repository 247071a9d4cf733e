"""Compares the bucket with the database, both ways: objects without a row, rows without objects.

Each difference is checked once more before it is reported or repaired: photos arrive, move and go
meanwhile, and none of that is a difference.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from django.db import connection
from django.db.models import Q

from images import deletions
from images.lifecycle import forget_location
from images.models import NOT_FINAL, UNDER_WAY, Image, PendingDeletion, Upload, Variant, locks
from images.photofile import variants
from images.processing import outcomes, versions
from images.reconcile import appearances, archives, repair, restored, transforms
from images.reconcile.bucket_listing import (
    batches,
    best_of,
    bucket_listing,
    by_version,
    listed,
    pages,
)
from images.reconcile.repair import is_there
from images.reconcile.report import Kind, Report
from images.storage import object_keys
from images.storage.objects import StorageUnavailable, StoredObject, photo_storage
from images.uploads import transfer

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from groups.models import Group
    from images.models import ImageQuerySet
    from images.reconcile.bucket_listing import BucketListing

# A worker stores before it commits, and a signed URL outlives its upload.
GRACE = timedelta(hours=1)
# The last copy of what may have been a photo: time for a second thought, or another backup.
ORIGINALS_GRACE = timedelta(days=30)
LOCK, QUARANTINE_LOCK = 0x62616E66, 0x62616E65
# Somebody else has the photo, or had it just now: the next run decides.
POSTPONED = (
    *(locks.Busy, repair.CannotRepair, forget_location.Gone, versions.InProcess),
    *(transfer.NotArrived, transfer.NotPending),
)


class Running(Exception):
    """Another comparison is under way."""


class WrongPlace(Exception):
    """The bucket holds nothing that the database names, or the other way round."""


@dataclass(frozen=True)
class Options:
    """`group` compares one group's photos only; objects younger than `grace` are not judged;
    `believes_empty` repairs even where one side holds nothing."""

    repairs: bool = False
    group: Group | None = None
    grace: timedelta = GRACE
    believes_empty: bool = False

    @property
    def prefixes(self) -> list[str]:
        if self.group is None:
            return [""]
        return [f"{self.group.pk}/", object_keys.INCOMING, *object_keys.MARKERS]


def clean_quarantine() -> int:
    """Removes objects from quarantine that no upload waits for; returns how many.

    A signed URL outlives its upload by minutes: whoever holds it can still PUT. Safe to call
    twice, and at the same time. Raises StorageUnavailable.
    """
    with locks.alone(QUARANTINE_LOCK) as is_alone:
        if not is_alone:
            return 0
        removed, before = 0, datetime.now(UTC) - GRACE
        for batch in listed(object_keys.INCOMING):
            old = [each.key for each in batch if each.modified_at < before]
            removed += repair.remove_from_quarantine(old)
        return removed


def reconcile(options: Options) -> Report:
    """Safe to call twice, and while photos arrive.

    Raises Running, WrongPlace, StorageUnavailable.
    """
    with locks.alone(LOCK) as is_alone:
        if not is_alone:
            raise Running
        comparison = Comparison(options)
        with bucket_listing(*options.prefixes) as listing:
            comparison.run(listing)
        return comparison.report


class Comparison:
    def __init__(self, options: Options) -> None:
        self.options = options
        self.report = Report()
        self.unfinished: list[tuple[object_keys.Version, StoredObject]] = []
        self.started_at = _database_now()
        self.old = datetime.now(UTC) - options.grace

    def run(self, listing: BucketListing) -> None:
        self.listing = listing
        self.report.objects = listing.count()
        if self.options.repairs:
            if not self.options.believes_empty:
                self._refuse_wrong_place()
            outcomes.fail_crashed()  # else their uploads would seem to be under way
        if self.options.group is None:
            self._check_pending_deletions()
        for photos in listing.by_photo():
            self._check_objects(photos)
        uploads = Upload.objects.filter(NOT_FINAL).select_related("image")
        if self.options.group is not None:
            uploads = uploads.filter(image__group=self.options.group)
        for batch in pages(uploads):
            self.report.uploads += len(batch)
            self._check_uploads(batch)
        for images in pages(self._images().filter(version__gt=0)):
            self.report.photos += len(images)
            self._check_photos(images)
        for image in appearances.missing(self._images(), self.started_at):
            read = partial(appearances.read_again, image.pk)
            self.note(Kind.PLACEHOLDER_MISSING, appearances.key_of(image), read)
        for archive in archives.without_object(self.listing, self.options.group, self.started_at):
            self.note(Kind.ARCHIVE_MISSING, archive.key, partial(archives.end, archive))
        lost = transforms.without_object(self.listing, self.options.group, self.started_at)
        for transform in lost:
            self.note(Kind.TRANSFORM_MISSING, transform.key, partial(transforms.forget, transform))
        # After the photos: the photo an upload is a duplicate of may have turned out to be lost.
        for version, best in self.unfinished:
            self.note(Kind.UNFINISHED, best.key, partial(restored.finish, version, best))
        self._check_markers()
        if self.options.group is None:
            self._check_multiparts()

    def _images(self) -> ImageQuerySet:
        rows = Image.objects.defer("exif")
        return rows if self.options.group is None else rows.in_group(self.options.group)

    def _refuse_wrong_place(self) -> None:
        has_photos = False
        for images in pages(self._images().filter(version__gt=0)):
            has_photos = True
            wanted = Variant.objects.filter(image__in=images).values_list("key", flat=True)
            if self.listing.sizes([*wanted, *(image.original_key for image in images)]):
                return
        is_fresh = not has_photos and not Image.objects.exists()
        if has_photos or (is_fresh and self.listing.count(of_photos=True)):
            raise WrongPlace

    def note(self, kind: Kind, key: str, repair_it: Callable[[], object] | None) -> None:
        """Counts a difference and repairs it if asked to."""
        difference = self.report.add(kind, key)
        if repair_it is not None and self.options.repairs:
            try:
                difference.repaired += bool(repair_it())
            except POSTPONED:
                return

    def is_old(self, *moments: datetime) -> bool:
        """Whether all are older than the grace; counts it among what is too young otherwise."""
        youngest = max(moments)
        if youngest < self.old:
            return True
        self.report.add_too_young(youngest + self.options.grace)
        return False

    # --- Objects without a row --------------------------------------------------------------

    def _check_pending_deletions(self) -> None:
        """Finds objects of deleted rows that the sweeper should have removed by now."""
        for rows in pages(PendingDeletion.objects.all()):
            left = set(self.listing.sizes(key for row in rows for key in deletions.keys_of(row)))
            for row in rows:
                unwanted = set(deletions.keys_of(row)) - deletions.keys_in_use(row.image_id)
                for key in sorted(left & unwanted):
                    left.remove(key)
                    if is_there(key) and self.is_old(row.recorded_at):
                        remove = partial(repair.execute_deletion, row.image_id, key)
                        self.note(Kind.NOT_DELETED, key, remove)

    def _check_objects(self, photos: list[list[StoredObject]]) -> None:
        """Checks lists of objects, each of one photo or of none."""
        referenced = repair.referenced(each.key for each in chain.from_iterable(photos))
        for found in photos:
            place = object_keys.place_of(found[0].key)
            if place is None:
                self._check_made(found)
                if self.options.group is None:
                    self._check_quarantine(found)
            elif left := [each for each in found if each.key not in referenced]:
                self._check_unreferenced(place.version.image_id, left)

    def _check_unreferenced(self, image_id: UUID, found: list[StoredObject]) -> None:
        rows = PendingDeletion.objects.filter(image_id=image_id)
        to_be_deleted = {key for row in rows for key in deletions.keys_of(row)}
        left = [each for each in found if each.key not in to_be_deleted]
        if not any(is_there(each.key) for each in left):
            return
        image = Image.objects.filter(pk=image_id).first()
        for version, objects in by_version(left).items():
            # As a whole: the others of its objects may be what it is made from again.
            if self.is_old(*(each.modified_at for each in objects)):
                self._check_version(image, version, objects)

    def _check_version(
        self, image: Image | None, version: object_keys.Version, found: list[StoredObject]
    ) -> None:
        best = best_of(found)
        if image is not None and repair.is_misplaced(image, version):
            for each in found:
                self.note(Kind.MISPLACED, each.key, partial(_relocate, each))
        elif best is not None and (image is None or restored.is_unknown_version(image, version)):
            self.note(Kind.UNKNOWN_PHOTO, best.key, lambda: _recover(version, best, found))
        elif best is not None and restored.ended_too_early(version) is not None:
            self.unfinished.append((version, best))
        else:
            for each in found:
                self.note(Kind.ORPHAN, each.key, partial(repair.remove_orphans, [each]))

    def _check_quarantine(self, found: list[StoredObject]) -> None:
        """Finds leftovers in quarantine, and objects that are none of ours."""
        awaited = repair.awaited([each.key for each in found])
        for each in found:
            key = each.key
            if not key.startswith(object_keys.INCOMING):
                if not object_keys.is_known(key):
                    self.note(Kind.FOREIGN, key, None)
            elif key not in awaited and is_there(key) and self.is_old(each.modified_at):
                self.note(Kind.STALE, key, partial(repair.remove_from_quarantine, [key]))

    def _check_made(self, found: list[StoredObject]) -> None:
        """Finds objects of archives and transforms that no row names."""
        for made, parsed in [
            (archives, object_keys.archive_id_of),
            (transforms, object_keys.transformed_image_id_of),
        ]:
            for each in made.unknown([each for each in found if parsed(each.key)]):
                if is_there(each.key) and self.is_old(each.modified_at):
                    self.note(Kind.ORPHAN, each.key, partial(made.remove, each))

    def _check_multiparts(self) -> None:
        storage = photo_storage()
        try:
            for batch in batches(storage.open_multiparts("")):
                ids = [each.multipart_id for each in batch]
                pending = Upload.objects.pending().filter(multipart_id__in=ids)
                awaited = set(pending.values_list("multipart_id", flat=True))
                awaited |= archives.awaited_multiparts(ids)
                for each in batch:
                    is_ours = object_keys.upload_id_of(each.key) or object_keys.archive_id_of(
                        each.key
                    )
                    if not is_ours or each.multipart_id in awaited:
                        continue  # of another program, or still wanted
                    if self.is_old(each.started_at):
                        self.note(Kind.MULTIPART, each.key, partial(repair.abort_multipart, each))
        except StorageUnavailable as error:
            self.report.notes.append(f"Unfinished multipart uploads could not be listed: {error}")

    # --- Rows without objects ---------------------------------------------------------------

    def _check_uploads(self, uploads: list[Upload]) -> None:
        places = {upload.pk: repair.places_of(upload) for upload in uploads}
        stored = self.listing.sizes(chain.from_iterable(places.values()))
        for upload in uploads:
            key, is_stored = upload.incoming_key, not stored.keys().isdisjoint(places[upload.pk])
            if upload.status == Upload.Status.PENDING:
                if is_stored and self.is_old(upload.created_at):
                    self.note(Kind.ARRIVED, key, partial(repair.complete, upload))
            elif not is_stored and upload.queued_at and upload.queued_at < self.started_at:
                rows = Upload.objects.filter(UNDER_WAY, pk=upload.pk, queued_at=upload.queued_at)
                if rows.exists() and not is_there(key) and rows.exists():
                    fail = partial(outcomes.fail_missing, upload)
                    self.note(Kind.INCOMING_MISSING, key, fail)

    def _check_photos(self, images: list[Image]) -> None:
        rows: dict[UUID, list[Variant]] = defaultdict(list)
        for row in Variant.objects.filter(image__in=images):
            rows[row.image_id].append(row)
        wanted = [row.key for each in rows.values() for row in each]
        stored = self.listing.sizes([*wanted, *(image.original_key for image in images)])
        for image in images:
            if image.updated_at < self.started_at:
                current = [row for row in rows[image.pk] if row.version == image.version]
                self._check_photo(image, current, stored)

    def _check_photo(self, image: Image, rows: list[Variant], stored: dict[str, int]) -> None:
        original, size = image.original_key, stored.get(image.original_key)
        if image.is_original_lost and is_there(original):
            self.note(Kind.ORIGINAL_FOUND, original, partial(repair.mark_original_found, image))
        missing = [row for row in rows if stored.get(row.key) != row.byte_size]
        lacks_rows = not {row.name for row in rows} >= {spec.name for spec in variants.ALL}
        lacks_original = image.original_dropped_at is None and size is None
        if not (missing or lacks_rows or lacks_original):
            # Without its place it is another file; sha256 and byte_size stay those that arrived.
            is_expected = size is None or size == image.byte_size or image.is_place_removed
            if not is_expected and _is_unchanged(image):
                self.note(Kind.ORIGINAL_DIFFERS, original, None)
            return
        # Once more, now: what was repaired or written anew since it was listed is not missing.
        missing = [row for row in missing if not is_there(row.key, row.byte_size)]
        lacks_original = lacks_original and not is_there(original)
        if not _is_unchanged(image):
            return
        if not repair.has_something(image):
            if not image.uploads.filter(UNDER_WAY).exists():  # else the next version is coming
                self.note(Kind.PHOTO_MISSING, original, partial(repair.fail_lost, image.pk))
            return
        if lacks_original:
            mark = partial(repair.mark_original_lost, image.pk)
            self.note(Kind.ORIGINAL_MISSING, original, mark)
        if missing or lacks_rows:
            first = missing[0].key if missing else original
            self.note(Kind.SIZE_MISSING, first, partial(repair.restore_sizes, image.pk))

    # --- Markers ----------------------------------------------------------------------------

    def _check_markers(self) -> None:
        """Finds what a restored, older database brought back, and needless or missing markers."""
        for batch in batches(self.listing.under(*object_keys.MARKERS)):
            marked = {each: object_keys.marked_image_id_of(each.key) for each in batch}
            known = self._images().in_bulk([image_id for image_id in marked.values() if image_id])
            for marker, image_id in marked.items():
                if image_id is not None:
                    self._check_marker(marker, image_id, known.get(image_id))
        decided = Q(trashed_at__isnull=False) | Q(place_forgotten_at__isnull=False)
        for images in pages(self._images().filter(decided, updated_at__lt=self.started_at)):
            wanted: dict[str, UUID] = {}
            for image in images:
                if image.place_forgotten_at is not None:
                    wanted[object_keys.forgotten(image.pk)] = image.pk
                if image.trashed_at is not None:
                    wanted[object_keys.trashed(image.pk)] = image.pk
            for key in sorted(wanted.keys() - self.listing.sizes(wanted).keys()):
                if not is_there(key):
                    write = partial(restored.write_markers, wanted[key])
                    self.note(Kind.MARKER_MISSING, key, write)

    def _check_marker(self, marker: StoredObject, image_id: UUID, image: Image | None) -> None:
        key = marker.key
        if image is None:
            is_leftover = self.options.group is None and not self.listing.has_photo(image_id)
            if is_leftover and is_there(key) and self.is_old(marker.modified_at):
                self.note(Kind.ORPHAN, key, partial(restored.remove_marker, image_id, key))
        elif key == object_keys.forgotten(image_id):
            if image.place_forgotten_at is None:
                self.note(Kind.PLACE_BACK, key, partial(restored.forget_again, image_id))
        elif image.trashed_at is None and is_there(key):
            self.note(Kind.TRASH_BACK, key, partial(restored.trash_again, image_id))


def _database_now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now


def _relocate(found: StoredObject) -> bool:
    return repair.relocate(found) and bool(repair.remove_orphans([found]))


def _recover(version: object_keys.Version, best: StoredObject, found: list[StoredObject]) -> bool:
    """Makes a photo of it again or, where its group is gone, too, removes it after a while."""
    if restored.recover(version, best):
        return True
    if not restored.is_nowhere(version) or best.modified_at > datetime.now(UTC) - ORIGINALS_GRACE:
        return False
    return repair.remove_orphans(found) == len(found)


def _is_unchanged(image: Image) -> bool:
    """Nobody moved, replaced or removed the photo since its row was read."""
    columns = ("group_id", "version", "original_dropped_at")
    seen = {name: getattr(image, name) for name in columns}
    return Image.objects.filter(pk=image.pk, **seen).exists()
