"""Transforms of photos: asking for one, rendering it in the background, and its end."""

from images.transforms.ordering import (
    Changed,
    TooManyWaiting,
    mark_used,
    request,
    url,
    visible,
)

__all__ = ["Changed", "TooManyWaiting", "mark_used", "request", "url", "visible"]
