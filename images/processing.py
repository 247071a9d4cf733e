"""Turns an upload the bucket holds into a finished photo.

A worker *claims* an upload for a short lease it keeps renewing. The claim's number fences it:
every later UPDATE matches it, so a worker that was slow, or thought dead, changes nothing.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import (
    DatabaseError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    connection,
    transaction,
)
from django.db.models import Exists, F, Q
from django.db.models.functions import Now

from bandpics import disk
from images import doomed, doorbell, locks, mending, quota, versions
from images.media import exif, keys, originals, rendering, variants
from images.media.rendering import BadPicture, Header, Rendered
from images.media.storage import ObjectMissing, StorageUnavailable, photo_storage
from images.models import KEEP_BYTES, ONCE_PER_GROUP, Image, Upload, Variant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from images.media.exif import Exif

logger = logging.getLogger(__name__)

# With the sweeper's 10 s: a photo whose worker died is rung for again within 25 s.
LEASE = timedelta(seconds=15)
LEASE_RENEWAL_SECONDS = 4.0
GIVE_BACK_PATIENCE_SECONDS = 60.0
MAX_ATTEMPTS = 3

# What the work needs to know of a photo; its other columns are many, and some of them wide.
PHOTO_COLUMNS = (
    *("id", "group", "invitation", "version", "created_at", "original_filename"),
    *("taken_source", "gps_source", "place_forgotten_at"),
)


class ClaimLost(Exception):
    """Another worker has taken over, or the upload is gone. Stop; nothing of ours counts."""


class Rearranged(Exception):
    """The photo, or the twin of it, changed under our hands. The work is to be done again."""


# Trouble with bucket, lock, database or disk: the claim is given back, uncounted.
NOBODYS_FAULT = (StorageUnavailable, locks.Busy, OperationalError, InterfaceError, OSError)


@dataclass(frozen=True)
class Claim:
    """The right to work on one upload until the lease runs out."""

    upload: Upload
    attempt: int
    number: int
    started_at: float

    def rows(self) -> Any:
        return Upload.objects.filter(
            pk=self.upload.pk, status=Upload.Status.PROCESSING, claim_number=self.number
        )

    @property
    def elapsed_ms(self) -> int:
        return round((time.monotonic() - self.started_at) * 1000)


@dataclass(frozen=True)
class Finished:
    """All that is known of a photo whose objects are in place."""

    header: Header
    sha256: str
    byte_size: int
    metadata: Exif
    renderings: list[Rendered]
    keeps_original: bool


def process(upload: Upload) -> None:
    """Take one upload from QUEUED to where it ends. Safe to call twice, or at the same time.

    Trouble with the database, the bucket or the disk (OperationalError, InterfaceError,
    StorageUnavailable, OSError), or locks.Busy, gives the claim back, uncounted, and is raised
    for the caller to try again later.
    """
    photo_storage().expect_answer()
    claim = take(upload)
    if claim is None:
        return
    try:
        with _kept_alive(claim):
            _work_or_end(claim)
    except ClaimLost:
        logger.info("Upload %s was taken over", upload.pk)
    except NOBODYS_FAULT as error:
        if disk.is_full(error):
            where = settings.WORK_DIR or tempfile.gettempdir()
            logger.error("disk-full: No room in %s: photos wait until there is", where)
        _give_back_patiently(claim)
        raise


def _work_or_end(claim: Claim) -> None:
    """Do the work, or what is to be done where it fails for a reason of its own.

    Raises ClaimLost, and NOBODYS_FAULT: of the work, or of the end.
    """
    try:
        _work(claim)
    except (ClaimLost, *NOBODYS_FAULT):
        raise
    except Rearranged:
        _begin_again(claim)
    except BadPicture as bad:
        _end_as_bad(claim, bad)
    except ObjectMissing:
        # A store that was mounted empty for a moment must not cost a photo.
        if claim.attempt > 1:
            _end_without_original(claim)
        else:
            _count(claim)
    except Exception:
        # Ours to mend, or a picture no library expected (MemoryError, a time limit): it counts,
        # or one poisonous photo would be tried for ever.
        logger.exception("Upload %s: attempt %s failed", claim.upload.pk, claim.attempt)
        if not connection.in_atomic_block:
            # A time limit may have struck within a query; and a lock must not outlive its holder.
            connection.close()
        _count(claim)


# --- Claims ---------------------------------------------------------------------------------


def take(upload: Upload) -> Claim | None:
    """QUEUED, or PROCESSING with a lease that ran out -> PROCESSING. None if not to be had."""
    claimable = Q(status=Upload.Status.QUEUED) | Q(
        status=Upload.Status.PROCESSING, lease_until__lt=Now()
    )
    won = Upload.objects.filter(claimable, pk=upload.pk, attempt__lt=MAX_ATTEMPTS).update(
        status=Upload.Status.PROCESSING,
        attempt=F("attempt") + 1,
        claim_number=F("claim_number") + 1,
        lease_until=Now() + LEASE,
    )
    if not won:
        return None
    own = (field.attname for field in Upload._meta.concrete_fields)
    photo = (f"image__{name}" for name in PHOTO_COLUMNS)
    rows = Upload.objects.select_related("image").only(*own, *photo)
    fresh = rows.filter(pk=upload.pk).first()
    return None if fresh is None else _claim_of(fresh)


def _claim_of(upload: Upload) -> Claim:
    return Claim(
        upload=upload,
        attempt=upload.attempt,
        number=upload.claim_number,
        started_at=time.monotonic(),
    )


def give_back(claim: Claim) -> bool:
    """PROCESSING -> QUEUED, as if it had never been claimed. True if it was still ours."""
    return bool(
        claim.rows().update(
            status=Upload.Status.QUEUED,
            attempt=F("attempt") - 1,
            lease_until=None,
            queued_at=Now(),
        )
    )


def _give_back_patiently(claim: Claim) -> None:
    """As give_back. While Postgres is away, again and again: else its restart would count against
    the photo. The claim's number protects a successor if the lease runs out meanwhile."""
    end, pause = time.monotonic() + GIVE_BACK_PATIENCE_SECONDS, 0.25
    while True:
        if not connection.in_atomic_block:
            # One that broke is of no use for saying so.
            connection.close_if_unusable_or_obsolete()
        try:
            give_back(claim)
        except (OperationalError, InterfaceError):
            if connection.in_atomic_block or time.monotonic() + pause > end:
                raise
            time.sleep(pause)
            pause = min(2 * pause, 4.0)
        else:
            return


