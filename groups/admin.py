"""Teams and groups in the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.urls import reverse
from django.utils.html import format_html

from groups import trash
from groups.models import Group, Membership, Team

if TYPE_CHECKING:
    from django.http import HttpRequest


class DeletesAllWithin:
    """Lets people who may delete an object delete everything in it."""

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[Any, Any, set[str], Any]:
        contents, counts, _, protected = super().get_deleted_objects(objs, request)  # type: ignore[misc]  # a mixin
        return contents, counts, set(), protected


class MembershipInline(admin.TabularInline[Membership, Team]):
    model = Membership
    autocomplete_fields = ["user"]
    extra = 0


@admin.register(Team)
class TeamAdmin(DeletesAllWithin, admin.ModelAdmin[Team]):
    list_display = ["name", "created_at"]
    search_fields = ["name"]
    inlines = [MembershipInline]

    def has_delete_permission(self, request: HttpRequest, obj: Team | None = None) -> bool:
        """Only if all groups of the team are in the trash."""
        is_allowed = super().has_delete_permission(request, obj)
        return is_allowed and obj is not None and not Group.objects.kept().filter(team=obj).exists()


@admin.register(Membership)
class MembershipAdmin(admin.ModelAdmin[Membership]):
    list_display = ["user", "team", "role", "created_at"]
    list_filter = ["role"]
    list_select_related = ["user", "team"]
    autocomplete_fields = ["user", "team"]
    search_fields = ["user__email", "team__name"]


@admin.register(Group)
class GroupAdmin(DeletesAllWithin, admin.ModelAdmin[Group]):
    list_display = [
        *("name", "team", "event_name", "event_date", "venue", "photos", "trashed_at", "gallery")
    ]
    list_select_related = ["team"]
    list_filter = ["event_date", ("trashed_at", admin.EmptyFieldListFilter)]
    search_fields = ["name", "event_name", "venue", "team__name"]
    autocomplete_fields = ["team"]
    readonly_fields = ["created_at", "updated_at", "trashed_at"]
    actions = ["put_in_trash", "take_out_of_trash"]

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Only if the group is in the trash, because it is gone at once."""
        is_allowed = super().has_delete_permission(request, obj)
        return is_allowed and obj is not None and obj.trashed_at is not None

    @admin.action(
        description="Move to the trash, with all photos and links", permissions=["change"]
    )
    def put_in_trash(self, request: HttpRequest, groups: QuerySet[Group]) -> None:
        moved = sum(trash.put(group) for group in groups)
        self.message_user(request, f"Moved to the trash: {moved}.")

    @admin.action(description="Take out of the trash", permissions=["change"])
    def take_out_of_trash(self, request: HttpRequest, groups: QuerySet[Group]) -> None:
        restored = sum(trash.restore(group) for group in groups)
        self.message_user(request, f"Taken out of the trash: {restored}.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        ready = Count("images", filter=Q(images__version__gt=0, images__trashed_at=None))
        return super().get_queryset(request).annotate(photo_count=ready)

    @admin.display(ordering="photo_count")
    def photos(self, group: Group) -> int:
        return int(getattr(group, "photo_count", 0))

    @admin.display(description="")
    def gallery(self, group: Group) -> str:
        return format_html(
            '<a href="{}">Gallery</a> · <a href="{}?group={}">Photos</a>',
            group.get_absolute_url(),
            reverse("admin:images_image_changelist"),
            group.pk,
        )
