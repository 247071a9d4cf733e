"""Chooses the picture that chats show beside a link."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings

from groups.models import GroupLogo
from images.access import GuestAccess
from images.models import Image

if TYPE_CHECKING:
    from images.models import Variant
    from invitations.models import Invitation

SIZE = "medium"


def url_of(invitation: Invitation, *, base_url: str) -> str:
    """Returns where the picture is, or "": the cover if all who hold the link may see it, else the
    logo."""
    if cover_of(invitation) is not None:
        return f"{settings.PUBLIC_URL}{base_url}picture/"
    if GroupLogo.objects.filter(group=invitation.group).exists():
        return f"{settings.PUBLIC_URL}{base_url}logo.png"
    return ""


def cover_of(invitation: Invitation) -> Variant | None:
    """Returns the file of the cover photo, if it is approved and shown to guests by now."""
    group = invitation.group
    if group.cover_id is None or not GuestAccess.of(invitation).sees_gallery:
        return None
    approved = Image.objects.filter(
        pk=group.cover_id, group=group, version__gt=0, moderation=Image.Moderation.APPROVED
    )
    cover = approved.kept().with_variants().first()
    return None if cover is None else cover.variant_by_name.get(SIZE)
