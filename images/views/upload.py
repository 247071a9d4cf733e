"""The page behind an upload link, and its plain form for browsers without JavaScript."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import TooManyFilesSent
from django.http.multipartparser import MultiPartParserError
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from bandpics import limits
from bandpics.middleware import body_limit
from groups import licences
from images.access import GuestAccess
from images.models import Image, Upload, Wall
from images.photofile import formats
from images.storage.objects import StorageUnavailable
from images.uploads import file_check, quota, server_upload
from images.views import in_app_browsers, link_pictures, look
from images.views.guest_page import GuestPage, dead_link
from images.views.messages import MESSAGES
from invitations import contacts

if TYPE_CHECKING:
    from django.core.files.uploadedfile import UploadedFile
    from django.http import HttpRequest, HttpResponse

    from groups.models import Group, Licence
    from images.access import Uploader
    from images.models.upload import UploadQuerySet

NAME_LENGTH = 120
LICENCE_NUMBER = re.compile(r"[0-9]{1,9}\Z")
LICENCE_CHANGED = gettext_lazy(
    "The sentence to agree to has changed meanwhile, so that nothing was sent. Please read it "
    "again, and choose the photos once more."
)
SENT_LIMIT = 200
# The device of a browser without JavaScript, for the pages of this link alone.
DEVICE_COOKIE = "bandpics-device"
DEVICE_SECRET = re.compile(r"[0-9a-f]{32}\Z")
MESSAGE_BY_STATUS = {
    Upload.Status.QUEUED: "stored",
    Upload.Status.PROCESSING: "stored",
    Upload.Status.DONE: "ready",
    Upload.Status.DUPLICATE: "here",
}


@dataclass(frozen=True)
class FileOutcome:
    """The result for one file of the form."""

    filename: str
    has_arrived: bool
    message: str


class UploadPage(GuestPage):
    def refusal(self, **kwargs: Any) -> HttpResponse | None:
        return expired_page(self) if self.invitation.is_expired else None

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._page()

    def post(self, request: HttpRequest) -> HttpResponse:
        """Takes the photos of the plain form. Refuses what it can before it reads the body."""
        if seconds := limits.consume(("invitation", f"Invitation {self.invitation.pk}")):
            complaint = _("Too many requests; wait a moment")
            answer = self._page(status=429, complaint=complaint)
            answer["Retry-After"] = str(seconds)
            return answer
        if self.invitation.group.is_closed or self.invitation.is_exhausted:
            return self._page(status=403)  # the page says why
        try:
            files = files_of(request)
        except FormRefused as refusal:
            status, complaint = refusal.args
            return self._page(status=status, complaint=complaint)
        try:
            licence = agreed_licence(request, self.invitation.group)
        except licences.LicenceChanged:
            return self._page(status=409, complaint=LICENCE_CHANGED)
        name = request.POST.get("uploader_name", "").strip()[:NAME_LENGTH].replace("\0", "")
        device = device_of(request) or secrets.token_hex(16)
        uploader = GuestAccess.of(self.invitation, device_secret=device).uploader
        about: Any = {"uploader_name": name, "licence": licence}
        outcomes = [take(uploader, file, **about) for file in files]
        self.invitation.refresh_from_db(fields=["used_files", "used_bytes", "declined_at"])
        status = 200 if any(outcome.has_arrived for outcome in outcomes) else 422
        more = {"outcomes": outcomes, "uploader_name": name, "device": device}
        answer = self._page(status=status, **more)
        remember_device(request, answer, device, page=self)
        return answer

    def _access(self) -> GuestAccess:
        return GuestAccess.of(self.invitation, device_secret=device_of(self.request))

    def _page(self, *, status: int = 200, **more: Any) -> HttpResponse:
        request, invitation, group = self.request, self.invitation, self.invitation.group
        host = contacts.contact_of(invitation)
        outcomes: list[FileOutcome] = more.get("outcomes", [])
        ends = [moment for moment in (invitation.expires_at, group.closes_at) if moment]
        context = {
            "invitation": invitation,
            "group": group,
            "token": self.token,
            "base_url": self.base_url,
            "form_url": self.base_url,
            "host": host,
            "host_name": host.name if host else "",
            "ask_url": contacts.mail_address(invitation, host),
            "takes_photos": not (group.is_closed or invitation.is_exhausted),
            "until": min(ends),
            "visibility": invitation.visibility or group.visibility,
            "photos_are_of": self._photos_are_of(),
            "uploader_name": invitation.name if invitation.kind == invitation.Kind.PERSONAL else "",
            "device": device_of(request),
            "sent": [] if outcomes else _sent(self._access()),
            "licence": licence_context(request, group),
            **look.context(group),
            **sending_context(group),
            "app": in_app_browsers.name_of(request.headers.get("User-Agent", "")),
            "link": settings.PUBLIC_URL + self.base_url,
            "picture_url": link_pictures.url_of(invitation, base_url=self.base_url),
            "arrived_count": sum(outcome.has_arrived for outcome in outcomes),
            **more,
        }
        return render(request, "invitations/upload.html", context, status=status)

    def _photos_are_of(self) -> str:
        """Returns whose photos the link shows: of `all` guests, the guest's `own`, or of nobody."""
        access = GuestAccess.of(self.invitation)
        if access.sees_gallery:
            return "all"
        return "own" if access.shows_own and self.invitation.used_files else ""


