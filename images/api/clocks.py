"""Correcting the clocks of cameras: the times of all photos of one uploader's camera at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.shortcuts import get_object_or_404
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers, status
from rest_framework.response import Response

from bandpics.api import problems
from bandpics.api.base import MemberViewSet
from bandpics.api.pagination import Pages
from bandpics.api.problems import Conflict, Forbidden
from bandpics.api.unknown_names import KnownFieldsOnly
from bandpics.users.models import Scope
from groups.models import Group
from images.access import MemberAccess
from images.lifecycle import clock
from images.models import ClockCorrection, Image

if TYPE_CHECKING:
    from uuid import UUID

    from rest_framework.request import Request


class NoCameraTime(Conflict):
    slug = "no-camera-time"
    title = _("This photo does not have the time of a camera")
    default_detail = _("Name a photo whose time its camera wrote, not a person.")
    explanation = "The photo says no time, or a person has set it. Name another one of the camera."


class TimeOutOfRange(Conflict):
    slug = "time-out-of-range"
    title = _("A photo would be of a year that is too far away")
    default_detail = _("Nothing was changed. Photos lie between 1970 and 2199.")


class CorrectionSerializer(KnownFieldsOnly, serializers.Serializer[Any]):
    image = serializers.UUIDField(help_text="Any photo of the camera, by its uploader.")
    shift_minutes = serializers.IntegerField(
        min_value=-clock.AT_MOST_MINUTES,
        max_value=clock.AT_MOST_MINUTES,
        help_text="Added to what the camera wrote: 60 if its clock was an hour slow. Not 0.",
    )

    def validate_shift_minutes(self, minutes: int) -> int:
        if minutes == 0:
            raise serializers.ValidationError(_("Say by how many minutes."))
        return minutes


class ClockCorrectionSerializer(serializers.ModelSerializer[ClockCorrection]):
    class Meta:
        model = ClockCorrection
        fields = ["id", "camera_make", "camera_model", "shift_minutes", "created_at", "undone_at"]


class ClockCorrectionViewSet(MemberViewSet):
    """Corrections of cameras whose clocks were wrong, of one group; for owners of its team."""

    queryset = ClockCorrection.objects.none()  # for the documentation
    serializer_class = ClockCorrectionSerializer
    serializer_classes: ClassVar = {"create": CorrectionSerializer}
    write_scope = Scope.ADMIN
    lookup_url_kwarg = "correction_id"
    pagination_class = Pages
    parameters: ClassVar = {"list": [*Pages.parameters]}

    @cached_property
    def access(self) -> MemberAccess:
        return MemberAccess.of(self.request)

    def group(self) -> Group:
        """404 for strangers, 403 for those who only see it."""
        groups = Group.objects.visible_to(self.access)
        group: Group = get_object_or_404(groups, pk=self.kwargs["group_id"])
        if not Group.objects.owned_by(self.access).filter(pk=group.pk).exists():
            raise Forbidden("Only owners of the team correct clocks.")
        return group

    def list(self, request: Request, group_id: UUID) -> Response:
        """The corrections of a group, the newest first; also those that were undone."""
        rows = ClockCorrection.objects.filter(group=self.group())
        return self.paginated(rows.order_by("-created_at", "-id"))

    @extend_schema(
        responses={201: ClockCorrectionSerializer},
        examples=[
            OpenApiExample(
                "An hour slow",
                value={"image": "01234567-89ab-7def-8123-456789abcdef", "shift_minutes": 60},
                request_only=True,
            )
        ],
    )
    def create(self, request: Request, group_id: UUID) -> Response:
        """Shift the times of all photos of a camera, also of those that arrive later.

        It takes the place of an earlier correction of the camera. Times that a person has set stay.
        """
        sent, group = self.sent(), self.group()
        photos = Image.objects.in_group(group).ready()
        image = get_object_or_404(photos, pk=sent["image"])
        made = clock.correct(image, sent["shift_minutes"], by=self.access.user)
        return Response(ClockCorrectionSerializer(made).data, status=status.HTTP_201_CREATED)

    def destroy(self, request: Request, group_id: UUID, correction_id: UUID) -> Response:
        """Undo a correction. Safe to call twice."""
        rows = ClockCorrection.objects.filter(group=self.group())
        clock.undo(get_object_or_404(rows, pk=correction_id), by=self.access.user)
        return Response(status=status.HTTP_204_NO_CONTENT)


problems.answer(
    {
        clock.NoTime: lambda _error: NoCameraTime(),
        clock.OutOfRange: lambda _error: TimeOutOfRange(),
    }
)
