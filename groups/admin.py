"""Teams and groups in the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.utils.html import format_html

from groups.models import Group, Membership, Team

if TYPE_CHECKING:
    from django.http import HttpRequest


class DeletesAllWithin:
    """Whoever may delete this may delete all that is in it, though not piece by piece."""

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[Any, Any, set[str], Any]:
        within, counts, _, protected = super().get_deleted_objects(objs, request)  # type: ignore[misc]  # a mixin
        return within, counts, set(), protected


class MembershipInline(admin.TabularInline[Membership, Team]):
    model = Membership
    autocomplete_fields = ["user"]
    extra = 0


@admin.register(Team)
class TeamAdmin(DeletesAllWithin, admin.ModelAdmin[Team]):
    list_display = ["name", "created_at"]
    search_fields = ["name"]
    inlines = [MembershipInline]


@admin.register(Membership)
class MembershipAdmin(admin.ModelAdmin[Membership]):
    list_display = ["user", "team", "role", "created_at"]
    list_filter = ["role"]
    list_select_related = ["user", "team"]
    autocomplete_fields = ["user", "team"]
    search_fields = ["user__email", "team__name"]


@admin.register(Group)
class GroupAdmin(DeletesAllWithin, admin.ModelAdmin[Group]):
    list_display = ["name", "team", "event_name", "event_date", "venue", "photos", "gallery"]
    list_select_related = ["team"]
    list_filter = ["event_date"]
    search_fields = ["name", "event_name", "venue", "team__name"]
    autocomplete_fields = ["team"]
    readonly_fields = ["created_at", "updated_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        ready = Count("images", filter=Q(images__version__gt=0, images__trashed_at=None))
        return super().get_queryset(request).annotate(photo_count=ready)

    @admin.display(ordering="photo_count")
    def photos(self, group: Group) -> int:
        return int(getattr(group, "photo_count", 0))

    @admin.display(description="")
    def gallery(self, group: Group) -> str:
        return format_html('<a href="{}">Gallery</a>', group.get_absolute_url())
