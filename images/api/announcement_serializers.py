"""What clients say of files that they are about to send, and of the photos they will be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from rest_framework import serializers
from rest_framework.fields import empty

from bandpics.api.fields import FieldsMadeOnce, ListField
from bandpics.api.unknown_names import KnownFieldsOnly
from images.api.change_serializers import EARLIER_NAMES, PositionSerializer, TakenField
from images.uploads import announce, file_check

if TYPE_CHECKING:
    from collections.abc import Mapping


def checked(**file: Any) -> None:
    """As file_check.check(), in the framework's words. Raises ValidationError."""
    try:
        file_check.check(**file)
    except file_check.Unacceptable as refusal:
        raise serializers.ValidationError(str(refusal), code=refusal.code) from None


class AnnouncedFileSerializer(KnownFieldsOnly, FieldsMadeOnce, serializers.Serializer[Any]):
    """One file, as its sender describes it. Only the size is binding."""

    client_id = serializers.CharField(max_length=64, required=False, allow_null=True)
    filename = serializers.CharField(max_length=2000, trim_whitespace=False)
    content_type = serializers.CharField(max_length=100, allow_blank=True, default="")
    size = serializers.IntegerField(min_value=1, help_text="Bytes, exactly.")
    sha256 = serializers.RegexField(
        r"^([0-9a-fA-F]{64})?\Z", required=False, default="", allow_blank=True, help_text="Hex."
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
        return value[: file_check.FILENAME_LENGTH]

    def validate_content_type(self, value: str) -> str:
        checked(byte_size=1, content_type=value)
        return file_check.plain_type(value)

    def validate_size(self, value: int) -> int:
        checked(byte_size=value)
        return value


class NewPositionSerializer(PositionSerializer):
    """A place that a form need not fill in."""

    def get_value(self, dictionary: Any) -> Any:
        value = super().get_value(dictionary)
        is_blank = hasattr(value, "getlist") and not any(value.values())
        return empty if is_blank else value


class AboutPhotoSerializer(KnownFieldsOnly, FieldsMadeOnce, serializers.Serializer[Any]):
    """What is said of a new photo beside its bytes, by the rules of changing it later."""

    instead: ClassVar[Mapping[str, str]] = {
        **EARLIER_NAMES,
        "caption": "Send `description`; PATCH the photo's `caption`, the words of who sent it.",
    }

    description = serializers.CharField(max_length=4000, allow_blank=True, default="")
    taken_at = TakenField(
        required=False,
        allow_null=True,
        help_text="When it was taken, over what the file says; null or left out: as the file says. "
        "Members only.",
    )
    location = NewPositionSerializer(
        required=False,
        allow_null=True,
        help_text="Where, over what the file says; null or left out: as the file says. In a form "
        "as `location.lat` and `location.lon`, or as JSON.",
    )


class NewFileSerializer(AnnouncedFileSerializer, AboutPhotoSerializer):
    """A file, and what is said of the new photo."""

    instead: ClassVar[Mapping[str, str]] = {
        **AboutPhotoSerializer.instead,
        **dict.fromkeys(["name", "file_name"], "Send `filename`."),
        **dict.fromkeys(["type", "mime_type"], "Send `content_type`."),
        **dict.fromkeys(["byte_size", "content_length"], "Send `size`, in bytes."),
    }


class NewPhotosSerializer(KnownFieldsOnly, FieldsMadeOnce, serializers.Serializer[Any]):
    """The group and the name of the uploader, for new photos."""

    group = serializers.UUIDField(
        required=False,
        help_text="An invitation has its own, and who may add to one alone need not name it.",
    )
    uploader_name = serializers.CharField(max_length=120, default="", allow_blank=True)
    licence = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=2**31 - 1,
        help_text="The `number` of the group's sentence that whoever sends them agrees to.",
    )


class AnnouncementSerializer(NewPhotosSerializer):
    """Files that will be sent to storage."""

    files = ListField(child=NewFileSerializer(), min_length=1, max_length=announce.BATCH_LIMIT)

    def announced(self) -> list[announce.Announced]:
        return [announced(file) for file in self.validated_data["files"]]


def announced(file: dict[str, Any]) -> announce.Announced:
    """Returns one file as AnnouncedFileSerializer validated it."""
    return announce.Announced(
        filename=file["filename"],
        content_type=file["content_type"],
        byte_size=file["size"],
        client_id=file.get("client_id") or None,
        sha256=file["sha256"].lower(),
        last_modified=file.get("last_modified"),
        **said_of_photo(file),
    )


def said_of_photo(valid: dict[str, Any]) -> dict[str, Any]:
    """Returns what AboutPhotoSerializer validated, as announce.Announced names it."""
    place = valid.get("location")
    return {
        "description": valid.get("description", ""),
        "taken": valid.get("taken_at"),
        "place": place and (place["lat"], place["lon"]),
    }
