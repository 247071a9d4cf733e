"""Keyset paging over photos: the hundredth page costs what the first does."""

from __future__ import annotations

from rest_framework.pagination import CursorPagination


class ImagePages(CursorPagination):
    page_size = 50
    max_page_size = 200
    page_size_query_param = "limit"
    ordering = ("-sort_at", "-id")


class GalleryPages(ImagePages):
    page_size = 60
    page_size_query_param = None  # type: ignore[assignment]
