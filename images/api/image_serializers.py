"""Photos as JSON."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from images.access import PhotoAccess, Place
from images.models import GeneratedCaption, Image, Upload, Variant, is_final
from images.photofile import placeholder, variants
from images.photofile.metadata import capture_time, exif_fields
from images.storage.objects import photo_storage


class SizeSerializer(serializers.Serializer[Any]):
    """One rendered size of a photo, in pixels."""

    url = serializers.CharField(
        help_text="Presigned, the same for an hour; ends with the credential."
    )
    width = serializers.IntegerField()
    height = serializers.IntegerField()


class VariantsSerializer(serializers.Serializer[Any]):
    """The rendered sizes there are: none before a photo is done."""

    def get_fields(self) -> dict[str, Any]:
        return {
            spec.name: SizeSerializer(
                required=False, help_text=f"Its long edge has {spec.max_edge} pixels at most."
            )
            for spec in variants.ALL
        }


class GpsSerializer(serializers.Serializer[Place]):
    """As exactly as you may know: guests see other people's rounded, or not at all."""

    lat = serializers.FloatField(help_text="Degrees north, WGS 84.")
    lon = serializers.FloatField(help_text="Degrees east, WGS 84.")
    altitude = serializers.FloatField(help_text="Metres above sea level.", allow_null=True)
    direction = serializers.FloatField(help_text="Degrees from north.", allow_null=True)
    datetime = serializers.DateTimeField(allow_null=True)


# A mixin for serializers whose fields depend on `access` of the context.
class DependsOnAccess:
    context: dict[str, Any]

    @property
    def access(self) -> PhotoAccess:
        found: PhotoAccess = self.context["access"]
        return found


class TextOrNull(serializers.CharField):
    """Columns hold an empty text where the camera said nothing; JSON says null."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_null=True, read_only=True, **options)

    def to_representation(self, value: str) -> str | None:  # type: ignore[override]  # may be null
        return value or None


class LabelField(serializers.CharField):
    """The words of EXIF 2.32 for a code; null for one that they do not name."""

    def __init__(self, *, code: str) -> None:
        super().__init__(source=code, read_only=True, allow_null=True)
        self._words = exif_fields.WORDS[code]

    def to_representation(self, value: int) -> str | None:  # type: ignore[override]  # a code
        return self._words.get(value)


FAILURE = serializers.ChoiceField(choices=Upload.Failure.choices, allow_null=True)


@extend_schema_field(FAILURE)
class FailureOrNull(TextOrNull):
    """Why it failed, if it did."""


class IsFinal(serializers.BooleanField):
    """Whether a status is final, so that clients stop polling."""

    def __init__(self, **options: Any) -> None:
        options |= {"source": "status", "read_only": True}
        super().__init__(
            help_text="The status stays until somebody asks for a retry or sends another file: "
            "`done`, `duplicate`, `failed` and `discarded` do.",
            **options,
        )

    def to_representation(self, value: str) -> bool:  # type: ignore[override]  # a status
        return is_final(value)


class AgreedLicenceSerializer(serializers.Serializer[Any]):
    """The sentence to which whoever sent a photo agreed, in the words of then."""

    number = serializers.IntegerField(help_text="Counts the versions of the group's sentence.")
    text = serializers.CharField()
    agreed_at = serializers.DateTimeField()


class GeneratedCaptionSerializer(serializers.ModelSerializer[GeneratedCaption]):
    """What a model says that a photo shows: plain text, never a person's words."""

    class Meta:
        model = GeneratedCaption
        fields = ["text", "model", "language", "is_corrected"]
        extra_kwargs = {
            "language": {"help_text": "That of the group's captions, such as `de`."},
            "is_corrected": {"help_text": "A host has changed the text."},
        }


class ExifSerializer(DependsOnAccess, serializers.ModelSerializer[Image]):
    """EXIF as the camera wrote it; codes and their words are those of EXIF 2.32."""

    datetime_original = serializers.SerializerMethodField()
    offset_time = serializers.SerializerMethodField()
    gps = serializers.SerializerMethodField()

    class Meta:
        model = Image
        fields = ["datetime_original", "offset_time", *exif_fields.SHOWN_NAMES, "gps"]

    def build_field(self, field_name: str, *more: Any) -> Any:
        if code := exif_fields.CODES.get(field_name):
            return LabelField, {"code": code}
        return super().build_field(field_name, *more)

    def build_standard_field(self, field_name: str, model_field: Any) -> Any:
        if field_name in exif_fields.TEXT_NAMES:
            return TextOrNull, {}
        return super().build_standard_field(field_name, model_field)

    def get_datetime_original(self, image: Image) -> str | None:
        return local_time(image)

    def get_offset_time(self, image: Image) -> str | None:
        return capture_time.offset_text(image.utc_offset_minutes)

    @extend_schema_field(GpsSerializer(allow_null=True))
    def get_gps(self, image: Image) -> dict[str, Any] | None:
        place = self.access.place_of(image)
        return None if place is None else GpsSerializer(place).data


class ExifWithRawSerializer(ExifSerializer):
    raw = serializers.SerializerMethodField()

    class Meta(ExifSerializer.Meta):
        fields = [*ExifSerializer.Meta.fields, "raw"]

    @extend_schema_field(
        serializers.JSONField(
            allow_null=True,
            help_text="Every tag that could be read. Null for guests, of other people's photos.",
        )
    )
    def get_raw(self, image: Image) -> Any:
        return image.exif if self.access.sees_all_of(image) else None


