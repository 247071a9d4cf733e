"""Who sends a photo: a member, a personal link, or one device that holds a shared link."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from groups.models import Group
from invitations.models import Invitation

if TYPE_CHECKING:
    from uuid import UUID

    from bandpics.users.models import User

DEVICE_HEADER = "Bandpics-Device"
BY_INVITATION = "invitation:"  # how the keys of guests begin


@dataclass(frozen=True)
class Uploader:
    """`key` names whose own photos these are; equal keys see and undo each other's uploads."""

    group: Group
    key: str
    name: str = ""
    invitation: Invitation | None = None
    user: User | None = None

    @property
    def is_identified(self) -> bool:
        """False for a shared link without a device secret: nobody can be told from another,
        so nobody is shown a list."""
        return not self.key.endswith(":")

    @property
    def sees_own(self) -> bool:
        """Whether a guest is shown what they sent."""
        return self.is_identified and self._visibility != Group.Visibility.DROP

    @property
    def sees_gallery(self) -> bool:
        """Whether a guest is shown what was approved of the group."""
        is_link_open = self.invitation is not None and not self.invitation.is_expired
        is_gallery = self._visibility == Group.Visibility.GALLERY
        return is_gallery and self.group.is_revealed and is_link_open

    @property
    def _visibility(self) -> str:
        """As the invitation or its group says."""
        own = self.invitation.visibility if self.invitation is not None else ""
        return own or self.group.visibility


def by_invitation(invitation: Invitation, *, device_secret: str = "") -> Uploader:
    """`device_secret` is what the browser keeps in its local storage; only its hash is kept."""
    key, name = f"{BY_INVITATION}{invitation.pk}", invitation.name
    if invitation.kind == Invitation.Kind.SHARED:
        device = hashlib.sha256(device_secret.encode()).hexdigest() if device_secret else ""
        key, name = f"{key}:{device}", ""  # its name is the link's, nobody's
    return Uploader(group=invitation.group, key=key, name=name, invitation=invitation)


def by_user(user: User, *, group: Group) -> Uploader:
    return Uploader(group=group, key=user_key(user, group.pk), name=str(user), user=user)


def user_key(user: User, group_id: UUID) -> str:
    """With the group: in another one the same client_id is another photo."""
    return f"user:{user.pk}:{group_id}"
