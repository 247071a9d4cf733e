"""Serializers of the changes that people make to a photo."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils.dateparse import parse_datetime
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from bandpics.api.unknown_names import KnownFieldsOnly
from images.api.image_serializers import ImageDetailSerializer
from images.lifecycle import moderation
from images.models import Image
from images.photofile import location
from images.photofile.metadata.capture_time import YEARS
from images.uploads.when_and_where import Taken

# By names that clients of earlier systems use.
EARLIER_NAMES = {
    **dict.fromkeys(
        ["latitude", "longitude", "lat", "lon", "lng", "gps", "place"],
        'Send `location`: {"lat": 48.2082, "lon": 16.3738}.',
    ),
    **dict.fromkeys(
        ["date", "datetime", "datetime_original", "captured_at", "timestamp"],
        "Send `taken_at`: 2026-06-21T21:30:00+02:00.",
    ),
    **dict.fromkeys(["title", "text"], "Send `description`."),
    **dict.fromkeys(["group_id", "album"], "Send `group`: its id."),
}
MAX_OFFSET = timedelta(hours=14)


@extend_schema_field(OpenApiTypes.DATETIME)
class TakenField(serializers.Field[Taken, Any, str, Any]):
    """ISO 8601. With an offset it is kept, and the moment is known; without, only the clock."""

    default_error_messages = {
        "invalid": "Give a time such as 2026-06-21T21:30:00+02:00; without an offset if it is "
        "not known.",
        "year": f"Give a year from {YEARS.start} to {YEARS.stop - 1}.",
        "offset": "Give an offset from UTC of up to 14 hours, in whole minutes.",
    }

    def to_internal_value(self, data: Any) -> Taken:
        moment = _parsed(data)
        if moment is None:
            self.fail("invalid")
        if moment.year not in YEARS:
            self.fail("year")
        offset = moment.utcoffset()
        if offset is not None and (abs(offset) > MAX_OFFSET or offset.seconds % 60):
            self.fail("offset")
        return Taken(moment.replace(tzinfo=None), offset)

    def to_representation(self, value: Any) -> str:
        return str(value.isoformat())  # in the form of a browsable page


def _parsed(data: Any) -> datetime | None:
    if not isinstance(data, str) or len(data) > 40 or not re.match(r"\d{4}-\d\d-\d\d[T ]", data):
        return None
    try:
        moment = parse_datetime(data)
        if moment is not None and moment.tzinfo is not None:
            moment.astimezone(UTC)  # within the calendar there, too
    except (ValueError, OverflowError):
        return None
    return moment


class DegreesField(serializers.FloatField):
    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, bool):
            self.fail("invalid")
        degrees = super().to_internal_value(data)
        if not math.isfinite(degrees):
            self.fail("invalid")
        return degrees


class PositionSerializer(KnownFieldsOnly, serializers.Serializer[Any]):
    """A place. In a form: location.lat and location.lon, or location as JSON."""

    lat = DegreesField(min_value=-90, max_value=90, help_text="Degrees north, WGS 84.")
    lon = DegreesField(min_value=-180, max_value=180, help_text="Degrees east, WGS 84.")

    def get_value(self, dictionary: Any) -> Any:
        if not hasattr(dictionary, "getlist") or self.field_name not in dictionary:
            return super().get_value(dictionary)
        text = dictionary[self.field_name]
        try:
            return json.loads(text) if text else None
        except (ValueError, RecursionError):
            return text  # refused, as is any text in JSON


class ChangeSerializer(KnownFieldsOnly, serializers.Serializer[Any]):
    """Whatever is left out stays. What was read from the file is never read again over it."""

    also_known = frozenset(ImageDetailSerializer.Meta.fields)
    instead = EARLIER_NAMES

    description = serializers.CharField(max_length=4000, allow_blank=True, required=False)
    caption = serializers.CharField(
        max_length=2000,
        allow_blank=True,
        required=False,
        help_text="The uploader's own words: all that guests may change.",
    )
    taken_at = TakenField(
        required=False,
        allow_null=True,
        help_text="With its offset from UTC, or without one if that is not known. Null: nobody "
        "knows when.",
    )
    location = PositionSerializer(
        required=False,
        allow_null=True,
        help_text="Null: not shown any more. DELETE …/location/ removes it from the file, too.",
    )
    group = serializers.UUIDField(
        source="group_id", required=False, help_text="Another group, to which you may add photos."
    )


class ModerationSerializer(KnownFieldsOnly, serializers.Serializer[Any]):
    decision = serializers.ChoiceField(
        choices=[moderation.APPROVE, moderation.REJECT, moderation.WAIT],
        help_text="`wait` takes a decision back.",
    )
    reason = serializers.CharField(
        max_length=500, allow_blank=True, default="", help_text="Of a rejection, for its sender."
    )


class ModeratedSerializer(serializers.ModelSerializer[Image]):
    class Meta:
        model = Image
        fields = ["id", "moderation", "moderation_reason"]


class ForgottenSerializer(serializers.Serializer[Any]):
    original = serializers.ChoiceField(
        choices=["edited", "dropped", "none"],
        help_text="edited: the same pixels without the position. dropped: removed, because "
        "nothing less would have been certain. none: there is none, or it holds no position.",
    )
    removed = serializers.ListField(
        child=serializers.ChoiceField(choices=[kind.value for kind in location.Removed]),
        help_text="What was taken out of an original that was edited: besides the position, maker "
        "notes; descriptions and comments that tell coordinates or the photo's own place names; "
        "keywords; XMP and IPTC that may tell a place; films, sounds and other files behind or "
        "beside the picture; and other metadata that is not understood.",
    )
