"""How many photos each group has, by quarter of an hour, uploader and camera."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class PhotoCount(models.Model):
    """How many finished photos of a group have one value.

    A trigger writes it in the transaction that changes a photo: one more here, one less there. So
    that transactions do not wait for each other, each change is a row, and a number is the sum of
    its rows; the sweeper adds them up (images.lifecycle.counts). It has no foreign key: rows of a
    group that is gone add up to nothing.
    """

    class Facet(models.TextChoices):
        QUARTER = "quarter", "Quarters of an hour since 1970, in UTC"
        UPLOADER = "uploader", "Name of the uploader"
        CAMERA = "camera", "Model of the camera"

    id = models.BigAutoField(primary_key=True)
    group_id = models.UUIDField()
    facet = models.CharField(max_length=10, choices=Facet.choices)
    value = models.CharField(max_length=200)
    is_approved = models.BooleanField(help_text="Guests may see them.")
    count = models.BigIntegerField()
    is_change = models.BooleanField(help_text="Not added up yet.")

    class Meta:
        indexes = [
            models.Index(fields=["group_id", "facet"], name="photo_count_of_group"),
            models.Index(fields=["id"], condition=Q(is_change=True), name="photo_count_change"),
            models.Index(
                fields=["id"], condition=Q(is_change=False, count=0), name="photo_count_nothing"
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["group_id", "facet", "value", "is_approved"],
                condition=Q(is_change=False),
                name="photo_count_is_added_up_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.count} of {self.facet} {self.value}"
