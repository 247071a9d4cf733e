"""ZIP archives of a group's photos, which workers build in the bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from bandpics.ids import new_id
from groups.models import Group
from images.models.uploader import UPLOADER_COLUMNS, UPLOADER_IS_WHOLE, HasUploader
from images.storage import object_keys

if TYPE_CHECKING:
    from uuid import UUID


class ArchiveQuerySet(models.QuerySet["Archive"]):
    def live(self) -> Self:
        """Archives that can be downloaded, or will be once they are built."""
        return self.exclude(state=Archive.State.FAILED).filter(expires_at__gt=timezone.now())

    def holding(self, image_id: UUID) -> Self:
        """Archives that a photo is in."""
        return self.filter(entries__image_id=image_id)

    def on_disk(self) -> Self:
        """Archives that take up room in the bucket, or will."""
        return self.exclude(state=Archive.State.FAILED).filter(removed_at=None)

    def ended(self) -> Self:
        """Archives whose time is over, and whose objects are yet to be removed."""
        return self.filter(expires_at__lte=timezone.now(), removed_at=None)


class Archive(models.Model):
    """A ZIP of photos of a group: one object of the bucket, shared by all who order the same.

    A row is queued, claimed for a short lease (`building`), and then ready or failed; a photo that
    leaves the group ends it early, because the ZIP still shows that photo.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "Waiting"
        BUILDING = "building", "Being built"
        READY = "ready", "Ready"
        FAILED = "failed", "Failed"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="archives")
    for_guests = models.BooleanField(
        default=False, help_text="Variants of approved photos, without places."
    )
    what = models.JSONField(default=dict, help_text="The photos that were asked for.")
    fingerprint = models.CharField(
        max_length=64, editable=False, help_text="SHA-256 of the files in it."
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    failure = models.CharField(max_length=60, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    build_number = models.PositiveIntegerField(
        default=1, editable=False, help_text="Part of its key: counts the times it began anew."
    )
    claim_number = models.PositiveIntegerField(default=0, editable=False)
    lease_until = models.DateTimeField(null=True, blank=True)
    multipart_id = models.CharField(max_length=1024, blank=True, editable=False)
    file_count = models.PositiveIntegerField(default=0)
    total_bytes = models.PositiveBigIntegerField(default=0, help_text="Of the finished ZIP.")
    written_bytes = models.PositiveBigIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    ready_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField()
    removed_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Its object is left to the outbox."
    )
    last_checked_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = ArchiveQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["group", "-created_at"], name="archive_of_group"),
            models.Index(fields=["expires_at"], name="archive_expiry"),
            models.Index(
                fields=["created_at"],
                condition=Q(state__in=["queued", "building"]),
                name="archive_sweep",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["group", "for_guests", "fingerprint"],
                condition=Q(state__in=["queued", "building"]),
                name="archive_is_built_once",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["queued", "building", "ready", "failed"]),
                name="archive_state_is_known",
            ),
            models.CheckConstraint(
                condition=~Q(state="building") | Q(lease_until__isnull=False),
                name="archive_being_built_has_a_lease",
            ),
        ]

    def __str__(self) -> str:
        return f"ZIP of {self.group} ({self.state})"

    @property
    def key(self) -> str:
        return object_keys.archive(self.group_id, self.pk, self.build_number)

    @property
    def is_live(self) -> bool:
        return self.state != self.State.FAILED and self.expires_at > timezone.now()

    @property
    def is_ready(self) -> bool:
        return self.state == self.State.READY and self.is_live

    @property
    def progress(self) -> float:
        """The share that is written, from 0 to 1."""
        if self.state == self.State.READY:
            return 1.0
        return min(self.written_bytes / self.total_bytes, 1.0) if self.total_bytes else 0.0


class ArchiveEntry(models.Model):
    """One file of an archive, as it was when the archive was ordered.

    It has no foreign key to the photo: what it names may be gone.
    """

    archive = models.ForeignKey(Archive, on_delete=models.CASCADE, related_name="entries")
    position = models.PositiveIntegerField()
    image_id = models.UUIDField(db_index=True)
    version = models.PositiveIntegerField()
    key = models.CharField(
        max_length=200, blank=True, help_text="Empty: the store has nothing of it."
    )
    name = models.CharField(max_length=255, help_text="The path within the ZIP.")
    byte_size = models.PositiveBigIntegerField()
    crc32 = models.BigIntegerField(null=True, blank=True, help_text="Once it is written.")
    sha256 = models.CharField(max_length=64, blank=True, help_text="Known, or once it is written.")
    modified = models.DateTimeField(help_text="As a clock on the wall showed it.")
    row = models.JSONField(
        default=list, help_text="Its line of the manifest, but for path and SHA-256."
    )

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["archive", "position"], name="archive_entry_once_per_position"
            ),
            models.UniqueConstraint(fields=["archive", "name"], name="archive_entry_name_once"),
        ]

    def __str__(self) -> str:
        return self.name


class ArchiveOrder(HasUploader):
    """Somebody who asked for an archive: they are told when it is ready, and may download it.

    The columns of the uploader name a member, a personal link, or a device of a shared link.
    """

    archive = models.ForeignKey(Archive, on_delete=models.CASCADE, related_name="orders")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="archive_orders",
    )
    wants_mail = models.BooleanField(default=False)
    language = models.CharField(max_length=10, default="en")
    created_at = models.DateTimeField(auto_now_add=True)
    downloaded_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=UPLOADER_COLUMNS, name="archive_order_of")]
        constraints = [
            UPLOADER_IS_WHOLE,
            models.UniqueConstraint(
                fields=["archive", *UPLOADER_COLUMNS], name="archive_ordered_once_each"
            ),
        ]

    def __str__(self) -> str:
        return f"Order of {self.archive}"