class ImageSerializer(DependsOnAccess, serializers.ModelSerializer[Image]):
    group = serializers.UUIDField(source="group_id")
    status = serializers.ChoiceField(choices=Upload.Status.choices)
    is_final = IsFinal()
    failure = FailureOrNull()
    content_type = TextOrNull()
    original_filename = serializers.SerializerMethodField(
        help_text="Null for guests, of other people's photos."
    )
    sha256 = serializers.SerializerMethodField(
        help_text="Null for guests, of other people's photos."
    )
    format = serializers.SerializerMethodField()
    uploader = serializers.SerializerMethodField(
        help_text="Empty if not known; and for guests, of members who gave no name."
    )
    taken_at_local = serializers.SerializerMethodField()
    utc_offset = serializers.SerializerMethodField()
    exif = ExifSerializer(source="*")
    placeholder = serializers.SerializerMethodField(
        help_text="A blurred picture of a few bytes, to be shown until a variant has loaded: the "
        "`data:` address of a WebP without metadata. Null before the photo is done."
    )
    stack = serializers.SerializerMethodField(
        help_text="The same for photos of a group that look alike; the gallery shows the sharpest. "
        "It may change without `updated_at`. Null: no other looks like it; and for guests, of "
        "other people's."
    )
    variants = serializers.SerializerMethodField()
    uploaded_at = serializers.DateTimeField(source="created_at")
    processed_at = serializers.DateTimeField(allow_null=True)
    processing_ms = serializers.IntegerField(allow_null=True)
    gps_source = serializers.SerializerMethodField(
        help_text="Where the position is from; `removed`: it was forgotten on request."
    )
    generated_caption = serializers.SerializerMethodField(
        help_text="What a model says that it shows. Null: nothing, or a host has hidden it."
    )
    moderation_reason = serializers.SerializerMethodField()
    licence = serializers.SerializerMethodField(
        help_text="What its sender agreed to. Null: to nothing; and for guests, of other people's."
    )

    class Meta:
        model = Image
        fields = [
            *("id", "group", "status", "is_final", "failure"),
            *(
                "original_filename",
                "format",
                "content_type",
                "byte_size",
                "sha256",
                "width",
                "height",
            ),
            *("description", "caption", "generated_caption"),
            *("moderation", "moderation_reason", "licence"),
            *(
                "taken_at",
                "taken_at_local",
                "utc_offset",
                "uploader",
                "gps_source",
                "exif",
                "placeholder",
                "stack",
                "variants",
            ),
            *("created_at", "updated_at", "uploaded_at", "processed_at", "processing_ms"),
            *("original_dropped_at", "trashed_at"),
        ]

    def get_original_filename(self, image: Image) -> str | None:
        return image.original_filename if self.access.sees_all_of(image) else None

    def get_uploader(self, image: Image) -> str:
        return self.access.uploader_of(image)

    def get_sha256(self, image: Image) -> str | None:
        return (image.sha256 or None) if self.access.sees_all_of(image) else None

    def get_format(self, image: Image) -> str | None:
        return image.content_type.partition("/")[2] or None

    def get_taken_at_local(self, image: Image) -> str | None:
        return local_time(image)

    def get_utc_offset(self, image: Image) -> str | None:
        return capture_time.offset_text(image.utc_offset_minutes)

    @extend_schema_field(serializers.ChoiceField(choices=Image.GpsSource.choices, allow_null=True))
    def get_gps_source(self, image: Image) -> str | None:
        return (image.gps_source or None) if self.access.sees_all_of(image) else None

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_moderation_reason(self, image: Image) -> str | None:
        return (image.moderation_reason or None) if self.access.sees_all_of(image) else None

    @extend_schema_field(GeneratedCaptionSerializer(allow_null=True))
    def get_generated_caption(self, image: Image) -> dict[str, Any] | None:
        if not image.generated_text:  # that of most: no query
            return None
        return GeneratedCaptionSerializer(image.generated_caption).data

    @extend_schema_field(AgreedLicenceSerializer(allow_null=True))
    def get_licence(self, image: Image) -> dict[str, Any] | None:
        agreed, agreed_at = image.licence, image.licence_agreed_at
        if agreed is None or agreed_at is None or not self.access.sees_all_of(image):
            return None
        moment = serializers.DateTimeField().to_representation(agreed_at)
        return {"number": agreed.number, "text": agreed.text, "agreed_at": moment}

    def get_placeholder(self, image: Image) -> str | None:
        return placeholder.data_uri(image.placeholder) or None

    @extend_schema_field(serializers.UUIDField(allow_null=True))
    def get_stack(self, image: Image) -> str | None:
        if image.stack_id is None or not self.access.sees_all_of(image):
            return None
        return str(image.stack_id)

    @extend_schema_field(VariantsSerializer())
    def get_variants(self, image: Image) -> dict[str, Any]:
        return {name: variant_json(row, self.access) for name, row in image.variant_by_name.items()}


class ImageDetailSerializer(ImageSerializer):
    exif = ExifWithRawSerializer(source="*")


def variant_json(variant: Variant, access: PhotoAccess) -> dict[str, Any]:
    url = photo_storage().presign_get(
        variant.key, content_type=variant.content_type, until=access.expires_at
    )
    return {"url": url, "width": variant.width, "height": variant.height}


def local_time(image: Image) -> str | None:
    """The camera's clock, ISO 8601 without an offset."""
    if image.taken_at_local is None:
        return None
    return image.taken_at_local.replace(tzinfo=None).isoformat()
