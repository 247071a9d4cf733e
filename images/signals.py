"""The one signal: objects go when rows go, because cascades never pass through our functions."""

from __future__ import annotations

from typing import Any

from django.db.models.signals import post_delete
from django.dispatch import receiver

from images import deletions
from images.models import Image


@receiver(post_delete, sender=Image)
def remove_its_objects(instance: Image, **_: Any) -> None:
    """They are noted by now: triggers did, when its uploads and variants went."""
    deletions.execute_on_commit(instance.pk)
