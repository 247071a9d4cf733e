"""The first page of a member: the groups of their teams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.core.paginator import Paginator
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from bandpics.error_handlers import page_for_members
from groups import trash
from groups.models import Group, Team, is_admin
from images.access import MemberAccess
from images.listing import group_cards

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse

GROUPS_LIMIT = 60
LONGEST_SEARCH = 100


@page_for_members
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Shows the groups of the person's teams, or those that match what was typed."""
    access = MemberAccess.of(request)
    query = request.GET.get("q", "").replace("\0", "").strip()[:LONGEST_SEARCH]
    found = group_cards.find(access, query)
    # The page has one number more than there are pages at most, so any other shows the last.
    page = Paginator(found, GROUPS_LIMIT).get_page(request.GET.get("page"))
    in_trash = Group.objects.trash_owned_by(access).select_related("team")
    context = {
        "page": page,
        "cards": group_cards.cards_of(list(page.object_list), access),
        "query": query,
        "in_trash": in_trash.filter(trashed_at__gte=trash.end_of_lifetime()),
        "trash_days": settings.TRASH_LIFETIME.days,
        "may_make_groups": Team.objects.writable_by(access).exists(),
        "is_admin_in_no_team": is_admin(access) and not access.user.teams.exists(),
    }
    return render(request, "groups/home.html", context)


@page_for_members
@require_POST
def restore_group(request: HttpRequest, group_id: UUID) -> HttpResponse:
    """Takes a group out of the trash; for its owners."""
    group = get_object_or_404(Group.objects.trash_owned_by(MemberAccess.of(request)), pk=group_id)
    trash.restore(group)
    return redirect("home")
