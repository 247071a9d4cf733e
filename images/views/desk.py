"""What the pages of one group share: who may open them, and their tabs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from bandpics.error_handlers import page_for_members
from groups.models import Group, Membership, is_admin
from images.access import MemberAccess
from images.models import Image, TakedownRequest

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse
    from django.utils.functional import _StrPromise

VIEWER, MEMBER, OWNER = Membership.Role.VIEWER, Membership.Role.MEMBER, Membership.Role.OWNER
# From the role that may do least to the one that may do all.
RANK = {VIEWER: 0, MEMBER: 1, OWNER: 2}


@dataclass(frozen=True)
class Tab:
    """A page of the group in its navigation, for members of this role and above."""

    name: str  # of the URL
    label: str | _StrPromise
    needs: str = VIEWER
    counts: str = ""  # a property of the Desk


TABS = (
    Tab("group-gallery", gettext_lazy("Photos")),
    Tab("group-map", gettext_lazy("Map")),
    Tab("moderation", gettext_lazy("To approve"), needs=OWNER, counts="to_decide"),
    Tab("group-invitations", gettext_lazy("Invitations"), needs=MEMBER),
    Tab("group-stats", gettext_lazy("Statistics"), needs=OWNER),
    Tab("group-settings", gettext_lazy("Settings"), needs=OWNER),
    Tab("trash", gettext_lazy("Trash"), needs=OWNER),
)


@dataclass(frozen=True)
class ShownTab:
    name: str
    label: str
    url: str
    count: int


@dataclass(frozen=True)
class Desk:
    """One group, and the member who opened one of its pages."""

    access: MemberAccess
    group: Group

    def allows(self, role: str) -> bool:
        """Whether the member has this role or one above it."""
        return RANK[Membership.Role(str(self.group.role))] >= RANK[Membership.Role(role)]

    @property
    def is_owner(self) -> bool:
        return self.allows(OWNER)

    @property
    def may_add(self) -> bool:
        """Whether the member may add photos and hand out links."""
        return self.allows(MEMBER)

    @cached_property
    def waiting(self) -> int:
        """The number of photos that wait for approval."""
        return Image.objects.in_group(self.group).waiting_for_approval().count()

    @cached_property
    def takedowns(self) -> int:
        """The number of requests for a removal that nobody has decided."""
        return int(TakedownRequest.objects.filter(group=self.group, state="open").count())

    @property
    def to_decide(self) -> int:
        """What waits for a host: photos to approve, and requests for a removal."""
        return int(self.waiting + self.takedowns)

    @property
    def tabs(self) -> list[ShownTab]:
        return [
            ShownTab(
                tab.name,
                str(tab.label),
                reverse(tab.name, args=[self.group.pk]),
                getattr(self, tab.counts) if tab.counts else 0,
            )
            for tab in TABS
            if self.allows(tab.needs)
        ]

    def context(self, **more: Any) -> dict[str, Any]:
        """Returns what templates/groups/desk.html needs, and `more`."""
        return {"desk": self, "group": self.group, **more}


def desk_page(*, needs: str = VIEWER) -> Callable[..., Callable[..., HttpResponse]]:
    """Makes a view of (request, desk, …) the page of a group for members of this role and above.

    Others in the team get 403, people outside of it 404, and an admin outside of it a page that
    says how to join.
    """

    def decorate(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @page_for_members
        @wraps(view)
        def wrapped(request: HttpRequest, group_id: UUID, **kwargs: Any) -> HttpResponse:
            access, groups = MemberAccess.of(request), Group.objects.select_related("team")
            visible = groups.visible_to(access).with_role_of(access.user)
            group = visible.filter(pk=group_id).first()
            if group is None and is_admin(access):
                outside = get_object_or_404(groups.kept(), pk=group_id)
                return render(request, "groups/outside.html", {"group": outside}, status=403)
            if group is None:
                raise Http404
            desk = Desk(access, group)
            if not desk.allows(needs):
                raise PermissionDenied(
                    _("Your role in {team} does not allow this. Ask one of its owners.").format(
                        team=group.team.name
                    )
                )
            return view(request, desk, **kwargs)

        return wrapped

    return decorate
