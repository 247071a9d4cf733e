"""Uploads and images as JSON."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema_field, inline_serializer
from rest_framework import serializers

from images import uploads
from images.media.storage import SignedRequest, photo_storage
from images.models import Image, Upload, Variant

FILENAME_LENGTH = 255


# --- Announcing -----------------------------------------------------------------------------


class AnnouncedFileSerializer(serializers.Serializer[Any]):
    """One file, as its sender describes it. Only the size is binding."""

    client_id = serializers.CharField(max_length=64, required=False, allow_null=True)
    filename = serializers.CharField(max_length=2000, trim_whitespace=False)
    content_type = serializers.CharField(max_length=100, allow_blank=True, default="")
    size = serializers.IntegerField(min_value=1, help_text="Bytes, exactly.")
    sha256 = serializers.RegexField(
        r"^[0-9a-fA-F]{64}\Z", required=False, default="", allow_blank=True, help_text="Hex."
    )
    last_modified = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=-(2**53),
        max_value=2**53,
        help_text="Milliseconds since 1970.",
    )

    def validate_filename(self, value: str) -> str:
        """A caption, nothing more: whatever it says, it is kept, and cut where it is long."""
        return value[:FILENAME_LENGTH]

    def validate_content_type(self, value: str) -> str:
        declared = value.partition(";")[0].strip().lower()
        if not uploads.is_type_acceptable(declared):
            raise serializers.ValidationError(
                "Only photos can be sent (JPEG, PNG or HEIC), not this type of file.",
                code="unsupported-type",
            )
        return declared

    def validate_size(self, value: int) -> int:
        if not uploads.is_size_acceptable(value):
            limit = int(settings.UPLOAD_MAX_BYTES)
            raise serializers.ValidationError(
                f"A photo may have up to {limit // settings.MIB} MB ({limit} bytes).",
                code="too-large",
            )
        return value


class AnnouncementSerializer(serializers.Serializer[Any]):
    group = serializers.UUIDField(
        required=False, help_text="Needed by members; an invitation has its own."
    )
    uploader_name = serializers.CharField(
        max_length=120, required=False, default="", allow_blank=True
    )
    files = serializers.ListField(
        child=AnnouncedFileSerializer(), min_length=1, max_length=uploads.BATCH_LIMIT
    )

    def announced(self) -> list[uploads.Announced]:
        return [
            uploads.Announced(
                filename=file["filename"],
                content_type=file["content_type"],
                byte_size=file["size"],
                client_id=file.get("client_id") or None,
                sha256=file["sha256"].lower(),
                last_modified=file.get("last_modified"),
            )
            for file in self.validated_data["files"]
        ]


class PartSerializer(serializers.Serializer[Any]):
    part = serializers.IntegerField(required=False, min_value=1, help_text="From 1.")


# --- Uploads --------------------------------------------------------------------------------


class SignedRequestSerializer(serializers.Serializer[SignedRequest]):
    """Send exactly this, with exactly these headers and the announced number of bytes."""

    method = serializers.CharField()
    url = serializers.CharField()
    headers = serializers.DictField(child=serializers.CharField())
    expires_at = serializers.DateTimeField()


class ArrivedPartSerializer(serializers.Serializer[Any]):
    part = serializers.IntegerField(source="number")
    size = serializers.IntegerField(source="byte_size")


class PartsSerializer(serializers.Serializer[Any]):
    part_size = serializers.IntegerField(help_text="Bytes of every part but the last.")
    part_count = serializers.IntegerField()
    parts = ArrivedPartSerializer(many=True)


_thumb = inline_serializer(
    "UploadThumb",
    {
        "url": serializers.CharField(),
        "width": serializers.IntegerField(),
        "height": serializers.IntegerField(),
    },
    allow_null=True,
)


class UploadSerializer(serializers.ModelSerializer[Upload]):
    """One line of the receipt: what was sent and where it stands."""

    image = serializers.UUIDField(source="image_id")
    filename = serializers.CharField(source="image.original_filename")
    content_type = serializers.CharField(source="declared_content_type")
    size = serializers.IntegerField(source="declared_byte_size")
    sha256 = serializers.CharField(source="declared_sha256")
    last_modified = serializers.IntegerField(source="declared_last_modified")
    failure = serializers.SerializerMethodField()
    failure_detail = serializers.SerializerMethodField()
    duplicate_of = serializers.SerializerMethodField()
    thumb = serializers.SerializerMethodField()

    class Meta:
        model = Upload
        fields = [
            "id",
            "image",
            "client_id",
            "status",
            "failure",
            "failure_detail",
            "duplicate_of",
            "filename",
            "content_type",
            "size",
            "sha256",
            "last_modified",
            "created_at",
            "arrived_at",
            "finished_at",
            "thumb",
        ]

    def get_failure(self, upload: Upload) -> str | None:
        return upload.failure or None

    def get_failure_detail(self, upload: Upload) -> str | None:
        """One sentence for a person."""
        return upload.get_failure_display() if upload.failure else None

    def get_duplicate_of(self, upload: Upload) -> str | None:
        """Only a photo of one's own is named; that it was here already is all others learn."""
        twin = upload.duplicate_of
        return str(twin.pk) if twin is not None and twin.sender == upload.sender else None

    @extend_schema_field(_thumb)
    def get_thumb(self, upload: Upload) -> dict[str, Any] | None:
        if upload.status != Upload.Status.DONE:
            return None
        variant = upload.image.variant_by_name.get("thumb")
        return None if variant is None else variant_json(variant)


def ticket_json(ticket: uploads.Ticket) -> dict[str, Any]:
    """An announced file: where it stands, and how to send it if it is not here yet."""
    upload = ticket.upload
    answer: dict[str, Any] = {
        "id": str(upload.pk),
        "client_id": upload.client_id,
        "status": upload.status,
    }
    if ticket.was_known and upload.status == Upload.Status.DONE:
        answer["duplicate_of"] = str(upload.image_id)
    if upload.status != Upload.Status.PENDING:
        return answer
    if upload.is_multipart:
        answer["multipart"] = {
            "part_size": settings.MULTIPART_PART_BYTES,
            "part_count": upload.part_count,
        }
    else:
        answer["upload"] = SignedRequestSerializer(uploads.sign(upload)).data
    return answer


class TicketSchema(serializers.Serializer[Any]):
    """For the documentation: what ticket_json answers."""

    id = serializers.UUIDField()
    client_id = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(choices=Upload.Status.choices)
    duplicate_of = serializers.UUIDField(required=False)
    upload = SignedRequestSerializer(required=False)
    multipart = inline_serializer(
        "Multipart",
        {"part_size": serializers.IntegerField(), "part_count": serializers.IntegerField()},
        required=False,
    )


class TicketsSchema(serializers.Serializer[Any]):
    uploads = TicketSchema(many=True)


# --- Images ---------------------------------------------------------------------------------


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

    @extend_schema_field(serializers.DictField(child=_thumb))
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
