"""Seeing photos: the list, one of them, its sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import Http404, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.response import Response

from bandpics.api.problems import Conflict
from images.api import image_json as json
from images.api.doors import PhotoView, visible_images
from images.media import variants
from images.media.storage import photo_storage
from images.models import Upload, Variant
from invitations.authentication import guest

if TYPE_CHECKING:
    from uuid import UUID

    from rest_framework.request import Request


class NotReady(Conflict):
    slug = "not-ready"
    title = "The photo is not ready yet"
    retry_after_seconds = 2


class PhotoFailed(Conflict):
    slug = "photo-failed"
    title = "This photo could not be processed"


class ImageDetail(PhotoView):
    @extend_schema(responses=json.ImageDetailSerializer)
    def get(self, request: Request, image_id: UUID) -> Response:
        image = get_object_or_404(visible_images(request).with_variants(), pk=image_id)
        return Response(json.ImageDetailSerializer(image).data)


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
