"""Uploads: arrivals of bytes, with the state machine of their processing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Greatest
from django.utils.translation import gettext_lazy as _

from bandpics.ids import new_id
from images.models.uploader import UPLOADER_COLUMNS, UPLOADER_IS_WHOLE, HasUploader
from images.storage import object_keys

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from images.models.uploader import UploaderKey

# As the index has it; NULL only before the bytes are here.
MOVED_AT = Greatest("arrived_at", "finished_at")


class UploadQuerySet(models.QuerySet["Upload"]):
    def sent_by(self, uploader: UploaderKey, *, announced_to: UUID) -> Self:
        return self.filter(uploader.condition(), announced_to=announced_to)

    def pending(self) -> Self:
        return self.filter(status=Upload.Status.PENDING)

    def moved_since(self, moment: datetime) -> Self:
        """Uploads that arrived or ended from then on."""
        return self.alias(moved_at=MOVED_AT).filter(moved_at__gte=moment)

    def changed_since(self, moment: datetime) -> Self:
        """Uploads of which a line of the receipt says something new."""
        edited = Greatest("image__updated_at", "image__first_on_wall_at")
        changed = Greatest("created_at", "queued_at", MOVED_AT, edited)
        return self.alias(changed_at=changed).filter(changed_at__gte=moment)

    def shown(self) -> Self:
        """Uploads whose status is that of their photo. A replacement's counts from the arrival of
        its bytes, and not when it was given up."""
        not_arrived = [Upload.Status.PENDING, Upload.Status.DISCARDED]
        return self.exclude(status__in=not_arrived, version__gt=1)


def discard_duplicates(collector: Any, field: Any, uploads: Any, using: str) -> None:
    """Discards the duplicates of a photo that is deleted, so that they may be sent again.

    For `on_delete`. Those that processing.versions gave its bytes to are no duplicates any more.
    """
    status = field.model._meta.get_field("status")
    duplicates = uploads.filter(status=Upload.Status.DUPLICATE)
    # In this order: the second UPDATE empties the column by which they are found.
    collector.add_field_update(status, Upload.Status.DISCARDED, duplicates)
    collector.add_field_update(field, None, uploads)


# Django counts and updates them without fetching them first.
discard_duplicates.lazy_sub_objs = True  # type: ignore[attr-defined]


class Upload(HasUploader):
    """One arrival of bytes. It carries the state machine; the Image is its result.

    Every change of `status` is one conditional UPDATE, in images.uploads or images.processing.
    """

    class Status(models.TextChoices):
        PENDING = "pending", "Announced, bytes not here yet"
        QUEUED = "queued", "Stored, waiting for a worker"
        PROCESSING = "processing", "A worker has it"
        DONE = "done", "Ready"
        DUPLICATE = "duplicate", "Already here"
        FAILED = "failed", "Failed"
        DISCARDED = "discarded", "Never arrived, or cancelled"

    class Failure(models.TextChoices):
        NOT_AN_IMAGE = "not-an-image", _("This is not a picture.")
        UNSUPPORTED_FORMAT = "unsupported-format", _("This kind of picture is not supported.")
        DAMAGED = "damaged", _("The picture is damaged or incomplete.")
        TOO_MANY_PIXELS = "too-many-pixels", _("The picture has too many pixels.")
        SIZE_MISMATCH = "size-mismatch", _("What arrived is not the size that was announced.")
        ORIGINAL_MISSING = "original-missing", _("The photo was lost on our side.")
        CRASHED = "crashed", _("Processing this picture failed three times.")

    image = models.ForeignKey("images.Image", on_delete=models.CASCADE, related_name="uploads")
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    version = models.PositiveIntegerField(default=1)
    # A member's group, which the photo may have left since, or a guest's invitation: in another
    # one the same client_id names another photo.
    announced_to = models.UUIDField(editable=False)
    client_id = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001 - NULLs are distinct

    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    failure = models.CharField(max_length=20, choices=Failure.choices, blank=True)
    duplicate_of = models.ForeignKey(
        "images.Image",
        null=True,
        blank=True,
        on_delete=discard_duplicates,
        related_name="duplicates",
    )
    # Claims that have not reported back, the running one included.
    attempt = models.PositiveSmallIntegerField(default=0)
    # All claims there ever were. The fence: a worker writes only while this is the number it
    # claimed with. Unlike `attempt` it never goes back, whoever tries again.
    claim_number = models.PositiveIntegerField(default=0, editable=False)
    lease_until = models.DateTimeField(null=True, blank=True)
    multipart_id = models.CharField(max_length=1024, null=True, blank=True)  # noqa: DJ001 - claimed WHERE NULL

    # Of a replacement: what the photo is called once it is DONE.
    filename = models.CharField(max_length=255, blank=True)
    declared_content_type = models.CharField(max_length=100)
    declared_byte_size = models.PositiveBigIntegerField()
    declared_last_modified = models.BigIntegerField(
        null=True, blank=True, help_text="Milliseconds since 1970, as the browser says."
    )
    declared_sha256 = models.CharField(max_length=64, blank=True)
    sha256 = models.CharField(
        max_length=64, blank=True, editable=False, help_text="Of what arrived; DONE or DUPLICATE."
    )
    processing_ms = models.PositiveIntegerField(null=True, blank=True)

    created_at = models.DateTimeField(auto_now_add=True)
    last_checked_at = models.DateTimeField(null=True, blank=True, help_text="By the sweeper.")
    arrived_at = models.DateTimeField(null=True, blank=True)
    queued_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = UploadQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(
                fields=[*UPLOADER_COLUMNS, "announced_to", "-created_at"], name="upload_receipt"
            ),
            models.Index(MOVED_AT, F("image"), name="upload_moved"),
            models.Index(
                fields=["created_at"], condition=Q(status="pending"), name="upload_sweep_pending"
            ),
            models.Index(
                fields=["queued_at"], condition=Q(status="queued"), name="upload_sweep_queued"
            ),
            models.Index(
                fields=[*UPLOADER_COLUMNS, "announced_to"],
                condition=Q(status="queued"),
                name="upload_waiting",
            ),
            models.Index(
                fields=["lease_until"],
                condition=Q(status="processing"),
                name="upload_sweep_processing",
            ),
            models.Index(
                fields=["image"], condition=Q(version__gt=1), name="upload_sweep_replacements"
            ),
            models.Index(
                fields=["finished_at", "failure"],
                condition=Q(status="failed"),
                name="upload_failed",
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["image", "version"], name="upload_once_per_version"),
            models.UniqueConstraint(
                fields=[*UPLOADER_COLUMNS, "announced_to", "client_id"],
                name="upload_once_per_sender_and_client_id",
            ),
            UPLOADER_IS_WHOLE,
            models.CheckConstraint(
                condition=Q(
                    status__in=[
                        "pending",
                        "queued",
                        "processing",
                        "done",
                        "duplicate",
                        "failed",
                        "discarded",
                    ]
                ),
                name="upload_status_is_known",
            ),
            models.CheckConstraint(
                condition=Q(status="failed") & ~Q(failure="") | ~Q(status="failed") & Q(failure=""),
                name="upload_failed_says_why",
            ),
            models.CheckConstraint(
                condition=~Q(status="processing") | Q(lease_until__isnull=False, attempt__gt=0),
                name="upload_processing_has_a_lease",
            ),
            models.CheckConstraint(
                condition=Q(declared_byte_size__gt=0), name="upload_declares_some_bytes"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.image} v{self.version}: {self.status}"

    @property
    def incoming_key(self) -> str:
        """Quarantine: what the browser sent, never served to anybody."""
        return object_keys.incoming(self.pk)

    @property
    def version_keys(self) -> object_keys.Version:
        """Every key a worker may write to for this upload."""
        return self.image.version_keys(self.version)

    @property
    def is_multipart(self) -> bool:
        return self.declared_byte_size > settings.MULTIPART_THRESHOLD_BYTES

    @property
    def part_count(self) -> int:
        return -(-self.declared_byte_size // settings.MULTIPART_PART_BYTES)

    def part_size(self, number: int) -> int:
        """Bytes of part `number` (from 1): all are full but the last."""
        if number < self.part_count:
            return int(settings.MULTIPART_PART_BYTES)
        return self.declared_byte_size - (self.part_count - 1) * int(settings.MULTIPART_PART_BYTES)


# Failures that leave the bytes in quarantine: for somebody to look at, or to try again. Those that
# were not to be found may be back, like a store that was not mounted.
KEEP_BYTES = frozenset({Upload.Failure.CRASHED, Upload.Failure.ORIGINAL_MISSING})

# Uploads that a worker has, or is about to have.
UNDER_WAY = Q(status__in=[Upload.Status.QUEUED, Upload.Status.PROCESSING])
_NOT_FINAL = (Upload.Status.PENDING, Upload.Status.QUEUED, Upload.Status.PROCESSING)
NOT_FINAL = Q(status__in=_NOT_FINAL)


def is_final(status: str) -> bool:
    """Whether an upload stays in this status until somebody retries or replaces it."""
    return status not in _NOT_FINAL
