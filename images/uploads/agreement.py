"""The sentence of licence to which the uploader of a photo agreed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from images.models import Image, Upload

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from groups.models import Licence
    from images.access import Uploader


def columns(licence: Licence | None) -> dict[str, Any]:
    """Returns the columns of a new photo."""
    if licence is None:
        return {}
    return {"licence": licence, "licence_agreed_at": timezone.now()}


def add(uploader: Uploader, uploads: Sequence[Upload], licence: Licence | None) -> None:
    """Records the agreement for photos that this uploader sent before: those of the uploads, and
    those they are duplicates of. A photo keeps the time of its first agreement to a sentence."""
    if licence is None:
        return
    photos = {upload.image_id for upload in uploads}
    photos |= {upload.duplicate_of_id for upload in uploads if upload.duplicate_of_id}
    mine = Image.objects.sent_by(uploader.key).in_group(uploader.group).filter(pk__in=photos)
    mine.exclude(licence=licence).update(licence=licence, licence_agreed_at=Now(), updated_at=Now())


def copy_to_existing(duplicate: Image, existing_id: UUID) -> None:
    """Copies the agreement of a duplicate to the photo that is shown, if the same uploader sent
    both: they agreed when they sent it again."""
    if duplicate.licence_id is None or not duplicate.uploader_key.is_identified:
        return
    agreed_at = duplicate.licence_agreed_at
    is_older = Q(licence=None) | Q(licence_agreed_at__lt=agreed_at)
    mine = Image.objects.sent_by(duplicate.uploader_key).filter(is_older, pk=existing_id)
    mine.exclude(licence=duplicate.licence_id).update(
        licence=duplicate.licence_id, licence_agreed_at=agreed_at, updated_at=Now()
    )
