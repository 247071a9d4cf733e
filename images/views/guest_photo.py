"""One photo as a guest sees it, and the file they may keep."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from django.db.models import Q
from django.http import Http404, HttpResponseRedirect
from django.utils.translation import gettext as _

from images.models import Image
from images.storage.objects import photo_storage
from images.views import guest_grid
from images.views.guest_gallery import PhotosPage, marks_of

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from images.models import ImageQuerySet

# What file systems refuse, and what nobody sees.
NOT_IN_NAMES = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*\u200e\u200f\u202a-\u202e\u2066-\u2069]+')
NAME_LENGTH = 80


class OnePhotoPage(PhotosPage):
    """A page about one photo that the guest sees: of the gallery, or one of their own."""

    def own(self) -> ImageQuerySet:
        rows = self.access.own_images().ready()
        return rows if self.access.shows_own else rows.none()

    def photo(self, image_id: UUID) -> Image:
        gallery = self.access.gallery_images().values("pk")
        visible = Q(pk__in=gallery) | Q(pk__in=self.own().values("pk"))
        rows = Image.objects.ready().with_variants().filter(visible, pk=image_id)
        photo = rows.defer("exif", "search_vector").first()
        if photo is None:
            raise Http404
        guest_grid.sign_until([photo], self.invitation.expires_at)
        photo.uploader_name = self.access.uploader_of(photo)
        return photo


class GuestPhoto(OnePhotoPage):
    """A photo with its texts and its neighbours."""

    def get(self, request: HttpRequest, image_id: UUID) -> HttpResponseBase:
        photo, access = self.photo(image_id), self.access
        mark = marks_of(access, [photo]).get(photo.pk, "")
        is_own = access.owns(photo)
        is_elsewhere = photo.group_id != self.invitation.group_id
        among_own = "mine" in request.GET or is_elsewhere or not access.sees_gallery or bool(mark)
        neighbours = self.own() if among_own and is_own else access.gallery_images()
        context = {
            "image": photo,
            "is_own": is_own,
            "among_own": among_own and is_own,
            "mark": mark,
            "newer": neighbours.newer_than(photo).values_list("pk", flat=True).first(),
            "older": neighbours.older_than(photo).values_list("pk", flat=True).first(),
        }
        return self.page("invitations/photo.html", context)


class GuestFile(OnePhotoPage):
    """Leads to the largest size of a photo, which the browser saves."""

    def get(self, request: HttpRequest, image_id: UUID) -> HttpResponseBase:
        photo = self.photo(image_id)
        largest = photo.variant_by_name.get("fullsize")
        if largest is None:
            raise Http404
        event = self.invitation.group.name
        url = photo_storage().presign_get(
            largest.key,
            content_type=largest.content_type,
            filename=name_of(photo, event=event, suffix=largest.key.rpartition(".")[2]),
            until=largest.signed_until,
        )
        return HttpResponseRedirect(url)


def name_of(photo: Image, *, event: str, suffix: str) -> str:
    """Returns the name of a file that a guest saves: of the event, of who sent the photo, and of
    when it was taken. Not the name of the original, which only its sender knows."""
    taken = photo.taken_at_local
    moment = f"{taken:%Y-%m-%d %H.%M.%S}" if taken else ""
    parts = [event[:NAME_LENGTH], photo.uploader_name[:NAME_LENGTH], moment]
    cleaned = [" ".join(NOT_IN_NAMES.sub(" ", part).split()) for part in parts]
    name = " - ".join(part for part in cleaned if part).strip(". ") or _("Photo")
    return f"{name}.{suffix}"


guest_photo = GuestPhoto.as_view()
guest_file = GuestFile.as_view()