# It refuses what is too large itself, in the guest's language.
upload_page = body_limit.takes(body_limit.form_max_bytes, refuses_itself=True)(UploadPage.as_view())


def expired_page(page: GuestPage) -> HttpResponse:
    """Says that the link has expired, whom to ask, and what was sent by it."""
    invitation = page.invitation
    host = contacts.contact_of(invitation)
    access = GuestAccess.of(invitation, device_secret=device_of(page.request))
    return dead_link(
        page.request,
        "expired",
        invitation=invitation,
        token=page.token,
        base_url=page.base_url,
        **look.context(invitation.group),
        sent=_sent(access),
        host=host,
        ask_url=contacts.mail_address(invitation, host),
    )


def sending_context(group: Group) -> dict[str, Any]:
    """Returns what the page says and checks of every photo, whoever sends it."""
    return {
        "has_wall": Wall.objects.of_group(group).exists(),
        "accept": ",".join(sorted(formats.ACCEPTED_CONTENT_TYPES)),
        "formats": file_check.formats_in_words(),
        "max_bytes": settings.UPLOAD_MAX_BYTES,
        "max_size": file_check.size_in_words(settings.UPLOAD_MAX_BYTES),
        "url_seconds": settings.UPLOAD_URL_SECONDS,
        "stall_seconds": settings.UPLOAD_STALL_SECONDS,
        "page_messages": MESSAGES,
    }


def licence_context(request: HttpRequest, group: Group) -> dict[str, Any] | None:
    """Returns the sentence to which the page asks to agree; ticked if the form was sent so."""
    if group.licence is None:
        return None
    number = str(group.licence.number)
    text = licences.shown_text(group.licence, group.team)
    is_ticked = request.method == "POST" and request.POST.get("licence") == number
    return {"number": number, "text": text, "is_ticked": is_ticked}


def agreed_licence(request: HttpRequest, group: Group) -> Licence | None:
    """Returns the sentence whose box was ticked in the form. Raises licences.LicenceChanged."""
    text = request.POST.get("licence", "")
    number = int(text) if LICENCE_NUMBER.match(text) else 0
    return licences.agreed(group, number if text else None)


class FormRefused(Exception):
    """The plain form holds no photos, or too many: the status of the answer, and what it says."""


def too_much_in_words() -> str:
    """Returns what is said of a form that is larger than FORM_MAX_BYTES."""
    complaint = _(
        "That is too much for one go: together the photos may have up to {size}. Please "
        "send fewer at once."
    )
    return complaint.format(size=file_check.size_in_words(settings.FORM_MAX_BYTES))


def too_many_in_words() -> str:
    complaint = _("Please send up to {count} photos at once.")
    return complaint.format(count=settings.DATA_UPLOAD_MAX_NUMBER_FILES)


def files_of(request: HttpRequest) -> list[UploadedFile[Any]]:
    """Returns the photos of the plain form, at least one. Raises FormRefused."""
    files = files_sent(request, "files")
    if not files:
        raise FormRefused(400, _("Please choose at least one photo first."))
    return files


