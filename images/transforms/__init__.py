"""Transforms of photos: asking for one, rendering it in the background, and its end."""

from images.transforms.ordering import (
    Changed,
    TooManyWaiting,
    made_before,
    mark_used,
    request,
    url,
    visible,
)
from images.transforms.saving import filename, save_as_photo

__all__ = [
    "Changed",
    "TooManyWaiting",
    "filename",
    "made_before",
    "mark_used",
    "request",
    "save_as_photo",
    "url",
    "visible",
]
