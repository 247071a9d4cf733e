"""The audit trail: rows that nobody changes or deletes, and their way to the bucket of logs.

The database itself refuses UPDATE and DELETE of an event, by a trigger. Another trigger writes each
event to the outbox, from which shipments are made. Events have no foreign keys: they outlive what
they tell of.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from bandpics.ids import new_id

MOST_OBJECTS = 200  # named by one event; `details` has their number


class Action(models.TextChoices):
    SIGNED_IN = "signed_in", _("Signed in")
    SIGN_IN_FAILED = "sign_in_failed", _("Could not sign in")
    SIGNED_OUT = "signed_out", _("Signed out")
    SESSIONS_ENDED = "sessions_ended", _("Ended sessions")
    ACCOUNT_CREATED = "account_created", _("Made an account")
    ACCOUNT_DELETED = "account_deleted", _("Deleted their account")
    PASSWORD_CHANGED = "password_changed", _("Changed the password")
    EMAIL_CHANGED = "email_changed", _("Changed the e-mail address")
    KEY_ISSUED = "key_issued", _("Made an API key")
    KEY_REVOKED = "key_revoked", _("Revoked an API key")
    TEAM_CREATED = "team_created", _("Made the team")
    TEAM_RENAMED = "team_renamed", _("Renamed the team")
    TEAM_OPENED = "team_opened", _("Opened the team to others")
    TEAM_DELETED = "team_deleted", _("Deleted the team")
    MEMBER_INVITED = "member_invited", _("Invited somebody to the team")
    MEMBER_UNINVITED = "member_uninvited", _("Withdrew an invitation to the team")
    MEMBER_ADDED = "member_added", _("Added a member")
    MEMBER_ROLE_CHANGED = "member_role_changed", _("Changed the role of a member")
    MEMBER_REMOVED = "member_removed", _("Removed a member")
    INVITATION_CREATED = "invitation_created", _("Made invitations")
    INVITATION_CHANGED = "invitation_changed", _("Changed an invitation")
    INVITATION_ROTATED = "invitation_rotated", _("Gave an invitation another link")
    INVITATION_REVOKED = "invitation_revoked", _("Revoked an invitation")
    SHORT_ADDRESS_CHOSEN = "short_address_chosen", _("Chose a short address")
    SHORT_ADDRESS_REMOVED = "short_address_removed", _("Removed a short address")
    GROUP_CREATED = "group_created", _("Made the group")
    GROUP_CHANGED = "group_changed", _("Changed the settings")
    GROUP_CLOSED = "group_closed", _("Closed the evening")
    GROUP_TRASHED = "group_trashed", _("Moved the group to the trash")
    GROUP_RESTORED = "group_restored", _("Restored the group")
    GROUP_PURGED = "group_purged", _("Deleted the group for good")
    WALL_CREATED = "wall_created", _("Made a wall")
    WALL_ENDED = "wall_ended", _("Ended a wall")
    PHOTOS_APPROVED = "photos_approved", _("Approved photos")
    PHOTOS_REJECTED = "photos_rejected", _("Rejected photos")
    PHOTOS_UNDECIDED = "photos_undecided", _("Made photos wait for approval again")
    PHOTOS_TRASHED = "photos_trashed", _("Moved photos to the trash")
    PHOTOS_RESTORED = "photos_restored", _("Restored photos")
    PHOTOS_PURGED = "photos_purged", _("Deleted photos for good")
    PHOTOS_MOVED = "photos_moved", _("Moved photos to another group")
    PHOTO_REPLACED = "photo_replaced", _("Replaced the file of a photo")
    PLACE_FORGOTTEN = "place_forgotten", _("Had the place of a photo forgotten")
    ORIGINAL_READ = "original_read", _("Downloaded an original")
    ARCHIVE_READ = "archive_read", _("Downloaded a ZIP")
    REMOVAL_ASKED = "removal_asked", _("Asked for the removal of a photo")
    REMOVAL_GRANTED = "removal_granted", _("Granted the removal of a photo")
    REMOVAL_REFUSED = "removal_refused", _("Refused the removal of a photo")
    UPLOAD_OF_ANOTHER = "upload_of_another", _("Asked for an upload of somebody else")
    ADMIN = "admin", _("Changed something in the admin")


# Events of an account, not of a team: owners read them at the API and operators in the admin.
OF_ACCOUNTS = {
    *(Action.SIGNED_IN, Action.SIGN_IN_FAILED, Action.SIGNED_OUT, Action.SESSIONS_ENDED),
    *(Action.ACCOUNT_CREATED, Action.ACCOUNT_DELETED, Action.PASSWORD_CHANGED),
    *(Action.EMAIL_CHANGED, Action.KEY_ISSUED, Action.KEY_REVOKED, Action.ADMIN),
}


class Credential(models.TextChoices):
    """What an event was done by."""

    SESSION = "session", _("Browser")
    API_KEY = "api_key", _("API key")
    TOKEN = "token", _("Token")
    INVITATION = "invitation", _("Link")
    NONE = "none", _("Without signing in")
    SERVER = "server", _("The server itself")


class AuditEvent(models.Model):
    """An act: who, by what, when, from where, and on what. It holds no name, e-mail address,
    text, place or secret: readers look up the names of those who still exist."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    at = models.DateTimeField(default=timezone.now, editable=False)
    action = models.CharField(max_length=24, choices=Action.choices)
    user_id = models.BigIntegerField(null=True, help_text="The account of whoever did it.")
    invitation_id = models.UUIDField(null=True, help_text="The link of a guest who did it.")
    credential = models.CharField(max_length=12, choices=Credential.choices)
    key_prefix = models.CharField(max_length=16, blank=True, help_text="Of the API key.")
    address = models.CharField(
        max_length=45, blank=True, help_text="IPv4 address, or the /64 network of an IPv6 address."
    )
    request_id = models.CharField(max_length=64, blank=True)
    team_id = models.UUIDField(null=True)
    group_id = models.UUIDField(null=True)
    object_ids = ArrayField(models.UUIDField(), default=list, size=MOST_OBJECTS)
    details = models.JSONField(default=dict)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["team_id", "-id"], name="audit_event_of_team")]

    def __str__(self) -> str:
        return f"{self.action} at {self.at:%Y-%m-%d %H:%M:%S}"


class AuditShipment(models.Model):
    """One object in the bucket of logs. Which events it holds is decided before it is written,
    so a second attempt writes the same bytes under the same key."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    key = models.CharField(max_length=100)
    events = models.PositiveIntegerField(default=0)
    shipped_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key"], name="audit_shipment_key_once")]
        indexes = [
            models.Index(
                fields=["id"], name="audit_shipment_open", condition=models.Q(shipped_at=None)
            )
        ]

    def __str__(self) -> str:
        return self.key


class AuditOutbox(models.Model):
    """An event that is not in the bucket of logs yet, and the shipment that will hold it."""

    event_id = models.UUIDField(primary_key=True)
    shipment = models.ForeignKey(AuditShipment, null=True, on_delete=models.RESTRICT)

    class Meta:
        verbose_name_plural = "audit outbox"

    def __str__(self) -> str:
        return str(self.event_id)
