"""One photo: seeing it, changing it, its sizes, the trash."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
)
from rest_framework import status
from rest_framework.response import Response

from bandpics.api.etags import IF_MATCH, PreconditionFailed
from bandpics.api.problems import Forbidden
from bandpics.users.models import Scope
from images.access import MemberAccess
from images.api import change_serializers, etags, image_serializers
from images.api.access import PhotoView, UploadsOrModerates
from images.api.problems import (
    CannotRetry,
    NoPicture,
    NotReady,
    OriginalDropped,
    OriginalLost,
    PhotoBusy,
    PhotoFailed,
    PlaceFromPhoto,
)
from images.lifecycle import editing, forget_location, trash
from images.models import Image, Upload
from images.photofile import variants
from images.storage.objects import photo_storage
from images.uploads import announce, transfer

if TYPE_CHECKING:
    from uuid import UUID

    from rest_framework.request import Request

    from groups.models import Group


REDIRECT_SECONDS = 300
UNREAD = OpenApiResponse(description="Done; what it is now, this credential may not read.")
TRASHED = OpenApiParameter(
    "trashed", bool, description="True: also if it is in the trash of a group you own."
)


class OnePhotoView(PhotoView):
    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, editing.ChangedMeanwhile | announce.ChangedMeanwhile):
            exc = PreconditionFailed() if "If-Match" in self.request.headers else PhotoBusy()
        return super().handle_exception(exc)

    def detailed(self, image_id: UUID, **more: Any) -> Response:
        """The photo as it is now; nothing of it for a credential that may write and not read."""
        if isinstance(self.access, MemberAccess):
            is_readable = Scope.READ in self.access.scopes
        else:
            is_readable = self.access.visible_images().filter(pk=image_id).exists()
        if not is_readable:
            return Response(status=status.HTTP_204_NO_CONTENT)
        image, context = self.visible_image(image_id), {"access": self.access}
        answer = image_serializers.ImageDetailSerializer(image, context=context).data
        headers = {"ETag": etags.etag(image, self.access), "Cache-Control": "private, no-cache"}
        return Response(answer, headers=headers, **more)


class ImageDetail(OnePhotoView):
    parameters: ClassVar = {"GET": ["trashed"]}
    permission_classes = [UploadsOrModerates]

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
    def get(self, request: Request, image_id: UUID) -> Response | HttpResponse:
        """A photo with all that is known of it. The ETag is good for If-Match."""
        image = self.visible_image(image_id)
        tag = etags.etag(image, self.access)
        if etags.is_known(request, tag):
            return HttpResponse(status=status.HTTP_304_NOT_MODIFIED, headers={"ETag": tag})
        context = {"access": self.access}
        answer = image_serializers.ImageDetailSerializer(image, context=context).data
        headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
        return Response(answer, headers=headers)

    @extend_schema(
        parameters=[IF_MATCH],
        request=change_serializers.ChangeSerializer,
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
    def patch(self, request: Request, image_id: UUID) -> Response:
        """Change what is said of a photo.

        Owners change any photo of their groups, members their own; guests the captions of their
        own, and the place of those that do not say it themselves.

        Moving to another group needs the right to add photos there.
        """
        image, _rights = self.image_to_change(image_id)
        self.need_scope(Scope.UPLOAD)
        expected = etags.expected(request, image)
        body = change_serializers.ChangeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        changes = dict(body.validated_data)
        if self.access.is_guest:
            expected |= _refuse_to_guest(image, changes)
        group = self._target(image, changes.pop("group", None))
        columns = _columns(image, changes)
        if group is not None:
            editing.move(image, group, columns, expected=expected)
        elif columns:
            editing.change(image, columns, expected=expected)
        return self.detailed(image_id)

    @extend_schema(parameters=[IF_MATCH], responses={204: None})
    def delete(self, request: Request, image_id: UUID) -> Response:
        """Into the trash: owners any photo, others their own. Safe to repeat."""
        found = Image.objects.trashed().filter(pk=image_id).first()
        if found is not None:
            self.image_to_restore(image_id)  # 404 for whoever has no business with it
            return Response(status=status.HTTP_204_NO_CONTENT)
        image, rights = self.image_to_change(image_id)
        self.need_scope_for(rights)
        expected = etags.expected(request, image)
        if not trash.put(image, by_uploader=rights.is_own, expected=expected) and expected:
            raise PreconditionFailed
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _target(self, image: Image, group_id: UUID | None) -> Group | None:
        if group_id is None or group_id == image.group_id:
            return None
        return self.writable_group(group_id)


def _refuse_to_guest(image: Image, changes: dict[str, Any]) -> dict[str, Any]:
    """What the row must still say for what is left. Raises Forbidden, PlaceFromPhoto."""
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
        columns |= editing.taken_columns(changes["taken_at"], image)
    if "location" in changes:
        place = changes["location"]
        columns |= editing.place_columns(place and (place["lat"], place["lon"]))
    return columns


class ImageVariant(OnePhotoView):
    parameters: ClassVar = {"GET": ["trashed"]}

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
            ),
        },
    )
    def get(self, request: Request, image_id: UUID, name: str) -> HttpResponseRedirect:
        """Go to a file: thumb, small, tile, medium, fullsize; or the original, for members.

        Before the photo is done, 409 with Retry-After; 410 for an original dropped or lost.
        """
        image = self.visible_image(image_id)
        known = {spec.name for spec in variants.ALL} | {"original"}
        if name not in known or (name == "original" and self.access.is_guest):
            raise Http404
        _refuse_without_picture(image)
        storage, until = photo_storage(), self.access.expires_at
        if name == "original":
            if image.is_original_lost:
                raise OriginalLost
            if image.original_dropped_at is not None:
                raise OriginalDropped
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
        answer["Cache-Control"] = f"private, max-age={_redirect_seconds(until)}"
        return answer


def _redirect_seconds(until: datetime | None) -> int:
    """How long a browser may keep a redirect: no longer than what it leads to."""
    if until is None:
        return REDIRECT_SECONDS
    left = int((until - datetime.now(UTC)).total_seconds())
    return min(REDIRECT_SECONDS, max(0, left))


def _refuse_without_picture(image: Image) -> None:
    if image.version:
        return
    if image.status == Upload.Status.FAILED:
        raise PhotoFailed(Upload.Failure(image.failure).label)
    if image.status == Upload.Status.DUPLICATE:
        raise NoPicture("Its bytes were in the group already; another photo shows them.")
    if image.status == Upload.Status.DISCARDED:
        raise NoPicture("Its bytes never arrived.")
    raise NotReady


class ImageLocation(OnePhotoView):
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
    def delete(self, request: Request, image_id: UUID) -> Response:
        """Forget where it was taken: in the record, in the raw EXIF, and in the original.

        Whoever sent the photo can, even when the group is closed, and owners. The original keeps
        its pixels and what is known to tell no place; `removed` says what went. Where not even
        the pixels are understood (of a TIFF with hidden pages, for one), it is removed; `original`
        says so. `sha256` stays that of the file that was sent; a file's name that tells
        coordinates ends in `photo.jpg` or the like.
        """
        image, _rights = self.image_to_change(image_id, even_when_closed=True)
        outcome = forget_location.forget(image.pk)
        return Response({"original": outcome.original.value, "removed": outcome.removed})


class ImageRestore(OnePhotoView):
    permission_classes = [UploadsOrModerates]

    @extend_schema(
        request=None, responses={200: image_serializers.ImageDetailSerializer, 204: UNREAD}
    )
    def post(self, request: Request, image_id: UUID) -> Response:
        """Out of the trash: owners any photo, others what they trashed themselves."""
        if not Image.objects.trashed().filter(pk=image_id).exists():
            self.image_to_change(image_id)  # restored already
            return self.detailed(image_id)
        image, rights = self.image_to_restore(image_id)
        self.need_scope_for(rights)
        if not trash.restore(image) and Image.objects.trashed().filter(pk=image_id).exists():
            raise Http404  # its time is over
        return self.detailed(image_id)


class ImageRetry(OnePhotoView):
    @extend_schema(
        request=None, responses={202: image_serializers.ImageDetailSerializer, 204: UNREAD}
    )
    def post(self, request: Request, image_id: UUID) -> Response:
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


class ImageModerate(OnePhotoView):
    write_scope = Scope.MODERATE

    @extend_schema(
        request=change_serializers.ModerationSerializer,
        responses=change_serializers.ModeratedSerializer,
        examples=[
            OpenApiExample("Approve", value={"decision": "approve"}, request_only=True),
            OpenApiExample(
                "Reject", value={"decision": "reject", "reason": "Too dark"}, request_only=True
            ),
        ],
    )
    def post(self, request: Request, image_id: UUID) -> Response:
        """Decide whether guests may see it. Owners only; the last word counts."""
        image = self.visible_image(image_id)
        if not self.access.rights_on(image).is_host:
            raise Forbidden("Only owners of its group decide who sees a photo.")
        body = change_serializers.ModerationSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        decision, reason = body.validated_data["decision"], body.validated_data["reason"]
        if not editing.moderate(image, decision, reason=reason):
            raise Http404
        return Response(change_serializers.ModeratedSerializer(self.visible_image(image_id)).data)
