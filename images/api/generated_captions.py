"""What hosts see of the caption that a model wrote, and what they decide about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.response import Response

from bandpics.api import problems
from bandpics.api.problems import Conflict, Forbidden, wrong
from bandpics.api.unknown_names import KnownFieldsOnly
from bandpics.users.models import Scope
from images.api.access import PhotoViewSet
from images.captions import deciding, plain_text
from images.models import GeneratedCaption
from images.models.generated_caption import MAX_LETTERS

if TYPE_CHECKING:
    from uuid import UUID

    from rest_framework.request import Request

    from images.models import Image


class NoGeneratedCaption(Conflict):
    slug = "no-generated-caption"
    title = _("A model has written no caption of this photo")
    default_detail = _("It waits, or failed, or the group wants none: GET says which.")


class CaptionNotFailed(Conflict):
    slug = "caption-not-failed"
    title = _("There is no caption that could be tried again")
    default_detail = _(
        "Only one that failed can be, of a photo that the group wants described. GET says more."
    )


class HostsGeneratedCaptionSerializer(serializers.ModelSerializer[GeneratedCaption]):
    is_hidden = serializers.SerializerMethodField(help_text="A host has hidden it from everybody.")

    class Meta:
        model = GeneratedCaption
        fields = [
            *("state", "failure", "text", "model", "language", "prompt_version"),
            *("is_corrected", "is_hidden", "attempts", "next_attempt_at", "done_at"),
        ]

    def get_is_hidden(self, caption: GeneratedCaption) -> bool:
        return caption.hidden_at is not None


class DecisionSerializer(KnownFieldsOnly, serializers.Serializer[Any]):
    """What a host changes of it: the text, whether it is shown, or both."""

    text = serializers.CharField(
        max_length=MAX_LETTERS, required=False, help_text="Plain text of one line."
    )
    is_hidden = serializers.BooleanField(required=False)


class GeneratedCaptions(PhotoViewSet):
    """The part of images that tells what a model wrote."""

    @extend_schema(
        operation_id="images_generated_caption_retrieve", responses=HostsGeneratedCaptionSerializer
    )
    @action(detail=True, url_path="generated-caption")
    def generated_caption(self, request: Request, image_id: UUID) -> Response:
        """The caption that a model wrote, also where it is hidden, waits, or failed. Owners only.

        `failure`: `refused` by the provider; `nonsense`: the answers were of no use; `too-many`
        and `unreachable`: the provider took no request for hours; `no-picture`: the size it is
        shown is missing; `crashed`. 409: no caption was asked for.
        """
        return self._decided(self._of_host(image_id))

    @extend_schema(
        operation_id="images_generated_caption_update",
        request=DecisionSerializer,
        responses=HostsGeneratedCaptionSerializer,
        examples=[
            OpenApiExample("Correct", value={"text": "The encore"}, request_only=True),
            OpenApiExample("Hide", value={"is_hidden": True}, request_only=True),
        ],
    )
    @generated_caption.mapping.patch
    def decide_generated_caption(self, request: Request, image_id: UUID) -> Response:
        """Correct it, hide it, or show it again. Owners only; safe to repeat."""
        image, said, by = self._of_host(image_id), self.sent(), self.member.user
        self.need_scope(Scope.MODERATE)
        if "text" in said:
            deciding.correct(image, said["text"], by=by)
        if "is_hidden" in said:
            decide = deciding.hide if said["is_hidden"] else deciding.show
            decide(image, by=by)
        return self._decided(image)

    @extend_schema(
        operation_id="images_generated_caption_retry",
        request=None,
        responses={202: HostsGeneratedCaptionSerializer},
    )
    @generated_caption.mapping.post
    def retry_generated_caption(self, request: Request, image_id: UUID) -> Response:
        """Have one that failed tried again, as the caps of the day allow. Owners only; 409 for one
        that did not fail."""
        image = self._of_host(image_id)
        self.need_scope(Scope.MODERATE)
        deciding.retry(image)
        answer = self._decided(image)
        answer.status_code = status.HTTP_202_ACCEPTED
        return answer

    def _of_host(self, image_id: UUID) -> Image:
        image = self.visible_image(image_id)
        if not self.access.rights_on(image).is_host:
            raise Forbidden(_("Only owners of its group decide what is said of a photo."))
        return image

    def _decided(self, image: Image) -> Response:
        row = deciding.of(image)
        if row is None:
            raise NoGeneratedCaption
        return Response(HostsGeneratedCaptionSerializer(row).data)


problems.answer(
    {
        deciding.NoCaption: lambda _error: NoGeneratedCaption(),
        deciding.NotFailed: lambda _error: CaptionNotFailed(),
        plain_text.Nonsense: lambda _error: wrong(
            "text", "Write some words, or hide the caption with is_hidden.", "no-words"
        ),
    }
)
