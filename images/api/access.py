"""Base classes of the endpoints of photos: who is let in, and what is refused to whom."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.http import Http404
from django.shortcuts import get_object_or_404
from django.template.defaultfilters import truncatechars
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import SAFE_METHODS

from bandpics.api.authentication import API_KEY, BEARER, MEMBER_AUTHENTICATION, challenge
from bandpics.api.base import ApiViewSet
from bandpics.api.permissions import HasScope
from bandpics.api.problems import Forbidden
from bandpics.api.throttles import DEVICE_HEADER
from bandpics.audit.models import Action
from bandpics.users.models import Scope, User
from groups.models import Group
from images import history
from images.access import GuestAccess, MemberAccess
from images.api.problems import DeviceInvalid
from images.models import Image, Upload
from invitations.api.authentication import (
    CREDENTIAL_PARAMETERS,
    KEYWORD,
    InvitationAuthentication,
    guest,
    refuse_if_closed,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from rest_framework.request import Request

    from images.access import Rights, Uploader
    from images.models import ImageQuerySet
    from images.uploads.announce import Announced


DEVICE = re.compile(r"[0-9a-fA-F]{32}")
# As many as the text of an error has room for.
GROUPS_NAMED = 5
# What is read of a photo beside its row.
RELATED = ("group", "invitation", "licence", "generated_caption")


class PhotoViewSet(ApiViewSet):
    """Open to guests with an invitation and to members, whatever they sign in with."""

    authentication_classes = [InvitationAuthentication, *MEMBER_AUTHENTICATION]
    permission_classes = [HasScope]
    credential_parameters = CREDENTIAL_PARAMETERS

    def get_authenticate_header(self, request: Request) -> str:
        return challenge(KEYWORD, BEARER, API_KEY)

    @cached_property
    def access(self) -> MemberAccess | GuestAccess:
        """The access of the credential."""
        invitation = guest(self.request)
        if invitation is None:
            return MemberAccess.of(self.request)
        device_secret = str(self.request.headers.get(DEVICE_HEADER, ""))
        if device_secret and not DEVICE.fullmatch(device_secret):
            raise DeviceInvalid
        return GuestAccess.of(invitation, device_secret=device_secret)

    @property
    def member(self) -> MemberAccess:
        """The access of a member, for views that let no invitation in."""
        assert isinstance(self.access, MemberAccess)  # noqa: S101 - for the type checker
        return self.access

    @property
    def user(self) -> User | None:
        """The account that asks; None for a guest."""
        return None if self.access.is_guest else self.member.user

    def uploader_in(self, group_id: UUID | None) -> Uploader:
        """Returns the uploader for a group; None: for the only one the member may add to. Raises
        Http404 for a group the member does not see."""
        if isinstance(self.access, GuestAccess):
            return self.access.uploader
        group = self._only_group() if group_id is None else self.writable_group(group_id)
        return self.access.uploader(group)

    def _only_group(self) -> Group:
        found = Group.objects.writable_by(self.member).order_by("-created_at", "-pk")
        groups = list(found[: GROUPS_NAMED + 1])
        if len(groups) == 1:
            return groups[0]
        if not groups:
            raise Forbidden("You may add photos to no group. Make one first: POST /api/v1/groups/.")
        named = [f"{group.pk} ({truncatechars(group.name, 40)})" for group in groups[:GROUPS_NAMED]]
        more = ["others, listed at /api/v1/groups/"] if len(groups) > GROUPS_NAMED else []
        raise ValidationError({"group": [f"Say which group to add to: {', '.join(named + more)}."]})

    def refuse_time_of_guest(self, files: Sequence[Announced]) -> None:
        """Raises Forbidden if a guest says when a photo was taken, which they cannot change."""
        if self.access.is_guest and any(file.taken is not None for file in files):
            raise Forbidden(
                "With a link, send words and the place of a photo, and no `taken_at`: when it was "
                "taken is read from the file."
            )

    def writable_group(self, group_id: UUID) -> Group:
        """404 for a group the member does not see, 403 for one they only look at."""
        group: Group = get_object_or_404(Group.objects.visible_to(self.member), pk=group_id)
        if not Group.objects.writable_by(self.member).filter(pk=group.pk).exists():
            raise Forbidden("Viewers of a team may look at its photos, but not add any.")
        return group

    def my_upload(self, upload_id: UUID) -> Upload:
        found = self.access.upload(upload_id)
        if found is None:
            _record_if_of_another(upload_id)
            raise Http404
        return found

    def hint_without_device(self) -> dict[str, str]:
        """A member of the answer that says why a list lacks own photos."""
        if self.access.key.is_identified:
            return {}
        return {
            "hint": f"Many people share this link. Send {DEVICE_HEADER}, 32 random hex digits "
            "of your own, with each request: what you announce with it is listed."
        }

    def visible_image(self, image_id: UUID) -> Image:
        """Returns a photo with its current variants; one in the trash only to owners who ask for
        `?trashed=true`."""
        rows, access = self.access.visible_images(), self.access
        is_trash_asked = self.request.query_params.get("trashed") == "true"
        if isinstance(access, MemberAccess) and is_trash_asked:
            rows = Image.objects.with_status().filter(group__in=Group.objects.owned_by(access))
        return _found(rows.with_variants(), image_id)

    def image_to_change(
        self, image_id: UUID, *, even_when_closed: bool = False
    ) -> tuple[Image, Rights]:
        """404 for a photo that is not seen, 403 for one of somebody else."""
        image = self._own_image(image_id) or self.visible_image(image_id)
        rights = self.access.rights_on(image)
        if not rights.may_change:
            raise Forbidden(_("Only whoever sent a photo, and the host, may change it."))
        if self.access.invitation is not None and not even_when_closed:
            refuse_if_closed(self.access.invitation)
        return image, rights

    def _own_image(self, image_id: UUID) -> Image | None:
        """A guest's own: a link that shows nothing still lets them take back what they sent."""
        if not isinstance(self.access, GuestAccess):
            return None
        rows = self.access.own_images().with_status().with_variants()
        found: Image | None = rows.select_related(*RELATED).filter(pk=image_id).first()
        return found

    def image_to_restore(self, image_id: UUID) -> tuple[Image, Rights]:
        """A trashed photo: owners any, others what they trashed themselves. 404 for all else."""
        image = _found(Image.objects.with_status().trashed().in_kept_groups(), image_id)
        rights = self.access.rights_on(image)
        if not rights.may_restore(image):
            raise Http404
        if self.access.invitation is not None:
            refuse_if_closed(self.access.invitation)
        return image, rights

    def need_scope(self, scope: Scope) -> None:
        """Raises Forbidden for an API key that is not good for this."""
        if isinstance(self.access, MemberAccess) and scope not in self.access.scopes:
            raise Forbidden(f"This API key was not given the scope that this needs: {scope}.")

    def need_scope_for(self, rights: Rights) -> None:
        """Raises Forbidden unless the credential's scopes allow trashing or restoring this
        photo."""
        self.need_scope(Scope.UPLOAD if rights.is_own else Scope.MODERATE)


class UploadsOrModerates(HasScope):
    """Permission for actions that need `moderate` on other people's photos only. See
    need_scope_for."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if not isinstance(request.user, User) or request.method in SAFE_METHODS:
            return super().has_permission(request, view)
        return bool({Scope.UPLOAD, Scope.MODERATE} & view.access.scopes)


def _record_if_of_another(upload_id: UUID) -> None:
    """Ids of uploads are not guessed: whoever asks for that of somebody else was given it."""
    upload = Upload.objects.filter(pk=upload_id).first()
    if upload is not None:
        history.audit(Action.UPLOAD_OF_ANOTHER, [upload.image_id], once_in=timedelta(hours=1))


def _found(rows: ImageQuerySet, image_id: UUID) -> Image:
    found: Image = get_object_or_404(rows.select_related(*RELATED), pk=image_id)
    return found
