"""The presets of a group: named transforms that its owners make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.response import Response

from bandpics.api import problems
from bandpics.api.pagination import Pages
from bandpics.api.problems import Conflict, Forbidden
from bandpics.api.unknown_names import KnownFieldsOnly
from groups.models import Group
from images.access import GuestAccess
from images.api import transform_serializers
from images.api.access import PhotoViewSet
from images.models import TransformPreset
from images.photofile.transforms.spec import SpecError
from images.transforms import presets

if TYPE_CHECKING:
    from uuid import UUID

    from rest_framework.request import Request


class PresetNameTaken(Conflict):
    slug = "preset-name-taken"
    title = _("The group has another preset of this name")
    default_detail = _("Choose another name, or delete the other preset first.")


class TooManyPresets(Conflict):
    slug = "too-many-presets"
    title = _("The group has as many presets as a group may have")
    default_detail = _("Delete one of them first.")


class NewPresetSerializer(KnownFieldsOnly, serializers.Serializer[Any]):
    name = serializers.SlugField(max_length=40)
    transformations = transform_serializers.TransformationsSerializer()
    is_for_guests = serializers.BooleanField(
        default=False, help_text="Guests who see a photo may have it in this form."
    )

    def validate_transformations(self, sent: dict[str, Any]) -> dict[str, Any]:
        if "preset" in sent:
            raise serializers.ValidationError({"preset": [_("A preset is not made of another.")]})
        return sent


class PresetSerializer(serializers.ModelSerializer[TransformPreset]):
    transformations = serializers.SerializerMethodField()

    class Meta:
        model = TransformPreset
        fields = ["name", "transformations", "is_for_guests", "created_at"]

    @extend_schema_field(transform_serializers.TransformationsSerializer)
    def get_transformations(self, preset: TransformPreset) -> dict[str, Any]:
        return transform_serializers.shown(preset.spec)


class PresetViewSet(PhotoViewSet):
    """Named transforms of a group. Its owners make them; its members, and guests where a preset is
    for them, use them by name."""

    queryset = TransformPreset.objects.none()  # for the documentation
    serializer_class = PresetSerializer
    serializer_classes: ClassVar = {"create": NewPresetSerializer}
    lookup_url_kwarg = "preset"
    lookup_value_converter = "slug"
    pagination_class = Pages
    parameters: ClassVar = {"list": [*Pages.parameters]}

    def group(self) -> Group:
        """404 for a group that is not shown."""
        rows = self.access.groups().select_related("team")
        found: Group = get_object_or_404(rows, pk=self.kwargs["group_id"])
        return found

    def owned_group(self) -> Group:
        """403 for whoever does not own the group."""
        group = self.group()
        if isinstance(self.access, GuestAccess):
            raise Forbidden(_("Presets are made by the owners of the group."))
        if not Group.objects.owned_by(self.member).filter(pk=group.pk).exists():
            raise Forbidden(_("Presets are made by the owners of the group."))
        return group

    def list(self, request: Request, group_id: UUID) -> Response:
        """The presets that I may use, by name."""
        rows = presets.of_group(self.group().pk, self.access)
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        responses={201: PresetSerializer},
        examples=[
            OpenApiExample(
                "For guests",
                value={
                    "name": "poster",
                    "transformations": {"resize": {"width": 1600}, "filters": {"sepia": True}},
                    "is_for_guests": True,
                },
                request_only=True,
            )
        ],
    )
    def create(self, request: Request, group_id: UUID) -> Response:
        """Make a preset. Owners only; safe to repeat."""
        group, sent = self.owned_group(), self.sent()
        try:
            preset = presets.make(
                group,
                sent["name"],
                transform_serializers.spec_of(sent["transformations"]),
                is_for_guests=sent["is_for_guests"],
            )
        except SpecError as error:
            raise transform_serializers.error_of(error) from None
        return Response(PresetSerializer(preset).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, group_id: UUID, preset: str) -> Response:
        """Remove a preset. Owners only. What was made by it stays until nobody uses it."""
        rows = TransformPreset.objects.filter(group=self.owned_group(), name=preset)
        if not rows.delete()[0]:
            raise Http404
        return Response(status=status.HTTP_204_NO_CONTENT)


problems.answer(
    {
        presets.NameTaken: lambda _error: PresetNameTaken(),
        presets.TooMany: lambda _error: TooManyPresets(),
    }
)
