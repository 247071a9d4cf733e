"""The HTTP doors to uploads and images: who, what, do, answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Prefetch
from django.http import Http404, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response
from rest_framework.views import APIView

from bandpics.api.permissions import HasCredential
from bandpics.api.problems import Conflict, Forbidden, Unavailable
from bandpics.users.models import User
from groups.models import Group
from images import quota, senders, serializers, uploads
from images.media import variants
from images.media.storage import StorageUnavailable, photo_storage
from images.models import Image, Upload, Variant
from images.pages import ImagePages
from invitations.authentication import (
    InvitationAuthentication,
    InvitationExhausted,
    InvitationExpired,
    guest,
)

if TYPE_CHECKING:
    from uuid import UUID

    from rest_framework.request import Request

    from images.senders import Sender

RECEIPT_LIMIT = 1000


class NotPending(Conflict):
    slug = "upload-not-pending"
    title = "This upload is past the point where bytes can be sent"


class NotMultipart(Conflict):
    slug = "upload-not-multipart"
    title = "This file is sent whole: sign it without a part"


class NotArrived(Conflict):
    slug = "upload-not-arrived"
    title = "The file has not arrived yet"
    retry_after_seconds = 2

    def __init__(self, missing_parts: list[int]) -> None:
        members: dict[str, Any] = {"missing_parts": missing_parts} if missing_parts else {}
        super().__init__("Send its bytes to the signed URL, then complete it again.", **members)


class Mismatch(Conflict):
    slug = "upload-mismatch"
    title = "What arrived is not what was announced"

    def __init__(self) -> None:
        super().__init__("Its size differs. It was removed: sign again and send the whole file.")


class NotReady(Conflict):
    slug = "not-ready"
    title = "The photo is not ready yet"
    retry_after_seconds = 2


class PhotoFailed(Conflict):
    slug = "photo-failed"
    title = "This photo could not be processed"


class PhotoView(APIView):
    authentication_classes = [InvitationAuthentication, SessionAuthentication]
    permission_classes = [HasCredential]

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, StorageUnavailable):
            exc = Unavailable("The photo store does not answer. Nothing is lost; try again soon.")
        return super().handle_exception(exc)


# --- Uploads --------------------------------------------------------------------------------


class UploadList(PhotoView):
    @extend_schema(responses=serializers.UploadSerializer(many=True))
    def get(self, request: Request) -> Response:
        """The receipt: what I sent and where it stands, newest first."""
        thumbs = Prefetch(
            "image",
            Image.objects.with_variants(),
        )
        rows = my_uploads(request).select_related("duplicate_of").prefetch_related(thumbs)
        rows = rows.order_by("-created_at", "-id")[:RECEIPT_LIMIT]
        if not may_list(request):
            rows = []
        return Response({"uploads": serializers.UploadSerializer(rows, many=True).data})

    @extend_schema(
        request=serializers.AnnouncementSerializer,
        responses={201: serializers.TicketsSchema},
    )
    def post(self, request: Request) -> Response:
        """Announce 1 to 100 files, all or nothing; the answer says how to send each."""
        invitation = guest(request)
        if invitation is not None and invitation.is_expired:
            raise InvitationExpired
        body = serializers.AnnouncementSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        sender = sender_of(request, group_id=body.validated_data.get("group"))
        try:
            tickets = uploads.announce(
                sender, body.announced(), uploader_name=body.validated_data["uploader_name"]
            )
        except quota.Exhausted:
            raise InvitationExhausted from None
        answer = [serializers.ticket_json(ticket) for ticket in tickets]
        return Response({"uploads": answer}, status=status.HTTP_201_CREATED)


class UploadDetail(PhotoView):
    @extend_schema(responses={204: None})
    def delete(self, request: Request, upload_id: UUID) -> Response:
        """Cancel an upload that has not arrived. Safe to call twice."""
        upload = my_upload(request, upload_id)
        if not uploads.discard(upload):
            upload.refresh_from_db(fields=["status"])
            if upload.status != Upload.Status.DISCARDED:
                raise NotPending("It has arrived already.")
        return Response(status=status.HTTP_204_NO_CONTENT)


class UploadSign(PhotoView):
    @extend_schema(
        request=serializers.PartSerializer, responses=serializers.SignedRequestSerializer
    )
    def post(self, request: Request, upload_id: UUID) -> Response:
        """A fresh signature for the PUT, or for one part of it."""
        body = serializers.PartSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        upload, number = my_upload(request, upload_id), body.validated_data.get("part")
        try:
            if number is None and not upload.is_multipart:
                signed = uploads.sign(upload)
            else:
                signed = uploads.sign_part(upload, number=number or 1)
        except uploads.NotPending:
            raise NotPending from None
        except uploads.NotMultipart:
            raise NotMultipart from None
        except uploads.NoSuchPart:
            raise NotMultipart(f"It has parts 1 to {upload.part_count}.") from None
        return Response(serializers.SignedRequestSerializer(signed).data)


class UploadParts(PhotoView):
    @extend_schema(responses=serializers.PartsSerializer)
    def get(self, request: Request, upload_id: UUID) -> Response:
        """Which parts have arrived in full."""
        upload = my_upload(request, upload_id)
        if not upload.is_multipart:
            raise NotMultipart
        answer = {
            "part_size": upload.part_size(1),
            "part_count": upload.part_count,
            "parts": uploads.arrived_parts(upload),
        }
        return Response(serializers.PartsSerializer(answer).data)


class UploadComplete(PhotoView):
    @extend_schema(
        request=None,
        responses={
            200: OpenApiResponse(serializers.UploadSerializer, "It was complete already."),
            202: OpenApiResponse(serializers.UploadSerializer, "The bytes are here; queued."),
        },
    )
    def post(self, request: Request, upload_id: UUID) -> Response:
        """Say that all bytes were sent. The bucket is asked whether that is so."""
        upload = my_upload(request, upload_id)
        try:
            moved = uploads.complete(upload)
        except uploads.NotArrived as error:
            raise NotArrived(error.missing_parts) from None
        except uploads.SizeMismatch:
            raise Mismatch from None
        except uploads.NotPending:
            raise NotPending("It was cancelled or given up. Announce the file again.") from None
        upload = my_upload(request, upload_id)
        return Response(
            serializers.UploadSerializer(upload).data,
            status=status.HTTP_202_ACCEPTED if moved else status.HTTP_200_OK,
        )


def sender_of(request: Request, *, group_id: UUID | None) -> Sender:
    """Who sends, from the credential alone. 404 for a group the member does not see."""
    if invitation := guest(request):
        return senders.by_invitation(invitation, device_secret=_device(request))
    if group_id is None:
        raise ValidationError({"group": ["Say which group to add to."]})
    user = member(request)
    group = get_object_or_404(Group.objects.seen_by(user), pk=group_id)
    if not Group.objects.filled_by(user).filter(pk=group.pk).exists():
        raise Forbidden("Viewers of a team may look at its photos, but not add any.")
    return senders.by_user(user, group=group)


def my_uploads(request: Request) -> Any:
    if invitation := guest(request):
        sender = senders.by_invitation(invitation, device_secret=_device(request))
        return Upload.objects.sent_by(sender.key)
    return Upload.objects.sent_by(senders.user_key(member(request)))


def my_upload(request: Request, upload_id: UUID) -> Upload:
    rows = my_uploads(request).select_related("image", "duplicate_of")
    found: Upload = get_object_or_404(rows, pk=upload_id)
    return found


def may_list(request: Request) -> bool:
    invitation = guest(request)
    if invitation is None:
        return True
    sender = senders.by_invitation(invitation, device_secret=_device(request))
    return sender.is_known_again


def member(request: Request) -> User:
    """Whoever came without an invitation; HasCredential has seen to it that they signed in."""
    assert isinstance(request.user, User)  # noqa: S101 - for the type checker
    return request.user


def _device(request: Request) -> str:
    return str(request.headers.get(senders.DEVICE_HEADER, ""))


# --- Images ---------------------------------------------------------------------------------


class ImageList(PhotoView):
    @extend_schema(responses=serializers.ImageSerializer(many=True))
    def get(self, request: Request) -> Response:
        """Photos I may see, newest first: a member's teams', a guest's own."""
        pages = ImagePages()
        page: Any = pages.paginate_queryset(visible_images(request).with_variants(), request)
        return pages.get_paginated_response(serializers.ImageSerializer(page, many=True).data)


