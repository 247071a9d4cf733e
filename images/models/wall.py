"""Walls: full-screen pages that show the approved photos of a group."""

from __future__ import annotations

from datetime import timedelta
from typing import Self

from django.conf import settings
from django.db import models
from django.utils import timezone

from groups.models import Group
from invitations import tokens
from invitations.models import HasToken, Invitation

# A wall counts as running so long after its page last asked. The page says so every minute.
RUNNING_FOR = timedelta(minutes=3)


class WallQuerySet(models.QuerySet["Wall"]):
    def with_token(self, token: str) -> Self:
        return self.filter(digest=tokens.digest(token))

    def open(self) -> Self:
        return self.filter(revoked_at=None, group__trashed_at=None)

    def of_group(self, group: Group) -> Self:
        """Walls of the group that nobody has ended."""
        return self.filter(group=group, revoked_at=None)

    def running(self) -> Self:
        """Open walls that some screen shows now."""
        return self.open().filter(seen_at__gt=timezone.now() - RUNNING_FOR)


class Wall(HasToken):
    """A page for a projector, opened by a secret link of its own, which a host can revoke."""

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="walls")
    invitation = models.ForeignKey(
        Invitation,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="The link in the QR code; empty: no code.",
    )
    name = models.CharField(max_length=120, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    seen_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When its page last asked for photos."
    )

    objects = WallQuerySet.as_manager()

    class Meta:
        ordering = ["created_at"]

    def __str__(self) -> str:
        return self.name or f"Wall of {self.group}"

    @property
    def address(self) -> str:
        """The address to open on a screen, by PUBLIC_URL. Raises tokens.TokenLost."""
        return f"{settings.PUBLIC_URL}/w/{self.token}/"
