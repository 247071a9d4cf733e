"""The history of a photo: who changed what."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from bandpics.ids import new_id


class PhotoChange(models.Model):
    """One change of a photo, as its page tells it.

    It never holds a place, nor a text that may name one: what was forgotten must not be here.
    """

    class Kind(models.TextChoices):
        DESCRIPTION = "description", "Changed the description"
        CAPTION = "caption", "Changed the caption"
        GENERATED_CAPTION = "generated_caption", "Corrected the caption by a model"
        CAPTION_HIDDEN = "caption_hidden", "Hid the caption by a model"
        CAPTION_SHOWN = "caption_shown", "Showed the caption by a model again"
        DATE = "date", "Changed the date"
        CLOCK = "clock", "Corrected the camera's clock"
        PLACE = "place", "Changed the place"
        PLACE_FORGOTTEN = "place_forgotten", "Removed the place"
        REPLACED = "replaced", "Replaced the file"
        MOVED = "moved", "Moved it to another group"
        TRASHED = "trashed", "Moved it to the trash"
        RESTORED = "restored", "Restored it"
        APPROVED = "approved", "Approved it"
        REJECTED = "rejected", "Rejected it"
        UNDECIDED = "undecided", "Made it wait for approval again"
        REMOVAL_ASKED = "removal_asked", "Asked for its removal"
        MADE_FROM = "made_from", "Made it from another photo"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    image = models.ForeignKey("images.Image", on_delete=models.CASCADE, related_name="changes")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    name = models.CharField(max_length=120, blank=True, help_text="Of a guest who changed it.")
    details = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["image", "-created_at"], name="photo_change_of_image")]

    def __str__(self) -> str:
        return f"{self.kind} of {self.image_id}"
