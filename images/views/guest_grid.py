"""Renders photos of the guests' gallery once for all guests of a group.

A whole wedding opens the gallery at once. Each page asks anew which photos it shows; how they look
is kept for as long as none of them changes and their signed addresses stay the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import get_language

from images.access import name_for_guests
from images.listing import event_time
from images.models import Image
from images.views import grid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime, tzinfo
    from uuid import UUID

    from django.utils.safestring import SafeString

    from images.models import ImageQuerySet
    from invitations.models import Invitation

GALLERY = grid.Offers(
    page_url=lambda photo: f"{photo.pk}/",
    download_url=lambda photo: f"{photo.pk}/file/",
    removal_url=lambda photo: f"{photo.pk}/removal/",
)
FOLDER = "photos/"  # of the gallery, as seen from the upload page
# Fragments of up to some hundred kilobytes, in each web process.
KEPT_AT_MOST = 40


@dataclass(frozen=True)
class _Look:
    """What a fragment depends on. Whoever changes a photo sets its `updated_at`."""

    template: str
    photos: tuple[tuple[UUID, int, datetime, int], ...]  # id, version, change, photos below it
    language: str | None
    zone: tzinfo
    by_upload: bool
    signed_at: datetime
    signed_until: datetime | None


def listed(images: ImageQuerySet) -> Any:
    """Returns rows with what rendered() and the paging need of each photo."""
    columns = ("id", "sort_at", "created_at", "version", "updated_at", "stack_id", "group_id")
    return images.values_list(*columns, named=True)


def rendered(
    template: str,
    rows: Iterable[Any],
    *,
    invitation: Invitation,
    by_upload: bool = False,
    more: Mapping[UUID, int] | None = None,
) -> SafeString:
    """Returns the photos of these rows in a template, which gets `photos` with a tile each.

    `more` says how many others lie below a photo that is on top of its stack.
    No signed address outlives the link of the guest.
    """
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    until = invitation.expires_at
    ends_soon = until < hour + 2 * settings.DOWNLOAD_URL_LIFETIME
    return _rendered(
        _Look(
            template,
            tuple(
                (row.id, row.version, row.updated_at, (more or {}).get(row.id, 0)) for row in rows
            ),
            get_language(),
            invitation.group.zone,
            by_upload,
            hour,
            until if ends_soon else None,
        )
    )


@lru_cache(maxsize=KEPT_AT_MOST)
def _rendered(look: _Look) -> SafeString:
    more = {image_id: below for image_id, _version, _changed, below in look.photos}
    ids = list(more)
    found = Image.objects.ready().filter(pk__in=ids).defer("exif", "search_vector")
    by_id = {photo.pk: photo for photo in found.with_variants()}
    photos = [by_id[image_id] for image_id in ids if image_id in by_id]
    event_time.set_shown_at(photos, look.zone, by_upload=look.by_upload)
    for photo in photos:
        photo.uploader_name = name_for_guests(photo.uploader_name)
    tiles = grid.prepare(photos, GALLERY, until=look.signed_until, more=more)
    return render_to_string(look.template, {"photos": tiles, "folder": FOLDER})


def sign_until(photos: Sequence[Image], moment: datetime | None) -> None:
    """Lets no signed address of these photos, which are fetched with_variants(), outlive a
    credential that ends then."""
    for photo in photos:
        for variant in photo.variant_by_name.values():
            variant.signed_until = moment
