"""Finds the objects a photo can be made from again."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from images.photofile import variants
from images.storage.objects import ObjectMissing, photo_storage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from images.storage import object_keys


def find_stored(version: object_keys.Version) -> str | None:
    """The key a photo can be made from again: of its original, or of the largest rendering where
    the original was dropped. None if the bucket holds neither. Raises StorageUnavailable."""
    return _first_stored([*version.originals(), version.variant(variants.FULLSIZE.name)])


def find_original(version: object_keys.Version) -> str | None:
    """As find_stored(), but the original or nothing."""
    return _first_stored(version.originals())


def _first_stored(candidates: Iterable[str]) -> str | None:
    for key in candidates:
        with contextlib.suppress(ObjectMissing):
            return photo_storage().head(key).key
    return None
