"""The page on which guests order a ZIP of the gallery and download it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode
from uuid import UUID

from django.http import Http404, HttpResponseRedirect
from django.shortcuts import render

from images import archives
from images.views import download, look
from images.views.guest_gallery import PhotosPage

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase

    from images.models import ArchiveOrder


ORDERED = "ordered"  # names the archive that was just ordered


class _ZipPage(PhotosPage):
    """A page for links that show the gallery."""

    def refusal(self, **kwargs: object) -> HttpResponse | None:
        refused = super().refusal(**kwargs)
        if refused is None and not self.access.sees_gallery:
            raise Http404
        return refused

    def page_of(self, archive_id: UUID) -> HttpResponse:
        """Leads to the page that shows an order of this guest."""
        url = f"{self.base_url}photos/zip/"
        if not self.access.key.is_identified:  # the page shows it to whoever has its address
            url += f"?{urlencode({ORDERED: archive_id})}"
        return HttpResponseRedirect(url)


class GuestZip(_ZipPage):
    http_method_names = ["get", "head", "post", "options"]

    def get(self, request: HttpRequest) -> HttpResponseBase:
        return self._answer(request)

    def post(self, request: HttpRequest) -> HttpResponseBase:
        try:
            order = download.order(self.invitation.group, self.access)
        except download.OrderRefused as refusal:
            return self._answer(request, str(refusal))
        return self.page_of(order.archive_id)

    def _answer(self, request: HttpRequest, refusal: str = "") -> HttpResponse:
        group = self.invitation.group
        context = {
            "group": group,
            "base_url": self.base_url,
            "refusal": refusal,
            "order": self._order(request),
            "photo_count": self.access.gallery_images().count(),
            **look.context(group),
        }
        status = 422 if refusal else 200
        return render(request, "invitations/zip.html", context, status=status)

    def _order(self, request: HttpRequest) -> ArchiveOrder | None:
        group = self.invitation.group
        try:
            archive_id = UUID(request.GET.get(ORDERED, ""))
            return archives.find(group, self.access, archive_id)
        except (ValueError, Http404):
            return archives.orders(group, self.access).first()


class GuestZipFile(_ZipPage):
    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest, archive_id: UUID) -> HttpResponseBase:
        """Leads to a ZIP that was ordered by this link; to the page of ZIPs if it has ended."""
        order = archives.find(self.invitation.group, self.access, archive_id)
        try:
            return HttpResponseRedirect(archives.download(order, self.access))
        except archives.NotReady:
            return self.page_of(archive_id)


guest_zip = GuestZip.as_view()
guest_zip_file = GuestZipFile.as_view()
