"""Asks the bucket for the objects a photo can be made from again. Raises StorageUnavailable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from images.photofile import variants
from images.storage.objects import ObjectMissing, photo_storage

if TYPE_CHECKING:
    from images.storage import object_keys


def is_stored(key: str) -> bool:
    try:
        photo_storage().head(key)
    except ObjectMissing:
        return False
    return True


def find_original(version: object_keys.Version) -> str | None:
    """The key of its original, if the bucket holds it."""
    return next(filter(is_stored, version.originals()), None)


def find_stored(version: object_keys.Version) -> str | None:
    """The key a photo can be made from again: of its original, or of the largest rendering where
    the original was dropped. None if the bucket holds neither."""
    fullsize = version.variant(variants.FULLSIZE.name)
    return find_original(version) or (fullsize if is_stored(fullsize) else None)
