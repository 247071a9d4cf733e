"""The history of a photo as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action

from bandpics.api.pagination import Pages
from bandpics.api.problems import Forbidden
from images import history
from images.api.access import PhotoViewSet
from images.models import PhotoChange

if TYPE_CHECKING:
    from uuid import UUID

    from rest_framework.request import Request
    from rest_framework.response import Response


class PhotoChangeSerializer(serializers.ModelSerializer[PhotoChange]):
    by = serializers.SerializerMethodField(
        help_text="The name of the member or guest. Empty where none is kept, as of whoever asked "
        "for a removal."
    )
    at = serializers.DateTimeField(source="created_at")

    class Meta:
        model = PhotoChange
        fields = ["id", "kind", "by", "at", "details"]

    def get_by(self, change: PhotoChange) -> str:
        return history.name_of(change)


class Changes(PhotoViewSet):
    """The part of images that tells who changed what."""

    @extend_schema(
        operation_id="images_changes_list",
        responses=PhotoChangeSerializer(many=True),
        examples=[
            OpenApiExample(
                "Approved",
                value={
                    "id": "01234567-89ab-7def-8123-456789abcdef",
                    "kind": "approved",
                    "by": "Ada",
                    "at": "2026-06-21T21:40:00Z",
                    "details": {},
                },
                response_only=True,
            )
        ],
    )
    @action(detail=True, filter_backends=[], pagination_class=Pages)
    def changes(self, request: Request, image_id: UUID) -> Response:
        """Who changed what, latest first. It never tells a place, nor a text. Members only."""
        image = self.visible_image(image_id)
        if self.access.is_guest:
            raise Forbidden("The history of a photo is for the members of its team.")
        page = self.paginate_queryset(history.of(image))
        return self.get_paginated_response(PhotoChangeSerializer(page, many=True).data)
