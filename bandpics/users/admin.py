"""Users, API keys and external identities in the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group as PermissionGroup
from rest_framework_api_key.models import APIKey

from bandpics.users.models import ApiKey, ExternalIdentity, User

if TYPE_CHECKING:
    from django.http import HttpRequest

# Django's groups are sets of permissions; beside our groups (albums) they would confuse people.
admin.site.unregister(PermissionGroup)
admin.site.unregister(APIKey)  # the library's own; ours is ApiKey


@admin.register(User)
class UserAdmin(DjangoUserAdmin[User]):
    ordering = ["email"]
    list_display = ["email", "name", "is_staff", "is_active", "created_at"]
    list_filter = ["is_staff", "is_active"]
    search_fields = ["email", "name"]
    readonly_fields = ["created_at", "last_login"]
    fieldsets = [
        (None, {"fields": ["email", "name", "password"]}),
        ("Rights", {"fields": ["is_active", "is_staff", "is_superuser", "user_permissions"]}),
        ("Times", {"fields": ["created_at", "last_login"]}),
    ]
    add_fieldsets = [
        (None, {"fields": ["email", "name", "usable_password", "password1", "password2"]})
    ]


@admin.register(ApiKey)
class ApiKeyAdmin(admin.ModelAdmin[ApiKey]):
    """Lists and revokes keys. Only the API makes them, because it shows them once."""

    list_display = ["prefix", "name", "user", "scopes", "expiry_date", "last_used_at", "revoked"]
    list_filter = ["revoked"]
    list_select_related = ["user"]
    search_fields = ["prefix", "name", "user__email"]
    fields = ["prefix", "name", "user", "scopes", "group_ids", "expiry_date", "revoked"]
    readonly_fields = ["prefix", "user", "scopes", "group_ids"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(ExternalIdentity)
class ExternalIdentityAdmin(admin.ModelAdmin[ExternalIdentity]):
    """Lists and deletes identities. A first token of the issuer makes them."""

    list_display = ["user", "issuer", "subject", "created_at"]
    list_select_related = ["user"]
    search_fields = ["user__email", "subject"]
    readonly_fields = ["user", "issuer", "subject", "created_at"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False
