"""What the doors to photos have in common: whom they let in, and as whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import SAFE_METHODS
from rest_framework.views import APIView

from bandpics.api.authentication import API_KEY, BEARER, MEMBER_AUTHENTICATION, challenge
from bandpics.api.permissions import HasScope
from bandpics.api.problems import Forbidden
from bandpics.api.unknown_names import KnownParametersOnly
from bandpics.users.callers import caller_of
from bandpics.users.models import Scope, User
from groups.models import Group
from images.access import uploader, viewers
from images.models import Image, Upload
from invitations.api.authentication import (
    CREDENTIAL_PARAMETERS,
    KEYWORD,
    InvitationAuthentication,
    guest,
    refuse_if_closed,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from rest_framework.request import Request

    from images.access.uploader import Uploader
    from images.access.viewers import Viewer
    from images.models import ImageQuerySet, UploadQuerySet


class PhotoView(KnownParametersOnly, APIView):
    """Open to guests with an invitation and to members, whatever they sign in with."""

    authentication_classes = [InvitationAuthentication, *MEMBER_AUTHENTICATION]
    permission_classes = [HasScope]
    credential_parameters = CREDENTIAL_PARAMETERS

    def get_authenticate_header(self, request: Request) -> str:
        return challenge(KEYWORD, BEARER, API_KEY)


def sender_of(request: Request, *, group_id: UUID | None) -> Uploader:
    """Who sends, from the credential alone. 404 for a group the member does not see."""
    if guest(request):
        return _guest_sender(request)
    if group_id is None:
        raise ValidationError({"group": ["Say which group to add to."]})
    caller = caller_of(request)
    group = get_object_or_404(Group.objects.visible_to(caller), pk=group_id)
    if not Group.objects.writable_by(caller).filter(pk=group.pk).exists():
        raise Forbidden("Viewers of a team may look at its photos, but not add any.")
    return uploader.by_user(caller.user, group=group)


def my_uploads(request: Request) -> UploadQuerySet:
    """Uploads this credential announced."""
    if guest(request):
        return Upload.objects.sent_by(_guest_sender(request).key)
    caller = caller_of(request)
    groups = Group.objects.visible_to(caller).values_list("pk", flat=True)
    return Upload.objects.filter(sender__in=[uploader.user_key(caller.user, pk) for pk in groups])


def my_upload(request: Request, upload_id: UUID) -> Upload:
    rows = my_uploads(request).select_related("image")
    found: Upload = get_object_or_404(rows, pk=upload_id)
    return found


def hint_without_device(request: Request) -> dict[str, str]:
    """Says why a list lacks own photos: a member of the answer, for whoever cannot be known."""
    invitation = guest(request)
    if invitation is None or _guest_sender(request).is_identified:
        return {}
    return {
        "hint": f"Many people share this link. Send {uploader.DEVICE_HEADER}, 32 random hex digits "
        "of your own, with each request: what you announce with it is listed."
    }


def may_list(request: Request) -> bool:
    return not guest(request) or _guest_sender(request).is_identified


def visible_images(request: Request) -> ImageQuerySet:
    """Photos this credential may see, with their status. Nothing that is in the trash."""
    rows = Image.objects.with_status().kept().in_kept_groups()
    if guest(request):
        return rows.visible_to_guest(_guest_sender(request))
    return rows.visible_to(caller_of(request))


def viewer_of(request: Request) -> Viewer:
    """What this credential may know of the photos it sees."""
    if guest(request):
        return viewers.guest(_guest_sender(request))
    return viewers.member(caller_of(request))


def visible_image(request: Request, image_id: UUID) -> Image:
    """With its current variants. In the trash only for owners who ask for `?trashed=true`."""
    rows = visible_images(request)
    if not guest(request) and request.query_params.get("trashed") == "true":
        owned = Group.objects.owned_by(caller_of(request))
        rows = Image.objects.with_status().filter(group__in=owned)
    found: Image = get_object_or_404(
        rows.select_related("group", "invitation").with_variants(), pk=image_id
    )
    return found


# --- Changing -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Standing:
    """What somebody who sees a photo is to it."""

    sender_key: str
    is_guest: bool
    is_host: bool  # an owner of its team
    is_own: bool

    @property
    def may_change(self) -> bool:
        return self.is_host or self.is_own


def standing(request: Request, image: Image) -> Standing:
    owns = viewer_of(request).owns(image)
    if guest(request):
        return Standing(_guest_sender(request).key, is_guest=True, is_host=False, is_own=owns)
    caller = caller_of(request)
    group = Group.objects.filter(pk=image.group_id)
    return Standing(
        uploader.user_key(caller.user, image.group_id),
        is_guest=False,
        is_host=group.owned_by(caller).exists(),
        # Somebody who only looks by now changes nothing, not even their own.
        is_own=owns and group.writable_by(caller).exists(),
    )


def image_to_change(
    request: Request, image_id: UUID, *, even_when_closed: bool = False
) -> tuple[Image, Standing]:
    """404 for a photo the caller does not see, 403 for one of somebody else."""
    image = _own_image(request, image_id) or visible_image(request, image_id)
    mine = standing(request, image)
    if not mine.may_change:
        raise Forbidden(_("Only whoever sent a photo, and the host, may change it."))
    if not even_when_closed:
        _refuse_guest_if_closed(request)
    return image, mine


def _own_image(request: Request, image_id: UUID) -> Image | None:
    """A guest's own photo: a link that shows nothing still lets them take back what they sent."""
    if not guest(request) or not _guest_sender(request).is_identified:
        return None
    rows = Image.objects.with_status().kept().in_kept_groups()
    rows = rows.sent_by(_guest_sender(request).key)
    rows = rows.select_related("group", "invitation").with_variants()
    found: Image | None = rows.filter(pk=image_id).first()
    return found


