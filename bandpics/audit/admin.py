"""The audit trail in the admin: to be read by those who run the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.actions import delete_selected

from bandpics.audit import trail
from bandpics.audit.models import Action, AuditEvent, AuditShipment

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse


class Unchangeable:
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(AuditEvent)
class AuditEventAdmin(Unchangeable, admin.ModelAdmin[AuditEvent]):
    list_display = [
        *("at", "action", "user_id", "invitation_id", "credential", "key_prefix", "address"),
        *("team_id", "group_id", "details"),
    ]
    list_filter = ["action", "credential", "at"]
    search_fields = ["=user_id", "=team_id", "=group_id", "=request_id", "=address", "=key_prefix"]
    list_per_page = 50
    show_full_result_count = False


@admin.register(AuditShipment)
class AuditShipmentAdmin(Unchangeable, admin.ModelAdmin[AuditShipment]):
    list_display = ["created_at", "key", "events", "shipped_at"]
    list_filter = [("shipped_at", admin.EmptyFieldListFilter)]
    show_full_result_count = False


@admin.action(permissions=["delete"], description="Delete selected %(verbose_name_plural)s")
def delete_and_record(
    model_admin: admin.ModelAdmin[Any], request: HttpRequest, rows: QuerySet[Any]
) -> HttpResponse | None:
    """Django's own action, of which no signal tells when it deletes several objects."""
    ids = [str(pk) for pk in rows.values_list("pk", flat=True)[:200]]
    answer: HttpResponse | None = delete_selected(model_admin, request, rows)
    if answer is None and len(ids) > 1:
        details = {"object": rows.model._meta.model_name, "object_ids": ids, "did": "deleted"}
        trail.record(Action.ADMIN, details=details)
    return answer


admin.site.add_action(delete_and_record, "delete_selected")