def files_sent(request: HttpRequest, name: str) -> list[UploadedFile[Any]]:
    """Returns the files of a field, or none. Raises FormRefused before it reads what is too
    large."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > settings.FORM_MAX_BYTES:
        raise FormRefused(413, too_much_in_words())
    try:
        return request.FILES.getlist(name)
    except TooManyFilesSent:
        raise FormRefused(400, too_many_in_words()) from None
    except MultiPartParserError:
        complaint = _("The photos did not arrive whole. Please send them again.")
        raise FormRefused(400, complaint) from None


def remember_device(
    request: HttpRequest, answer: HttpResponse, device: str, *, page: GuestPage
) -> None:
    """Leaves the secret of a device in the browser, for the pages of this link alone.

    Not if a page of another site sent the form: it would choose whose photos the browser shows,
    and by whose name it sends some.
    """
    if request.headers.get("Sec-Fetch-Site") in {"cross-site", "same-site"}:
        return
    answer.set_cookie(
        DEVICE_COOKIE,
        device,
        path=page.base_url,
        expires=page.invitation.expires_at,
        secure=request.is_secure(),
        httponly=True,
        samesite="Strict",
    )


def device_of(request: HttpRequest) -> str:
    """The secret that the answer to a plain form left here, or ""."""
    secret = request.COOKIES.get(DEVICE_COOKIE, "")
    return secret if DEVICE_SECRET.match(secret) else ""


def _sent(access: GuestAccess) -> list[FileOutcome]:
    """The receipt for browsers without JavaScript, newest first."""
    if not access.key.is_identified:
        return []
    return receipt_of(access.uploads(), is_shown=access.invitation.may_be_shown_to_guests)


def receipt_of(uploads: UploadQuerySet, *, is_shown: bool = False) -> list[FileOutcome]:
    """Returns what became of the newest of these uploads."""
    rows = uploads.exclude(status=Upload.Status.DISCARDED)
    rows = rows.select_related("image").order_by("-created_at", "-id")
    return [outcome_of(upload, is_shown=is_shown) for upload in rows[:SENT_LIMIT]]


def outcome_of(upload: Upload, *, is_shown: bool = False) -> FileOutcome:
    """What became of one file. `is_shown`: other guests may see approved photos of the group."""
    image, status = upload.image, Upload.Status(upload.status)
    message = MESSAGE_BY_STATUS.get(status, "interrupted")
    is_done = status == Upload.Status.DONE
    if is_done and image.trashed_at is not None and image.trashed_by_uploader:
        message = "deleted"
    elif is_done and image.moderation == Image.Moderation.REJECTED:
        message = "rejectedBecause" if image.moderation_reason else "rejected"
    elif is_done and image.is_known_from_wall:
        message = "was-on-wall"
    elif is_done and is_shown:
        is_waiting = image.moderation == Image.Moderation.PENDING
        message = "unapproved" if is_waiting else "approved"
    text = str(MESSAGES[message]).replace("{reason}", image.moderation_reason)
    if upload.failure:
        text = str(upload.get_failure_display())
    has_arrived = status not in {Upload.Status.FAILED, Upload.Status.PENDING}
    return FileOutcome(image.original_filename, has_arrived, text)


def take(
    uploader: Uploader, file: UploadedFile[Any], *, uploader_name: str, licence: Licence | None
) -> FileOutcome:
    """Puts one file into quarantine. A file that is refused does not stop the others."""
    described = file_check.described(file, unnamed=_("Photo"))

    def refused(message: object) -> FileOutcome:
        return FileOutcome(described.filename, has_arrived=False, message=str(message))

    try:
        file_check.check(byte_size=described.byte_size, file=file)  # its first bytes decide
        upload = server_upload.take(
            uploader,
            file,  # type: ignore[arg-type]  # it reads
            described,
            uploader_name=uploader_name,
            licence=licence,
        )
    except file_check.Unacceptable as refusal:
        return refused(refusal)
    except quota.Exhausted:
        return refused(_("The link is full: there was no room for it."))
    except StorageUnavailable:
        return refused(_("The photo store does not answer. Please send it again soon."))
    if upload.failure:
        return refused(upload.get_failure_display())
    is_done = upload.status in {Upload.Status.DONE, Upload.Status.DUPLICATE}
    message = _("Already here") if is_done else _("Arrived, being processed")
    return FileOutcome(described.filename, has_arrived=True, message=message)
