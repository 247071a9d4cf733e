"""Invitations as JSON."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from django.utils import timezone
from rest_framework import serializers

from bandpics.api.fields import in_our_time
from bandpics.api.problems import wrong
from bandpics.api.unknown_names import KnownFieldsOnly
from groups.models import Group
from invitations.mail import one_line
from invitations.models import Invitation
from invitations.tokens import TokenLost

if TYPE_CHECKING:
    from datetime import datetime

MAX_FILES, MAX_BYTES = 2**31 - 1, 2**63 - 1


class InvitationSerializer(serializers.ModelSerializer[Invitation]):
    group = serializers.UUIDField(source="group_id")
    token = serializers.SerializerMethodField(
        help_text="null: not for this credential, or the key that made it is gone."
    )
    upload_link = serializers.SerializerMethodField(
        help_text="For owners and whoever sent it, with the scope `admin`. Else null; and null if "
        "the key that made it is gone: rotate for a new one."
    )
    state = serializers.ChoiceField(choices=Invitation.State.choices)
    can_rotate = serializers.SerializerMethodField(help_text="Whether I may have another link.")

    class Meta:
        model = Invitation
        fields = [
            *(
                "id",
                "token",
                "email",
                "group",
                "kind",
                "name",
                "state",
                "upload_link",
                "can_rotate",
            ),
            *("created_at", "updated_at", "expires_at", "revoked_at"),
            *("max_files", "max_bytes", "used_files", "used_bytes", "trusted", "visibility"),
        ]

    def get_token(self, invitation: Invitation) -> str | None:
        with suppress(TokenLost):
            return invitation.token if invitation.shows_link else None
        return None

    def get_upload_link(self, invitation: Invitation) -> str | None:
        with suppress(TokenLost):
            return invitation.upload_link if invitation.shows_link else None
        return None

    def get_can_rotate(self, invitation: Invitation) -> bool:
        return invitation.may_manage and not invitation.is_revoked


class InvitedSerializer(InvitationSerializer):
    email_sent = serializers.BooleanField(
        allow_null=True,
        help_text="Whether a mail server took it, false also without one; null: not asked to. "
        "Where there is one, it is tried again for two days.",
    )

    class Meta(InvitationSerializer.Meta):
        fields = [*InvitationSerializer.Meta.fields, "email_sent"]


class InvitationOptionsSerializer(KnownFieldsOnly, serializers.Serializer[Any]):
    """The options of an invitation. Only owners may trust it, or let it see more or less."""

    name = serializers.CharField(max_length=120, required=False, allow_blank=True)
    max_files = serializers.IntegerField(
        min_value=1, max_value=MAX_FILES, required=False, allow_null=True
    )
    max_bytes = serializers.IntegerField(
        min_value=1, max_value=MAX_BYTES, required=False, allow_null=True
    )
    expires_at = serializers.DateTimeField(required=False, validators=[in_our_time])
    visibility = serializers.ChoiceField(
        choices=Group.Visibility.choices,
        required=False,
        allow_blank=True,
        help_text="What this guest may see. Empty: as the group says.",
    )
    trusted = serializers.BooleanField(required=False, help_text="Photos need no approval.")

    def validate_name(self, value: str) -> str:
        return one_line(value)

    def validate_expires_at(self, value: datetime) -> datetime:
        if value <= timezone.now():
            raise serializers.ValidationError(
                "This is over already. To end the link now, revoke it.", code="past"
            )
        return value


class NewInvitationSerializer(InvitationOptionsSerializer):
    group = serializers.UUIDField()
    email = serializers.EmailField(max_length=254, required=False, allow_blank=True)
    kind = serializers.ChoiceField(
        choices=Invitation.Kind.choices, default=Invitation.Kind.PERSONAL
    )
    send_email = serializers.BooleanField(default=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        is_personal = attrs["kind"] == Invitation.Kind.PERSONAL
        if not attrs.get("email") and (is_personal or attrs["send_email"]):
            why = (
                "Say whom you invite; or ask for a link that many may use, by `kind: shared`."
                if is_personal
                else "Say where to send it."
            )
            raise wrong("email", why, "required")
        return attrs


class InvitationChangesSerializer(InvitationOptionsSerializer):
    also_known = frozenset(InvitedSerializer.Meta.fields)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        # What a client sends back as it read it does no harm; a real change is told.
        invitation: Any = self.instance
        now = {
            "group": str(invitation.group_id),
            "email": invitation.email,
            "kind": invitation.kind,
        }
        for field, value in now.items():
            if field in self.initial_data and self.initial_data[field] != value:
                why = "This is fixed. Invite again instead, and revoke this one."
                raise wrong(field, why, "fixed")
        return attrs