def _begin_again(claim: Claim) -> None:
    """Give the claim back, and take away what was written, perhaps for its former group.

    Only what is still ours: a successor may have shown it since. The lock keeps the next worker
    from writing the same keys meanwhile; where somebody else has it, that worker overwrites them.
    Where quarantine is empty, what was written is what the next claim begins with.
    """
    try:
        with locks.objects_of(claim.upload.image_id):
            is_last_copy = not _is_in_quarantine(claim.upload)
            with transaction.atomic():
                is_ours = give_back(claim)
                written = (
                    doomed.note_version(claim.upload) if is_ours and not is_last_copy else None
                )
            if written is not None:
                photo_storage().delete_keys(version_keys(claim.upload))
                written.delete()
    except locks.Busy:
        give_back(claim)
    doorbell.ring(claim.upload.pk)


def _count(claim: Claim) -> None:
    """PROCESSING -> QUEUED with the attempt counted; after the last one -> FAILED(crashed)."""
    if claim.attempt >= MAX_ATTEMPTS:
        _end(claim, Upload.Status.FAILED, failure=Upload.Failure.CRASHED)
    else:
        claim.rows().update(status=Upload.Status.QUEUED, lease_until=None, queued_at=Now())


def bury_crashed() -> int:
    """PROCESSING that ended in silence three times -> FAILED(crashed). How many there were."""
    rows = Upload.objects.filter(
        status=Upload.Status.PROCESSING, lease_until__lt=Now(), attempt__gte=MAX_ATTEMPTS
    )
    buried = 0
    for upload in rows.select_related("image"):
        try:
            buried += _end(_claim_of(upload), Upload.Status.FAILED, failure=Upload.Failure.CRASHED)
        except StorageUnavailable as error:  # about this one, perhaps; the next sweep tries again
            logger.warning("The bucket refused crashed upload %s: %s", upload.pk, error)
    return buried


