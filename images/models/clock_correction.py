"""Corrections of cameras whose clocks were wrong."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from bandpics.ids import new_id
from groups.models import Group
from images.models.uploader import UPLOADER_COLUMNS, UPLOADER_IS_WHOLE, HasUploader


class ClockCorrection(HasUploader):
    """By how much the clock of one uploader's camera was wrong, in one group.

    It applies to photos that arrive later, too. Undoing it takes the shift back.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="clock_corrections")
    camera_make = models.CharField(max_length=200, blank=True)
    camera_model = models.CharField(max_length=200, blank=True)
    shift_minutes = models.IntegerField(help_text="Added to what the camera wrote.")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    undone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            UPLOADER_IS_WHOLE,
            models.UniqueConstraint(
                fields=["group", *UPLOADER_COLUMNS, "camera_make", "camera_model"],
                condition=Q(undone_at=None),
                name="clock_correction_once_per_camera",
            ),
            models.CheckConstraint(
                condition=~Q(shift_minutes=0), name="clock_correction_shifts_something"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.shift_minutes:+} min for {self.camera_make} {self.camera_model}"
