"""Compares the bucket with the record, both ways: objects without a row, rows without objects.

What was found is looked at once more before it is reported or mended: photos arrive, move and go
meanwhile, and none of them is a difference.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import connection

from images import (
    bucket_listing,
    cleanup,
    doomed,
    locks,
    mending,
    processing,
    strays,
    uploads,
    versions,
)
from images.bucket_listing import BATCH, batches, by_version
from images.media import keys, variants
from images.media.storage import StorageUnavailable, StoredObject, photo_storage
from images.models import DoomedObjects, Image, Upload, Variant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from uuid import UUID

    from groups.models import Group
    from images.bucket_listing import BucketListing
    from images.models import ImageQuerySet, UploadQuerySet

# A worker stores before it commits, and a signed URL outlives its upload.
GRACE = timedelta(hours=1)
# The last copy of what may have been a photo: time for a second thought, or another backup.
ORIGINALS_GRACE = timedelta(days=30)
FIRST_KEYS = 10
LOCK = 0x62616E66


class Kind(StrEnum):
    """What can differ, and what mending makes of it."""

    ORPHAN = "object-without-row"
    UNKNOWN_PHOTO = "photo-without-row"
    MISPLACED = "object-in-other-group"
    DOOMED = "doomed-object"
    STALE = "stale-incoming"
    MULTIPART = "forgotten-multipart"
    FOREIGN = "foreign-object"
    SIZE_MISSING = "size-missing"
    ORIGINAL_MISSING = "original-missing"
    ORIGINAL_DIFFERS = "original-wrong-size"
    PHOTO_MISSING = "photo-missing"
    INCOMING_MISSING = "incoming-missing"
    ARRIVED = "arrived-unreported"


MENDED_BY = {
    Kind.ORPHAN: "removed",
    Kind.UNKNOWN_PHOTO: "made a photo again, to be approved; without its group, kept for 30 days",
    Kind.MISPLACED: "brought to where its row looks for it",
    Kind.DOOMED: "removed",
    Kind.STALE: "removed",
    Kind.MULTIPART: "aborted",
    Kind.FOREIGN: "not ours: left alone",
    Kind.SIZE_MISSING: "rendered again",
    Kind.ORIGINAL_MISSING: "noted; the sizes stay",
    Kind.ORIGINAL_DIFFERS: "nothing known to mend it with: left alone",
    Kind.PHOTO_MISSING: "failed, so that it can be sent again",
    Kind.INCOMING_MISSING: "failed, so that it can be sent again",
    Kind.ARRIVED: "queued",
}


class Running(Exception):
    """Another comparison is under way."""


class WrongPlace(Exception):
    """The bucket holds nothing of what the database names: mending would be a disaster."""


@dataclass
class Difference:
    found: int = 0
    mended: int = 0
    first: list[str] = field(default_factory=list)


@dataclass
class Report:
    objects: int = 0
    photos: int = 0
    uploads: int = 0
    differences: dict[Kind, Difference] = field(default_factory=lambda: defaultdict(Difference))
    notes: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Nothing differs, or differs any more. What is not ours does not count."""
        kinds = self.differences.items()
        return all(one.mended == one.found for kind, one in kinds if kind != Kind.FOREIGN)


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
    with cleanup.alone(LOCK) as is_alone:
        if not is_alone:
            raise Running
        with bucket_listing.empty() as listing:
            return _Comparison(options or Options(), listing).run()


