"""Captions that a provider generated, beside what people wrote, and never instead of it.

Triggers keep two columns of the photo: `generated_text` is the text that is shown, so that lists
and the search need no other table, and `caption_due` says that there is no row. They delete the
row of a photo that is replaced, whose place is forgotten, or that moves to a group of another
language; and of one that is trashed, unless a caption was written already. Whoever changes a row
locks the photo first, as those do.
"""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import Q

from bandpics.ids import new_id

MAX_LETTERS = 500


class GeneratedCaptionQuerySet(models.QuerySet["GeneratedCaption"]):
    def shown(self) -> Self:
        """Captions that are finished, and that no host has hidden."""
        return self.filter(state=GeneratedCaption.State.DONE, hidden_at=None)


class GeneratedCaption(models.Model):
    """What a model says a version of a photo shows, in plain text of one language.

    A row is queued, claimed for a short lease (`asking`), and then done or failed. A host may
    correct the text (`is_corrected`) or hide it.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "Waiting"
        ASKING = "asking", "Being written"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    image = models.OneToOneField(
        "images.Image", on_delete=models.CASCADE, related_name="generated_caption"
    )
    version = models.PositiveIntegerField()
    language = models.CharField(max_length=10)
    text = models.CharField(max_length=MAX_LETTERS, blank=True)
    model = models.CharField(max_length=80, blank=True)
    prompt_version = models.PositiveSmallIntegerField(default=0)
    is_corrected = models.BooleanField(default=False)
    hidden_at = models.DateTimeField(null=True, blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    failure = models.CharField(max_length=60, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    claim_number = models.PositiveIntegerField(default=0, editable=False)
    lease_until = models.DateTimeField(null=True, blank=True)
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    input_tokens = models.PositiveIntegerField(default=0)
    output_tokens = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    done_at = models.DateTimeField(null=True, blank=True)
    last_checked_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = GeneratedCaptionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["queued", "asking", "done", "failed"]),
                name="generated_caption_state_is_known",
            ),
            models.CheckConstraint(
                condition=~Q(state="asking") | Q(lease_until__isnull=False),
                name="generated_caption_asking_has_a_lease",
            ),
        ]
        indexes = [
            models.Index(
                fields=["created_at"],
                condition=Q(state__in=["queued", "asking"]),
                name="generated_caption_sweep",
            ),
            models.Index(
                fields=["created_at", "failure"],
                condition=Q(state="failed"),
                name="generated_caption_failed",
            ),
            models.Index(fields=["done_at"], name="generated_caption_done"),
        ]

    def __str__(self) -> str:
        return self.text or f"Caption of {self.image_id} ({self.state})"


class CaptionUsage(models.Model):
    """What was asked of the provider on one day (UTC), for one group or, without one, in all.

    Deleting photos gives nothing back: what was asked was paid for.
    """

    day = models.DateField()
    group = models.ForeignKey(
        "groups.Group", null=True, on_delete=models.CASCADE, related_name="caption_usage"
    )
    asked = models.PositiveIntegerField(default=0)
    input_tokens = models.PositiveBigIntegerField(default=0)
    output_tokens = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["group", "day"], name="caption_usage_once_per_day"),
            models.UniqueConstraint(
                fields=["day"], condition=Q(group=None), name="caption_usage_of_all_once_per_day"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.asked} captions of {self.group_id or 'all groups'} on {self.day}"