class ImageDetail(PhotoView):
    @extend_schema(responses=serializers.ImageDetailSerializer)
    def get(self, request: Request, image_id: UUID) -> Response:
        image = get_object_or_404(visible_images(request).with_variants(), pk=image_id)
        return Response(serializers.ImageDetailSerializer(image).data)


class ImageVariant(PhotoView):
    @extend_schema(responses={302: OpenApiResponse(description="A presigned URL.")})
    def get(self, request: Request, image_id: UUID, name: str) -> HttpResponseRedirect:
        """thumb, small, medium or fullsize; and the original, for members."""
        image = get_object_or_404(visible_images(request), pk=image_id)
        known = {spec.name for spec in variants.ALL} | {"original"}
        if name not in known or (name == "original" and guest(request)):
            raise Http404
        if not image.version:
            if image.status == Upload.Status.FAILED:
                raise PhotoFailed(Upload.Failure(image.failure).label)
            raise NotReady
        storage = photo_storage()
        if name == "original":
            url = storage.presign_get(
                image.original_key,
                content_type=image.content_type,
                filename=image.original_filename,
            )
        else:
            row = get_object_or_404(Variant, image=image, version=image.version, name=name)
            url = storage.presign_get(row.key, content_type=row.content_type)
        answer = HttpResponseRedirect(url)
        answer["Cache-Control"] = "private, max-age=300"
        return answer


def visible_images(request: Request) -> Any:
    rows: Any = Image.objects.with_status()
    if invitation := guest(request):
        sender = senders.by_invitation(invitation, device_secret=_device(request))
        return rows.sent_by(sender.key) if sender.is_known_again else rows.none()
    return rows.seen_by(member(request))
