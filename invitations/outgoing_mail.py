"""The rows of mails that are to be sent."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from bandpics.ids import new_id
from groups.models import Group

if TYPE_CHECKING:
    from datetime import datetime

# A mail that no server has accepted is given up so long after it was due.
MAIL_LIFETIME = timedelta(days=2)


def default_give_up() -> datetime:
    return timezone.now() + MAIL_LIFETIME


class OutgoingMail(models.Model):
    """A mail that is to be sent: claimed, leased and swept like other background work.

    It is written when it is sent, so that no link stands in the database. It outlives what it is
    about: mails of an invitation that was withdrawn count among those that its sender may send.
    """

    class Kind(models.TextChoices):
        INVITATION = "invitation", "The upload link"
        REMINDER = "reminder", "A reminder to send photos"
        LAST_CALL = "last_call", "The group closes soon"
        TEAM_INVITATION = "team_invitation", "The invitation to a team"
        NEW_PHOTOS = "new_photos", "Photos that arrived"
        ARCHIVE = "archive", "A ZIP that is ready"

    class State(models.TextChoices):
        QUEUED = "queued", "Waiting"
        SENDING = "sending", "Being sent"
        SENT = "sent", "A mail server accepted it"
        FAILED = "failed", "Given up"
        DISCARDED = "discarded", "Not needed any more"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    invitation = models.ForeignKey(
        "Invitation", null=True, on_delete=models.SET_NULL, related_name="mails"
    )
    team_invitation = models.ForeignKey(
        "TeamInvitation", null=True, on_delete=models.SET_NULL, related_name="mails"
    )
    # Of mails to a member about a group; those about an invitation go to its address.
    recipient = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+"
    )
    group = models.ForeignKey(Group, null=True, on_delete=models.CASCADE, related_name="+")
    details = models.JSONField(default=dict, blank=True, help_text="What its text tells.")
    sender = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    language = models.CharField(max_length=10, default="en")
    message = models.TextField(max_length=1000, blank=True, help_text="The host's own words.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    claim_number = models.PositiveIntegerField(default=0, editable=False)
    lease_until = models.DateTimeField(null=True, blank=True)
    due_at = models.DateTimeField(default=timezone.now, help_text="Not before then.")
    give_up_at = models.DateTimeField(
        default=default_give_up, help_text="An attempt that fails from then on is the last."
    )
    error = models.CharField(max_length=60, blank=True, help_text="Why the last attempt failed.")
    reply = models.CharField(max_length=200, blank=True, help_text="What the mail server said.")
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(
                fields=["due_at"], condition=Q(state__in=["queued", "sending"]), name="mail_sweep"
            )
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(invitation=None) | Q(team_invitation=None),
                name="mail_is_about_one_invitation_at_most",
            ),
            models.CheckConstraint(
                condition=Q(recipient=None)
                | Q(invitation=None, team_invitation=None, group__isnull=False),
                name="mail_to_a_member_is_about_a_group",
            ),
            models.CheckConstraint(
                condition=~Q(state="sending") | Q(lease_until__isnull=False),
                name="mail_being_sent_has_a_lease",
            ),
            # Two requests at once send one mail.
            models.UniqueConstraint(
                fields=["invitation", "kind"],
                condition=Q(state__in=["queued", "sending"]),
                name="mail_waits_once_per_invitation",
            ),
            models.UniqueConstraint(
                fields=["team_invitation", "kind"],
                condition=Q(state__in=["queued", "sending"]),
                name="mail_waits_once_per_team_invitation",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} ({self.state})"
