"""Photos and their uploads in the admin, read-only: the workers write them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.utils.html import format_html

from images.models import Image, PendingDeletion, Upload, Variant
from images.storage.objects import photo_storage

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest


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
    # It goes with its group.
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


@admin.register(Image)
class ImageAdmin(ReadOnly, admin.ModelAdmin[Image]):
    list_display = [
        *("thumbnail", "original_filename", "group", "state", "uploader_name"),
        *("taken_at_local", "camera_model", "created_at"),
    ]
    list_display_links = ["thumbnail", "original_filename"]
    list_select_related = ["group"]
    list_per_page = 50
    show_full_result_count = False
    list_filter = ["uploads__status", "content_type", "created_at"]
    search_fields = ["original_filename", "uploader_name", "camera_model", "sha256"]
    date_hierarchy = "sort_at"
    readonly_fields = ["picture"]
    editable = ("description",)
    inlines = [UploadInline, VariantInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Image]:
        return Image.objects.with_status().with_variants().newest_first()

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
