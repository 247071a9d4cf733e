"""The wish for a ZIP of a group once it has closed."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from groups.models import Group


class ClosingArchive(models.Model):
    """Who gets a ZIP of a group after it has closed. The sweeper orders it, and deletes the row."""

    group = models.OneToOneField(
        Group, primary_key=True, on_delete=models.CASCADE, related_name="closing_archive"
    )
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    language = models.CharField(max_length=10, default="en")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"ZIP of {self.group} after it has closed"
