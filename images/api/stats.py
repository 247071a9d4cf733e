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
    transforms = serializers.IntegerField(
        source="transforms.done", help_text="Pictures made of photos on request."
    )


class ProcessingSerializer(serializers.Serializer[Any]):
    """From the claim to the last object, in milliseconds. Null until a photo is done."""

    average_ms = serializers.FloatField(allow_null=True)
    p95_ms = serializers.FloatField(
        allow_null=True, help_text="95 of 100 photos took no longer than this."
    )


class QueueSerializer(serializers.Serializer[Any]):
    waiting = serializers.IntegerField(help_text="Your photos that wait for a worker.")
    oldest_seconds = serializers.IntegerField(
        allow_null=True, help_text="How long the oldest of them has waited. Null if none does."
    )
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
    transforms = serializers.IntegerField(source="transforms.bytes")


class WorkSerializer(serializers.Serializer[Any]):
    """Work on request: what came of it."""

    done = serializers.IntegerField()
    waiting = serializers.IntegerField()
    failed = serializers.IntegerField()
    failures = serializers.DictField(child=serializers.IntegerField(), help_text="By reason.")


class TransformNumbersSerializer(WorkSerializer):
    bytes = serializers.IntegerField()
    average_ms = serializers.FloatField(allow_null=True, help_text="Of rendering one.")


class CaptionNumbersSerializer(WorkSerializer):
    asked = serializers.IntegerField(
        help_text="Questions to the provider, whatever came of them; deleted photos included."
    )
    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    average_ms = serializers.FloatField(
        allow_null=True, help_text="From the order to the text, the wait included."
    )


class UploaderCountSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    count = serializers.IntegerField()
    bytes = serializers.IntegerField(help_text="Of the originals.")


class FormatCountSerializer(serializers.Serializer[Any]):
    format = serializers.CharField()
    count = serializers.IntegerField()


class CameraCountSerializer(serializers.Serializer[Any]):
    make = serializers.CharField(allow_blank=True)
    model = serializers.CharField(allow_blank=True)
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
    uploaders = UploaderCountSerializer(
        many=True, help_text="The 20 names with the most photos, as the photos say them."
    )
    failures = serializers.DictField(
        child=serializers.IntegerField(), help_text="Uploads that failed, by reason."
    )
    transforms = TransformNumbersSerializer()
    captions = CaptionNumbersSerializer()
    uploads_per_day = DayCountSerializer(
        many=True, help_text="Of the last 30 days in UTC, oldest first; days without any, too."
    )
    counted_at = serializers.DateTimeField(
        help_text="What happened until then is counted; what waits is counted now. The numbers of "
        f"more than {stats.SMALL} photos are kept, and counted anew soon after a change."
    )
    uncounted_groups = serializers.IntegerField(
        help_text="Groups that are in no number yet: new ones, for up to a minute."
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
