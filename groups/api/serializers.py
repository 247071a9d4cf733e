"""Teams and their members as JSON."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from bandpics.api.problems import wrong
from bandpics.api.unknown_names import KnownFieldsOnly
from bandpics.users.models import User
from groups.models import Membership, Team


class TeamSerializer(KnownFieldsOnly, serializers.ModelSerializer[Team]):
    role = serializers.ChoiceField(
        choices=Membership.Role.choices,
        read_only=True,
        allow_null=True,
        help_text="What I am in it; null for an admin who is not.",
    )

    class Meta:
        model = Team
        fields = ["id", "name", "is_personal", "role", "created_at"]
        read_only_fields = ["is_personal"]


class MemberSerializer(serializers.ModelSerializer[Membership]):
    user = serializers.IntegerField(source="user_id", read_only=True)
    email = serializers.EmailField(source="user.email", read_only=True)
    name = serializers.CharField(source="user.name", read_only=True)

    class Meta:
        model = Membership
        fields = ["user", "email", "name", "role", "created_at"]


class RoleSerializer(KnownFieldsOnly, serializers.Serializer[Any]):
    also_known = frozenset(MemberSerializer.Meta.fields)
    role = serializers.ChoiceField(choices=Membership.Role.choices)


class NewMemberSerializer(KnownFieldsOnly, serializers.Serializer[Any]):
    """Somebody with an account, by e-mail address; by id for admins alone.

    Ids are counted up: with them, anybody could read off who has an account here.
    """

    email = serializers.EmailField(required=False)
    user = serializers.IntegerField(
        required=False, min_value=1, max_value=2**63 - 1, help_text="For admins."
    )
    role = serializers.ChoiceField(choices=Membership.Role.choices, default=Membership.Role.MEMBER)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("email" in attrs) == ("user" in attrs):
            raise wrong("email", "Say who joins: either `email` or `user`.", "required")
        if "email" in attrs:
            field, found = "email", User.objects.with_email(attrs["email"])
            unknown = (
                "Nobody with this address has an account here. Ask them to register first; to send "
                "photos they need none, only an invitation."
            )
        elif self.context["is_admin"]:
            field, found = "user", User.objects.filter(pk=attrs["user"])
            unknown = "There is no person with this id."
        else:
            why = "Only an admin takes people in by id. Say their `email`."
            raise wrong("user", why, "admins-only")
        person = found.filter(is_active=True).first()
        if person is None:
            raise wrong(field, unknown, "unknown-person")
        return {**attrs, "person": person}
