"""Invitations in the admin, with their links."""

from __future__ import annotations

import base64
import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import get_language

from bandpics.users.models import User
from invitations import links, mail, outbox, qr
from invitations.models import Invitation, OutgoingMail, ShortAddress, TeamInvitation
from invitations.tokens import TokenLost

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

EXTENSION = timedelta(days=7)
SHOWN_LETTERS = 8
KEY_LOST = "The key of this link is lost. Rotate it for a new one."


@admin.register(Invitation)
class InvitationAdmin(admin.ModelAdmin[Invitation]):
    list_display = [
        *("__str__", "short_link", "group", "kind", "state", "expires_at", "used_files"),
        *("opened_at", "last_seen_at"),
    ]
    list_select_related = ["group"]
    list_filter = [
        "kind",
        "trusted",
        ("revoked_at", admin.EmptyFieldListFilter),
        ("opened_at", admin.EmptyFieldListFilter),
        "expires_at",
    ]
    search_fields = ["email", "name", "group__name"]
    autocomplete_fields = ["group"]
    readonly_fields = [
        *("link", "qr_code", "used_files", "used_bytes", "revoked_at"),
        *("opened_at", "last_seen_at", "declined_at"),
        *("created_by", "created_at", "updated_at"),
    ]
    fieldsets = [
        (None, {"fields": ["link", "qr_code", "group", "kind", "email", "name"]}),
        (
            "What it allows",
            {"fields": ["expires_at", "trusted", "visibility", "max_files", "max_bytes"]},
        ),
        (
            "What became of it",
            {
                "fields": [
                    *("used_files", "used_bytes", "opened_at", "last_seen_at", "declined_at"),
                    *("revoked_at", "created_by", "created_at", "updated_at"),
                ]
            },
        ),
    ]
    actions = ["extend", "resend", "revoke", "rotate"]

    @admin.display(description="Upload link")
    def link(self, invitation: Invitation) -> str:
        if not invitation.digest:
            return "Save first."
        try:
            return format_html('<a href="{0}">{0}</a>', invitation.upload_link)
        except TokenLost:
            return KEY_LOST

    @admin.display(description="Upload link")
    def short_link(self, invitation: Invitation) -> str:
        """Shows the first letters, so that the list fits a screen; it leads to the whole link."""
        try:
            link = invitation.upload_link
        except TokenLost:
            return KEY_LOST
        return format_html(
            '<a href="{}" title="{}">/i/{}…</a>', link, link, invitation.token[:SHOWN_LETTERS]
        )

    @admin.display(description="QR code")
    def qr_code(self, invitation: Invitation) -> str:
        try:
            drawn = qr.draw(invitation.upload_link, kind="svg") if invitation.digest else b""
        except TokenLost:
            drawn = b""
        if not drawn:
            return "-"
        return format_html(
            '<img src="data:image/svg+xml;base64,{}" width="180" height="180" alt="QR code">',
            base64.b64encode(drawn).decode(),
        )

    @admin.action(description="Extend the selected links by 7 days", permissions=["change"])
    def extend(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> None:
        extended = 0
        for invitation in queryset.filter(revoked_at=None):
            ends = max(invitation.expires_at, timezone.now()) + EXTENSION
            with contextlib.suppress(links.ChangedMeanwhile):
                links.change(
                    invitation, only_if={"expires_at": invitation.expires_at}, expires_at=ends
                )
                extended += 1
        self.message_user(request, f"{extended} links extended.", messages.SUCCESS)

    @admin.action(description="Mail the selected links again", permissions=["change"])
    def resend(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> None:
        assert isinstance(request.user, User)  # noqa: S101 - for the type checker
        mailed = list(queryset.exclude(email="").filter(revoked_at=None))
        try:
            count = outbox.enqueue(
                OutgoingMail.Kind.INVITATION, mailed, sender=request.user, language=get_language()
            )
        except outbox.TooMany as refusal:
            self.message_user(
                request, f"You may send {refusal.left} more mails today.", messages.ERROR
            )
            return
        if not mail.can_send():
            self.message_user(request, "This server sends no mail: see EMAIL_URL.", messages.ERROR)
            return
        self.message_user(request, f"Mails on their way: {count}.", messages.SUCCESS)

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


class ReadOnlyAdmin(admin.ModelAdmin[Any]):
    """Rows that pages and workers write, to look at."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(ShortAddress)
class ShortAddressAdmin(ReadOnlyAdmin):
    list_display = ["word", "invitation", "group", "free_at", "created_at"]
    list_select_related = ["invitation__group", "kept_for"]
    search_fields = ["word", "invitation__group__name"]
    exclude = ["pin_hash"]

    @admin.display(ordering="invitation__group")
    def group(self, address: ShortAddress) -> str:
        return str(address.kept_for if address.invitation is None else address.invitation.group)


@admin.register(TeamInvitation)
class TeamInvitationAdmin(ReadOnlyAdmin):
    list_display = ["email", "team", "role", "expires_at", "accepted_at", "created_by"]
    list_select_related = ["team", "created_by"]
    list_filter = ["role", ("accepted_at", admin.EmptyFieldListFilter)]
    search_fields = ["email", "team__name"]


@admin.register(OutgoingMail)
class OutgoingMailAdmin(ReadOnlyAdmin):
    """The queue of mails: what waits, what was sent, and what was given up and why."""

    list_display = ["kind", "to", "state", "attempts", "error", "due_at", "sent_at", "created_at"]
    list_select_related = ["invitation", "team_invitation"]
    list_filter = ["state", "kind", "created_at"]
    search_fields = ["invitation__email", "team_invitation__email"]

    def to(self, mail: OutgoingMail) -> str:
        about = mail.invitation or mail.team_invitation
        return about.email if about is not None else ""
