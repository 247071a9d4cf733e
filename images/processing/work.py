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
from django.db import (
    IntegrityError,
    connection,
    transaction,
)
from django.db.models import Exists
from django.db.models.functions import Now

from bandpics import disk
from images.models import ONCE_PER_GROUP, Image, Upload, Variant, locks
from images.photofile import location, rendering, variants
from images.photofile.metadata import exif
from images.photofile.rendering import BadPicture, Header, Rendered
from images.processing import claims, columns, outcomes, versions
from images.storage import lookup
from images.storage.objects import ObjectMissing, photo_storage
from images.uploads import quota

logger = logging.getLogger(__name__)


def process(upload: Upload) -> None:
    """Take one upload from QUEUED to where it ends. Safe to call twice, or at the same time.

    Trouble with the database, the bucket or the disk (OperationalError, InterfaceError,
    StorageUnavailable, OSError), or locks.Busy, gives the claim back, uncounted, and is raised
    for the caller to try again later.
    """
    photo_storage().raise_if_open()
    claim = claims.claim(upload)
    if claim is None:
        return
    try:
        with claims.renewed_lease(claim):
            _work_or_end(claim)
    except claims.ClaimLost:
        logger.info("Upload %s was taken over", upload.pk)
    except claims.TRANSIENT_ERRORS as error:
        if disk.is_full(error):
            where = settings.WORK_DIR or tempfile.gettempdir()
            logger.error("disk-full: No room in %s: photos wait until there is", where)
        claims.release_with_retries(claim)
        raise


def _work_or_end(claim: claims.Claim) -> None:
    """Do the work, or what is to be done where it fails for a reason of its own.

    Raises ClaimLost, and NOBODYS_FAULT: of the work, or of the end.
    """
    try:
        _work(claim)
    except (claims.ClaimLost, *claims.TRANSIENT_ERRORS):
        raise
    except claims.StaleClaim:
        outcomes.restart(claim)
    except BadPicture as bad:
        outcomes.end_as_bad(claim, bad)
    except ObjectMissing:
        # A store that was mounted empty for a moment must not cost a photo.
        if claim.attempt > 1:
            outcomes.end_without_original(claim)
        else:
            outcomes.count_attempt(claim)
    except Exception:
        # Ours to mend, or a picture no library expected (MemoryError, a time limit): it counts,
        # or one poisonous photo would be tried for ever.
        logger.exception("Upload %s: attempt %s failed", claim.upload.pk, claim.attempt)
        if not connection.in_atomic_block:
            # A time limit may have struck within a query; and a lock must not outlive its holder.
            connection.close()
        outcomes.count_attempt(claim)


# --- Work -----------------------------------------------------------------------------------


def _work(claim: claims.Claim) -> None:
    upload = claim.upload
    if upload.image.version > upload.version:
        outcomes.end_upload(claim, Upload.Status.DISCARDED)  # a later replacement was quicker
        return
    with tempfile.TemporaryDirectory(prefix="bandpics-", dir=settings.WORK_DIR) as folder:
        source = Path(folder) / "incoming"
        key, sha256 = _download(upload, source)
        header = rendering.inspect(source)
        if twin := _done_twin(upload.image, sha256):
            outcomes.restore_lost_original(twin, source, sha256=sha256)
            outcomes.end_as_duplicate(claim, twin, sha256=sha256)
            return
        metadata = exif.read(source)
        byte_size = source.stat().st_size
        into = Path(folder) / "variants"
        into.mkdir()
        renderings = rendering.render(source, header=header, into=into)
        # Of a restored photo whose original was dropped, the largest rendering is no original.
        is_rendering = key == outcomes.version_of(upload).variant(variants.FULLSIZE.name)
        original: Path | None = None if is_rendering else source
        if original is not None and upload.image.is_place_removed:
            original = _without_place(upload, source, Path(folder) / "original")
        _store(claim, original, header=header, renderings=renderings)
        finished = columns.Finished(
            *(header, sha256, byte_size, metadata, renderings), keeps_original=original is not None
        )
        try:
            _finish(claim, finished)
        except claims.ClaimLost:
            # A successor writes the same keys; but nobody else removes a deleted photo's.
            if not Upload.objects.filter(pk=upload.pk).exists():
                photo_storage().delete_keys(outcomes.version_keys(upload))
            raise
    photo_storage().delete_keys([upload.incoming_key])
    if upload.image.version:
        # If it cannot be now, the sweeper does it.
        with contextlib.suppress(locks.Busy):
            versions.purge_old_versions(upload.image_id)


def _download(upload: Upload, into: Path) -> tuple[str, str]:
    """The bytes of the upload: the key they were found at, and their SHA-256.

    Where a database was restored that is older than the bucket, the photo was done already and
    quarantine is empty: then it is made again from its original. Raises ObjectMissing.
    """
    try:
        return upload.incoming_key, photo_storage().download(upload.incoming_key, into)
    except ObjectMissing:
        key = lookup.find_stored(outcomes.version_of(upload))
        if key is None:
            raise
        return key, photo_storage().download(key, into)


def _without_place(upload: Upload, source: Path, into: Path) -> Path | None:
    """The original of a photo whose position was to be forgotten; None where it has to go. The
    file's name forgets it, too."""
    redaction: location.Redaction | None = None
    original: Path | None = source
    try:
        redaction = location.remove_location(source, into)
        original = into if redaction else source
    except location.CannotRemoveLocation:
        original = None
    filename = upload.filename or upload.image.original_filename
    upload.filename = location.filename_without_location(
        filename, redaction or location.Redaction()
    )
    return original


def _done_twin(image: Image, sha256: str) -> Image | None:
    twins = Image.objects.filter(group=image.group_id).ready().filter(sha256=sha256)
    return twins.exclude(pk=image.pk).only("pk").first()


def _store(
    claim: claims.Claim, original: Path | None, *, header: Header, renderings: list[Rendered]
) -> None:
    """Write the verified bytes and what was made of them to their final keys.

    The keys follow from id and version: a second run overwrites like with like. Locked, because
    a worker that was slow must not overwrite an original whose place was forgotten since.
    Raises ClaimLost, Rearranged, locks.Busy.
    """
    storage, upload = photo_storage(), claim.upload
    original_key, variant_keys = _keys(upload, header, renderings)
    with locks.objects_of(upload.image_id):
        image = Image.objects.only(*claims.IMAGE_FIELDS).filter(
            Exists(claim.rows()), pk=upload.image_id
        )
        outcomes.check_group(claim, image.first())
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
    version = outcomes.version_of(upload)
    original = version.original(content_type=header.format.content_type)
    return original, [version.variant(rendered.name) for rendered in renderings]


def _finish(claim: claims.Claim, finished: columns.Finished) -> None:
    """PROCESSING -> DONE with all fields, in one transaction: from then on the photo shows this
    version. Raises ClaimLost, Rearranged."""
    upload = claim.upload
    _, variant_keys = _keys(upload, finished.header, finished.renderings)
    try:
        with transaction.atomic():
            image = _locked(claim)
            if image.version > upload.version:
                raise claims.StaleClaim  # a later replacement was quicker: the next claim sees it
            outcomes.move(
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
                **columns.columns_of(finished, upload, image),
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
            raise claims.StaleClaim from error
        outcomes.end_as_duplicate(claim, twin, sha256=finished.sha256)


def _locked(claim: claims.Claim) -> Image:
    """The photo as it is now, held until the transaction ends. Raises ClaimLost, Rearranged."""
    images = Image.objects.select_for_update().only(*claims.IMAGE_FIELDS)
    return outcomes.check_group(claim, images.filter(pk=claim.upload.image_id).first())