class _Comparison:
    def __init__(self, options: Options, listing: BucketListing) -> None:
        self.options, self.listing = options, listing
        self.report = Report()
        self.started_at = _database_now()
        self.old = datetime.now(UTC) - options.grace

    def run(self) -> Report:
        for batch in batches(self._listed(), BATCH):
            self.listing.add(batch)
        self.report.objects = self.listing.count()
        if self.options.mends and not self.options.believes_empty:
            self._refuse_the_wrong_place()
        self._look_at_doomed()
        for photos in self.listing.by_photo():
            self._look_at_objects(photos)
        for images in _pages(self._images()):
            self.report.photos += len(images)
            self._look_at_photos(images)
        for waiting in _pages(self._uploads().filter(versions.under_way())):
            self.report.uploads += len(waiting)
            self._look_at_queued(waiting)
        for pending in _pages(self._uploads().pending()):
            self.report.uploads += len(pending)
            self._look_at_pending(pending)
        if self.options.group is None:
            self._look_at_multiparts()
        return self.report

    def _listed(self) -> Iterator[StoredObject]:
        storage, group = photo_storage(), self.options.group
        if group is None:
            yield from storage.list_keys("")
        else:
            yield from storage.list_keys(f"{group.pk}/")
            yield from storage.list_keys(keys.INCOMING)

    def _images(self) -> ImageQuerySet:
        rows = Image.objects.filter(version__gt=0).defer("exif")
        return rows if self.options.group is None else rows.in_group(self.options.group)

    def _uploads(self) -> UploadQuerySet:
        rows = Upload.objects.select_related("image")
        group = self.options.group
        return rows if group is None else rows.filter(image__group=group)

    def _refuse_the_wrong_place(self) -> None:
        has_photos = False
        for images in _pages(self._images()):
            has_photos = True
            wanted = Variant.objects.filter(image__in=images).values_list("key", flat=True)
            if self.listing.sizes([*wanted, *(image.original_key for image in images)]):
                return
        is_fresh = not has_photos and not Image.objects.exists()
        if has_photos or (is_fresh and self.listing.count(of_photos=True)):
            raise WrongPlace

    def _note(self, kind: Kind, key: str, mend: Callable[[], object] | None) -> bool:
        """Count it and, if so wished, mend it. True if it is mended."""
        difference = self.report.differences[kind]
        difference.found += 1
        if len(difference.first) < FIRST_KEYS:
            difference.first.append(key)
        if mend is None or not self.options.mends:
            return False
        try:
            is_mended = bool(mend())
        except (locks.Busy, mending.Unmendable, uploads.NotArrived, uploads.NotPending):
            return False
        difference.mended += is_mended
        return is_mended

    # Objects without a row

    def _look_at_doomed(self) -> None:
        """Objects of deleted rows that the sweeper should have removed by now."""
        if self.options.group is not None:
            return
        for notes in _pages(DoomedObjects.objects.filter(doomed_at__lt=self.old)):
            stored = self.listing.sizes(key for note in notes for key in doomed.keys_of(note))
            left = set(stored)
            for note in notes:
                unwanted = set(doomed.keys_of(note)) - doomed.wanted_of(note.image_id)
                for key in sorted(left & unwanted):
                    left.remove(key)
                    if mending.is_there(key):
                        image_id = note.image_id
                        self._note(Kind.DOOMED, key, partial(mending.remove_doomed, image_id, key))

    def _look_at_objects(self, photos: list[list[StoredObject]]) -> None:
        """Each all that lies there of one photo; or objects that are of none."""
        everything = [each for found in photos for each in found]
        places = [(each.key, keys.place_of(each.key)) for each in everything]
        named = mending.named_of((key, place) for key, place in places if place)
        for found in photos:
            place = keys.place_of(found[0].key)
            if place is None:
                self._look_at_other(found)
                continue
            left = [each for each in found if each.key not in named and each.modified_at < self.old]
            if left:
                self._look_at_orphans(place.version.image_id, left)

    def _look_at_orphans(self, image_id: UUID, found: list[StoredObject]) -> None:
        notes = DoomedObjects.objects.filter(image_id=image_id)
        known = {key for note in notes for key in doomed.keys_of(note)}
        left = [each for each in found if each.key not in known]
        if not any(mending.is_there(each.key) for each in left):
            return
        image = Image.objects.filter(pk=image_id).first()
        for version, objects in by_version(left):
            self._look_at_version(image, version, objects)

    def _look_at_version(
        self, image: Image | None, version: keys.Version, found: list[StoredObject]
    ) -> None:
        if image is not None and image.version == version.number:
            if image.group_id != version.group_id:
                for each in found:
                    self._note(Kind.MISPLACED, each.key, partial(self._bring_home, each))
                return
        elif image is None or _is_unheard_of(image, version):
            best = _best(found)
            if best is not None:
                self._note(Kind.UNKNOWN_PHOTO, best.key, lambda: self._adopt(version, best, found))
                return
        for each in found:
            self._note(Kind.ORPHAN, each.key, partial(_remove, each))

    def _bring_home(self, found: StoredObject) -> bool:
        place = keys.place_of(found.key)
        return place is not None and mending.bring_home(found, place) and _remove(found)

    def _adopt(self, version: keys.Version, best: StoredObject, found: list[StoredObject]) -> bool:
        if mending.adopt(version, best):
            return True
        if not mending.is_nowhere(version):
            return False
        # Neither photo nor group.
        if best.modified_at > datetime.now(UTC) - ORIGINALS_GRACE:
            return False
        return sum(_remove(each) for each in found) == len(found)

    def _look_at_other(self, found: list[StoredObject]) -> None:
        incoming = [each for each in found if each.key.startswith(keys.INCOMING)]
        if self.options.group is None:
            for each in found:
                if not each.key.startswith(keys.INCOMING):
                    self._note(Kind.FOREIGN, each.key, None)
            old = [each.key for each in incoming if each.modified_at < self.old]
            for key in sorted(set(old) - strays.wanted_of(old)):
                if mending.is_there(key):
                    self._note(Kind.STALE, key, partial(strays.remove_unwanted, [key]))

    def _look_at_multiparts(self) -> None:
        try:
            for batch in batches(photo_storage().open_multiparts(keys.INCOMING), BATCH):
                old = [each for each in batch if each.started_at < self.old]
                wanted = set(
                    Upload.objects.pending()
                    .filter(multipart_id__in=[each.multipart_id for each in old])
                    .values_list("multipart_id", flat=True)
                )
                for each in old:
                    if each.multipart_id not in wanted:
                        self._note(Kind.MULTIPART, each.key, partial(_abort, each))
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
        missing = [row for row in rows if stored.get(row.key) != row.byte_size]
        lacks_rows = not {row.name for row in rows} >= {spec.name for spec in variants.ALL}
        lacks_original = image.original_dropped_at is None and size is None
        if not (missing or lacks_rows or lacks_original):
            self._compare_original(image, size)
            return
        # Once more, now: what is mended, or written anew, since it was listed, is not missing.
        missing = [row for row in missing if not mending.is_there(row.key, row.byte_size)]
        lacks_original = lacks_original and not mending.is_there(original)
        if not self._is_still_so(image):
            return
        if not mending.has_something(image):
            if not _is_under_way(image):  # else the next version is about to show
                self._note(Kind.PHOTO_MISSING, original, lambda: mending.bury_lost(image.pk))
            return
        if lacks_original:
            self._note(
                Kind.ORIGINAL_MISSING, original, lambda: mending.note_lost_original(image.pk)
            )
        if missing or lacks_rows:
            first = missing[0].key if missing else original
            self._note(Kind.SIZE_MISSING, first, lambda: mending.restore_sizes(image.pk))

    def _compare_original(self, image: Image, size: int | None) -> None:
        # Without its place it is another file; sha256 and byte_size stay those of what arrived.
        if size is None or size == image.byte_size or image.is_place_removed:
            return
        if self._is_still_so(image):
            self._note(Kind.ORIGINAL_DIFFERS, image.original_key, None)

    def _is_still_so(self, image: Image) -> bool:
        """Nobody moved, replaced or removed the photo since its row was read."""
        return Image.objects.filter(
            pk=image.pk,
            group=image.group_id,
            version=image.version,
            original_dropped_at=image.original_dropped_at,
        ).exists()

    def _look_at_queued(self, waiting: list[Upload]) -> None:
        stored = self.listing.sizes(upload.incoming_key for upload in waiting)
        for upload in waiting:
            if upload.incoming_key in stored:
                continue
            if upload.queued_at is None or upload.queued_at >= self.started_at:
                continue
            rows = Upload.objects.filter(
                versions.under_way(), pk=upload.pk, queued_at=upload.queued_at
            )
            if rows.exists() and not mending.is_there(upload.incoming_key) and rows.exists():
                self._note(
                    Kind.INCOMING_MISSING,
                    upload.incoming_key,
                    partial(processing.bury_lost, upload),
                )

    def _look_at_pending(self, pending: list[Upload]) -> None:
        stored = self.listing.sizes(upload.incoming_key for upload in pending)
        for upload in pending:
            if upload.incoming_key in stored and upload.created_at < self.old:
                self._note(
                    Kind.ARRIVED,
                    upload.incoming_key,
                    partial(_complete, upload),
                )


