"""Uploads as JSON: the tickets, the receipt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiParameter,
    extend_schema_field,
    extend_schema_serializer,
    inline_serializer,
)
from rest_framework import serializers

from bandpics import moments
from bandpics.api import etags
from bandpics.api.fields import FieldsMadeOnce
from bandpics.api.unknown_names import KnownFieldsOnly
from images.api.change_serializers import PositionSerializer
from images.api.image_serializers import (
    FAILURE,
    DependsOnAccess,
    IsFinal,
    SizeSerializer,
    TextOrNull,
    variant_json,
)
from images.listing.pagination import MAX_LIMIT
from images.models import Image, Upload, Wall, is_final
from images.storage.presign import SignedRequest
from images.uploads import announce, transfer

if TYPE_CHECKING:
    from uuid import UUID


class PartSerializer(KnownFieldsOnly, serializers.Serializer[Any]):
    part = serializers.IntegerField(required=False, min_value=1, help_text="From 1.")


# --- Uploads --------------------------------------------------------------------------------


class SignedRequestSerializer(serializers.Serializer[SignedRequest]):
    """Send exactly this, with exactly these headers and the announced number of bytes."""

    method = serializers.CharField()
    url = serializers.CharField()
    headers = serializers.DictField(child=serializers.CharField())
    expires_at = serializers.DateTimeField()


def signed_json(signed: SignedRequest) -> dict[str, Any]:
    """Returns what SignedRequestSerializer would; a hundred are made for one answer."""
    return {
        "method": signed.method,
        "url": signed.url,
        "headers": signed.headers,
        "expires_at": moments.as_json(signed.expires_at),
    }


class ArrivedPartSerializer(serializers.Serializer[Any]):
    part = serializers.IntegerField(source="number")
    size = serializers.IntegerField(source="byte_size")


class PartsSerializer(serializers.Serializer[Any]):
    part_size = serializers.IntegerField(help_text="Bytes of every part but the last.")
    part_count = serializers.IntegerField()
    parts = ArrivedPartSerializer(many=True)


class OwnPhotoSerializer(DependsOnAccess, FieldsMadeOnce, serializers.ModelSerializer[Image]):
    """The part of a finished photo that its uploader may know and change."""

    location = serializers.SerializerMethodField()
    gps_source = TextOrNull(help_text="Where the position is from.")
    etag = serializers.SerializerMethodField(help_text="Good for If-Match.")

    class Meta:
        model = Image
        fields = ["caption", "location", "gps_source", "trashed_at", "etag"]

    @extend_schema_field(PositionSerializer(allow_null=True))
    def get_location(self, image: Image) -> dict[str, float] | None:
        place = self.access.place_of(image)
        return None if place is None else {"lat": place.lat, "lon": place.lon}

    def get_etag(self, image: Image) -> str:
        return etags.etag(image)


class RejectionSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(allow_null=True, help_text="In the host's words, if any.")


class UploadSerializer(DependsOnAccess, FieldsMadeOnce, serializers.ModelSerializer[Upload]):
    """One line of the receipt: what was sent and where it stands."""

    image = serializers.UUIDField(source="image_id")
    filename = serializers.CharField(source="image.original_filename")
    content_type = serializers.CharField(source="declared_content_type", allow_blank=True)
    size = serializers.IntegerField(source="declared_byte_size")
    sha256 = TextOrNull(source="declared_sha256")
    last_modified = serializers.IntegerField(source="declared_last_modified", allow_null=True)
    is_final = IsFinal()
    failure = serializers.SerializerMethodField()
    failure_detail = serializers.SerializerMethodField()
    duplicate_of = serializers.SerializerMethodField()
    thumb = serializers.SerializerMethodField()
    photo = serializers.SerializerMethodField()
    rejection = serializers.SerializerMethodField()
    gallery = serializers.SerializerMethodField()

    class Meta:
        model = Upload
        fields = [
            *(
                "id",
                "image",
                "client_id",
                "status",
                "is_final",
                "failure",
                "failure_detail",
                "duplicate_of",
            ),
            *("filename", "content_type", "size", "sha256", "last_modified"),
            *("created_at", "arrived_at", "finished_at", "thumb", "photo", "rejection", "gallery"),
        ]

    @extend_schema_field(FAILURE)
    def get_failure(self, upload: Upload) -> str | None:
        return upload.failure or None

    def get_failure_detail(self, upload: Upload) -> str | None:
        """One sentence for a person."""
        return upload.get_failure_display() if upload.failure else None

    def get_duplicate_of(self, upload: Upload) -> str | None:
        """Names the duplicate if it is the uploader's own; others learn only that the photo was
        here already."""
        duplicate = upload.duplicate_of
        if duplicate is None or duplicate.uploader_key != upload.uploader_key:
            return None
        return str(duplicate.pk)

    @extend_schema_field(SizeSerializer(allow_null=True))
    def get_thumb(self, upload: Upload) -> dict[str, Any] | None:
        if upload.status != Upload.Status.DONE:
            return None
        variant = upload.image.variant_by_name.get("thumb")
        return None if variant is None else variant_json(variant, self.access)

    @extend_schema_field(OwnPhotoSerializer(allow_null=True))
    def get_photo(self, upload: Upload) -> Any:
        """Null before it is done, and when its sender may change nothing of it any more."""
        is_changeable = self.context.get("is_changeable")
        if upload.status != Upload.Status.DONE or not (is_changeable and is_changeable(upload)):
            return None
        return OwnPhotoSerializer(upload.image, context=self.context).data

    @extend_schema_field(RejectionSerializer(allow_null=True))
    def get_rejection(self, upload: Upload) -> dict[str, str | None] | None:
        """Tells that the hosts do not show the photo to other guests, and why. Null if they did not
        say so."""
        image = upload.image
        is_rejected = image.moderation == Image.Moderation.REJECTED
        if upload.status != Upload.Status.DONE or not is_rejected or not self.access.owns(image):
            return None
        return {"reason": image.moderation_reason or None}

    @extend_schema_field(
        serializers.ChoiceField(
            choices=["unapproved", "approved", "on-wall", "was-on-wall"], allow_null=True
        )
    )
    def get_gallery(self, upload: Upload) -> str | None:
        """Whether a host has approved that other guests see the photo, and whether a wall of the
        group shows it, or did. Null where others are shown no photos, and for a rejected one."""
        image, invitation = upload.image, self.access.invitation
        if upload.status != Upload.Status.DONE:
            return None
        if image.is_known_from_wall and self.access.owns(image):
            return "on-wall" if self._wall_runs(image.group_id) else "was-on-wall"
        if invitation is None:
            return None
        is_elsewhere = image.group_id != invitation.group_id or image.trashed_at is not None
        if is_elsewhere or not self.access.owns(image):
            return None
        if "is_shown" not in self.context:  # asked once for a list
            self.context["is_shown"] = invitation.may_be_shown_to_guests
        return GALLERY.get(image.moderation) if self.context["is_shown"] else None

    def _wall_runs(self, group_id: UUID) -> bool:
        known: dict[UUID, bool] = self.context.setdefault("running_walls", {})
        if group_id not in known:  # asked once for a list
            known[group_id] = Wall.objects.running().filter(group=group_id).exists()
        return known[group_id]


GALLERY: dict[str, str] = {
    Image.Moderation.PENDING: "unapproved",
    Image.Moderation.APPROVED: "approved",
}


class RoomSerializer(serializers.Serializer[Any]):
    """The files and bytes that the link still takes; null: no limit."""

    files = serializers.IntegerField(source="files_left", allow_null=True)
    bytes = serializers.IntegerField(source="bytes_left", allow_null=True)


@extend_schema_serializer(many=False)
class ReceiptSerializer(serializers.Serializer[Any]):
    next = serializers.URLField(allow_null=True, help_text="The address of the next page.")
    previous = serializers.URLField(allow_null=True, help_text="And of the one before.")
    results = UploadSerializer(many=True)
    next_updated_since = serializers.DateTimeField(
        allow_null=True,
        help_text="Ask with it as `updated_since` for what changes after this answer. The last few "
        "seconds may come twice; null: nothing was listed yet.",
    )
    room = RoomSerializer(allow_null=True, help_text="Of an invitation; null for members.")
    hint = serializers.CharField(
        required=False, help_text="Why nothing is listed: a shared link without a device."
    )


RECEIPT_PARAMETERS = [
    OpenApiParameter(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT},
        description="How many a page has; if not given, 50 for members and 1,000 for guests.",
    ),
    OpenApiParameter(
        "cursor", description="Where the page starts, as `next` and `previous` give it."
    ),
    OpenApiParameter(
        "group", OpenApiTypes.UUID, many=True, explode=False, description="Of these groups."
    ),
    OpenApiParameter(
        "status",
        {"type": "array", "items": {"type": "string", "enum": Upload.Status.values}},
        style="form",
        explode=False,
        description="Those that stand there.",
    ),
    OpenApiParameter(
        "updated_since",
        OpenApiTypes.DATETIME,
        description="Only what was announced, arrived, ended or was edited then or later: give the"
        " `next_updated_since` of the answer before.",
    ),
]


def ticket_json(ticket: announce.Ticket) -> dict[str, Any]:
    """An announced file: where it stands, and how to send it if it is not here yet."""
    upload = ticket.upload
    answer: dict[str, Any] = {
        "id": str(upload.pk),
        "client_id": upload.client_id,
        "status": upload.status,
        "is_final": is_final(upload.status),
    }
    if ticket.was_known and upload.status == Upload.Status.DONE:
        answer["duplicate_of"] = str(upload.image_id)
    if upload.status != Upload.Status.PENDING:
        return answer
    if upload.is_multipart:
        answer["multipart"] = {
            "part_size": settings.MULTIPART_PART_BYTES,
            "part_count": upload.part_count,
        }
    else:
        answer["upload"] = signed_json(transfer.sign(upload))
    return answer


class TicketSerializer(serializers.Serializer[Any]):
    """An upload that was announced, and how to send its bytes."""

    id = serializers.UUIDField()
    client_id = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(choices=Upload.Status.choices)
    is_final = IsFinal()
    duplicate_of = serializers.UUIDField(required=False)
    upload = SignedRequestSerializer(required=False)
    multipart = inline_serializer(
        "Multipart",
        {"part_size": serializers.IntegerField(), "part_count": serializers.IntegerField()},
        required=False,
    )


class TicketsSerializer(serializers.Serializer[Any]):
    uploads = TicketSerializer(many=True)
