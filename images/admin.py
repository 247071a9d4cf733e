"""Photos and their uploads in the admin. The workers write them; people decide by actions."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.utils import flatten_fieldsets
from django.utils.html import format_html

from bandpics.users.models import User
from groups.models import Group
from images import history
from images.lifecycle import moderation, trash
from images.lifecycle.editing import DuplicateInGroup
from images.models import Image, PendingDeletion, TakedownRequest, Upload, Variant
from images.storage.objects import StorageUnavailable, photo_storage
from images.uploads import quota, transfer

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import QuerySet
    from django.http import HttpRequest

NEWEST_GROUPS = 50
STORE_IS_AWAY = "The photo store does not answer. What was done stays; please try the rest again."


class ReadOnly:
    """Adds and deletes nothing; only the fields in `editable` may be changed."""

    editable: tuple[str, ...] = ()

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        own: list[str] = list(getattr(self, "readonly_fields", ()))
        columns = [field.name for field in self.model._meta.fields]  # type: ignore[attr-defined]
        return own + [name for name in columns if name not in self.editable]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    # A single photo is not deleted here: another upload may be a duplicate of it.
    # It goes with its group, or by the trash.
    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class UploadInline(ReadOnly, admin.TabularInline[Upload, Image]):
    model = Upload
    fk_name = "image"
    extra = 0
    fields = ["version", "status", "failure", "attempt", "processing_ms", "created_at"]


class VariantInline(ReadOnly, admin.TabularInline[Variant, Image]):
    model = Variant
    extra = 0
    fields = ["name", "width", "height", "byte_size", "key"]


class GroupFilter(admin.SimpleListFilter):
    """Offers the newest groups, and the one that a link named; there may be thousands."""

    title = "group"
    parameter_name = "group"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        groups = list(Group.objects.kept().order_by("-created_at")[:NEWEST_GROUPS])
        if (value := self.value()) and is_id(value) and all(str(g.pk) != value for g in groups):
            groups += Group.objects.filter(pk=value)
        return [(str(group.pk), group.name) for group in groups]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if not value:
            return queryset
        return queryset.filter(group=value) if is_id(value) else queryset.none()


def is_id(text: str) -> bool:
    """Whether the text is a UUID, as filters of the address bar may hold anything."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True


