"""Turns an upload the bucket holds into a finished photo.

A worker *claims* an upload for a short lease it keeps renewing. The claim's number fences it:
every later UPDATE matches it, so a worker that was slow, or thought dead, changes nothing.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from pathlib import Path

from django.conf import settings
from django.db import connection

from bandpics import disk
from bandpics.telemetry import context, metrics
from images import deletions, journey
from images.models import Upload, locks
from images.photofile import formats, location, rendering, variants
from images.photofile.metadata import exif
from images.photofile.rendering import BadPicture, appearance
from images.processing import claims, outcomes, versions
from images.processing.columns import Finished
from images.storage import lookup
from images.storage.objects import ObjectMissing, photo_storage

logger = logging.getLogger(__name__)

PHOTO_SECONDS = metrics.Histogram(
    "bandpics_photo_seconds",
    "Time from a worker's claim to the finished photo.",
    "format",
    known=[{"format": each.name} for each in formats.ACCEPTED],
)


def process(upload: Upload) -> None:
    """Take one upload from QUEUED to where it ends. Safe to call twice, or at the same time.

    Trouble with the database, the bucket or the disk (OperationalError, InterfaceError,
    StorageUnavailable, OSError), or locks.Busy, releases the claim, counts no attempt, and is
    raised for the caller to try again later.
    """
    photo_storage().raise_if_open()
    claim = claims.claim(upload)
    if claim is None:
        return
    context.say(upload_id=upload.pk, image_id=claim.upload.image_id)
    try:
        with claims.renewed_lease(claim):
            outcome = _work(claim)
            if outcome is not None:
                outcomes.end(claim, outcome)
    except claims.ClaimLost:
        claims.LEASES_LOST.inc(kind="photo")
        _tell(claim, journey.Step.LEASE_LOST)
        # A successor writes the same keys; but nobody else removes a deleted photo's.
        deletions.delete_if_image_deleted(claim.upload.image, claim.upload.version_keys.all_keys())
    except claims.TRANSIENT_ERRORS as error:
        if disk.is_full(error):
            where = settings.WORK_DIR or tempfile.gettempdir()
            logger.error("disk-full: No room in %s: photos wait until there is", where)
        claims.release_with_retries(claim)
        raise


def _work(claim: claims.Claim) -> outcomes.Outcome | None:
    """Makes the photo; where that fails for a reason of its own, returns how the claim ends."""
    try:
        _make_photo(claim)
    except (claims.ClaimLost, *claims.TRANSIENT_ERRORS):
        raise
    except claims.Superseded:
        return outcomes.SUPERSEDED
    except claims.StaleClaim:
        return outcomes.RESTART
    except BadPicture as bad:
        return outcomes.failed(bad.reason)
    except ObjectMissing:
        # A store that was mounted empty for a moment must not cost a photo.
        return outcomes.ORIGINAL_MISSING if claim.attempt > 1 else outcomes.RETRY
    except Exception:
        # A bug, or a picture no library expected (MemoryError, a time limit): the attempt counts,
        # or one poisonous photo would be tried for ever.
        logger.exception("Upload %s: attempt %s failed", claim.upload.pk, claim.attempt)
        if not connection.in_atomic_block:
            # A time limit may have struck within a query; and a lock must not outlive its holder.
            connection.close()
        is_last = claim.attempt >= claims.MAX_ATTEMPTS
        return outcomes.CRASHED if is_last else outcomes.RETRY
    return None


def _make_photo(claim: claims.Claim) -> None:
    upload = claim.upload
    if upload.image.version > upload.version:
        raise claims.Superseded
    with tempfile.TemporaryDirectory(prefix="bandpics-", dir=settings.WORK_DIR) as name:
        folder = Path(name)
        source = folder / "incoming"
        key, sha256 = _download(upload, source)
        header = rendering.inspect(source)
        facts = {"format": header.format.name, "width": header.width, "height": header.height}
        _tell(claim, journey.Step.DECODED, **facts)
        if outcomes.end_as_duplicate(claim, sha256, source=source):
            return
        metadata = exif.read(source)
        byte_size = source.stat().st_size
        into = folder / "variants"
        into.mkdir()
        renderings = rendering.render(source, header=header, into=into)
        _tell(claim, journey.Step.RENDERED, variants=len(renderings))
        files = {rendered.name: rendered.path for rendered in renderings}
        looks = appearance.read(files, pixels=header.width * header.height)
        original: Path | None = source
        if key == upload.version_keys.variant(variants.FULLSIZE.name):
            original = None  # a restored photo whose original was dropped
        elif upload.image.is_place_removed:
            original = _without_location(upload, source, folder / "original")
        finished = Finished(header, sha256, byte_size, metadata, renderings, original, looks)
        with locks.objects_of(upload.image_id) as held:
            _store(claim, finished)
            _tell(claim, journey.Step.STORED)
            outcomes.finish(claim, finished, held=held)
        PHOTO_SECONDS.observe(claim.elapsed_ms / 1000, format=header.format.name)
    photo_storage().delete_keys([upload.incoming_key])
    if upload.image.version:
        # If it cannot be now, the sweeper does it.
        with contextlib.suppress(locks.Busy):
            versions.purge_old_versions(upload.image_id)


def _tell(claim: claims.Claim, step: journey.Step, **facts: object) -> None:
    upload = claim.upload
    elapsed = {"elapsed_ms": claim.elapsed_ms}
    journey.tell(step, image_id=upload.image_id, upload_id=upload.pk, **elapsed, **facts)


def _download(upload: Upload, into: Path) -> tuple[str, str]:
    """The key the upload's bytes were found at, and their SHA-256.

    Where a database was restored that is older than the bucket, the photo was done already and
    quarantine is empty: then it is made again from its original. Raises ObjectMissing.
    """
    key = upload.incoming_key
    try:
        return key, photo_storage().download(key, into)
    except ObjectMissing:
        stored = lookup.find_stored(upload.version_keys)
        if stored is None:
            raise
        return stored, photo_storage().download(stored, into)


def _without_location(upload: Upload, source: Path, into: Path) -> Path | None:
    """The original of a photo whose location was removed on request; None where it cannot be kept.
    The location goes from the filename, too."""
    original: Path | None = source
    redaction = location.Redaction()
    try:
        if removed := location.remove_location(source, into):
            original, redaction = into, removed
    except location.CannotRemoveLocation:
        original = None
    filename = upload.filename or upload.image.original_filename
    upload.filename = location.filename_without_location(filename, redaction)
    return original


def _store(claim: claims.Claim, finished: Finished) -> None:
    """Writes the verified bytes and what was made of them to their final keys.

    The keys follow from id and version: a second run overwrites like with like. Its caller holds
    the lock of the objects, because a slow worker must not overwrite an original whose location was
    removed since. Raises ClaimLost, StaleClaim.
    """
    storage, version = photo_storage(), claim.upload.version_keys
    content_type = finished.header.format.content_type
    original_key = version.original(content_type=content_type)
    files = [
        (version.variant(rendered.name), rendered.path, rendered.content_type)
        for rendered in finished.renderings
    ]
    if finished.original is not None:
        files.append((original_key, finished.original, content_type))
    claims.raise_if_changed(claim)
    storage.put_files(files)
    if finished.original is None:
        # A restored photo may have one whose location cannot be removed.
        storage.delete_keys([original_key])
