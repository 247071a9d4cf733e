"""Transforms of photos: pictures that workers render on request, and presets of them."""

from __future__ import annotations

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q

from bandpics.ids import new_id
from groups.models import Group
from images.photofile.transforms.spec import Spec
from images.storage import object_keys


class TransformQuerySet(models.QuerySet["Transform"]):
    def done(self) -> Self:
        return self.filter(state=Transform.State.DONE)

    def on_disk(self) -> Self:
        """Transforms that take up room in the bucket, or will."""
        return self.exclude(state=Transform.State.FAILED)


class Transform(models.Model):
    """One result of one spec for one version of a photo.

    A row is queued, claimed for a short lease (`rendering`), and then done or failed. Triggers
    delete it where the photo it shows is replaced or moved, or its watermark leaves the group, and
    leave its object to the outbox whenever the row is deleted.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "Waiting"
        RENDERING = "rendering", "Being rendered"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    class Source(models.TextChoices):
        ORIGINAL = "original", "The original"
        FULLSIZE = "fullsize", "The largest size kept, because the original is there no longer"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    image = models.ForeignKey("images.Image", on_delete=models.CASCADE, related_name="transforms")
    # The group that its key names. Not a foreign key: it is that of the photo.
    group_id = models.UUIDField(editable=False)
    version = models.PositiveIntegerField()
    spec = models.JSONField(help_text="In canonical form.")
    spec_hash = models.CharField(max_length=64, help_text="SHA-256 of the canonical form.")
    watermark_image_id = models.UUIDField(null=True, blank=True, editable=False)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    guest_digest = models.CharField(
        max_length=64,
        blank=True,
        editable=False,
        help_text="Which guest asked: a digest of link and device. Empty for members.",
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    failure = models.CharField(max_length=60, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    claim_number = models.PositiveIntegerField(default=0, editable=False)
    lease_until = models.DateTimeField(null=True, blank=True)
    source = models.CharField(max_length=10, choices=Source.choices, blank=True)
    width = models.PositiveIntegerField(null=True, blank=True)
    height = models.PositiveIntegerField(null=True, blank=True)
    byte_size = models.PositiveBigIntegerField(default=0)
    rendering_ms = models.PositiveIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    done_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(auto_now_add=True)
    last_checked_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = TransformQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["image", "version", "spec_hash"], name="transform_once_per_version"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["queued", "rendering", "done", "failed"]),
                name="transform_state_is_known",
            ),
            models.CheckConstraint(
                condition=~Q(state="rendering") | Q(lease_until__isnull=False),
                name="transform_being_rendered_has_a_lease",
            ),
            models.CheckConstraint(
                condition=~Q(state="done")
                | Q(width__gt=0, height__gt=0, byte_size__gt=0, done_at__isnull=False),
                name="transform_done_is_whole",
            ),
        ]
        indexes = [
            models.Index(
                fields=["created_at"],
                condition=Q(state__in=["queued", "rendering"]),
                name="transform_sweep",
            ),
            models.Index(
                fields=["created_at", "failure"],
                condition=Q(state="failed"),
                name="transform_failed",
            ),
            models.Index(fields=["last_used_at"], name="transform_last_used"),
            models.Index(fields=["group_id"], name="transform_of_group"),
            models.Index(
                fields=["watermark_image_id"],
                condition=Q(watermark_image_id__isnull=False),
                name="transform_watermark",
            ),
        ]

    def __str__(self) -> str:
        return f"Transform {self.spec_hash[:8]} of {self.image_id} ({self.state})"

    @property
    def key(self) -> str:
        version = object_keys.Version(self.group_id, self.image_id, self.version)
        return version.transform(self.spec_hash, self.spec["format"])

    @property
    def content_type(self) -> str:
        return f"image/{self.spec['format']}"

    @property
    def parsed(self) -> Spec:
        return Spec.from_canonical(self.spec)


class TransformPreset(models.Model):
    """A named spec of a group, which its owners make. Guests and pages may use presets only."""

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="transform_presets")
    name = models.SlugField(max_length=40)
    spec = models.JSONField(help_text="In canonical form.")
    is_for_guests = models.BooleanField(
        default=False, help_text="Guests who see a photo may download it in this form."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["group", "name"], name="transform_preset_name_once")
        ]

    def __str__(self) -> str:
        return self.name
