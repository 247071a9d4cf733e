"""The page on which a member adds photos to a group: the guests' upload page, signed in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods

from bandpics.middleware import body_limit
from groups import licences
from images.views import upload
from images.views.desk import MEMBER, Desk, desk_page
from invitations.models import may_be_shown_to_guests

if TYPE_CHECKING:
    from django.core.files.uploadedfile import UploadedFile
    from django.http import HttpRequest, HttpResponse


# The form is looked at before its CSRF token: Django's check would read a body of any size, and
# answer too many files with a bare page. Nothing is done before the token was checked.
@body_limit.takes(body_limit.form_max_bytes, refuses_itself=True)
@csrf_exempt
@never_cache
@desk_page(needs=MEMBER)
@require_http_methods(["GET", "HEAD", "POST"])
def add_photos(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Shows the page; a POST brings photos of the plain form, where there is no JavaScript."""
    if request.method != "POST":
        return _page(request, desk)
    try:
        files = upload.files_of(request)
    except upload.FormRefused as refusal:
        status, complaint = refusal.args
        return _page(request, desk, status=status, complaint=complaint)
    return _take(request, desk, files)


@csrf_protect
def _take(request: HttpRequest, desk: Desk, files: list[UploadedFile[Any]]) -> HttpResponse:
    uploader = desk.access.uploader(desk.group)
    try:
        licence = upload.agreed_licence(request, desk.group)
    except licences.LicenceChanged:
        return _page(request, desk, status=409, complaint=upload.LICENCE_CHANGED)
    name = request.POST.get("uploader_name", "").strip()[: upload.NAME_LENGTH].replace("\0", "")
    about: Any = {"uploader_name": name, "licence": licence}
    outcomes = [upload.take(uploader, file, **about) for file in files]
    status = 200 if any(outcome.has_arrived for outcome in outcomes) else 422
    return _page(request, desk, status=status, outcomes=outcomes, uploader_name=name)


def _page(request: HttpRequest, desk: Desk, *, status: int = 200, **more: Any) -> HttpResponse:
    uploader, outcomes = desk.access.uploader(desk.group), more.get("outcomes", [])
    context = desk.context(
        **{
            "form_url": reverse("add-photos", args=[desk.group.pk]),
            "takes_photos": True,  # members add photos to a closed group, too
            "shows_gallery": may_be_shown_to_guests(desk.group),
            "uploader_name": uploader.name,
            "sent": [] if outcomes else upload.receipt_of(uploader.uploads()),
            "arrived_count": sum(outcome.has_arrived for outcome in outcomes),
            "licence": upload.licence_context(request, desk.group),
            **upload.sending_context(desk.group),
            **more,
        }
    )
    return render(request, "invitations/upload.html", context, status=status)
