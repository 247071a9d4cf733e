"""Groups as JSON: the event, what guests may do and see, and the newest photos."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.urls import reverse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.fields import empty

from bandpics.api.fields import ListField, in_our_time
from bandpics.api.problems import wrong
from bandpics.api.unknown_names import KnownFieldsOnly
from groups import colours
from groups.editing import LONGEST_RETENTION_DAYS, TIME_ZONES
from groups.models import Group, Licence, Membership
from images.api.announcement_serializers import NewFileSerializer
from images.api.change_serializers import DegreesField
from images.api.image_serializers import ImageSerializer
from images.api.upload_serializers import TicketSerializer
from images.captions import provider
from images.lifecycle import covers
from images.uploads import announce

if TYPE_CHECKING:
    from uuid import UUID


class LicenceSerializer(KnownFieldsOnly, serializers.ModelSerializer[Licence]):
    """The sentence to which guests are asked to agree when they send photos."""

    text = serializers.CharField(
        max_length=500,
        required=False,
        allow_blank=True,
        help_text="Of `own` alone; that of `show` is the standard sentence.",
    )

    class Meta:
        model = Licence
        fields = ["number", "kind", "text"]
        read_only_fields = ["number"]

    def get_value(self, dictionary: Any) -> Any:
        """Takes what nobody filled in of a form for left out."""
        value = super().get_value(dictionary)
        is_form = hasattr(dictionary, "getlist")
        return empty if is_form and value is not empty and not any(value.values()) else value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "kind" not in attrs:  # in a PATCH no field is required, not even here
            raise wrong("kind", "Say which: show, or own with a text.", "required")
        if attrs["kind"] == Licence.Kind.OWN and not attrs.get("text"):
            raise wrong("text", "Write the sentence to which guests are asked to agree.", "blank")
        return attrs


class GroupSerializer(KnownFieldsOnly, serializers.ModelSerializer[Group]):
    also_known = frozenset({"images"})  # of GroupDetailSerializer

    team = serializers.UUIDField(
        source="team_id",
        required=False,
        help_text="Needed from people with several teams. It never changes.",
    )
    latitude = DegreesField(
        min_value=-90, max_value=90, required=False, allow_null=True, help_text="Degrees north."
    )
    longitude = DegreesField(
        min_value=-180, max_value=180, required=False, allow_null=True, help_text="Degrees east."
    )
    retain_originals_days = serializers.IntegerField(
        min_value=0,
        max_value=LONGEST_RETENTION_DAYS,
        required=False,
        allow_null=True,
        help_text="Drop originals so many days after processing; null: keep them.",
    )
    time_zone = serializers.CharField(
        max_length=64, required=False, help_text="IANA name, such as Europe/Vienna."
    )
    accent_colour = serializers.CharField(
        max_length=7, required=False, allow_blank=True, help_text="#rrggbb; empty: Bandpics' own."
    )
    licence = LicenceSerializer(
        required=False,
        allow_null=True,
        help_text="Another text is another `number`; photos keep the one that was agreed to.",
    )
    cover = serializers.UUIDField(
        source="cover_id",
        required=False,
        allow_null=True,
        help_text="One of its photos, which may have been deleted since; null: the newest.",
    )
    caption_language = serializers.ChoiceField(
        choices=["", *provider.LANGUAGES],
        required=False,
        help_text="In which a model writes captions of its photos; empty: in none. Where the "
        "server has a provider, it gets a picture of each photo.",
    )
    is_closed = serializers.BooleanField(read_only=True)
    role = serializers.ChoiceField(
        choices=Membership.Role.choices, read_only=True, help_text="What I am in its team."
    )
    images_url = serializers.SerializerMethodField(help_text="The list of its photos.")

    class Meta:
        model = Group
        fields = [
            *("id", "team", "role", "name", "description"),
            *("event_name", "event_date", "venue", "latitude", "longitude"),
            *(
                "visibility",
                "reveal_at",
                "gps_policy",
                "closes_at",
                "is_closed",
                "retain_originals_days",
            ),
            *("needs_approval", "time_zone", "accent_colour", "licence", "cover"),
            "caption_language",
            *("created_at", "updated_at", "trashed_at", "images_url"),
        ]
        # The browsable form preselects it; without, it would be the first choice.
        extra_kwargs = {
            name: {"initial": getattr(Group(), name)} for name in ("visibility", "gps_policy")
        } | {name: {"validators": [in_our_time]} for name in ("reveal_at", "closes_at")}

    @extend_schema_field(serializers.URLField())
    def get_images_url(self, group: Group) -> str:
        address = f"{reverse('image-list')}?group={group.pk}"
        url: str = self.context["request"].build_absolute_uri(address)
        return url

    def validate_team(self, value: UUID) -> UUID:
        if self.instance is not None and value != self.instance.team_id:
            raise serializers.ValidationError("A group stays in its team.", code="fixed")
        return value

    def validate_time_zone(self, value: str) -> str:
        if value not in TIME_ZONES:
            raise serializers.ValidationError(
                "Give the name of a time zone of IANA, such as Europe/Vienna.", code="unknown"
            )
        return value

    def validate_accent_colour(self, value: str) -> str:
        try:
            return colours.plain(value)
        except ValueError:
            raise serializers.ValidationError(
                "Give a colour as #rrggbb, such as #1f5f55.", code="no-colour"
            ) from None

    def validate_cover(self, value: UUID | None) -> UUID | None:
        group = self.instance
        if value is None:
            return None
        if group is None or not covers.may_be_cover(group, value):
            raise serializers.ValidationError(
                "The group has no such photo, or it is not ready yet.", code="no-photo"
            )
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        place = {
            name: attrs[name] if name in attrs else getattr(self.instance, name, None)
            for name in ("latitude", "longitude")
        }
        missing = [name for name, value in place.items() if value is None]
        if len(missing) == 1:
            raise wrong(missing[0], "Give latitude and longitude, or neither.", "half-a-place")
        return attrs


class GroupDetailSerializer(GroupSerializer):
    images = serializers.SerializerMethodField(help_text="The newest 50; images_url has all.")

    class Meta(GroupSerializer.Meta):
        fields = [*GroupSerializer.Meta.fields, "images"]

    @extend_schema_field(ImageSerializer(many=True))
    def get_images(self, _: Group) -> Any:
        images = self.context["images"]
        return ImageSerializer(images, many=True, context=self.context).data


class GroupWithoutFilesSerializer(GroupSerializer):
    """The fields of a group; `files` are validated apart."""

    also_known = frozenset({"files"})


class NewGroupSerializer(GroupSerializer):
    """A new group, and the files that will be sent to storage."""

    files = ListField(child=NewFileSerializer(), required=False, max_length=announce.BATCH_LIMIT)

    class Meta(GroupSerializer.Meta):
        fields = [*GroupSerializer.Meta.fields, "files"]


class NewGroupFormSerializer(NewGroupSerializer):
    """A new group and its files, sent in one form."""

    files = ListField(
        child=serializers.FileField(), required=False, max_length=announce.BATCH_LIMIT
    )


class CreatedGroupSerializer(GroupSerializer):
    """The group that was created, and how to send the announced files."""

    uploads = TicketSerializer(many=True)

    class Meta(GroupSerializer.Meta):
        fields = [*GroupSerializer.Meta.fields, "uploads"]
