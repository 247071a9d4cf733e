"""The photos behind a guest's link: the gallery of the group, and what the guest sent."""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.db.models import Q
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.translation import gettext_lazy

from images.access import GuestAccess
from images.listing import event_time, pagination
from images.listing.arrivals import approved_since
from images.models import Image, Upload
from images.views import grid, guest_grid, look, news, upload
from images.views.gallery import OVERLAP
from images.views.gallery_filters import GalleryFilters
from images.views.gallery_messages import GUEST_GALLERY_MESSAGES
from images.views.guest_page import GuestPage

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase


NEWEST_AT_MOST = 8
MARKS: dict[str, Any] = {
    Image.Moderation.PENDING: gettext_lazy("Waiting for approval"),
    Image.Moderation.REJECTED: gettext_lazy("Not shown to others"),
}
UNDER_WAY = [Upload.Status.QUEUED, Upload.Status.PROCESSING]


class PhotosPage(GuestPage):
    """A page that shows photos: to links that show any, until they expire."""

    http_method_names = ["get", "head", "options"]
    access: GuestAccess

    def refusal(self, **kwargs: Any) -> HttpResponse | None:
        if self.invitation.is_expired:
            return upload.expired_page(self)
        self.access = GuestAccess.of(self.invitation, device_secret=self.device)
        if not (self.access.awaits_gallery or self.access.shows_own):
            raise Http404
        return None

    @property
    def device(self) -> str:
        """The secret of the guest's device, as far as the browser has left it here."""
        return upload.device_of(self.request)

    def page(self, template: str, context: dict[str, Any]) -> HttpResponseBase:
        """Answers a page, or that the browser has it already: it may keep it, and asks each time
        whether it is still so, because a photo or the link may be withdrawn."""
        group = self.invitation.group
        context |= {
            "group": group,
            "base_url": self.base_url,
            "access": self.access,
            "takes_photos": not (group.is_closed or self.invitation.is_exhausted),
            **look.context(group),
        }
        answer = render(self.request, template, context)
        answer["Cache-Control"] = "private, no-cache"
        content = answer.content
        # What is another one each time, and may be of the page that the browser keeps.
        for text in (str(getattr(self.request, "csp_nonce", "")), context.get("looked_at", "")):
            content = content.replace(text.encode(), b"")
        # Weak: the answer is compressed on its way.
        answer["ETag"] = f'W/"{hashlib.sha256(content).hexdigest()[:32]}"'
        kept = get_conditional_response(self.request, etag=answer["ETag"], response=answer)
        if kept is not None and kept.status_code == HTTPStatus.NOT_MODIFIED:
            # The page that the browser keeps has its nonce, and goes on with the policy of then.
            kept._csp_exempt = True  # type: ignore[attr-defined]  # of django-csp
        return kept or answer


class GuestGallery(PhotosPage):
    """Approved photos of the group, the same for all its guests; or the guest's own.

    The server knows the guests of a shared link only by the secret of their device. Where their
    browser has not left it here, a script sends it, see OwnPhotos.
    """

    def get(self, request: HttpRequest) -> HttpResponseBase:
        access = self.access
        is_mine = "mine" in request.GET or not access.sees_gallery
        context: dict[str, Any] = {
            "is_mine": is_mine,
            "knows_guest": access.key.is_identified,
            "page_messages": GUEST_GALLERY_MESSAGES,
        }
        context |= own_photos(self) if is_mine else self._everybodys_photos()
        if access.sees_gallery and access.key.is_identified:
            context["own_count"] = own_count(access)
        return self.page("invitations/photos.html", context)

    def _everybodys_photos(self) -> dict[str, Any]:
        approved = Q(moderation=Image.Moderation.APPROVED)
        group, looked_at = self.invitation.group, timezone.now() - OVERLAP
        filters = GalleryFilters(self.request, group, self.access, only=approved)
        found = filters.place.filled(list[Any](guest_grid.listed(filters.cut)))
        more = filters.stacks.more_below(found.rows)
        photos = guest_grid.rendered(
            "images/_grid.html",
            found.rows,
            invitation=self.invitation,
            by_upload=filters.by_upload,
            more=more,
        )
        return {
            "looked_at": looked_at.isoformat(),
            "filters": filters,
            "has_stacks": bool(more),
            "has_photos": bool(found.rows),
            "grid": photos,
            "older_url": found.next_url,
            "newer_url": found.previous_url,
        }


