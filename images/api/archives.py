"""ZIP archives of a group's photos: ordering them, asking how far they are, downloading them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.http import Http404, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.response import Response
from rest_framework.reverse import reverse

from bandpics.api import problems
from bandpics.api.fields import ListField
from bandpics.api.pagination import Pages
from bandpics.api.problems import Conflict, NotThere, Problem
from bandpics.api.unknown_names import KnownFieldsOnly
from bandpics.users.models import Scope
from groups.models import Group
from images import archives
from images.access import GuestAccess
from images.api.access import PhotoViewSet
from images.archives import content
from images.models import Archive, ArchiveOrder

if TYPE_CHECKING:
    from uuid import UUID

    from rest_framework.request import Request

    from images.archives.content import What

IMAGES_AT_MOST = 5000
EXPIRED = "expired"


class NothingToDownload(Conflict):
    slug = "nothing-to-download"
    title = _("There is no photo to download")
    default_detail = _("None of the photos is what you asked for.")
    explanation = "A ZIP needs a photo. Ask for others, or for all."


class ArchiveQuotaExceeded(Conflict):
    slug = "archive-quota-exceeded"
    title = _("There is no room for this download now")
    default_detail = _("Choose fewer photos, or wait: each ZIP is removed after a week.")
    explanation = (
        "All ZIPs of a team together may take up so many bytes: `limit`. They take up `used`, and "
        "this one needs `needed`. Choose fewer photos, or wait until others have expired."
    )


class TooManyArchives(Problem):
    status_code = status.HTTP_429_TOO_MANY_REQUESTS
    slug = "too-many-archives"
    title = _("Several of your downloads are still being prepared")
    default_detail = _("Wait until one of them is ready.")
    explanation = "Only a few archives of one person are built at a time."
    retry_after_seconds = 30


class ArchiveNotReady(Conflict):
    slug = "archive-not-ready"
    title = _("The ZIP is not ready yet")
    explanation = "The ZIP is still being built. Wait as long as `Retry-After` says."
    retry_after_seconds = 5


class ArchiveGone(Problem):
    status_code = status.HTTP_410_GONE
    slug = "archive-gone"
    title = _("This ZIP is there no longer")
    default_detail = _("Order it again: it has expired, or a photo in it was removed.")
    explanation = "It has expired, or a photo in it was removed. Order it again."


class WhatSerializer(KnownFieldsOnly, serializers.Serializer[Any]):
    images = ListField(
        child=serializers.UUIDField(),
        min_length=1,
        max_length=IMAGES_AT_MOST,
        required=False,
        help_text="These photos.",
    )
    uploader = serializers.CharField(
        max_length=120, required=False, help_text="The photos of this uploader, by name."
    )
    since_last_download = serializers.BooleanField(
        required=False, help_text="What is new since you last downloaded a ZIP of this group."
    )

    def validate(self, sent: dict[str, Any]) -> dict[str, Any]:
        asked = {name: value for name, value in sent.items() if value not in (None, False)}
        if len(asked) > 1:
            raise serializers.ValidationError("Give one of images, uploader, since_last_download.")
        return asked


class OrderSerializer(KnownFieldsOnly, serializers.Serializer[Any]):
    what = WhatSerializer(required=False, help_text="Without it, all photos.")
    mail = serializers.BooleanField(
        default=False, help_text="Send me a mail when it is ready. For members."
    )


class ArchiveSerializer(serializers.ModelSerializer[ArchiveOrder]):
    id = serializers.UUIDField(source="archive_id")
    status = serializers.SerializerMethodField(
        help_text="queued, building, ready, failed, or expired: its object is gone."
    )
    progress = serializers.FloatField(source="archive.progress", help_text="From 0 to 1.")
    what = serializers.SerializerMethodField()
    file_count = serializers.IntegerField(source="archive.file_count")
    byte_size = serializers.IntegerField(
        source="archive.total_bytes", help_text="About, until it is ready."
    )
    url = serializers.SerializerMethodField(
        help_text="Signed, for an hour or two; a download that was cut goes on by `Range`. Null "
        "until it is ready. To have the download remembered, follow `download_url`."
    )
    download_url = serializers.SerializerMethodField(
        help_text="Leads to the ZIP, and remembers that you have it."
    )
    created_at = serializers.DateTimeField(source="archive.created_at")
    ready_at = serializers.DateTimeField(source="archive.ready_at", allow_null=True)
    expires_at = serializers.DateTimeField(source="archive.expires_at")
    downloaded_at = serializers.DateTimeField(allow_null=True)

    class Meta:
        model = ArchiveOrder
        fields = [
            *("id", "status", "progress", "what", "file_count", "byte_size", "url"),
            *("download_url", "created_at", "ready_at", "expires_at", "downloaded_at"),
        ]

    def get_status(self, order: ArchiveOrder) -> str:
        archive = order.archive
        is_over = archive.state != Archive.State.FAILED and not archive.is_live
        return EXPIRED if is_over else archive.state

    def get_what(self, order: ArchiveOrder) -> str:
        return next(iter(order.archive.what), "all")

    def get_url(self, order: ArchiveOrder) -> str | None:
        try:
            return archives.url(order, self.context["view"].access)
        except archives.NotReady:
            return None

    def get_download_url(self, order: ArchiveOrder) -> str | None:
        if not order.archive.is_ready:
            return None
        path = [order.archive.group_id, order.archive_id]
        return reverse("archive-download", path, request=self.context["request"])


class ArchiveViewSet(PhotoViewSet):
    """ZIPs of photos: originals for members, the largest size of approved photos for guests.

    They are built in the background and expire after a week, or as soon as one of their photos
    leaves the group.
    """

    queryset = ArchiveOrder.objects.none()  # for the documentation
    serializer_class = ArchiveSerializer
    serializer_classes: ClassVar = {"create": OrderSerializer}
    write_scope = Scope.READ  # nothing of anybody is changed
    lookup_url_kwarg = "archive_id"
    pagination_class = Pages
    parameters: ClassVar = {"list": [*Pages.parameters]}

    def group(self) -> Group:
        """404 for a group that the member, or the guest, is not shown."""
        group_id = self.kwargs["group_id"]
        if isinstance(self.access, GuestAccess):
            group = self.access.invitation.group
            if group.pk != group_id or not archives.is_shown(group, self.access):
                raise Http404
            return group
        found: Group = get_object_or_404(
            Group.objects.visible_to(self.member).select_related("team"), pk=group_id
        )
        return found

    def ordered(self, archive_id: UUID) -> ArchiveOrder:
        return archives.find(self.group(), self.access, archive_id)

    @extend_schema(
        responses={
            200: OpenApiResponse(ArchiveSerializer, "It is there already."),
            202: OpenApiResponse(ArchiveSerializer, "It is being built: ask again."),
        },
        examples=[
            OpenApiExample("All", value={}, request_only=True),
            OpenApiExample(
                "Some", value={"what": {"since_last_download": True}}, request_only=True
            ),
        ],
    )
    def create(self, request: Request, group_id: UUID) -> Response:
        """Order a ZIP: of all photos, of some, of one uploader, or of those that are new to me.

        Who orders what is there already shares it.
        """
        sent, group = self.sent(), self.group()
        order = archives.order(
            group,
            what=self._what(group, sent.get("what", {})),
            access=self.access,
            wants_mail=sent["mail"] and not self.access.is_guest,
        )
        code = status.HTTP_200_OK if order.archive.is_ready else status.HTTP_202_ACCEPTED
        path = reverse("archive-detail", [group.pk, order.archive_id], request=request)
        data = ArchiveSerializer(order, context=self.get_serializer_context()).data
        return Response(data, status=code, headers={"Location": path})

    def retrieve(self, request: Request, group_id: UUID, archive_id: UUID) -> Response:
        """How far a ZIP is that I have ordered, and where to get it."""
        order = self.ordered(archive_id)
        headers = {} if order.archive.is_ready else {"Retry-After": "2"}
        return Response(self.get_serializer(order).data, headers=headers)

    @extend_schema(responses={302: OpenApiResponse(description="To the ZIP.")})
    @action(detail=True)
    def download(self, request: Request, group_id: UUID, archive_id: UUID) -> HttpResponseRedirect:
        """Go to the ZIP. It counts as downloaded, for `since_last_download`."""
        order = self.ordered(archive_id)
        if not order.archive.is_live:
            raise ArchiveGone
        answer = HttpResponseRedirect(archives.download(order, self.access))
        answer["Cache-Control"] = "no-store"
        return answer

    def _what(self, group: Group, asked: dict[str, Any]) -> What:
        if "images" in asked:
            self._refuse_hidden(group, asked["images"])
        if asked.get("since_last_download"):
            since = archives.last_download(group, self.access)
            return {"since": since.isoformat()} if since else {}
        return asked

    def _refuse_hidden(self, group: Group, ids: list[UUID]) -> None:
        """Raises NotThere, and names the photos that are not shown in this group."""
        rows = content.photos(group, {"images": ids}, for_guests=self.access.is_guest)
        shown = set(rows.values_list("pk", flat=True))
        said = ("not-found", NotThere.title)
        hidden = {f"#/what/images/{place}": said for place, pk in enumerate(ids) if pk not in shown}
        if hidden:
            raise NotThere(errors=problems.errors_at(hidden))

    def list(self, request: Request, group_id: UUID) -> Response:
        """The ZIPs that I have ordered, the newest first. None for a device of a shared link that
        sends no `Bandpics-Device`: it needs the id that its order was answered with."""
        page = self.paginate_queryset(archives.orders(self.group(), self.access))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


problems.answer(
    {
        archives.NothingToDownload: lambda _error: NothingToDownload(),
        archives.NotReady: lambda _error: ArchiveNotReady(),
        archives.QuotaExceeded: lambda error: ArchiveQuotaExceeded(
            needed=error.needed, used=error.used, limit=error.limit
        ),
        archives.TooManyWaiting: lambda _error: TooManyArchives(),
    }
)
