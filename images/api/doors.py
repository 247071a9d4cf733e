"""What the doors to photos have in common: whom they let in, and as whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.shortcuts import get_object_or_404
from rest_framework.exceptions import ValidationError
from rest_framework.views import APIView

from bandpics.api.authentication import MEMBER_AUTHENTICATION
from bandpics.api.permissions import HasScope
from bandpics.api.problems import Forbidden, Unavailable
from bandpics.users.callers import caller_of
from groups.models import Group
from images import senders
from images.media.storage import StorageUnavailable
from images.models import Image, Upload
from invitations.authentication import InvitationAuthentication, guest

if TYPE_CHECKING:
    from uuid import UUID

    from rest_framework.request import Request
    from rest_framework.response import Response

    from images.models import ImageQuerySet, UploadQuerySet
    from images.senders import Sender


class PhotoView(APIView):
    """Open to guests with an invitation and to members, whatever they sign in with."""

    authentication_classes = [InvitationAuthentication, *MEMBER_AUTHENTICATION]
    permission_classes = [HasScope]

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, StorageUnavailable):
            exc = Unavailable("The photo store does not answer. Nothing is lost; try again soon.")
        return super().handle_exception(exc)


def sender_of(request: Request, *, group_id: UUID | None) -> Sender:
    """Who sends, from the credential alone. 404 for a group the member does not see."""
    if guest(request):
        return _guest_sender(request)
    if group_id is None:
        raise ValidationError({"group": ["Say which group to add to."]})
    caller = caller_of(request)
    group = get_object_or_404(Group.objects.seen_by(caller), pk=group_id)
    if not Group.objects.filled_by(caller).filter(pk=group.pk).exists():
        raise Forbidden("Viewers of a team may look at its photos, but not add any.")
    return senders.by_user(caller.user, group=group)


def my_uploads(request: Request) -> UploadQuerySet:
    """Uploads this credential announced."""
    if guest(request):
        return Upload.objects.sent_by(_guest_sender(request).key)
    return Upload.objects.sent_by(senders.user_key(caller_of(request).user))


def my_upload(request: Request, upload_id: UUID) -> Upload:
    rows = my_uploads(request).select_related("image", "duplicate_of")
    found: Upload = get_object_or_404(rows, pk=upload_id)
    return found


def may_list(request: Request) -> bool:
    return not guest(request) or _guest_sender(request).is_known_again


def visible_images(request: Request) -> ImageQuerySet:
    """Photos this credential may see, with their status."""
    rows = Image.objects.with_status()
    if guest(request):
        sender = _guest_sender(request)
        return rows.sent_by(sender.key) if sender.is_known_again else rows.none()
    return rows.seen_by(caller_of(request))


def _guest_sender(request: Request) -> Sender:
    invitation: Any = guest(request)
    device_secret = str(request.headers.get(senders.DEVICE_HEADER, ""))
    return senders.by_invitation(invitation, device_secret=device_secret)
