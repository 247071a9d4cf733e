"""Removes the objects of deleted photos. A signal does it, because cascades call none of our
functions."""

from __future__ import annotations

from typing import Any

from django.db.models.signals import post_delete
from django.dispatch import receiver

from images import deletions
from images.models import Image


@receiver(post_delete, sender=Image)
def remove_objects(instance: Image, **_: Any) -> None:
    """Triggers have recorded them by now, when the uploads and variants were deleted."""
    deletions.execute_on_commit(instance.pk)
