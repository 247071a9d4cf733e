"""The pages of members that show groups and photos."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models import Count, Q
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from bandpics.error_handlers import page_for_members
from groups import trash
from groups.models import Group, is_admin
from images.access import MemberAccess
from images.listing import pagination
from images.models import Image
from images.views.desk import Desk, desk_page

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse


@page_for_members
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Shows the groups of the person's teams."""
    access = MemberAccess.of(request)
    groups = access.groups().select_related("team")
    ready = Q(images__version__gt=0, images__trashed_at=None)
    groups = groups.annotate(photo_count=Count("images", filter=ready))
    in_trash = Group.objects.trash_owned_by(access).select_related("team")
    context = {
        "groups": groups,
        "in_trash": in_trash.filter(trashed_at__gte=trash.end_of_lifetime()),
        "trash_days": settings.TRASH_LIFETIME.days,
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


@desk_page()
@require_safe
def group_gallery(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Shows the photos of a group."""
    images = Image.objects.in_group(desk.group)
    waiting = images.kept().filter(version=0, uploads__status__in=["queued", "processing"])
    page = pagination.gallery_page(images.ready().with_variants(), request)
    context = desk.context(
        photos=page.rows,
        photo_count=images.ready().count(),
        waiting_count=waiting.count(),
        older_url=page.next_url,
        newer_url=page.previous_url,
    )
    return render(request, "images/gallery.html", context)


@page_for_members
@require_safe
def photo(request: HttpRequest, image_id: UUID) -> HttpResponse:
    access = MemberAccess.of(request)
    visible = access.images().ready().with_variants()
    image = get_object_or_404(visible.select_related("group__team", "licence"), pk=image_id)
    siblings = Image.objects.in_group(image.group).ready()
    context = {
        "image": image,
        "group": image.group,
        "rights": access.rights_on(image),
        "newer": siblings.newer_than(image).first(),
        "older": siblings.older_than(image).first(),
    }
    return render(request, "images/photo.html", context)
