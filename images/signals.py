"""The one signal: objects go when rows go, because cascades never pass through our functions."""

from __future__ import annotations

from typing import Any

from django.db.models.signals import post_delete
from django.dispatch import receiver

from images import cleanup
from images.models import Upload, Variant


@receiver(post_delete, sender=Upload)
def remove_what_it_brought(instance: Upload, **_: Any) -> None:
    """Whatever it came to: a worker may be in the middle of it."""
    cleanup.remove_on_commit(cleanup.keys_of(instance))


@receiver(post_delete, sender=Variant)
def remove_variant(instance: Variant, **_: Any) -> None:
    cleanup.remove_on_commit([instance.key])