def image_to_restore(request: Request, image_id: UUID) -> tuple[Image, Standing]:
    """A trashed photo: owners any, others what they trashed themselves. 404 for all else."""
    rows = Image.objects.with_status().trashed().in_kept_groups()
    rows = rows.select_related("group", "invitation")
    image: Image = get_object_or_404(rows, pk=image_id)
    mine = standing(request, image)
    if not mine.is_host and not (mine.is_own and image.trashed_by == mine.sender_key):
        raise Http404
    _refuse_guest_if_closed(request)
    return image, mine


def _refuse_guest_if_closed(request: Request) -> None:
    invitation = guest(request)
    if invitation is not None:
        refuse_if_closed(invitation)


def changeable(request: Request) -> Callable[[Upload], bool]:
    """Whether the sender of an upload may still change its photo. Looked up once for a list."""
    invitation = guest(request)
    if invitation is not None:
        is_open = not invitation.group.is_closed and _guest_sender(request).is_identified
        return lambda upload: is_open and _is_theirs(upload)
    caller = caller_of(request)
    groups = set(Group.objects.writable_by(caller).values_list("pk", flat=True))
    return lambda upload: upload.image.group_id in groups and _is_theirs(upload)


def _is_theirs(upload: Upload) -> bool:
    image = upload.image
    was_taken_away = image.trashed_at is not None and image.trashed_by != upload.sender
    return image.sender == upload.sender and not was_taken_away


class UploadsOrModerates(HasScope):
    """Where it depends on whose photo it is: `moderate` for other people's. See need_scope_for."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not isinstance(request.user, User) or request.method in SAFE_METHODS:
            return super().has_permission(request, view)
        return bool({Scope.UPLOAD, Scope.MODERATE} & caller_of(request).scopes)


def need_scope_for(request: Request, mine: Standing) -> None:
    """Raises Forbidden if the key is not good for trashing this photo."""
    scope = Scope.UPLOAD if mine.is_own else Scope.MODERATE
    if not mine.is_guest and scope not in caller_of(request).scopes:
        raise Forbidden(f"This API key was not given the scope that this needs: {scope}.")


def _guest_sender(request: Request) -> Uploader:
    invitation: Any = guest(request)
    device_secret = str(request.headers.get(uploader.DEVICE_HEADER, ""))
    return uploader.by_invitation(invitation, device_secret=device_secret)