def bury_lost(upload: Upload) -> bool:
    """QUEUED whose bytes are gone -> FAILED. True if this call made the move.

    By a claim like any worker's, so that none works on it meanwhile. Raises StorageUnavailable.
    """
    claim = take(upload)
    if claim is None:
        return False
    try:
        upload = claim.upload
        if not (_is_in_quarantine(upload) or versions.find_stored(_version_of(upload))):
            return _end_without_original(claim)
    except StorageUnavailable:
        give_back(claim)
        raise
    give_back(claim)
    doorbell.ring(claim.upload.pk)
    return False


@contextlib.contextmanager
def _kept_alive(claim: Claim) -> Iterator[None]:
    """Renews the lease from a thread of its own while the block runs."""
    done = threading.Event()

    def renew() -> None:
        while not done.wait(LEASE_RENEWAL_SECONDS):
            try:
                claim.rows().update(lease_until=Now() + LEASE)
            except DatabaseError as error:
                logger.warning("Lease of upload %s not renewed: %s", claim.upload.pk, error)
            finally:
                connection.close()  # this thread's own; most photos never need one

    thread = threading.Thread(target=renew, name=f"lease-{claim.upload.pk}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


# --- Work -----------------------------------------------------------------------------------


def _work(claim: Claim) -> None:
    upload = claim.upload
    if upload.image.version > upload.version:
        _end(claim, Upload.Status.DISCARDED)  # a later replacement was quicker
        return
    with tempfile.TemporaryDirectory(prefix="bandpics-", dir=settings.WORK_DIR) as folder:
        source = Path(folder) / "incoming"
        key, sha256 = _download(upload, source)
        header = rendering.inspect(source)
        if twin := _done_twin(upload.image, sha256):
            _give_back_lost_original(twin, source, sha256=sha256)
            _end_as_duplicate(claim, twin, sha256=sha256)
            return
        metadata = exif.read(source)
        byte_size = source.stat().st_size
        into = Path(folder) / "variants"
        into.mkdir()
        renderings = rendering.render(source, header=header, into=into)
        # Of a restored photo whose original was dropped, the largest rendering is no original.
        is_rendering = key == _version_of(upload).variant(variants.FULLSIZE.name)
        original: Path | None = None if is_rendering else source
        if original is not None and upload.image.is_place_removed:
            original = _without_place(upload, source, Path(folder) / "original")
        _store(claim, original, header=header, renderings=renderings)
        finished = Finished(
            *(header, sha256, byte_size, metadata, renderings), keeps_original=original is not None
        )
        try:
            _finish(claim, finished)
        except ClaimLost:
            # A successor writes the same keys; but nobody else removes a deleted photo's.
            if not Upload.objects.filter(pk=upload.pk).exists():
                photo_storage().delete_keys(version_keys(upload))
            raise
    photo_storage().delete_keys([upload.incoming_key])
    if upload.image.version:
        # If it cannot be now, the sweeper does it.
        with contextlib.suppress(locks.Busy):
            versions.retire(upload.image_id)


def _download(upload: Upload, into: Path) -> tuple[str, str]:
    """The bytes of the upload: the key they were found at, and their SHA-256.

    Where a database was restored that is older than the bucket, the photo was done already and
    quarantine is empty: then it is made again from its original. Raises ObjectMissing.
    """
    try:
        return upload.incoming_key, photo_storage().download(upload.incoming_key, into)
    except ObjectMissing:
        key = versions.find_stored(_version_of(upload))
        if key is None:
            raise
        return key, photo_storage().download(key, into)


def _without_place(upload: Upload, source: Path, into: Path) -> Path | None:
    """The original of a photo whose position was to be forgotten; None where it has to go. The
    file's name forgets it, too."""
    removal: originals.Removal | None = None
    original: Path | None = source
    try:
        removal = originals.forget_place(source, into)
        original = into if removal else source
    except originals.Unproven:
        original = None
    filename = upload.filename or upload.image.original_filename
    upload.filename = originals.filename_without_place(filename, removal or originals.Removal())
    return original


def _done_twin(image: Image, sha256: str) -> Image | None:
    twins = Image.objects.filter(group=image.group_id).ready().filter(sha256=sha256)
    return twins.exclude(pk=image.pk).only("pk").first()


def _store(
    claim: Claim, original: Path | None, *, header: Header, renderings: list[Rendered]
) -> None:
    """Write the verified bytes and what was made of them to their final keys.

    The keys follow from id and version: a second run overwrites like with like. Locked, because
    a worker that was slow must not overwrite an original whose place was forgotten since.
    Raises ClaimLost, Rearranged, locks.Busy.
    """
    storage, upload = photo_storage(), claim.upload
    original_key, variant_keys = _keys(upload, header, renderings)
    with locks.objects_of(upload.image_id):
        image = Image.objects.only(*PHOTO_COLUMNS).filter(Exists(claim.rows()), pk=upload.image_id)
        _check(claim, image.first())
        files = [
            (key, rendered.path, rendered.content_type)
            for rendered, key in zip(renderings, variant_keys, strict=True)
        ]
        if original is not None:
            files.append((original_key, original, header.format.content_type))
        storage.put_files(files)
        if original is None:
            # Only where this is a restored photo there is one; its place could not be removed.
            storage.delete_keys([original_key])


def _keys(upload: Upload, header: Header, renderings: list[Rendered]) -> tuple[str, list[str]]:
    version = _version_of(upload)
    original = version.original(content_type=header.format.content_type)
    return original, [version.variant(rendered.name) for rendered in renderings]


def _finish(claim: Claim, finished: Finished) -> None:
    """PROCESSING -> DONE with all fields, in one transaction: from then on the photo shows this
    version. Raises ClaimLost, Rearranged."""
    upload = claim.upload
    _, variant_keys = _keys(upload, finished.header, finished.renderings)
    try:
        with transaction.atomic():
            image = _locked(claim)
            if image.version > upload.version:
                raise Rearranged  # a later replacement was quicker: the next claim sees it
            _move(
                claim,
                status=Upload.Status.DONE,
                sha256=finished.sha256,
                filename=upload.filename,
                processing_ms=claim.elapsed_ms,
                finished_at=Now(),
                lease_until=None,
            )
            if image.version:
                quota.give_back(upload.image.uploads.get(version=image.version))
            Image.objects.filter(pk=image.pk).update(
                **_columns(finished, upload, image),
                version=upload.version,
                original_filename=upload.filename or image.original_filename,
                original_dropped_at=None if finished.keeps_original else Now(),
            )
            Variant.objects.filter(image=upload.image_id, version=upload.version).delete()
            Variant.objects.bulk_create(
                Variant(
                    image_id=upload.image_id,
                    version=upload.version,
                    name=rendered.name,
                    key=key,
                    width=rendered.width,
                    height=rendered.height,
                    byte_size=rendered.byte_size,
                    content_type=rendered.content_type,
                )
                for rendered, key in zip(finished.renderings, variant_keys, strict=True)
            )
    except IntegrityError as error:
        if ONCE_PER_GROUP not in str(error):
            raise
        # The same bytes became DONE while we rendered: this one is the duplicate.
        twin = _done_twin(upload.image, finished.sha256)
        if twin is None:
            raise Rearranged from error
        _end_as_duplicate(claim, twin, sha256=finished.sha256)


def _locked(claim: Claim) -> Image:
    """The photo as it is now, held until the transaction ends. Raises ClaimLost, Rearranged."""
    images = Image.objects.select_for_update().only(*PHOTO_COLUMNS)
    return _check(claim, images.filter(pk=claim.upload.image_id).first())


def _check(claim: Claim, image: Image | None) -> Image:
    """Raises ClaimLost, or Rearranged if it is no more what the objects are written for."""
    if image is None:
        raise ClaimLost
    written_for = claim.upload.image
    if image.group_id != written_for.group_id:
        raise Rearranged
    if image.is_place_removed != written_for.is_place_removed:
        raise Rearranged
    return image


def _give_back_lost_original(twin: Image, source: Path, *, sha256: str) -> None:
    """A duplicate's bytes go, because its twin has them. That may be untrue: the store lost them,
    or, after a restore, the bucket knows that the twin was replaced or purged. Then it gets them
    from the duplicate.

    Raises locks.Busy.
    """
    with locks.objects_of(twin.pk):
        found = Image.objects.ready().filter(pk=twin.pk, sha256=sha256).first()
        if found is None:
            return  # gone or replaced meanwhile: to end as its duplicate will be refused
        is_dropped = found.original_dropped_at and not found.is_original_lost
        if is_dropped or _is_stored(found.original_key):
            return
        original = source
        if found.is_place_removed:
            edited = source.with_name("twin")
            try:
                original = edited if originals.forget_place(source, edited) else source
            except originals.Unproven:
                return
        photo_storage().put_file(found.original_key, original, content_type=found.content_type)
        doomed.remove_if_deleted(found, [found.original_key])
        if found.is_original_lost:
            mending.note_original_found(found)


def _end_as_duplicate(claim: Claim, twin: Image, *, sha256: str) -> None:
    """PROCESSING -> DUPLICATE, as long as the twin has these bytes.

    Raises ClaimLost, Rearranged.
    """
    with transaction.atomic():
        # Held: when these bytes are replaced or purged, this upload is there to inherit them.
        twins = Image.objects.select_for_update().in_group(claim.upload.image.group).ready()
        if twins.filter(pk=twin.pk, sha256=sha256).first() is None:
            raise Rearranged if claim.rows().exists() else ClaimLost
        is_closed = _close(claim, Upload.Status.DUPLICATE, duplicate_of=twin, sha256=sha256)
        if is_closed:
            # Those that were to rest on this one rest on its twin.
            image = claim.upload.image
            resting = versions.resting_on(image)
            if image.uploads.filter(status=Upload.Status.DONE).exists():
                resting = resting.filter(sha256=sha256)  # the others rest on what it has
            resting.update(duplicate_of=twin)
    if is_closed:
        _clear(claim)


def _end_as_bad(claim: Claim, bad: BadPicture) -> None:
    """PROCESSING -> FAILED, unless an original that was verified before is there as well: then
    other bytes were sent to quarantine since, and the next claim takes the original."""
    upload = claim.upload
    if _is_in_quarantine(upload) and versions.find_original(_version_of(upload)):
        photo_storage().delete_keys([upload.incoming_key])
        give_back(claim)
        doorbell.ring(upload.pk)
    else:
        _end(claim, Upload.Status.FAILED, failure=bad.reason)


def _end(
    claim: Claim,
    status: Upload.Status,
    *,
    failure: str = "",
) -> bool:
    """PROCESSING -> FAILED or DISCARDED; quota returned; quarantine emptied.

    Bytes of which something may still become stay, so that somebody can look, or retry. So does
    what an earlier attempt stored where quarantine is empty: it may be the last copy, of a photo
    that a restored database does not know to be done. True if it was still ours.
    """
    is_last_copy = status == Upload.Status.FAILED and not _is_in_quarantine(claim.upload)
    with transaction.atomic():
        is_closed = _close(claim, status, is_last_copy=is_last_copy, failure=failure)
    if is_closed and not is_last_copy:
        _clear(claim)
    return is_closed


def _end_without_original(claim: Claim) -> bool:
    """The store has lost what it had acknowledged: somebody has to hear of it."""
    is_closed = _end(claim, Upload.Status.FAILED, failure=Upload.Failure.ORIGINAL_MISSING)
    if is_closed:
        logger.error(
            "original-missing: the bucket lost %s, whose arrival it had confirmed",
            claim.upload.incoming_key,
        )
    return is_closed


def _close(
    claim: Claim, status: Upload.Status, *, is_last_copy: bool = False, **changes: Any
) -> bool:
    """To an end without a photo, in the transaction around it. True if it was still ours."""
    closed = claim.rows().update(
        status=status,
        processing_ms=claim.elapsed_ms,
        finished_at=Now(),
        lease_until=None,
        **changes,
    )
    if closed:
        quota.give_back(claim.upload)
        if not is_last_copy:
            # An earlier attempt may have got that far.
            doomed.note_version(claim.upload, and_incoming=changes.get("failure") not in KEEP_BYTES)
    return bool(closed)


def _clear(claim: Claim) -> None:
    """Remove what was noted of it, but for what is wanted again: a worker that was slow may come to
    this after a retry. If it cannot be now, the sweeper does it."""
    with contextlib.suppress(locks.Busy):
        doomed.remove([claim.upload.image_id])


def version_keys(upload: Upload) -> list[str]:
    """Every key this upload may have written to, whatever its bytes turned out to be."""
    return _version_of(upload).all_keys()


def _version_of(upload: Upload) -> keys.Version:
    return keys.Version(upload.image.group_id, upload.image_id, upload.version)


def _is_in_quarantine(upload: Upload) -> bool:
    return _is_stored(upload.incoming_key)


def _is_stored(key: str) -> bool:
    try:
        photo_storage().head(key)
    except ObjectMissing:
        return False
    return True


def _move(claim: Claim, **changes: Any) -> None:
    if not claim.rows().update(**changes):
        raise ClaimLost


def _columns(finished: Finished, upload: Upload, image: Image) -> dict[str, Any]:
    """The Image columns that follow from the bytes; those a person has set stay as they are."""
    # A replacement does not make the photo a newer one.
    uploaded_at = upload.created_at if upload.version == 1 else image.created_at
    columns = _columns_read(finished, uploaded_at=uploaded_at)
    if image.taken_source == Image.TimeSource.PERSON:
        for name in ("taken_at_local", "utc_offset_minutes", "taken_at", "taken_source", "sort_at"):
            del columns[name]
    if image.gps_source in {Image.GpsSource.PERSON, Image.GpsSource.REMOVED}:
        for name in ("latitude", "longitude", "altitude", "direction", "gps_at", "gps_source"):
            del columns[name]
    if image.is_place_removed:
        columns["exif"] = originals.dump_without_place(columns["exif"])
    return columns


def _columns_read(finished: Finished, *, uploaded_at: datetime) -> dict[str, Any]:
    read = finished.metadata
    taken = read.taken_at or (
        # No offset: the camera's clock, read as UTC, still sorts the evening right.
        read.datetime_original.replace(tzinfo=UTC) if read.datetime_original else None
    )
    gps = read.gps
    return {
        "content_type": finished.header.format.content_type,
        "byte_size": finished.byte_size,
        "sha256": finished.sha256,
        "width": finished.header.width,
        "height": finished.header.height,
        "taken_at_local": read.datetime_original and read.datetime_original.replace(tzinfo=UTC),
        "utc_offset_minutes": (
            None if read.utc_offset is None else round(read.utc_offset.total_seconds() / 60)
        ),
        "taken_at": read.taken_at,
        "taken_source": Image.TimeSource.EXIF if taken else "",
        "sort_at": taken or uploaded_at,
        "latitude": gps and gps.lat,
        "longitude": gps and gps.lon,
        "altitude": gps and gps.altitude,
        "direction": gps and gps.direction,
        "gps_at": gps and gps.datetime,
        "gps_source": Image.GpsSource.EXIF if gps else "",
        "camera_make": read.camera_make or "",
        "camera_model": read.camera_model or "",
        "lens_model": read.lens_model or "",
        "software": read.software or "",
        "iso": read.iso,
        "focal_length": read.focal_length,
        "aperture": read.aperture,
        "exposure_time": read.exposure_time,
        "flash": read.flash,
        "metering_mode": read.metering_mode,
        "exposure_program": read.exposure_program,
        "white_balance": read.white_balance,
        "saturation": read.saturation,
        "sharpness": read.sharpness,
        "contrast": read.contrast,
        "orientation": read.orientation,
        "x_resolution": read.x_resolution,
        "y_resolution": read.y_resolution,
        "exif_version": (read.exif_version or "")[:10],
        "exif": read.raw,
        "updated_at": Now(),
    }


def ids_to_ring(*, queued_longer_than: timedelta) -> list[UUID]:
    """Uploads whose ring was lost: QUEUED too long, or PROCESSING with a lease that ran out."""
    lost = Q(status=Upload.Status.QUEUED, queued_at__lt=Now() - queued_longer_than) | Q(
        status=Upload.Status.PROCESSING, lease_until__lt=Now(), attempt__lt=MAX_ATTEMPTS
    )
    return list(Upload.objects.filter(lost).order_by("queued_at").values_list("pk", flat=True))
