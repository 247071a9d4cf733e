"""The page of one photo: what it shows and says, its neighbours and its history."""

from __future__ import annotations

from dataclasses import dataclass
from functools import wraps
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from bandpics.error_handlers import page_for_members
from images.access import MemberAccess
from images.captions import deciding
from images.models import Image, Upload
from images.storage.objects import photo_storage
from images.views import map_picker, neighbours, photo_facts, photo_history
from images.views.gallery_filters import GalleryFilters
from images.views.photo_form import MoveForm, PhotoForm, ReplaceForm

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse

    from images.access import Rights
    from images.models import GeneratedCaption, Variant


@dataclass(frozen=True)
class Opened:
    """A photo, and the member who opened its page."""

    access: MemberAccess
    image: Image
    rights: Rights
    query: str  # that of the gallery from which it was opened, such as `?uploader=Cleo`

    @property
    def url(self) -> str:
        return reverse("photo", args=[self.image.pk]) + self.query

    def again(self) -> HttpResponse:
        """Shows the page after a change."""
        return redirect(self.url)


def photo_page(*, changes: bool = False, decides: bool = False) -> Callable[..., Any]:
    """Makes a view of (request, opened) a page of a photo for members who see it, who may change
    it, or who decide about it. Others get 403, and who does not see it 404."""

    def decorate(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @page_for_members
        @wraps(view)
        def wrapped(request: HttpRequest, image_id: UUID) -> HttpResponse:
            opened = _open(request, image_id)
            if decides and not opened.rights.is_host:
                raise PermissionDenied(_("Only owners of its group decide who sees a photo."))
            if changes and not opened.rights.may_change:
                raise PermissionDenied(_("Only whoever sent a photo, and the host, may change it."))
            return view(request, opened)

        return wrapped

    return decorate


def _open(request: HttpRequest, image_id: UUID) -> Opened:
    access = MemberAccess.of(request)
    rows = access.images().ready().with_variants().defer("search_vector")
    related = rows.select_related("group__team", "licence", "moderated_by")
    image = get_object_or_404(related, pk=image_id)
    query = neighbours.query_of(GalleryFilters(request, image.group, access))
    return Opened(access, image, access.rights_on(image), query)


@map_picker.allow_tiles
@photo_page()
@require_safe
def photo(request: HttpRequest, opened: Opened) -> HttpResponse:
    """Shows a photo."""
    return show(request, opened)


def show(request: HttpRequest, opened: Opened, *, status: int = 200, **forms: Any) -> HttpResponse:
    """Renders the page; `forms` holds one that was not accepted, with its errors."""
    image, group = opened.image, opened.image.group
    before, after = neighbours.of(image, request, opened.access)
    written = written_of(image, opened.rights)
    context: dict[str, Any] = {
        "opened": opened,
        "image": image,
        "group": group,
        "rights": opened.rights,
        "query": opened.query,
        "before": before,
        "after": after,
        "when": photo_facts.when_taken(image, group),
        "exposure": photo_facts.exposure_line(image),
        "camera_settings": photo_facts.camera_settings(image),
        "large_url": _download_url(image),
        "replacement": _replacement(image),
        "written": written,
        "may_retry_caption": written is not None
        and opened.rights.is_host
        and deciding.can_be_retried(image),
        "history": photo_history.lines(image),
        "sent_at": photo_facts.moment_in(group, image.created_at),
        **map_picker.context(),
    }
    if opened.rights.may_change:
        context |= {
            "form": PhotoForm(image),
            "replace_form": ReplaceForm(image),
            "move_form": MoveForm(image, opened.access),
        }
    return render(request, "images/photo.html", context | forms, status=status)


def written_of(image: Image, rights: Rights) -> GeneratedCaption | None:
    """Returns what a model wrote of a photo. Owners see it where it is hidden, or failed, too."""
    is_there = bool(image.generated_text) or (rights.is_host and not image.caption_due)
    return deciding.of(image) if is_there else None


def _download_url(image: Image) -> str:
    """The address of the largest size, to be saved under the photo's name."""
    row: Variant | None = image.variant_by_name.get("fullsize")
    if row is None:
        return ""
    name = PurePath(image.original_filename).stem + PurePath(row.key).suffix
    return photo_storage().presign_get(row.key, content_type=row.content_type, filename=name)


def _replacement(image: Image) -> Upload | None:
    """The newest upload, if it is not what the photo shows: on its way, or refused."""
    rows = Upload.objects.shown().filter(image=image, version__gt=image.version)
    found: Upload | None = rows.order_by("-version").first()
    return found
