"""Renders a transform: downloads the photo, writes the result to the bucket, finishes the row."""

from __future__ import annotations

import logging
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import connection
from django.db.models.functions import Now

from bandpics import disk
from images.models import Transform, locks
from images.photofile import variants
from images.photofile.rendering import BadPicture
from images.photofile.transforms import render as rendering
from images.photofile.transforms.spec import SpecError
from images.processing.claims import (
    LEASES_LOST,
    MAX_ATTEMPTS,
    TRANSIENT_ERRORS,
    ClaimLost,
    renewed_lease,
)
from images.storage import object_keys
from images.storage.objects import ObjectMissing, photo_storage
from images.transforms import claims

if TYPE_CHECKING:
    from uuid import UUID

    from images.models import Image
    from images.photofile.rendering import Rendered

logger = logging.getLogger(__name__)

# Another transform of the same photo is written meanwhile; nobody holds the lock for long.
LOCK_SECONDS, LOCK_PAUSE_SECONDS = 10.0, 0.05


class Missing(Exception):
    """The bucket has nothing of the photo, or of the watermark."""


def render(transform_id: UUID) -> None:
    """Takes a transform from QUEUED to where it ends. Safe to call twice, or at the same time.

    Trouble with the database, the bucket or the disk, or locks.Busy, releases the claim, counts no
    attempt, and is raised for the caller to try again later.
    """
    photo_storage().raise_if_open()
    claim = claims.claim(transform_id)
    if claim is None:
        return
    try:
        with renewed_lease(claim):
            _render(claim)
    except ClaimLost:
        LEASES_LOST.inc(kind="transform")
        logger.info("Transform %s was taken over, or is wanted no more", transform_id)
    except TRANSIENT_ERRORS as error:
        if disk.is_full(error):
            where = settings.WORK_DIR or tempfile.gettempdir()
            logger.error("disk-full: No room in %s: transforms wait until there is", where)
        claim.release()
        raise
    except BadPicture as bad:
        claims.fail(claim, bad.reason)
    except SpecError:
        claims.fail(claim, claims.IMPOSSIBLE)
    except Missing as missing:
        claims.fail(claim, str(missing))
    except Exception:  # a bug, or a time limit: the attempt counts, or it would be tried for ever
        attempts = claim.transform.attempts
        logger.exception("Transform %s: attempt %s failed", transform_id, attempts)
        if not connection.in_atomic_block:
            connection.close()  # a time limit may have struck within a query
        if attempts < MAX_ATTEMPTS:
            claim.give_up()
        else:
            claims.fail(claim, claims.CRASHED)


def _render(claim: claims.Claim) -> None:
    """Raises ClaimLost, BadPicture, SpecError, Missing."""
    transform, started_at = claim.transform, time.monotonic()
    image = transform.image
    with tempfile.TemporaryDirectory(prefix="bandpics-", dir=settings.WORK_DIR) as name:
        folder = Path(name)
        into = folder / "result"
        into.mkdir()
        source = _download(claim, folder / "source")
        rendered = rendering.render(
            folder / "source",
            spec=transform.parsed,
            into=into,
            declared=_size(image) if source == Transform.Source.FULLSIZE else None,
            watermark=_download_watermark(claim, folder / "watermark"),
        )
        milliseconds = round((time.monotonic() - started_at) * 1000)
        _store(claim, rendered, source=source, milliseconds=milliseconds)


def _size(image: Image) -> tuple[int, int] | None:
    return (image.width, image.height) if image.width and image.height else None


def _download(claim: claims.Claim, into: Path) -> str:
    """Downloads the original or, where there is none, the largest size. Returns which it was."""
    transform, image = claim.transform, claim.transform.image
    version = object_keys.Version(transform.group_id, image.pk, transform.version)
    fullsize = version.variant(variants.FULLSIZE.name)
    found = [(Transform.Source.FULLSIZE, fullsize)]
    if image.original_dropped_at is None:
        original = version.original(content_type=image.content_type)
        found.insert(0, (Transform.Source.ORIGINAL, original))
    for source, key in found:
        try:
            photo_storage().download(key, into)
        except ObjectMissing:
            continue
        return source
    raise _missing(claim, claims.ORIGINAL_MISSING)


def _download_watermark(claim: claims.Claim, into: Path) -> Path | None:
    transform, watermark = claim.transform, claim.transform.parsed.watermark
    if watermark is None or transform.watermark_image_id is None:
        return None
    version = object_keys.Version(
        transform.group_id, transform.watermark_image_id, watermark.version
    )
    try:
        photo_storage().download(version.variant(variants.FULLSIZE.name), into)
    except ObjectMissing:
        raise _missing(claim, claims.WATERMARK_MISSING) from None
    return into


def _missing(claim: claims.Claim, reason: str) -> Exception:
    """What is missing may have been moved, replaced or purged: then nobody wants the result."""
    return Missing(reason) if claim.rows().exists() else ClaimLost()


def _store(claim: claims.Claim, rendered: Rendered, *, source: str, milliseconds: int) -> None:
    """Writes the object and finishes the row, in one go: locked, because what is removed of the
    photo meanwhile, and another claim, use the same key. Raises ClaimLost, locks.Busy."""
    transform = claim.transform
    with ExitStack() as stack:
        _lock(stack, transform.image_id)
        if not claim.rows().exists():
            raise ClaimLost
        photo_storage().put_file(transform.key, rendered.path, content_type=rendered.content_type)
        is_done = claim.rows().update(
            state=Transform.State.DONE,
            lease_until=None,
            source=source,
            width=rendered.width,
            height=rendered.height,
            byte_size=rendered.byte_size,
            rendering_ms=milliseconds,
            done_at=Now(),
            last_used_at=Now(),
        )
        if not is_done:
            _remove_unwanted(transform)
            raise ClaimLost


def _lock(stack: ExitStack, image_id: UUID) -> None:
    end = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            stack.enter_context(locks.objects_of(image_id))
        except locks.Busy:
            if time.monotonic() > end:
                raise
            time.sleep(LOCK_PAUSE_SECONDS)
        else:
            return


def _remove_unwanted(transform: Transform) -> None:
    """Removes what was just written, unless the row is there, of another claim or asked for
    anew."""
    same = Transform.objects.on_disk().filter(
        image=transform.image_id,
        group_id=transform.group_id,
        version=transform.version,
        spec_hash=transform.spec_hash,
    )
    if not same.exists():
        photo_storage().delete_keys([transform.key])
