"""Compares the markers in the bucket with the rows of their photos."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from django.db.models import Q

from images.models import Image
from images.reconcile import repair, restored
from images.reconcile.bucket_listing import pages
from images.reconcile.report import Kind
from images.storage import object_keys

if TYPE_CHECKING:
    from uuid import UUID

    from images.models import ImageQuerySet
    from images.reconcile.compare import Comparison
    from images.storage.objects import StoredObject


def look(comparison: Comparison) -> None:
    """Find what a restored, older database brought back, markers nobody needs, and missing ones."""
    rows = _images(comparison)
    for found in comparison.listing.pages_under(*object_keys.MARKERS):
        image_ids = {image_id for each in found if (image_id := _marked(each))}
        known = rows.in_bulk(image_ids)
        for each in found:
            if (image_id := _marked(each)) is not None:
                _look_at_marker(comparison, each, image_id, known.get(image_id))
    marked = rows.filter(
        Q(trashed_at__isnull=False) | Q(place_forgotten_at__isnull=False),
        updated_at__lt=comparison.started_at,
    )
    for images in pages(marked):
        _look_for_markers(comparison, images)


def _images(comparison: Comparison) -> ImageQuerySet:
    rows, group = Image.objects.defer("exif"), comparison.options.group
    return rows if group is None else rows.in_group(group)


def _look_at_marker(
    comparison: Comparison, marker: StoredObject, image_id: UUID, image: Image | None
) -> None:
    key = marker.key
    if image is None:
        is_whole_bucket = comparison.options.group is None
        is_leftover = is_whole_bucket and not comparison.listing.has_photo(image_id)
        if is_leftover and repair.is_there(key) and comparison.is_old(marker.modified_at):
            comparison.note(Kind.ORPHAN, key, partial(restored.remove_marker, image_id, key))
    elif key == object_keys.forgotten(image_id) and image.place_forgotten_at is None:
        comparison.note(Kind.PLACE_BACK, key, partial(restored.forget_again, image_id))
    elif key == object_keys.trashed(image_id) and image.trashed_at is None and repair.is_there(key):
        comparison.note(Kind.TRASH_BACK, key, partial(restored.trash_again, image_id))


def _look_for_markers(comparison: Comparison, images: list[Image]) -> None:
    wanted = {
        key: image.pk
        for image in images
        for key, is_wanted in [
            (object_keys.forgotten(image.pk), image.place_forgotten_at is not None),
            (object_keys.trashed(image.pk), image.trashed_at is not None),
        ]
        if is_wanted
    }
    for key in sorted(wanted.keys() - comparison.listing.sizes(wanted).keys()):
        if not repair.is_there(key):
            write = partial(restored.write_markers, wanted[key])
            comparison.note(Kind.MARKER_MISSING, key, write)


def _marked(found: StoredObject) -> UUID | None:
    return object_keys.marked_image_id_of(found.key)
