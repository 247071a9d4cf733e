"""Announce, sign, complete, cancel; and the receipt."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, cast
from uuid import UUID

from django.db.models import Prefetch
from django.db.models.functions import Now
from django.http import Http404
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from bandpics.api.idempotency import idempotent
from groups import licences
from images.api import announcement_serializers, upload_examples, upload_serializers
from images.api.access import PhotoViewSet
from images.api.browsing import FilterPanel, Neighbours
from images.api.problems import NotMultipart, NotPending
from images.listing.filters import UploadFilters
from images.listing.pagination import DEFAULT_LIMIT, Page
from images.models import Image, Upload
from images.uploads import announce, transfer
from invitations import signs_of_life
from invitations.api.authentication import refuse_unless_open
from invitations.api.problems import GroupClosed, InvitationExpired

if TYPE_CHECKING:
    from rest_framework.request import Request

    from bandpics.api.problems import Forbidden
    from images.access import PhotoAccess
    from invitations.models import Invitation

RECEIPT_LIMIT = 1000
# A row is dated when it is written and seen when that is committed: so much is asked for again.
OVERLAP = timedelta(seconds=5)


def _ids(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns what a repeated announcement is answered from; signatures are made anew."""
    return [{"id": each["id"], "known": "duplicate_of" in each} for each in answer["uploads"]]


def _signed_again(view: Any, _: Request, kept: list[dict[str, Any]]) -> dict[str, Any]:
    rows = view.access.uploads().select_related("image").in_bulk([each["id"] for each in kept])
    if any(UUID(each["id"]) not in rows for each in kept):
        raise Http404
    tickets = [announce.Ticket(rows[UUID(each["id"])], was_known=each["known"]) for each in kept]
    return {"uploads": [upload_serializers.ticket_json(ticket) for ticket in tickets]}


def _refusal_of_new(invitation: Invitation | None) -> Forbidden | None:
    """Why a guest may send nothing new any more."""
    try:
        if invitation is not None:
            refuse_unless_open(invitation)
    except (InvitationExpired, GroupClosed) as refusal:
        return refusal
    return None


def _shown(uploads: Any, access: PhotoAccess, **options: Any) -> Any:
    context = {"access": access, "is_changeable": access.may_still_change()}
    return upload_serializers.UploadSerializer(uploads, context=context, **options).data