class GalleryNews(PhotosPage):
    """What an open page of the gallery asks: which photos guests are shown since a moment."""

    def get(self, request: HttpRequest) -> HttpResponse:
        images = self.access.gallery_images()
        return news.news_of(request, lambda moment: approved_since(images, moment))


class OwnPhotos(PhotosPage):
    """A part of the gallery's page for one device of a shared link, whose script sends its secret.

    The secret stays in the browser as a cookie of this link's pages, so that the server knows the
    device when it opens the next one.
    """

    http_method_names = ["post", "options"]

    @property
    def device(self) -> str:
        sent = self.request.POST.get("device", "")
        return sent if upload.DEVICE_SECRET.match(sent) else ""

    def post(self, request: HttpRequest) -> HttpResponseBase:
        if not self.access.key.is_identified:
            raise Http404
        if request.POST.get("part") == "grid":
            context = own_photos(self) | {"access": self.access}
            answer = render(request, "invitations/_own_photos.html", context)
        else:
            context = {"own_count": own_count(self.access)}
            answer = render(request, "invitations/_own_chip.html", context)
        upload.remember_device(request, answer, self.device, page=self)
        return answer


class NewestPhotos(PhotosPage):
    """The newest photos of the gallery, for the upload page once everything has been sent."""

    def get(self, request: HttpRequest) -> HttpResponseBase:
        newest = guest_grid.listed(self.access.gallery_images().newest_first())[:NEWEST_AT_MOST]
        if not newest:
            return HttpResponse(status=204)
        strip = guest_grid.rendered("invitations/_newest.html", newest, invitation=self.invitation)
        return HttpResponse(strip)


def own_photos(page: PhotosPage) -> dict[str, Any]:
    """Returns a page of the guest's own photos, in whatever state, newest first."""
    access = page.access
    images = access.own_images() if access.shows_own else access.own_images().none()
    ready = images.ready().with_variants().defer("exif", "search_vector")
    place = pagination.gallery_place(page.request)
    filled = place.filled(list[Any](place.cut(ready)))
    event_time.set_shown_at(filled.rows, page.invitation.group.zone)
    marks = marks_of(access, filled.rows)
    offers = grid.Offers(
        page_url=lambda photo: f"{photo.pk}/?mine",
        download_url=lambda photo: f"{photo.pk}/file/",
        mark=lambda photo: MARKS.get(marks.get(photo.pk, ""), ""),
    )
    waiting = images.filter(version=0, uploads__status__in=UNDER_WAY)
    return {
        "photos": grid.prepare(filled.rows, offers, until=page.invitation.expires_at),
        "has_photos": bool(filled.rows),
        "waiting_count": waiting.count(),
        "older_url": filled.next_url,
        "newer_url": filled.previous_url,
        "knows_guest": access.key.is_identified,
    }


def own_count(access: GuestAccess) -> int:
    return access.own_images().ready().count()


def marks_of(access: GuestAccess, photos: list[Image]) -> dict[UUID, str]:
    """Returns by id which of a guest's own photos other guests do not see, and why: `pending` or
    `rejected`. Nothing where guests see no photos of others at all."""
    if not access.invitation.may_be_shown_to_guests:
        return {}
    return {photo.pk: photo.moderation for photo in photos if photo.moderation in MARKS}


guest_gallery = GuestGallery.as_view()
own_part = OwnPhotos.as_view()
gallery_news = GalleryNews.as_view()
newest_part = NewestPhotos.as_view()
