"""Photos as JSON."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from images.media.storage import photo_storage
from images.models import Image, Upload, Variant


class SizeSerializer(serializers.Serializer[Any]):
    """One rendered size of a photo, in pixels."""

    url = serializers.CharField(help_text="Presigned, the same for an hour.")
    width = serializers.IntegerField()
    height = serializers.IntegerField()


class GpsSerializer(serializers.Serializer[Image]):
    lat = serializers.FloatField(source="latitude", help_text="Degrees north, WGS 84.")
    lon = serializers.FloatField(source="longitude", help_text="Degrees east, WGS 84.")
    altitude = serializers.FloatField(help_text="Metres above sea level.", allow_null=True)
    direction = serializers.FloatField(help_text="Degrees from north.", allow_null=True)
    datetime = serializers.DateTimeField(source="gps_at", allow_null=True)


class TextOrNull(serializers.CharField):
    """Columns hold an empty text where the camera said nothing; JSON says null."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_null=True, read_only=True, **options)

    def to_representation(self, value: str) -> str | None:  # type: ignore[override]
        return value or None


class ExifSerializer(serializers.ModelSerializer[Image]):
    """EXIF as the camera wrote it; codes are those of EXIF 2.32."""

    camera_make = TextOrNull()
    camera_model = TextOrNull()
    lens_model = TextOrNull()
    software = TextOrNull()
    exif_version = TextOrNull()

    datetime_original = serializers.SerializerMethodField()
    offset_time = serializers.SerializerMethodField()
    gps = serializers.SerializerMethodField()

    class Meta:
        model = Image
        fields = [
            "camera_make",
            "camera_model",
            "lens_model",
            "software",
            "datetime_original",
            "offset_time",
            "iso",
            "focal_length",
            "aperture",
            "exposure_time",
            "flash",
            "metering_mode",
            "exposure_program",
            "white_balance",
            "saturation",
            "sharpness",
            "contrast",
            "orientation",
            "x_resolution",
            "y_resolution",
            "exif_version",
            "gps",
        ]

    def get_datetime_original(self, image: Image) -> str | None:
        return local_time(image)

    def get_offset_time(self, image: Image) -> str | None:
        return utc_offset(image)

    @extend_schema_field(GpsSerializer(allow_null=True))
    def get_gps(self, image: Image) -> dict[str, Any] | None:
        return None if image.latitude is None else GpsSerializer(image).data


class ExifWithRawSerializer(ExifSerializer):
    raw = serializers.JSONField(source="exif", help_text="Every tag that could be read.")

    class Meta(ExifSerializer.Meta):
        fields = [*ExifSerializer.Meta.fields, "raw"]


class ImageSerializer(serializers.ModelSerializer[Image]):
    group = serializers.UUIDField(source="group_id")
    status = serializers.ChoiceField(choices=Upload.Status.choices)
    failure = TextOrNull()
    content_type = TextOrNull()
    sha256 = TextOrNull()
    format = serializers.SerializerMethodField()
    uploader = serializers.CharField(source="uploader_name")
    taken_at_local = serializers.SerializerMethodField()
    utc_offset = serializers.SerializerMethodField()
    exif = ExifSerializer(source="*")
    variants = serializers.SerializerMethodField()
    uploaded_at = serializers.DateTimeField(source="created_at")
    processed_at = serializers.DateTimeField(allow_null=True)
    processing_ms = serializers.IntegerField(allow_null=True)

    class Meta:
        model = Image
        fields = [
            "id",
            "group",
            "status",
            "failure",
            "original_filename",
            "format",
            "content_type",
            "byte_size",
            "sha256",
            "width",
            "height",
            "description",
            "taken_at",
            "taken_at_local",
            "utc_offset",
            "uploader",
            "exif",
            "variants",
            "created_at",
            "uploaded_at",
            "processed_at",
            "processing_ms",
        ]

    def get_format(self, image: Image) -> str | None:
        return image.content_type.partition("/")[2] or None

    def get_taken_at_local(self, image: Image) -> str | None:
        return local_time(image)

    def get_utc_offset(self, image: Image) -> str | None:
        return utc_offset(image)

    @extend_schema_field(serializers.DictField(child=SizeSerializer()))
    def get_variants(self, image: Image) -> dict[str, Any]:
        return {name: variant_json(row) for name, row in image.variant_by_name.items()}


class ImageDetailSerializer(ImageSerializer):
    exif = ExifWithRawSerializer(source="*")


def variant_json(variant: Variant) -> dict[str, Any]:
    url = photo_storage().presign_get(variant.key, content_type=variant.content_type)
    return {"url": url, "width": variant.width, "height": variant.height}


def local_time(image: Image) -> str | None:
    """The camera's clock, ISO 8601 without an offset."""
    if image.taken_at_local is None:
        return None
    return image.taken_at_local.replace(tzinfo=None).isoformat()


def utc_offset(image: Image) -> str | None:
    """The camera's offset from UTC in EXIF's form: `+02:00`."""
    minutes = image.utc_offset_minutes
    if minutes is None:
        return None
    zone = timezone(timedelta(minutes=minutes))
    return datetime.now(zone).isoformat()[-6:]