@admin.register(Image)
class ImageAdmin(ReadOnly, admin.ModelAdmin[Image]):
    """Lists photos, shows what each says, and decides about them by the pages' own functions."""

    list_display = [
        *("thumbnail", "original_filename", "group", "state", "moderation", "uploader_name"),
        *("taken_at_local", "camera_model", "created_at", "trashed_at"),
    ]
    list_display_links = ["thumbnail", "original_filename"]
    list_select_related = ["group"]
    list_per_page = 50
    show_full_result_count = False
    list_filter = [
        "moderation",
        ("trashed_at", admin.EmptyFieldListFilter),
        ("licence", admin.EmptyFieldListFilter),
        "uploads__status",
        GroupFilter,
        "content_type",
        "created_at",
    ]
    search_fields = ["original_filename", "uploader_name", "camera_model", "sha256", "group__name"]
    date_hierarchy = "sort_at"
    readonly_fields = ["picture", "state"]
    editable = ("description",)
    inlines = [UploadInline, VariantInline]
    actions = ["approve", "reject", "put_in_trash", "take_out_of_trash", "retry"]
    # A tuple stands in one line.
    sections: dict[str, list[str | tuple[str, ...]]] = {
        "": [
            *("picture", "original_filename", "group", "state"),
            ("moderation", "moderation_reason"),
            ("moderated_by", "moderated_at"),
        ],
        "Words": ["description", "caption"],
        "Who sent it": [
            ("uploader_name", "uploaded_by"),
            ("invitation", "created_at"),
            ("licence", "licence_agreed_at"),
        ],
        "When and where": [
            ("taken_at_local", "utc_offset_minutes"),
            ("taken_at", "taken_source"),
            ("latitude", "longitude"),
            ("altitude", "direction"),
            ("gps_at", "gps_source", "place_forgotten_at"),
        ],
        "Camera": [
            ("camera_make", "camera_model", "lens_model"),
            ("exposure_time", "aperture", "iso", "focal_length"),
            ("flash", "exposure_program", "metering_mode", "white_balance"),
            ("saturation", "sharpness", "contrast", "software"),
        ],
        "File": [
            ("content_type", "byte_size", "version"),
            ("width", "height", "orientation"),
            ("x_resolution", "y_resolution"),
            "sha256",
            ("original_dropped_at", "original_lost_at"),
        ],
        "Trash": [("trashed_at", "trashed_by_uploader")],
    }

    def get_queryset(self, request: HttpRequest) -> QuerySet[Image]:
        return Image.objects.with_status().with_variants().newest_first()

    def get_fieldsets(self, request: HttpRequest, obj: Image | None = None) -> Any:
        """Puts every column that no section names among the internals."""
        shown: Any = [(title or None, {"fields": rows}) for title, rows in self.sections.items()]
        named = set(flatten_fieldsets(shown))
        internals = [field.name for field in Image._meta.fields if field.name not in named]
        return [*shown, ("Internals", {"fields": internals, "classes": ["collapse"]})]

    def save_model(self, request: HttpRequest, obj: Image, form: Any, change: Any) -> None:
        assert isinstance(request.user, User)  # noqa: S101 - for the type checker
        columns = {name: getattr(obj, name) for name in form.changed_data}
        before = Image.objects.only("uploader_name", *columns).get(pk=obj.pk)
        super().save_model(request, obj, form, change)
        history.record_edit(before, columns, by=request.user)

    @admin.display(description="")
    def thumbnail(self, image: Image) -> str:
        return _picture(image, "small")

    @admin.display(description="Picture")
    def picture(self, image: Image) -> str:
        return _picture(image, "medium")

    @admin.display(description="Status")
    def state(self, image: Image) -> str:
        status = getattr(image, "status", None)
        return Upload.Status(status).label if status else "-"

    @admin.action(description="Approve", permissions=["change"])
    def approve(self, request: HttpRequest, images: QuerySet[Image]) -> None:
        count = self._decide(request, images, moderation.APPROVE)
        self.message_user(request, f"Approved: {count}.", messages.SUCCESS)

    @admin.action(description="Reject", permissions=["change"])
    def reject(self, request: HttpRequest, images: QuerySet[Image]) -> None:
        count = self._decide(request, images, moderation.REJECT)
        self.message_user(request, f"Rejected: {count}.", messages.SUCCESS)

    def _decide(self, request: HttpRequest, images: QuerySet[Image], decision: str) -> int:
        assert isinstance(request.user, User)  # noqa: S101 - for the type checker
        ids = list(images.order_by().values_list("pk", flat=True))
        return moderation.moderate(ids, decision, by=request.user)

    @admin.action(description="Move to the trash", permissions=["change"])
    def put_in_trash(self, request: HttpRequest, images: QuerySet[Image]) -> None:
        assert isinstance(request.user, User)  # noqa: S101 - for the type checker
        ids = list(images.order_by().values_list("pk", flat=True))
        moved = trash.put_all(ids, by=request.user)
        self.message_user(request, f"Moved to the trash: {moved}.", messages.SUCCESS)

    @admin.action(description="Take out of the trash", permissions=["change"])
    def take_out_of_trash(self, request: HttpRequest, images: QuerySet[Image]) -> None:
        assert isinstance(request.user, User)  # noqa: S101 - for the type checker
        user = request.user

        def restore(image: Image) -> bool:
            with suppress(DuplicateInGroup):
                return trash.restore(image, by=user)
            return False

        self._each(request, images, restore, done="Taken out of the trash")

    @admin.action(description="Process again what failed", permissions=["change"])
    def retry(self, request: HttpRequest, images: QuerySet[Image]) -> None:
        def retry(image: Image) -> bool:
            newest = image.uploads.shown().order_by("-version").select_related("image__invitation")
            upload = newest.first()
            if upload is None or upload.status != Upload.Status.FAILED:
                return False
            with suppress(transfer.OriginalUnavailable, quota.Exhausted):
                return transfer.retry(upload)
            return False

        self._each(request, images, retry, done="Queued again")

    def _each(
        self,
        request: HttpRequest,
        images: QuerySet[Image],
        act: Callable[[Image], bool],
        *,
        done: str,
    ) -> None:
        """Says how many photos the act changed, and of how many it could not."""
        changed, refused = 0, 0
        try:
            for image in images:
                is_changed = act(image)
                changed, refused = changed + is_changed, refused + (not is_changed)
        except StorageUnavailable:
            self.message_user(request, f"{done}: {changed}. {STORE_IS_AWAY}", messages.ERROR)
            return
        left = f" Not possible: {refused}." if refused else ""
        level = messages.WARNING if refused else messages.SUCCESS
        self.message_user(request, f"{done}: {changed}.{left}", level)


@admin.register(TakedownRequest)
class TakedownRequestAdmin(ReadOnly, admin.ModelAdmin[TakedownRequest]):
    """Lists who asked for the removal of which photo. Hosts decide on the page of their group."""

    list_display = ["image", "group", "state", "name", "reason", "created_at", "decided_by"]
    list_select_related = ["image", "group", "decided_by"]
    list_filter = ["state", "created_at"]
    search_fields = ["group__name", "name", "reason"]


@admin.register(Upload)
class UploadAdmin(ReadOnly, admin.ModelAdmin[Upload]):
    list_display = ["image", "version", "status", "failure", "attempt", "created_at", "queued_at"]
    list_select_related = ["image"]
    list_filter = ["status", "failure", "created_at"]
    search_fields = ["id", "image__original_filename"]


@admin.register(Variant)
class VariantAdmin(ReadOnly, admin.ModelAdmin[Variant]):
    list_display = ["thumbnail", "image", "name", "width", "height", "byte_size"]
    list_select_related = ["image"]
    list_filter = ["name"]
    show_full_result_count = False

    @admin.display(description="")
    def thumbnail(self, variant: Variant) -> str:
        return _img(variant, edge=80, alt="")


@admin.register(PendingDeletion)
class PendingDeletionAdmin(ReadOnly, admin.ModelAdmin[PendingDeletion]):
    """Objects the sweeper has still to delete: usually none for long."""

    list_display = ["image_id", "version", "may_be_written", "recorded_at", "last_checked_at"]
    list_filter = ["may_be_written", "recorded_at"]
    search_fields = ["image_id", "upload_id", "group_id"]


def _picture(image: Image, name: str) -> str:
    variant = image.variant_by_name.get(name)
    if variant is None:
        return "-"
    return _img(variant, edge=100 if name == "small" else 800, alt=image.original_filename)


def _img(variant: Variant, *, edge: int, alt: str) -> str:
    scale = min(1, edge / max(variant.width, variant.height))
    return format_html(
        '<img src="{}" width="{}" height="{}" alt="{}" loading="lazy">',
        photo_storage().presign_get(variant.key, content_type=variant.content_type),
        max(1, round(variant.width * scale)),
        max(1, round(variant.height * scale)),
        alt,
    )
