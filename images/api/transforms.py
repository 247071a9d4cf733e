"""Transforms of a photo: asking for one, how far it is, its file; and the presets of a group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.db import transaction
from django.http import HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from bandpics.api import problems
from bandpics.api.pagination import Pages
from bandpics.api.problems import Conflict, Forbidden, Problem
from bandpics.users.models import Scope
from images import deletions, transforms
from images.api import file_serializers, transform_serializers
from images.api.access import PhotoViewSet
from images.api.image_files import redirect_seconds, refuse_without_picture
from images.api.problems import PhotoBusy
from images.models import UPLOADER_COLUMNS, Image, Transform
from images.photofile.transforms.spec import Spec, SpecError
from images.transforms import presets
from images.uploads.file_check import Unacceptable

if TYPE_CHECKING:
    from uuid import UUID

    from rest_framework.request import Request

State = Transform.State
RETRY_AFTER_SECONDS = 2
# An answer that is there costs little: a photo has many columns.
IMAGE_FIELDS = (
    *("id", "group", "version", "width", "height", "original_filename"),
    *UPLOADER_COLUMNS,
)


class TooManyTransforms(Problem):
    status_code = status.HTTP_429_TOO_MANY_REQUESTS
    slug = "too-many-transforms"
    title = _("Many pictures that you asked for are not made yet")
    default_detail = _("Wait until some of them are made.")
    explanation = "Only so many transforms of one person wait at a time. Ask again a little later."
    retry_after_seconds = 10


class TransformNotReady(Conflict):
    slug = "transform-not-ready"
    title = _("The picture is not made yet")
    explanation = "The transform is still being rendered. Wait as long as `Retry-After` says."
    retry_after_seconds = RETRY_AFTER_SECONDS


class TransformFailed(Conflict):
    slug = "transform-failed"
    title = _("The picture could not be made")
    explanation = "`failure` of the transform says why. Post the same steps again to have it tried."


class NotApproved(Conflict):
    slug = "not-approved"
    title = _("This photo is not approved")
    default_detail = _("A host may approve it first.")
    explanation = (
        "New photos of members are approved at once. Nobody makes one of a photo that waits for "
        "approval or was rejected: a host may approve it first."
    )


class TransformViewSet(PhotoViewSet):
    """Pictures made of a photo: cut, resized, turned, with filters or a watermark.

    Whoever sees a photo may ask for any; guests for the presets that the hosts made for them. Each
    is made once, in the background, and kept for as long as it is used.
    """

    queryset = Transform.objects.none()  # for the documentation
    serializer_class = transform_serializers.TransformSerializer
    serializer_classes: ClassVar = {"create": transform_serializers.NewTransformSerializer}
    write_scope = Scope.READ  # nothing of anybody is changed
    lookup_url_kwarg = "spec_hash"
    lookup_value_converter = "slug"
    pagination_class = Pages
    parameters: ClassVar = {"list": [*Pages.parameters], "file": ["download"]}

    def image(self) -> Image:
        """404 for a photo that is not seen, 409 for one that shows nothing yet."""
        image_id = self.kwargs["image_id"]
        rows = self.access.images().kept().only(*IMAGE_FIELDS)
        image: Image = get_object_or_404(rows, pk=image_id)
        if not image.version:
            refuse_without_picture(self.visible_image(image_id))
        return image

    def transform(self, image: Image) -> Transform:
        rows = transforms.visible(image, self.access)
        found: Transform = get_object_or_404(rows, spec_hash=self.kwargs["spec_hash"])
        return found

    def _made_before(self, spec_hash: str) -> Transform | None:
        """The quick way: one query, for most people who ask."""
        image_id = self.kwargs["image_id"]
        return transforms.made_before(image_id, spec_hash, self.access) if spec_hash else None

    @extend_schema(
        responses={
            200: OpenApiResponse(transform_serializers.TransformSerializer, "It was made before."),
            202: OpenApiResponse(
                transform_serializers.TransformSerializer, "It is being made: ask again."
            ),
        },
        examples=[
            OpenApiExample(
                "A black and white square",
                value={
                    "transformations": {
                        "crop": {"x": 100, "y": 0, "width": 2000, "height": 2000},
                        "resize": {"width": 800},
                        "filters": {"grayscale": True},
                    }
                },
                request_only=True,
            ),
            OpenApiExample(
                "A preset", value={"transformations": {"preset": "poster"}}, request_only=True
            ),
        ],
    )
    def create(self, request: Request, image_id: UUID) -> Response:
        """Ask for a picture. The same steps again are answered with the one there is."""
        transform = self._made_before(transform_serializers.hash_of(request.data))
        if transform is None:
            image, sent = self.image(), self.sent()["transformations"]
            transform = transforms.request(image, self._spec(image, sent), self.access)
        address = request.build_absolute_uri(f"{request.path}{transform.spec_hash}/")
        headers = {"Location": address}
        return self._shown(transform, waiting=status.HTTP_202_ACCEPTED, headers=headers)

    def retrieve(self, request: Request, image_id: UUID, spec_hash: str) -> Response:
        """How far a picture is, and where to get it."""
        transform = self._made_before(spec_hash) or self.transform(self.image())
        return self._shown(transform, waiting=status.HTTP_200_OK)

    def list(self, request: Request, image_id: UUID) -> Response:
        """The pictures made of what the photo shows now, the newest first."""
        rows = transforms.visible(self.image(), self.access).order_by("-created_at", "-pk")
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, image_id: UUID, spec_hash: str) -> Response:
        """Remove it, for those who may change the photo. Asked for again, it is made again."""
        image, _rights = self.image_to_change(image_id)
        self.need_scope(Scope.UPLOAD)
        transform = self.transform(image)
        with transaction.atomic():
            Transform.objects.filter(pk=transform.pk).delete()
            deletions.execute_on_commit(image.pk)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        parameters=[
            OpenApiParameter("download", bool, description="True: to be saved, under a filename.")
        ],
        responses={302: OpenApiResponse(description="To the picture.")},
    )
    @action(detail=True)
    def file(self, request: Request, image_id: UUID, spec_hash: str) -> HttpResponseRedirect:
        """Go to the picture. 409 with Retry-After until it is made."""
        is_download, filename = request.query_params.get("download") == "true", ""
        transform = None if is_download else self._made_before(spec_hash)
        if transform is None:
            image = self.image()
            transform = self.transform(image)
            _refuse_unless_done(transform)
            if is_download:
                shows_name = self.access.sees_all_of(image)
                filename = transforms.filename(image, transform, shows_name=shows_name)
        transforms.mark_used(transform)
        answer = HttpResponseRedirect(transforms.url(transform, self.access, filename=filename))
        answer["Cache-Control"] = f"private, max-age={redirect_seconds(self.access.expires_at)}"
        return answer

    @extend_schema(
        request=None,
        responses={
            202: OpenApiResponse(
                file_serializers.TakenSerializer, "A new photo; or the one that you made before."
            )
        },
    )
    @action(detail=True, methods=["post"], write_scope=Scope.UPLOAD)
    def photo(self, request: Request, image_id: UUID, spec_hash: str) -> Response:
        """Make the picture a new photo of the same group, sent by you. For members.

        It is processed like any other: ask for it until it `is_final`. 409 until the picture is
        made, and for a photo that is not approved.
        """
        image = self.image()
        if self.access.is_guest:
            raise Forbidden(_("Only members make new photos of pictures."))
        uploader = self.member.uploader(self.writable_group(image.group_id))
        transform = self.transform(image)
        _refuse_unless_done(transform)
        if image.moderation != Image.Moderation.APPROVED:
            raise NotApproved
        try:
            upload = transforms.save_as_photo(transform, image, uploader)
        except Unacceptable as error:
            raise ValidationError(str(error), code=error.code) from None
        return Response(
            file_serializers.TakenSerializer(upload).data, status=status.HTTP_202_ACCEPTED
        )

    def _spec(self, image: Image, sent: dict[str, Any]) -> Spec:
        """Raises ValidationError, which names the step, and Forbidden for a guest's own steps."""
        if "preset" not in sent and self.access.is_guest:
            raise Forbidden(_("With a link pictures are made by the presets of the hosts only."))
        try:
            spec = self._preset(image, sent["preset"]) if "preset" in sent else None
            spec = presets.placed(spec or transform_serializers.spec_of(sent), image.group_id)
            presets.check(spec, image)
        except SpecError as error:
            raise transform_serializers.error_of(error, preset="preset" in sent) from None
        return spec

    def _preset(self, image: Image, name: str) -> Spec:
        found = presets.of_group(image.group_id, self.access).filter(name=name).first()
        if found is None:
            raise SpecError("preset", gettext_noop("The group has no such preset."))
        return Spec.from_canonical(found.spec)

    def _shown(self, transform: Transform, *, waiting: int, headers: Any = None) -> Response:
        headers = dict(headers or {})
        is_waiting = transform.state in {State.QUEUED, State.RENDERING}
        if is_waiting:
            headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        elif transform.state == State.DONE:
            transforms.mark_used(transform)
        context = self.get_serializer_context()
        data = transform_serializers.TransformSerializer(transform, context=context).data
        return Response(data, status=waiting if is_waiting else 200, headers=headers)


def _refuse_unless_done(transform: Transform) -> None:
    if transform.state == State.FAILED:
        raise TransformFailed(failure=transform.failure)
    if transform.state != State.DONE:
        raise TransformNotReady


problems.answer(
    {
        transforms.Changed: lambda _error: PhotoBusy(),
        transforms.TooManyWaiting: lambda _error: TooManyTransforms(),
    }
)
