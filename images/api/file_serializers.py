"""Photos whose bytes come with the request, as a form or as JSON."""

from __future__ import annotations

import base64
import binascii
import re
import tempfile
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from bandpics.api.unknown_names import KnownFieldsOnly
from images.api.announcement_serializers import (
    AboutPhotoSerializer,
    AnnouncedFileSerializer,
    NewPhotosSerializer,
    checked,
    said_of_photo,
)
from images.api.image_serializers import IsFinal
from images.api.problems import TooLarge
from images.api.upload_serializers import TicketSerializer
from images.models import Upload
from images.uploads import announce, file_check

if TYPE_CHECKING:
    from collections.abc import Mapping

UNNAMED = "photo"
OTHER_NAMES_OF_IMAGE = ("file", "data", "base64", "image_base64")
CHUNK_LENGTH = 4 * 256 * 1024  # a multiple of four: base64 is decoded piece by piece
_DATA_URI = re.compile(r"data:(?P<type>[\w.+/-]*)(?:;[\w.=+-]+)*?;base64,", re.I)
_TO_STANDARD = str.maketrans("-_", "+/", " \t\r\n")


# --- Form -----------------------------------------------------------------------------------


class ReplacementFormSerializer(KnownFieldsOnly, serializers.Serializer[Any]):
    file = serializers.FileField(allow_empty_file=True, use_url=False)

    def validate_file(self, file: Any) -> Any:
        check(file, byte_size=file.size or 0, content_type=file.content_type or "")
        return file

    def opened(self) -> tuple[BinaryIO, announce.Announced]:
        file = self.validated_data["file"]
        return file, file_check.described(file, **said_of_photo(self.validated_data))


class PhotoFormSerializer(ReplacementFormSerializer, NewPhotosSerializer, AboutPhotoSerializer):
    """One file, and what it is about."""

    instead: ClassVar[Mapping[str, str]] = {
        **AboutPhotoSerializer.instead,
        "image": "In a form send the file as `file`; `image` is base64, in JSON.",
    }


# --- Base64 ---------------------------------------------------------------------------------


class Base64Field(serializers.CharField):
    """Base64, or a data: URI of it. Becomes (file, content type or empty)."""

    default_error_messages = {
        "base64": "Give the bytes of a photo in base64, or as data:image/jpeg;base64,…",
        "padding": "This base64 is cut off or damaged: {reason}.",
    }

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("base64")
        uri = _DATA_URI.match(data[:200])
        if uri is None and data[:5].lower() == "data:":
            self.fail("base64")
        start = uri.end() if uri else 0
        # Leaves memory as it grows.
        file = tempfile.SpooledTemporaryFile(  # noqa: SIM115 - the caller closes it
            max_size=settings.FILE_UPLOAD_MAX_MEMORY_SIZE, dir=settings.FILE_UPLOAD_TEMP_DIR
        )
        try:
            self._decode(data, start, file)
        except BaseException:
            file.close()
            raise
        return file, uri["type"] if uri else ""

    def _decode(self, data: str, start: int, file: Any) -> None:
        rest = ""
        for at in range(start, len(data), CHUNK_LENGTH):
            text = rest + data[at : at + CHUNK_LENGTH].translate(_TO_STANDARD)
            is_last = at + CHUNK_LENGTH >= len(data)
            whole = len(text) if is_last else len(text) // 4 * 4
            try:
                file.write(base64.b64decode(text[:whole], validate=True))
            except (binascii.Error, ValueError) as error:
                self.fail("padding", reason=str(error).rstrip("."))
            if not is_last and "=" in text[:whole]:
                self.fail("padding", reason="it goes on behind its end")
            rest = text[whole:]
            if file.tell() > settings.BASE64_MAX_BYTES:
                raise too_large_for_json()


class PhotoInJsonSerializer(NewPhotosSerializer, AboutPhotoSerializer):
    """A photo, and what it is about."""

    instead: ClassVar[Mapping[str, str]] = {
        **AboutPhotoSerializer.instead,
        **dict.fromkeys(
            OTHER_NAMES_OF_IMAGE,
            "In JSON send base64 as `image`; `file` is for a form (multipart).",
        ),
        "name": "Send `filename`.",
    }

    image = extend_schema_field(
        {"type": "string", "format": "byte", "description": "Base64, or a data: URI."}
    )(Base64Field)(trim_whitespace=False)
    filename = serializers.CharField(max_length=2000, default=UNNAMED, trim_whitespace=False)
    content_type = serializers.CharField(max_length=100, default="", allow_blank=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        file, type_in_uri = attrs["image"]
        attrs["content_type"] = file_check.plain_type(attrs["content_type"] or type_in_uri)
        attrs["byte_size"] = file.tell()
        file.seek(0)
        try:
            check(file, byte_size=attrs["byte_size"], content_type=attrs["content_type"])
        except serializers.ValidationError as error:
            file.close()
            raise serializers.ValidationError({"image": error.detail}) from None
        return attrs

    def opened(self) -> tuple[BinaryIO, announce.Announced]:
        data = self.validated_data
        return data["image"][0], announce.Announced(
            filename=data["filename"][: file_check.FILENAME_LENGTH],
            content_type=data["content_type"],
            byte_size=data["byte_size"],
            **said_of_photo(data),
        )


# --- Both -----------------------------------------------------------------------------------


def check(file: Any, *, byte_size: int, content_type: str) -> None:
    """Refuses what a worker would only refuse later. Raises ValidationError, TooLarge."""
    if byte_size > settings.UPLOAD_MAX_BYTES:
        limit = int(settings.UPLOAD_MAX_BYTES)
        raise TooLarge(f"A photo may have up to {limit} bytes.", limit=limit)
    checked(byte_size=byte_size, content_type=content_type, file=file)


def too_large_for_json() -> TooLarge:
    limit = int(settings.BASE64_MAX_BYTES)
    return TooLarge(
        f"In JSON a photo may have up to {limit} bytes. Send it as a form (multipart), or "
        "announce it at /api/v1/uploads/.",
        limit=limit,
    )


class TakenSerializer(serializers.Serializer[Upload]):
    """The state of a photo that was taken. `id` is the photo's; GET it until it `is_final`."""

    id = serializers.UUIDField(source="image_id")
    upload = serializers.UUIDField(source="pk", help_text="Its line in the receipt.")
    status = serializers.ChoiceField(choices=Upload.Status.choices)
    is_final = IsFinal()


class ReplacementSerializer(AnnouncedFileSerializer):
    """The new file, as its sender describes it. Only the size is binding."""


class ReplacementTicketSerializer(TicketSerializer):
    """The ticket of a replacement: sign, send and complete it under its id, like any
    upload."""

    image = serializers.UUIDField(help_text="The photo it will replace.")
