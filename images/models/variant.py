"""Variants: the rendered sizes of a photo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    from datetime import datetime


class Variant(models.Model):
    """One metadata-free rendering of one version of a photo."""

    image = models.ForeignKey("images.Image", on_delete=models.CASCADE, related_name="variants")
    version = models.PositiveIntegerField()
    name = models.CharField(max_length=64)
    key = models.CharField(max_length=200)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    byte_size = models.PositiveIntegerField()
    content_type = models.CharField(max_length=40)
    created_at = models.DateTimeField(auto_now_add=True)
    # When the credential of whoever is shown it ends, if it does: no signed address outlives it.
    signed_until: datetime | None = None

    class Meta:
        ordering = ["width"]
        constraints = [
            # Not `unique`: Django would add an index for LIKE, a tenth of what a photo takes.
            models.UniqueConstraint(fields=["key"], name="variant_key_once"),
            models.UniqueConstraint(
                fields=["image", "version", "name"], name="variant_once_per_version"
            ),
            models.CheckConstraint(
                condition=Q(width__gt=0, height__gt=0, byte_size__gt=0),
                name="variant_is_not_empty",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.image}"
