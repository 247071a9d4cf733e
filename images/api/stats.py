"""Numbers over the photos a member may see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from bandpics.api.problems import Forbidden
from images.access import GuestAccess
from images.api.access import PhotoViewSet
from images.listing import stats
from images.models import Upload

if TYPE_CHECKING:
    from rest_framework.request import Request


class TotalsSerializer(serializers.Serializer[Any]):
    groups = serializers.IntegerField()
    photos = serializers.IntegerField(help_text="Ready to be seen; without the trash.")
    trashed = serializers.IntegerField()
    transforms = serializers.IntegerField(help_text="Pictures made of photos on request.")


class ProcessingSerializer(serializers.Serializer[Any]):
    """From the claim to the last object, in milliseconds. Null until a photo is done."""

    average_ms = serializers.FloatField(allow_null=True)
    p95_ms = serializers.FloatField(
        allow_null=True, help_text="95 of 100 photos took no longer than this."
    )


class QueueSerializer(serializers.Serializer[Any]):
    waiting = serializers.IntegerField(help_text="Your photos that wait for a worker.")
    broker = serializers.IntegerField(
        allow_null=True, help_text="Messages in Redis, everybody's. Null if Redis does not answer."
    )


class BytesSerializer(serializers.Serializer[Any]):
    """The bytes in the bucket, the trash included."""

    originals = serializers.IntegerField(source="original_bytes")
    variants = serializers.IntegerField(source="variant_bytes")
    archives = serializers.IntegerField(
        source="archive_bytes", help_text="ZIPs, with those that are being built."
    )
    transforms = serializers.IntegerField(source="transform_bytes")


class FormatCountSerializer(serializers.Serializer[Any]):
    format = serializers.CharField()
    count = serializers.IntegerField()


class CameraCountSerializer(serializers.Serializer[Any]):
    make = serializers.CharField()
    model = serializers.CharField()
    count = serializers.IntegerField()


class DayCountSerializer(serializers.Serializer[Any]):
    date = serializers.DateField()
    count = serializers.IntegerField()


class StatsSerializer(serializers.Serializer[Any]):
    totals = TotalsSerializer(source="*")
    statuses = serializers.DictField(
        child=serializers.IntegerField(),
        help_text=f"Photos by the state of their newest upload: {', '.join(Upload.Status.values)}.",
    )
    processing = ProcessingSerializer(source="*")
    queue = QueueSerializer(source="*")
    bytes = BytesSerializer(source="*")
    formats = FormatCountSerializer(many=True, help_text="The most frequent first.")
    cameras = CameraCountSerializer(many=True, help_text="The ten most frequent.")
    uploads_per_day = DayCountSerializer(
        many=True, help_text="Of the last 30 days in UTC, oldest first; days without any, too."
    )


class GroupParameter(serializers.Serializer[Any]):
    group = serializers.UUIDField(required=False)


class StatsViewSet(PhotoViewSet):
    """Numbers over the photos a member may see."""

    serializer_class = StatsSerializer
    parameters: ClassVar = {"retrieve": ["group"]}

    @extend_schema(
        parameters=[
            OpenApiParameter(
                "group",
                {"type": "string", "format": "uuid"},
                description="Of this group alone.",
                examples=[OpenApiExample("A group", "0198d3c5-7c1e-7a42-9b1c-3f0e5d2a6b47")],
            )
        ],
        responses=StatsSerializer,
    )
    def retrieve(self, request: Request) -> Response:
        """Totals, states, times, bytes, formats, cameras and days of all I may see."""
        if isinstance(self.access, GuestAccess):
            raise Forbidden("Numbers are for the members of a team. Sign in.")
        asked = GroupParameter(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        groups = self.access.groups()
        if group_id := asked.validated_data.get("group"):
            get_object_or_404(groups, pk=group_id)
            groups = groups.filter(pk=group_id)
        return Response(StatsSerializer(stats.of(groups)).data)
