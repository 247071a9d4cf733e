"""One photo: seeing it, changing it, its sizes, the trash."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.http import Http404, HttpResponse
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from bandpics.api.etags import IF_MATCH, PreconditionFailed, expected
from bandpics.api.pagination import Pages
from bandpics.api.problems import Forbidden
from bandpics.users.models import Scope
from images.access import MemberAccess
from images.api import change_serializers, etags, file_serializers, image_serializers
from images.api.access import UploadsOrModerates
from images.api.bulk import BulkImages, BulkSerializer
from images.api.changes import Changes
from images.api.generated_captions import DecisionSerializer, GeneratedCaptions
from images.api.image_files import TRASHED, ImageFiles
from images.api.image_list import ImageList
from images.api.problems import CannotRetry, PhotoBusy, PlaceFromPhoto
from images.api.takedowns import TakedownAskedSerializer, Takedowns
from images.lifecycle import editing, forget_location, moderation, moving, trash
from images.models import Image, TakedownRequest, Upload
from images.uploads import announce, transfer, when_and_where

if TYPE_CHECKING:
    from uuid import UUID

    from rest_framework.request import Request


UNREAD = OpenApiResponse(description="Done; what it is now, this credential may not read.")


class ImageViewSet(ImageList, ImageFiles, BulkImages, Changes, Takedowns, GeneratedCaptions):
    """Photos of an evening, and what is known of each."""

    serializer_class = image_serializers.ImageSerializer
    serializer_classes: ClassVar = {
        "bulk": BulkSerializer,
        "create": file_serializers.PhotoFormSerializer,
        "decide_generated_caption": DecisionSerializer,
        "file": file_serializers.ReplacementFormSerializer,
        "moderate": change_serializers.ModerationSerializer,
        "partial_update": change_serializers.ChangeSerializer,
        "restore": Serializer,
        "retry": Serializer,
        "takedown": TakedownAskedSerializer,
    }
    lookup_url_kwarg = "image_id"
    parameters: ClassVar = {
        **ImageList.parameters,
        "changes": Pages.parameters,
        "retrieve": ["trashed"],
        "variant": ["trashed"],
    }

    def get_permissions(self) -> Any:
        if self.action in {"bulk", "partial_update", "destroy", "restore"}:
            return [UploadsOrModerates()]
        return super().get_permissions()

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, editing.ChangedMeanwhile | announce.ChangedMeanwhile):
            exc = PreconditionFailed() if "If-Match" in self.request.headers else PhotoBusy()
        return super().handle_exception(exc)

    @extend_schema(
        parameters=[
            TRASHED,
            OpenApiParameter(
                "If-None-Match",
                str,
                OpenApiParameter.HEADER,
                description="The ETag of an answer you still have: 304 if it is still right.",
            ),
        ],
        responses={
            200: image_serializers.ImageDetailSerializer,
            304: OpenApiResponse(description="What you have is still right."),
        },
    )
    def retrieve(self, request: Request, image_id: UUID) -> Response | HttpResponse:
        """A photo with all that is known of it. The ETag is good for If-Match."""
        image = self.visible_image(image_id)
        tag = etags.etag(image, self.access)
        if etags.is_known(request, tag):
            return HttpResponse(status=status.HTTP_304_NOT_MODIFIED, headers={"ETag": tag})
        return self._shown(image)

    @extend_schema(
        parameters=[IF_MATCH],
        responses={200: image_serializers.ImageDetailSerializer, 204: UNREAD},
        examples=[
            OpenApiExample(
                "When and where",
                value={
                    "taken_at": "2026-06-21T21:30:00+02:00",
                    "location": {"lat": 48.2082, "lon": 16.3738},
                },
                request_only=True,
            ),
            OpenApiExample("Words", value={"description": "The encore"}, request_only=True),
        ],
    )
    def partial_update(self, request: Request, image_id: UUID) -> Response:
        """Change what is said of a photo.

        Owners change any photo of their groups, members their own; guests the captions of their
        own, and the place of those that do not say it themselves.

        Moving to another group needs the right to add photos there.
        """
        image, _rights = self.image_to_change(image_id)
        self.need_scope(Scope.UPLOAD)
        state = expected(request, image)
        changes = self.sent()
        if self.access.is_guest:
            state |= _refuse_to_guest(image, changes)
        group_id = changes.pop("group_id", image.group_id)
        group = None if group_id == image.group_id else self.writable_group(group_id)
        columns = _columns(image, changes)
        if group is not None:
            moving.move(image, group, columns, expected=state, by=self.user)
        elif columns:
            by_uploader = self.access.is_guest
            editing.change(image, columns, expected=state, by=self.user, by_uploader=by_uploader)
        return self.detailed(image_id)

    @extend_schema(parameters=[IF_MATCH])
    def destroy(self, request: Request, image_id: UUID) -> Response:
        """Into the trash: owners any photo, others their own. Safe to repeat."""
        found = Image.objects.trashed().filter(pk=image_id).first()
        if found is not None:
            _image, rights = self.image_to_restore(image_id)  # 404 for who has no business with it
            if rights.is_host:
                self.need_scope(Scope.MODERATE)
                TakedownRequest.objects.about([image_id]).grant(by=self.member.user)
            return Response(status=status.HTTP_204_NO_CONTENT)
        image, rights = self.image_to_change(image_id)
        self.need_scope_for(rights)
        state = expected(request, image)
        by_uploader = rights.is_own
        moved = trash.put(image, by=self.user, by_uploader=by_uploader, expected=state)
        if not moved and state:
            raise PreconditionFailed
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        responses={200: change_serializers.ForgottenSerializer},
        examples=[
            OpenApiExample(
                "A JPEG",
                value={"original": "edited", "removed": ["maker_notes", "position"]},
                response_only=True,
            )
        ],
    )
    @action(detail=True, methods=["delete"])
    def location(self, request: Request, image_id: UUID) -> Response:
        """Forget where it was taken: in the record, in the raw EXIF, and in the original.

        Whoever sent the photo can, even when the group is closed, and owners. The original keeps
        its pixels and what is known to tell no place; `removed` says what went. Where not even
        the pixels are understood (of a TIFF with hidden pages, for one), it is removed; `original`
        says so. `sha256` stays that of the file that was sent; a file's name that tells
        coordinates ends in `photo.jpg` or the like.
        """
        image, _rights = self.image_to_change(image_id, even_when_closed=True)
        by_uploader = self.access.is_guest
        outcome = forget_location.forget(image.pk, by=self.user, by_uploader=by_uploader)
        return Response({"original": outcome.original.value, "removed": outcome.removed})

    @extend_schema(responses={200: image_serializers.ImageDetailSerializer, 204: UNREAD})
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, image_id: UUID) -> Response:
        """Out of the trash: owners any photo, others what they trashed themselves."""
        if not Image.objects.trashed().filter(pk=image_id).exists():
            self.image_to_change(image_id)  # restored already
            return self.detailed(image_id)
        image, rights = self.image_to_restore(image_id)
        self.need_scope_for(rights)
        is_restored = trash.restore(image, by=self.user)
        if not is_restored and Image.objects.trashed().filter(pk=image_id).exists():
            raise Http404  # its time is over
        return self.detailed(image_id)

    @extend_schema(responses={202: image_serializers.ImageDetailSerializer, 204: UNREAD})
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, image_id: UUID) -> Response:
        """Process it once more, after it failed through no fault of the file. Safe to repeat."""
        image, _rights = self.image_to_change(image_id)
        newest = image.uploads.shown().order_by("-version").select_related("image__invitation")
        upload = newest.first()
        if image.status in {Upload.Status.QUEUED, Upload.Status.PROCESSING}:
            return self.detailed(image_id, status=status.HTTP_202_ACCEPTED)
        if upload is None or upload.status != Upload.Status.FAILED:
            raise CannotRetry(_("Only a photo that failed can be tried again."))
        try:
            transfer.retry(upload)
        except transfer.OriginalUnavailable:
            raise CannotRetry(
                _("{why} Please send the photo again.").format(
                    why=Upload.Failure(upload.failure).label
                )
            ) from None
        return self.detailed(image_id, status=status.HTTP_202_ACCEPTED)

    @extend_schema(
        responses=change_serializers.ModeratedSerializer,
        examples=[
            OpenApiExample("Approve", value={"decision": "approve"}, request_only=True),
            OpenApiExample(
                "Reject", value={"decision": "reject", "reason": "Too dark"}, request_only=True
            ),
        ],
    )
    @action(detail=True, methods=["post"], write_scope=Scope.MODERATE)
    def moderate(self, request: Request, image_id: UUID) -> Response:
        """Decide whether guests may see it. Owners only; the last word counts."""
        image = self.visible_image(image_id)
        if not self.access.rights_on(image).is_host:
            raise Forbidden("Only owners of its group decide who sees a photo.")
        if not moderation.moderate([image.pk], by=self.member.user, **self.sent()):
            raise Http404
        return Response(change_serializers.ModeratedSerializer(self.visible_image(image_id)).data)

    def detailed(self, image_id: UUID, **more: Any) -> Response:
        """The photo as it is now; nothing of it for a credential that may write and not read."""
        if isinstance(self.access, MemberAccess):
            is_readable = Scope.READ in self.access.scopes
        else:
            is_readable = self.access.visible_images().filter(pk=image_id).exists()
        if not is_readable:
            return Response(status=status.HTTP_204_NO_CONTENT)
        return self._shown(self.visible_image(image_id), **more)

    def _shown(self, image: Image, **more: Any) -> Response:
        context = {"access": self.access}
        answer = image_serializers.ImageDetailSerializer(image, context=context).data
        headers = {"ETag": etags.etag(image, self.access), "Cache-Control": "private, no-cache"}
        return Response(answer, headers=headers, **more)


def _refuse_to_guest(image: Image, changes: dict[str, Any]) -> dict[str, Any]:
    """Returns what the row must still say for the changes left to a guest. Raises Forbidden,
    PlaceFromPhoto."""
    if set(changes) - {"caption", "location"}:
        raise Forbidden(_("With a link only the words and the place of a photo can be changed."))
    if "location" not in changes:
        return {}
    if image.gps_source == Image.GpsSource.EXIF:
        raise PlaceFromPhoto
    # Not over what a worker reads from the file just now.
    return {"gps_source": image.gps_source}


def _columns(image: Image, changes: dict[str, Any]) -> dict[str, Any]:
    columns: dict[str, Any] = {
        name: changes[name] for name in ("description", "caption") if name in changes
    }
    if "taken_at" in changes:
        columns |= when_and_where.taken_columns(changes["taken_at"], image)
    if "location" in changes:
        place = changes["location"]
        columns |= when_and_where.place_columns(place and (place["lat"], place["lon"]))
    return columns
