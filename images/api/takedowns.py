"""Asking for the removal of a photo, and the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, Throttled
from rest_framework.response import Response

from bandpics import limits
from bandpics.api import problems
from bandpics.api.problems import Conflict, Problem
from bandpics.api.unknown_names import KnownFieldsOnly
from bandpics.users.models import Scope
from images.api.access import PhotoViewSet
from images.lifecycle import takedown
from images.models import TakedownRequest

if TYPE_CHECKING:
    from uuid import UUID

    from rest_framework.request import Request


class RemoveItYourself(Conflict):
    slug = "remove-it-yourself"
    title = _("You need not ask: you can remove this photo")
    default_detail = _("Move it to the trash with DELETE: owners of a group need no request.")


class TakedownRefused(Conflict):
    slug = "takedown-refused"
    title = _("The hosts have decided that this photo stays")
    default_detail = _("You have asked for its removal before. Please write to the hosts.")


class TooManyTakedowns(Problem):
    status_code = status.HTTP_429_TOO_MANY_REQUESTS
    slug = "too-many-takedowns"
    title = _("Many of your requests for a removal wait for an answer")
    default_detail = _("Wait until the hosts have decided about some of them.")
    retry_after_seconds = 3600


class TakedownAskedSerializer(KnownFieldsOnly, serializers.Serializer[Any]):
    reason = serializers.CharField(
        max_length=1000, allow_blank=True, default="", help_text="For the hosts."
    )
    name = serializers.CharField(
        max_length=120, allow_blank=True, default="", help_text="Who asks, for the hosts."
    )


class TakedownSerializer(serializers.ModelSerializer[TakedownRequest]):
    photo = serializers.UUIDField(source="photo_id")
    answer = serializers.CharField(allow_blank=True, help_text="The words of the host who decided.")

    class Meta:
        model = TakedownRequest
        fields = ["photo", "state", "reason", "answer", "created_at", "decided_at"]


class Takedowns(PhotoViewSet):
    @extend_schema(responses={201: TakedownSerializer})
    @action(detail=True, methods=["post"], write_scope=Scope.UPLOAD)
    def takedown(self, request: Request, image_id: UUID) -> Response:
        """Ask for the removal of a photo that you see. It is hidden at once; a host decides.

        Each asker has at most 20 open requests, and asks about a photo only until a host has
        refused. GET tells what became of it.
        """
        asked, asker = self.sent(), self.access.key
        image = self._own_image(image_id) or self.visible_image(image_id)
        if self.access.rights_on(image).is_host:
            raise RemoveItYourself
        if seconds := takedown.seconds_to_wait(asker, address=limits.address_of(request)):
            raise Throttled(wait=seconds)
        row = takedown.ask(image, asker=asker, **asked)
        return Response(TakedownSerializer(row).data, status=status.HTTP_201_CREATED)

    @extend_schema(operation_id="images_takedown_retrieve", responses=TakedownSerializer)
    @takedown.mapping.get
    def takedown_answer(self, request: Request, image_id: UUID) -> Response:
        """What became of your request for the removal of a photo."""
        row = takedown.request_of(image_id, asker=self.access.key)
        if row is None:
            raise NotFound
        return Response(TakedownSerializer(row).data)


problems.answer(
    {
        takedown.PhotoGone: lambda _error: NotFound(),
        takedown.RefusedBefore: lambda _error: TakedownRefused(),
        takedown.TooManyOpen: lambda _error: TooManyTakedowns(),
    }
)
