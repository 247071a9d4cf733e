"""The one signal: objects go when rows go, because cascades never pass through our functions."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import transaction
from django.db.models.signals import post_delete
from django.dispatch import receiver

from images import cleanup
from images.models import Image, Upload, Variant


@receiver(post_delete, sender=Image)
def remove_original(instance: Image, **_: Any) -> None:
    if instance.version:
        transaction.on_commit(partial(cleanup.remove_objects, [instance.original_key]))


@receiver(post_delete, sender=Upload)
def remove_incoming(instance: Upload, **_: Any) -> None:
    transaction.on_commit(partial(cleanup.remove_objects, [instance.incoming_key]))


@receiver(post_delete, sender=Variant)
def remove_variant(instance: Variant, **_: Any) -> None:
    transaction.on_commit(partial(cleanup.remove_objects, [instance.key]))
