"""Has one caption written: shows the provider the `medium` size, and keeps its answer as text."""

from __future__ import annotations

import logging
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from images.captions import claims, plain_text, provider
from images.models import GeneratedCaption, Image, Variant
from images.photofile import variants
from images.photofile.rendering import verify
from images.processing.claims import LEASES_LOST, TRANSIENT_ERRORS, ClaimLost, renewed_lease
from images.storage.objects import ObjectMissing, photo_storage

if TYPE_CHECKING:
    from uuid import UUID

    from images.captions.claims import Claim

logger = logging.getLogger(__name__)

State = GeneratedCaption.State
# After each attempt that the provider did not answer; Retry-After may say later.
PAUSES = [timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 720)]
# How often a photo is shown again to a model that answered nothing of use.
MOST_NONSENSE = 3
NO_PICTURE = "no-picture"


def write(caption_id: UUID) -> None:
    """Writes one caption. Safe to call twice, or at the same time.

    Trouble with the database, the bucket or the disk releases the claim, counts no attempt, and is
    raised.
    """
    if not settings.CAPTIONS_ON:
        return
    photo_storage().raise_if_open()
    claim = claims.claim(caption_id)
    if claim is None:
        return
    try:
        with renewed_lease(claim):
            _write(claim)
    except ClaimLost:
        LEASES_LOST.inc(kind="caption")
        return
    except TRANSIENT_ERRORS:
        claim.release()
        raise
    except Exception:  # a bug: the attempt counts, or it would be tried for ever
        logger.exception("Caption of %s: attempt %s failed", claim.name, claim.caption.attempts)
        if not connection.in_atomic_block:
            connection.close()  # a time limit may have struck within a query
        claim.postpone(_later(claim))


def _write(claim: Claim) -> None:
    """Raises ClaimLost, and TRANSIENT_ERRORS."""
    caption = claim.caption
    try:
        picture = _picture(caption.image)
    except (ObjectMissing, verify.MetadataFound) as error:
        logger.error("The medium size of %s goes to no provider: %r", caption.image_id, error)
        claim.fail(NO_PICTURE)
        return
    if not claims.reserve(caption.image.group):
        claim.postpone(claims.tomorrow(), counts=False)
        return
    try:
        answer = provider.current().caption(picture, language=caption.language)
        group = caption.image.group
        claims.record_tokens(group, taken=answer.input_tokens, written=answer.output_tokens)
        text = plain_text.plain(answer.text)
    except provider.Unreachable as failure:
        _unreachable(claim, failure)
    except (provider.Garbled, plain_text.Nonsense):
        if caption.attempts >= MOST_NONSENSE:
            claim.fail(provider.Garbled.reason)
        else:
            claim.postpone(_later(claim))
    except provider.Refused as failure:
        logger.info("Caption of %s was refused: %s", claim.name, failure)
        claim.fail(failure.reason)
    else:
        _finish(claim, text, answer)


def _picture(image: Image) -> bytes:
    """Returns the `medium` size, read again for metadata before a stranger gets it.

    Raises ObjectMissing, MetadataFound, StorageUnavailable.
    """
    rows = Variant.objects.filter(image=image.pk, version=image.version)
    row = rows.filter(name=variants.MEDIUM.name).first()
    if row is None:
        raise ObjectMissing(variants.MEDIUM.name)
    with tempfile.TemporaryDirectory(dir=settings.WORK_DIR, prefix="caption-") as folder:
        path = Path(folder) / "medium.jpg"
        photo_storage().download(row.key, path)
        verify.assert_metadata_free(path)
        return path.read_bytes()


def _unreachable(claim: Claim, failure: provider.Unreachable) -> None:
    """Postpones the caption, and with it all that wait: it is not about this photo."""
    logger.warning("The provider of captions failed (%s): %s", failure.reason, failure)
    if claim.caption.attempts >= claims.MAX_ATTEMPTS:
        claim.fail(failure.reason)
        return
    pause = timedelta(seconds=failure.retry_after or 0)
    until = datetime.now(UTC) + max(pause, PAUSES[0])
    is_sooner = Q(next_attempt_at=None) | Q(next_attempt_at__lt=until)
    GeneratedCaption.objects.filter(is_sooner, state=State.QUEUED).update(next_attempt_at=until)
    claim.postpone(max(until, _later(claim)))


def _later(claim: Claim) -> datetime:
    number = min(claim.caption.attempts, len(PAUSES)) - 1
    return datetime.now(UTC) + PAUSES[number]


@transaction.atomic
def _finish(claim: Claim, text: str, answer: provider.Answer) -> None:
    caption = claim.caption
    # First the photo, as whoever trashes or replaces it does: see images/models.
    photo = Image.objects.select_for_update(no_key=True).filter(pk=caption.image_id)
    photo.values_list("pk").first()
    claim.update(
        state=State.DONE,
        text=text,
        model=plain_text.without_controls(answer.model)[:80],
        prompt_version=provider.PROMPT_VERSION,
        failure="",
        lease_until=None,
        next_attempt_at=None,
        input_tokens=answer.input_tokens,
        output_tokens=answer.output_tokens,
        done_at=Now(),
    )