class UploadViewSet(PhotoViewSet):
    """Uploads: files that are announced, sent to storage, and completed."""

    serializer_class = upload_serializers.UploadSerializer
    serializer_classes: ClassVar = {
        "create": announcement_serializers.AnnouncementSerializer,
        "sign": upload_serializers.PartSerializer,
        "complete": Serializer,
    }
    queryset = Upload.objects.none()  # for the filter panel
    filter_backends = [FilterPanel]
    pagination_class = Neighbours
    lookup_url_kwarg = "upload_id"
    parameters: ClassVar = {"list": [*UploadFilters.base_filters, "limit", "cursor"]}

    def filters(self) -> UploadFilters:
        is_listed = self.access.key.is_identified
        mine = self.access.uploads() if is_listed else Upload.objects.none()
        return UploadFilters(self.request.query_params, mine)

    @extend_schema(
        responses=upload_serializers.ReceiptSerializer,
        parameters=upload_serializers.RECEIPT_PARAMETERS,
        filters=False,
    )
    def list(self, request: Request) -> Response:
        """The receipt: what I sent and where it stands, newest first.

        A guest's is whole unless `limit` is given: only those beyond 1,000 are on a next page.
        """
        invitation = self.access.invitation
        page = Page.newest_first(
            request, default_limit=DEFAULT_LIMIT if invitation is None else RECEIPT_LIMIT
        )
        asked = self.filters()
        photos = Prefetch("image", Image.objects.with_variants())
        rows = asked.checked().select_related("duplicate_of").prefetch_related(photos)
        cut: list[Any] = list(page.cut(rows.annotate(read_at=Now())))
        filled = page.filled(cut)
        Neighbours.show(filled, on=self)
        since = asked.form.cleaned_data["updated_since"]
        return Response(
            {
                "next": filled.next_url,
                "previous": filled.previous_url,
                "results": _shown(filled.rows, self.access, many=True),
                "next_updated_since": cut[0].read_at - OVERLAP if cut else since,
                "room": None
                if invitation is None
                else upload_serializers.RoomSerializer(invitation).data,
                **self.hint_without_device(),
            }
        )

    @extend_schema(
        responses={201: upload_serializers.TicketsSerializer},
        examples=upload_examples.ANNOUNCEMENT_EXAMPLES,
    )
    @idempotent(remember=_ids, again=_signed_again)
    def create(self, request: Request) -> Response:
        """Announce 1 to 100 files, all or nothing; the answer says how to send each.

        Once a link has expired or its group is closed: only files that were announced before.
        """
        refusal = _refusal_of_new(self.access.invitation)
        body: Any = self.get_serializer(data=request.data)
        if refusal is not None and not body.is_valid():
            raise refusal
        body.is_valid(raise_exception=True)
        files = body.announced()
        self.refuse_time_of_guest(files)
        uploader = self.uploader_in(body.validated_data.get("group"))
        try:
            tickets = announce.create_announced(
                uploader,
                files,
                uploader_name=body.validated_data["uploader_name"],
                takes_new=refusal is None,
                licence=licences.agreed(uploader.group, body.validated_data.get("licence")),
            )
        except announce.TakesNothingNew:
            raise cast("Forbidden", refusal) from None
        answer = [upload_serializers.ticket_json(ticket) for ticket in tickets]
        return Response({"uploads": answer}, status=status.HTTP_201_CREATED)

    def retrieve(self, request: Request, upload_id: UUID) -> Response:
        """One line of the receipt."""
        return Response(_shown(self.my_upload(upload_id), self.access))

    def destroy(self, request: Request, upload_id: UUID) -> Response:
        """Cancel an upload that has not arrived. Safe to call twice."""
        upload = self.my_upload(upload_id)
        if not transfer.discard(upload):
            upload.refresh_from_db(fields=["status"])
            if upload.status != Upload.Status.DISCARDED:
                raise NotPending(_("It has arrived already."))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(responses=upload_serializers.SignedRequestSerializer)
    @action(detail=True, methods=["post"])
    def sign(self, request: Request, upload_id: UUID) -> Response:
        """A fresh signature for the PUT, or for one part of it."""
        number = self.sent().get("part")
        upload = self.my_upload(upload_id)
        if number is None and not upload.is_multipart:
            signed = transfer.sign(upload)
        else:
            signed = transfer.sign_part(upload, number=number or 1)
        return Response(upload_serializers.SignedRequestSerializer(signed).data)

    @extend_schema(responses=upload_serializers.PartsSerializer)
    @action(detail=True)
    def parts(self, request: Request, upload_id: UUID) -> Response:
        """Which parts have arrived in full."""
        upload = self.my_upload(upload_id)
        if not upload.is_multipart:
            raise NotMultipart
        answer = {
            "part_size": upload.part_size(1),
            "part_count": upload.part_count,
            "parts": transfer.arrived_parts(upload),
        }
        return Response(upload_serializers.PartsSerializer(answer).data)

    @extend_schema(
        responses={
            200: OpenApiResponse(upload_serializers.UploadSerializer, "It was complete already."),
            202: OpenApiResponse(
                upload_serializers.UploadSerializer, "The bytes are here; queued."
            ),
        }
    )
    @action(detail=True, methods=["post"])
    def complete(self, request: Request, upload_id: UUID) -> Response:
        """Say that all bytes were sent. The bucket is asked whether that is so."""
        upload = self.my_upload(upload_id)
        was_pending = upload.status == Upload.Status.PENDING
        try:
            moved = transfer.complete(upload)
        except transfer.NotPending:
            raise NotPending(_("It was cancelled or given up. Announce the file again.")) from None
        signs_of_life.record(self.access.invitation)
        if not moved:
            # Another call has moved it meanwhile, or it had been moved before this one.
            found = self.my_upload(upload_id) if was_pending else upload
            return Response(_shown(found, self.access))
        upload.refresh_from_db(fields=["arrived_at"])
        upload.status = Upload.Status.QUEUED  # what this call made of it; a worker may be further
        return Response(_shown(upload, self.access), status=status.HTTP_202_ACCEPTED)