def _database_now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now


def _pages(rows: Any) -> Iterator[list[Any]]:
    """All rows by id, so many at a time; what is changed on the way is not told twice."""
    after = None
    while True:
        page = list((rows.filter(pk__gt=after) if after else rows).order_by("pk")[:BATCH])
        if page:
            yield page
        if len(page) < BATCH:
            return
        after = page[-1].pk


def _best(found: Iterable[StoredObject]) -> StoredObject | None:
    """The original, or the largest rendering: what a photo can be made of again."""
    by_folder = {place.folder: each for each in found if (place := keys.place_of(each.key))}
    return by_folder.get("original") or by_folder.get(variants.FULLSIZE.name)


def _is_unheard_of(image: Image, version: keys.Version) -> bool:
    """A later version than the record knows."""
    is_later = version.number > image.version
    return is_later and not image.uploads.filter(version__gte=version.number).exists()


def _is_under_way(image: Image) -> bool:
    return bool(image.uploads.filter(versions.under_way()).exists())


def _remove(found: StoredObject) -> bool:
    place = keys.place_of(found.key)
    return place is not None and bool(mending.remove_orphans(place.version.image_id, [found]))


def _abort(found: Any) -> bool:
    photo_storage().abort_multipart(found.key, multipart_id=found.multipart_id)
    return True


def _complete(upload: Upload) -> bool:
    with suppress(uploads.SizeMismatch):  # removed: it is as if it had not come
        uploads.complete(upload)
    return True
