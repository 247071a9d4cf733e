"""Deletions: objects that are still to be removed, and photos that left a group."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F

from images.models.uploader import UPLOADER_COLUMNS, HasUploader


class PendingDeletion(models.Model):
    """The objects that a deleted upload, variant or archive left in the bucket, until they are
    removed.

    Triggers write it in the transaction of the deletion; images.deletions reads it. It has
    no foreign keys: what it names is gone.
    """

    id = models.BigAutoField(primary_key=True)
    image_id = models.UUIDField(db_index=True)  # of the photo, or of the archive
    # Of an upload: enough to know every key it may have written to.
    group_id = models.UUIDField(null=True, blank=True)
    version = models.PositiveIntegerField(null=True, blank=True)
    upload_id = models.UUIDField(null=True, blank=True)
    # Parts that were never joined: no key names them.
    multipart_id = models.CharField(max_length=1024, blank=True)
    keys = ArrayField(models.CharField(max_length=200), default=list, blank=True)
    # A worker had it, and does not know yet: what is removed now may come once more.
    may_be_written = models.BooleanField(default=False)
    recorded_at = models.DateTimeField(auto_now_add=True)
    last_checked_at = models.DateTimeField(null=True, blank=True, help_text="By the sweeper.")

    class Meta:
        verbose_name_plural = "pending deletions"
        indexes = [
            models.Index(
                F("last_checked_at").asc(nulls_first=True), F("id"), name="pending_deletion_sweep"
            )
        ]

    def __str__(self) -> str:
        return f"Objects of photo {self.image_id}"


class Tombstone(HasUploader):
    """A photo that left a group for good: it was moved to another one, or purged.

    Triggers write it in the same transaction; images.listing.removals reads it. It has no foreign
    keys: what it names may be gone.
    """

    id = models.BigAutoField(primary_key=True)
    image_id = models.UUIDField()
    group_id = models.UUIDField()
    team_id = models.UUIDField(help_text="The group's: its members saw the photo.")
    was_approved = models.BooleanField(help_text="Guests may have seen it.")
    removed_at = models.DateTimeField(db_index=True)

    class Meta:
        indexes = [
            models.Index(fields=["team_id", "removed_at"], name="tombstone_of_team"),
            models.Index(fields=UPLOADER_COLUMNS, name="tombstone_uploader"),
        ]

    def __str__(self) -> str:
        return f"Photo {self.image_id} left group {self.group_id}"
