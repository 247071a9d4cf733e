"""The URLs of Bandpics and of the plainer versions it is compared with."""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework.pagination import CursorPagination
from rest_framework.response import Response

from bandpics.urls import urlpatterns as real
from bandpics.users.models import Scope
from images.api.access import PhotoViewSet
from images.api.image_serializers import ImageSerializer
from images.api.uploads import UploadViewSet
from images.storage.objects import photo_storage
from images.uploads import transfer

if TYPE_CHECKING:
    from rest_framework.request import Request

    from images.models import Image, Upload
    from images.storage.presign import SignedRequest


class PlainSerializer(ImageSerializer):
    """Serializes photos in the simplest way: a ModelSerializer, and boto3 for signatures."""

    def get_variants(self, image: Image) -> dict[str, Any]:
        storage = photo_storage()
        return {
            row.name: {
                "url": storage.connection.meta.client.generate_presigned_url(
                    "get_object",
                    Params={
                        "Bucket": storage.bucket_name,
                        "Key": row.key,
                        "ResponseContentType": row.content_type,
                        "ResponseCacheControl": "private, max-age=3600, immutable",
                    },
                    ExpiresIn=int(settings.DOWNLOAD_URL_LIFETIME.total_seconds()),
                ),
                "width": row.width,
                "height": row.height,
            }
            for row in image.variant_by_name.values()
        }


class PlainPages(CursorPagination):
    page_size = 50
    ordering = ("-sort_at", "-id")


class PlainImages(PhotoViewSet):
    @extend_schema(exclude=True)
    def list(self, request: Request) -> Response:
        pages = PlainPages()
        rows = self.access.visible_images().with_variants()
        page: Any = pages.paginate_queryset(rows, request)
        json = PlainSerializer(page, many=True, context={"access": self.access})
        return pages.get_paginated_response(json.data)


class Nothing(PhotoViewSet):
    """Lets somebody in, and answers nothing."""

    write_scope = Scope.READ

    @extend_schema(exclude=True)
    def retrieve(self, request: Request) -> Response:
        return Response({})

    @extend_schema(exclude=True)
    def create(self, request: Request) -> Response:
        return Response(request.data and {})


# --- Announcing without signing -------------------------------------------------------------

_is_unsigned = contextvars.ContextVar("_is_unsigned", default=False)
_sign = transfer.sign
_signed_once: list[SignedRequest] = []


def _sign_or_reuse(upload: Upload) -> SignedRequest:
    """Returns a signature of the first call if told so: as long, without the arithmetic."""
    if not _is_unsigned.get():
        return _sign(upload)
    if not _signed_once:
        _signed_once.append(_sign(upload))
    return _signed_once[0]


transfer.sign = _sign_or_reuse


class UnsignedUploads(UploadViewSet):
    """The endpoint that announces uploads, with one signature for all."""

    @extend_schema(exclude=True)
    def create(self, request: Request) -> Response:
        token = _is_unsigned.set(True)
        try:
            return super().create(request)
        finally:
            _is_unsigned.reset(token)


urlpatterns = [
    *real,
    path("benchmark/nothing/", Nothing.as_view({"get": "retrieve", "post": "create"})),
    path("benchmark/images/", PlainImages.as_view({"get": "list"})),
    path("benchmark/uploads/", UnsignedUploads.as_view({"post": "create"})),
]
