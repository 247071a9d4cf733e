"""The page on which guests order a ZIP of the gallery and download it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import Http404, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render

from images import archives
from images.views import download, look
from images.views.guest_gallery import PhotosPage

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase

    from images.models import ArchiveOrder


class _ZipPage(PhotosPage):
    """A page for links that show the gallery."""

    def refusal(self, **kwargs: object) -> HttpResponse | None:
        refused = super().refusal(**kwargs)
        if refused is None and not self.access.sees_gallery:
            raise Http404
        return refused


class GuestZip(_ZipPage):
    http_method_names = ["get", "head", "post", "options"]

    def get(self, request: HttpRequest) -> HttpResponseBase:
        return self._answer(request)

    def post(self, request: HttpRequest) -> HttpResponseBase:
        refusal = download.order(self.invitation.group, self.access)
        if refusal:
            return self._answer(request, refusal)
        return HttpResponseRedirect(request.path)

    def _answer(self, request: HttpRequest, refusal: str = "") -> HttpResponse:
        group = self.invitation.group
        context = {
            "group": group,
            "base_url": self.base_url,
            "refusal": refusal,
            "order": archives.orders(group, self.access).first(),
            "photo_count": self.access.gallery_images().count(),
            **look.context(group),
        }
        status = 422 if refusal else 200
        return render(request, "invitations/zip.html", context, status=status)


class GuestZipFile(_ZipPage):
    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest, archive_id: UUID) -> HttpResponseBase:
        """Leads to a ZIP that was ordered by this link; to the page of ZIPs if it has ended."""
        rows = archives.orders(self.invitation.group, self.access)
        order: ArchiveOrder = get_object_or_404(rows, archive_id=archive_id)
        try:
            return HttpResponseRedirect(archives.download(order, self.access))
        except archives.NotReady:
            return HttpResponseRedirect(f"{self.base_url}photos/zip/")


guest_zip = GuestZip.as_view()
guest_zip_file = GuestZipFile.as_view()
