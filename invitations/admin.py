"""Invitations in the admin, with their links."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.utils.html import format_html

from invitations import links
from invitations.models import Invitation
from invitations.tokens import TokenLost

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest


@admin.register(Invitation)
class InvitationAdmin(admin.ModelAdmin[Invitation]):
    list_display = ["__str__", "group", "kind", "state", "expires_at", "used_files", "link"]
    list_select_related = ["group"]
    list_filter = ["kind", "expires_at"]
    search_fields = ["email", "name", "group__name"]
    autocomplete_fields = ["group"]
    readonly_fields = [
        *("link", "used_files", "used_bytes", "revoked_at"),
        *("created_by", "created_at", "updated_at"),
    ]
    actions = ["revoke", "rotate"]

    @admin.display(description="Upload link")
    def link(self, invitation: Invitation) -> str:
        if not invitation.digest:
            return "Save first."
        try:
            return format_html('<a href="{0}">{0}</a>', invitation.upload_link)
        except TokenLost:
            return "The key of this link is lost. Rotate it for a new one."

    @admin.action(description="Revoke the selected links at once")
    def revoke(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> None:
        revoked = sum(links.revoke(invitation) for invitation in queryset)
        self.message_user(request, f"{revoked} links revoked.", messages.SUCCESS)

    @admin.action(description="Rotate the selected links: the old ones end at once")
    def rotate(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> None:
        rotated = 0
        for invitation in queryset:
            with contextlib.suppress(links.Revoked):
                links.rotate(invitation)
                rotated += 1
        self.message_user(request, f"{rotated} links rotated.", messages.SUCCESS)

    # Revoking instead keeps the origin of its photos.
    def has_delete_permission(self, request: HttpRequest, obj: Invitation | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Invitation, form: Any, change: bool) -> None:
        if change:
            # Only changed fields, because uploads change the counters meanwhile.
            obj.save(update_fields=[*form.changed_data, "updated_at"])
        else:
            obj.created_by = request.user  # type: ignore[assignment]  # of the staff, so a User
            obj.save()
