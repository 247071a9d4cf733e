"""Files of photos: sent in a form or in JSON, replaced by another, and seen."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.http import Http404, HttpResponseRedirect
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.response import Response

from bandpics.api import etags
from bandpics.api.idempotency import idempotent
from bandpics.api.parsers import FormParser, JsonParser
from bandpics.api.problems import Forbidden
from bandpics.audit.models import Action
from bandpics.middleware import body_limit
from groups import licences
from images import history
from images.api import file_serializers
from images.api.access import PhotoViewSet
from images.api.announcement_serializers import announced
from images.api.problems import NoPicture, NotReady, OriginalDropped, OriginalLost, PhotoFailed
from images.api.upload_serializers import ticket_json
from images.models import Upload
from images.photofile import variants
from images.storage.objects import photo_storage
from images.uploads import announce, server_upload
from invitations.api.authentication import refuse_unless_open

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from django.http import HttpRequest
    from rest_framework.parsers import BaseParser
    from rest_framework.request import Request

    from images.models import Image

REDIRECT_SECONDS = 300
TRASHED = OpenApiParameter(
    "trashed", bool, description="True: also if it is in the trash of a group you own."
)
# What stands around the file in a form, or around the base64 in JSON.
ROOM_FOR_THE_REST = 256 * 1024


def json_max_bytes() -> int:
    """Base64 takes 4 bytes for 3, and a few for the ends of its lines."""
    return int(settings.BASE64_MAX_BYTES) * 4 // 3 * 80 // 76 + ROOM_FOR_THE_REST


class PhotoJsonParser(JsonParser):
    max_bytes = json_max_bytes()
    # A photo under another name is told the right one, and not that it is too long.
    long_texts = frozenset({"image", *file_serializers.OTHER_NAMES_OF_IMAGE})


class ImageFiles(PhotoViewSet):
    """The part of images that has to do with their files."""

    parser_classes: Sequence[type[BaseParser]] = [PhotoJsonParser, FormParser]

    @staticmethod
    def max_body_bytes(request: HttpRequest) -> int:
        """Returns the limit of the body: one photo and the other fields, where a photo is taken."""
        name = request.resolver_match and request.resolver_match.url_name
        if name in {"image-list", "image-file"} and body_limit.is_form(request):
            one_photo = int(settings.UPLOAD_MAX_BYTES) + ROOM_FOR_THE_REST
            return min(one_photo, body_limit.form_max_bytes(request))
        return json_max_bytes() if name == "image-list" else JsonParser.max_bytes

    @extend_schema(
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
                    "description": "The encore",
                    "taken_at": "2026-06-21T21:30:00+02:00",
                    "location": {"lat": 48.2082, "lon": 16.3738},
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
    def create(self, request: Request) -> Response:
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
            self.refuse_time_of_guest([described])
            uploader = self.uploader_in(body.validated_data.get("group"))
            upload = server_upload.take(
                uploader,
                file,
                described,
                uploader_name=body.validated_data["uploader_name"],
                licence=licences.agreed(uploader.group, body.validated_data.get("licence")),
            )
        return Response(
            file_serializers.TakenSerializer(upload).data, status=status.HTTP_202_ACCEPTED
        )

    @extend_schema(
        parameters=[etags.IF_MATCH],
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
    @action(detail=True, methods=["patch"])
    def file(self, request: Request, image_id: UUID) -> Response:
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
        described = announced(body.validated_data)
        ticket = announce.replace(image, described, uploader=self.access.key, expected=expected)
        return Response({**ticket_json(ticket), "image": str(image.pk)})

    @extend_schema(
        parameters=[
            TRASHED,
            OpenApiParameter(
                "name",
                OpenApiTypes.STR,
                OpenApiParameter.PATH,
                enum=[*(spec.name for spec in variants.ALL), "original"],
            ),
        ],
        responses={
            302: OpenApiResponse(
                description="To a presigned URL, good for an hour or two, or until the credential "
                "ends."
            )
        },
    )
    @action(detail=True, url_path="variants/<slug:name>")
    def variant(self, request: Request, image_id: UUID, name: str) -> HttpResponseRedirect:
        """Go to a file: thumb, small, tile, medium, fullsize; or the original, for members.

        Before the photo is done, 409 with Retry-After; 410 for an original dropped or lost.
        """
        image = self.visible_image(image_id)
        known = {spec.name for spec in variants.ALL} | {"original"}
        if name not in known or (name == "original" and self.access.is_guest):
            raise Http404
        refuse_without_picture(image)
        storage, until = photo_storage(), self.access.expires_at
        if name == "original":
            if image.is_original_lost:
                raise OriginalLost
            if image.original_dropped_at is not None:
                raise OriginalDropped
            history.audit(Action.ORIGINAL_READ, [image.pk])
            url = storage.presign_get(
                image.original_key,
                content_type=image.content_type,
                filename=image.original_filename,
                until=until,
            )
        else:
            row = image.variant_by_name.get(name)
            if row is None:
                raise Http404
            url = storage.presign_get(row.key, content_type=row.content_type, until=until)
        answer = HttpResponseRedirect(url)
        answer["Cache-Control"] = f"private, max-age={redirect_seconds(until)}"
        return answer


def redirect_seconds(until: datetime | None) -> int:
    """Returns how long a browser may keep a redirect: no longer than its target is valid."""
    if until is None:
        return REDIRECT_SECONDS
    left = int((until - datetime.now(UTC)).total_seconds())
    return min(REDIRECT_SECONDS, max(0, left))


def refuse_without_picture(image: Image) -> None:
    """Raises the problem that says why a photo shows nothing."""
    if image.version:
        return
    if image.status == Upload.Status.FAILED:
        raise PhotoFailed(Upload.Failure(image.failure).label)
    if image.status == Upload.Status.DUPLICATE:
        raise NoPicture("Its bytes were in the group already; another photo shows them.")
    if image.status == Upload.Status.DISCARDED:
        raise NoPicture("Its bytes never arrived.")
    raise NotReady
