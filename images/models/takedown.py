"""Requests of people who want a photo removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from bandpics.ids import new_id
from groups.models import Group
from images.models.uploader import UPLOADER_COLUMNS, UPLOADER_IS_WHOLE, HasUploader

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from bandpics.users.models import User
    from images.models.uploader import UploaderKey


class TakedownRequestQuerySet(models.QuerySet["TakedownRequest"]):
    def open(self) -> Self:
        return self.filter(state=TakedownRequest.State.OPEN)

    def about(self, image_ids: Collection[UUID]) -> Self:
        return self.filter(image_id__in=image_ids)

    def asked_by(self, asker: UploaderKey) -> Self:
        return self.filter(asker.condition())

    def grant(self, *, by: User | None, answer: str = "") -> int:
        """Decides those that are open: the photo stays removed."""
        return self._decide(TakedownRequest.State.GRANTED, by=by, answer=answer)

    def refuse(self, *, by: User | None, answer: str = "") -> int:
        """Decides those that are open, in the transaction that restores their photos."""
        return self._decide(TakedownRequest.State.REFUSED, by=by, answer=answer)

    def _decide(self, state: str, *, by: User | None, answer: str) -> int:
        return self.open().update(state=state, decided_by=by, decided_at=Now(), answer=answer)


class TakedownRequest(HasUploader):
    """Somebody who saw a photo asks for its removal; a host decides.

    The photo is in the trash from the request on; a refusal restores it. The columns of the
    uploader name who asked.
    """

    class State(models.TextChoices):
        OPEN = "open", "A host has not decided yet"
        GRANTED = "granted", "The photo stays removed"
        REFUSED = "refused", "The photo is shown again"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="takedown_requests")
    # NULL once the photo was purged: who asked still gets an answer.
    image = models.ForeignKey(
        "images.Image", null=True, on_delete=models.SET_NULL, related_name="takedown_requests"
    )
    photo_id = models.UUIDField(help_text="The id of the photo, even when it is purged.")
    name = models.CharField(max_length=120, blank=True)
    reason = models.TextField(max_length=1000, blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    answer = models.TextField(max_length=1000, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    decided_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = TakedownRequestQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["group"], condition=Q(state="open"), name="takedown_open"),
            models.Index(fields=UPLOADER_COLUMNS, name="takedown_asker"),
        ]
        constraints = [
            UPLOADER_IS_WHOLE,
            models.UniqueConstraint(
                fields=["image"], condition=Q(state="open"), name="takedown_open_once_per_photo"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["open", "granted", "refused"]),
                name="takedown_state_is_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.image}: {self.state}"
