"""Ways in for scripts: a photo in a form, in JSON, and another file for a photo."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from django.conf import settings
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.response import Response

from bandpics.api.etags import IF_MATCH
from bandpics.api.idempotency import idempotent
from bandpics.api.parsers import FormParser, JsonParser
from bandpics.api.problems import Forbidden
from bandpics.middleware import body_limit
from images.api import etags, file_serializers
from images.api.access import PhotoView
from images.api.image_list import ImageList
from images.api.images import OnePhotoView
from images.api.upload_serializers import announced, ticket_json
from images.uploads import announce, server_upload
from invitations.api.authentication import refuse_unless_open

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from django.http import HttpRequest
    from rest_framework.parsers import BaseParser
    from rest_framework.request import Request

# What stands around the file in a form, or around the base64 in JSON.
ROOM_FOR_THE_REST = 256 * 1024


def json_max_bytes() -> int:
    """Base64 takes 4 bytes for 3, and a few for the ends of its lines."""
    return int(settings.BASE64_MAX_BYTES) * 4 // 3 * 80 // 76 + ROOM_FOR_THE_REST


class PhotoJsonParser(JsonParser):
    max_bytes = json_max_bytes()
    long_texts = frozenset({"image"})


class FileView(PhotoView):
    parser_classes: Sequence[type[BaseParser]] = [PhotoJsonParser, FormParser]

    @staticmethod
    def max_body_bytes(request: HttpRequest) -> int:
        """One photo, and what stands around it."""
        if body_limit.is_form(request):
            one_photo = int(settings.UPLOAD_MAX_BYTES) + ROOM_FOR_THE_REST
            return min(one_photo, body_limit.form_max_bytes(request))
        return json_max_bytes()


class Images(FileView, ImageList):
    @extend_schema(
        operation_id="images_create",
        request={
            "multipart/form-data": file_serializers.PhotoFormSerializer,
            "application/json": file_serializers.PhotoInJsonSerializer,
        },
        responses={202: file_serializers.TakenSerializer},
        examples=[
            OpenApiExample(
                "In JSON",
                value={
                    "group": "01234567-89ab-7def-8123-456789abcdef",
                    "filename": "stage.jpg",
                    "image": "data:image/jpeg;base64,/9j/4AAQSkZJRgABAQAAAQABAAD…",
                },
                request_only=True,
                media_type="application/json",
            ),
            OpenApiExample(
                "Taken",
                value={
                    "id": "01234567-89ab-7def-8123-456789abcdef",
                    "upload": "01234567-89ab-7def-8123-456789abcdef",
                    "status": "queued",
                },
                response_only=True,
            ),
        ],
    )
    @idempotent()
    def post(self, request: Request) -> Response:
        """Send a photo whole: as `file` of a form, or as base64 in JSON.

        The same bytes again are answered with the photo there is. Large photos, and many, go
        faster by `/api/v1/uploads/`, straight to the store.
        """
        if self.access.invitation is not None:
            refuse_unless_open(self.access.invitation)
        body: Any = (
            file_serializers.PhotoFormSerializer(data=request.data)
            if body_limit.is_form(request)
            else file_serializers.PhotoInJsonSerializer(data=request.data)
        )
        body.is_valid(raise_exception=True)
        file, described = body.opened()
        with contextlib.closing(file):
            uploader = self.uploader_in(body.validated_data.get("group"))
            upload = server_upload.take(
                uploader, file, described, uploader_name=body.validated_data["uploader_name"]
            )
        return Response(
            file_serializers.TakenSerializer(upload).data, status=status.HTTP_202_ACCEPTED
        )


class ImageFile(FileView, OnePhotoView):
    parser_classes: Sequence[type[BaseParser]] = [JsonParser, FormParser]

    @staticmethod
    def max_body_bytes(request: HttpRequest) -> int:
        """In JSON the file is only announced."""
        is_in_form = body_limit.is_form(request)
        return FileView.max_body_bytes(request) if is_in_form else JsonParser.max_bytes

    @extend_schema(
        parameters=[IF_MATCH],
        request={
            "application/json": file_serializers.ReplacementSerializer,
            "multipart/form-data": file_serializers.ReplacementFormSerializer,
        },
        responses={
            200: OpenApiResponse(
                file_serializers.ReplacementTicketSerializer, "How to send the new file."
            ),
            202: OpenApiResponse(
                file_serializers.TakenSerializer, "The new file came with the form."
            ),
        },
        examples=[
            OpenApiExample(
                "Announce",
                value={"filename": "stage.jpg", "content_type": "image/jpeg", "size": 245760},
                request_only=True,
                media_type="application/json",
            )
        ],
    )
    def patch(self, request: Request, image_id: UUID) -> Response:
        """Another file for the photo. Until it is done the photo shows what it did before; if it
        fails, for good. Owners any photo, members their own."""
        image, _rights = self.image_to_change(image_id)
        if self.access.is_guest:
            raise Forbidden("With an invitation files can be added, not replaced.")
        expected = etags.expected(request, image)
        if body_limit.is_form(request):
            form = file_serializers.ReplacementFormSerializer(data=request.data)
            form.is_valid(raise_exception=True)
            file, described = form.opened()
            with contextlib.closing(file):
                upload = server_upload.replace_file(
                    image, file, described, uploader=self.access.key, expected=expected
                )
            return Response(
                file_serializers.TakenSerializer(upload).data, status=status.HTTP_202_ACCEPTED
            )
        body = file_serializers.ReplacementSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        ticket = announce.replace(
            image,
            announced(body.validated_data),
            uploader=self.access.key,
            expected=expected,
        )
        return Response({**ticket_json(ticket), "image": str(image.pk)})
