"""The photos before and after one, in the gallery from which it was opened."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from images.listing.pagination import Cursor, Ordering, Page
from images.views.gallery_filters import GalleryFilters

if TYPE_CHECKING:
    from django.http import HttpRequest

    from images.access import PhotoAccess
    from images.models import Image


def query_of(filters: GalleryFilters) -> str:
    """Returns the filters and the order, such as `?uploader=Cleo`, which lead to the same
    neighbours. Photos without a finished version have no page: a filter for them is left out."""
    kept = filters.kept("status")
    return f"?{urlencode(kept)}" if kept else ""


def of(
    image: Image, request: HttpRequest, access: PhotoAccess
) -> tuple[Image | None, Image | None]:
    """Returns the photos before and after this one."""
    filters = GalleryFilters(request, image.group, access)
    filters.asked.pop("status", None)
    return _first(filters, image, backwards=True), _first(filters, image, backwards=False)


def _first(filters: GalleryFilters, image: Image, *, backwards: bool) -> Image | None:
    ordering = Ordering(filters.ordering)
    cursor = Cursor(filters.ordering, backwards, ordering.key_of(image), image.pk)
    rows = filters.search().cut(Page("", ordering, 1, cursor))
    return next(iter(rows.with_variants().defer("exif", "search_vector")), None)
