"""Brings uploads that hang to their next state, and removes what is no longer needed."""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from django.conf import settings
from django.db.models import F, Q
from django.db.models.functions import Now

from bandpics import health, stopping
from bandpics.api import idempotency
from bandpics.users import sessions
from groups import trash as group_trash
from images import deletions
from images.archives import closing, expiry
from images.captions import waiting
from images.lifecycle import counts, retention, stacks, trash
from images.listing import removals
from images.models import Image, Upload, locks
from images.processing import claims, outcomes, versions
from images.storage.objects import StorageUnavailable
from images.transforms import expiry as transform_expiry
from images.uploads import queue, transfer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from uuid import UUID

    from images.models import UploadQuerySet

logger = logging.getLogger(__name__)
T = TypeVar("T")

# A browser may send its bytes and never complete the upload.
PENDING_BEFORE_CHECKING = timedelta(minutes=10)
CHECK_AGAIN_AFTER = timedelta(minutes=10)
QUEUED_BEFORE_ENQUEUING = timedelta(minutes=1)
BATCH = 500
REFUSALS_IN_A_ROW = 3
SWEEP_LOCK = 0x62616E64  # any number that nobody else uses


def sweep() -> None:
    """Runs all phases; a second sweep at the same time does nothing.

    What costs no request to the bucket comes first, and a phase that fails holds up no other.
    """
    with locks.alone(SWEEP_LOCK) as is_alone:
        if not is_alone:
            return
        for phase in [
            *(_enqueue_again, outcomes.fail_crashed, _complete_stalled, _discard_forgotten),
            *(counts.add_up, counts.recount),
            stacks.update_due,  # while what has left its stack is still there
            *(_purge_old_versions, _empty_trash, _drop_originals),
            *(closing.order_due, expiry.sweep, transform_expiry.sweep, waiting.sweep),
            _execute_deletions,
            *(idempotency.forget_expired, removals.forget_old, sessions.SessionStore.clear_expired),
        ]:
            if stopping.is_asked():
                return  # the next sweep begins anew
            try:
                phase()
            except Exception:  # logged with its traceback; the next sweep tries again
                logger.exception("The sweeper could not finish %s", phase.__name__)
        health.record_sweep()


def _enqueue_again() -> None:
    # An upload that waits behind many others needs no second message: it would wait there, too.
    room = max(0, BATCH - queue.depth())
    for upload_id in claims.stuck_ids(queued_longer_than=QUEUED_BEFORE_ENQUEUING)[:room]:
        is_queued = Upload.objects.filter(pk=upload_id, status=Upload.Status.QUEUED).update(
            queued_at=Now()  # so that a backlog is not enqueued again by every sweep
        )
        if not is_queued:
            claims.LEASES_LOST.inc(kind="photo")
        queue.enqueue(upload_id)


def _complete_stalled() -> None:
    stalled = Upload.objects.pending().filter(
        Q(last_checked_at=None) | Q(last_checked_at__lt=Now() - CHECK_AGAIN_AFTER),
        created_at__lt=Now() - PENDING_BEFORE_CHECKING,
        created_at__gte=Now() - settings.UPLOAD_PENDING_LIFETIME,
    )
    _check_the_bucket(stalled, transfer.complete)


def _discard_forgotten() -> None:
    old = Upload.objects.pending().filter(created_at__lt=Now() - settings.UPLOAD_PENDING_LIFETIME)
    _check_the_bucket(old, _complete_or_discard)


def _purge_old_versions() -> None:
    _photo_by_photo(versions.ids_with_old_versions(BATCH), versions.purge_old_versions)


def _empty_trash() -> None:
    _photo_by_photo(trash.ids_to_purge(BATCH), trash.purge)
    for group_id in group_trash.overdue().values_list("pk", flat=True)[:BATCH]:
        group_trash.purge(group_id)  # once its photos are gone


def _drop_originals() -> None:
    _photo_by_photo(retention.ids_to_drop(BATCH), retention.drop_original)


def _execute_deletions() -> None:
    def remove_one(image_id: UUID) -> None:
        deletions.mark_checked([image_id])
        deletions.execute([image_id])

    image_ids = deletions.due(BATCH)
    try:
        deletions.execute(image_ids)
    except (StorageUnavailable, locks.Busy):
        # One that is refused fails the request for all of them.
        _one_by_one(image_ids, remove_one)
    else:
        deletions.mark_checked(image_ids)  # those that may be written once more are not due at once


def _complete_or_discard(upload: Upload) -> None:
    try:
        # Its bytes may have come in the last minutes of the day.
        transfer.complete(upload)
    except transfer.CannotComplete:
        if not transfer.recover(upload):
            transfer.discard(upload)


def _check_the_bucket(rows: UploadQuerySet, do: Callable[[Upload], object]) -> None:
    """Uploads never checked come first: files that are never sent must not hide them."""

    def check(upload: Upload) -> None:
        Upload.objects.filter(pk=upload.pk).update(last_checked_at=Now())
        with suppress(transfer.CannotComplete):
            do(upload)

    first = F("last_checked_at").asc(nulls_first=True)
    _one_by_one(rows.select_related("image").order_by(first, "created_at")[:BATCH], check)


def _photo_by_photo(image_ids: Iterable[UUID], do: Callable[[UUID], object]) -> None:
    """Photos the bucket refused come last the next time: they must not hide the others."""

    def attempt(image_id: UUID) -> None:
        try:
            do(image_id)
        except StorageUnavailable:
            Image.objects.filter(pk=image_id).update(last_checked_at=Now())
            raise

    _one_by_one(image_ids, attempt)


def _one_by_one(found: Iterable[T], do: Callable[[T], object]) -> None:
    """Gives up after some refusals in a row: then it is not that one photo, the bucket is down.
    Ends early where this worker is asked to stop."""
    refusals = 0
    for one in found:
        if stopping.is_asked():
            return
        try:
            do(one)
        except locks.Busy:
            continue
        except StorageUnavailable as error:
            logger.warning(
                "The bucket refused the sweeper at %s: %s", getattr(one, "pk", one), error
            )
            refusals += 1
            if refusals == REFUSALS_IN_A_ROW:
                return
        else:
            refusals = 0
