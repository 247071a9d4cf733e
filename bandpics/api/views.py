"""The API's own pages: its description, its documentation, its problems explained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from csp.decorators import csp_update
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_safe
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.permissions import AllowAny

if TYPE_CHECKING:
    from django.http.response import HttpResponseBase

PROBLEMS = {
    "body-too-large": "The body is larger than this address takes; `limit` says how many bytes it "
    "may have. Photos are announced at `/api/v1/uploads/` and sent straight to storage.",
    "cannot-retry": "Only a photo that failed can be tried again, and only if its bytes were "
    "kept. Where they were bad, send the photo again.",
    "client-id-taken": "A client_id names one upload of a sender. Use another for this file.",
    "conflict": "What you asked does not fit the present state of the thing. Read it again.",
    "disk-full": "The disk where this server keeps a form while it passes it on has no room left. "
    "Nothing of it was taken: send it again later, or announce the photos at `/api/v1/uploads/` "
    "and send them straight to storage, which needs no room here.",
    "duplicate-in-group": "The group shows a photo of the same bytes. Trash one of the two first.",
    "group-closed": "The host has closed the group: guests can no longer add or change photos "
    "in it. What was announced before may still be sent.",
    "credential-invalid": "The key or token is malformed, unknown, revoked or expired, or the "
    "password is wrong. Sign in again, or rotate the key.",
    "csrf-failed": "Writing with the browser's session takes the CSRF token: send the csrftoken "
    "cookie's value as the header X-CSRFToken. Or use a key or token instead of the session.",
    "idempotency-in-flight": "The first call with this Idempotency-Key has not ended. Wait as "
    "long as `Retry-After` says and repeat it.",
    "idempotency-key-invalid": "An Idempotency-Key has 1 to 255 visible ASCII characters.",
    "idempotency-mismatch": "The Idempotency-Key was used before with another body. A new call "
    "takes a new key; a repeated one, the same body.",
    "internal-error": "Something broke on our side. Nothing that arrived is lost; try again.",
    "invalid": "Some fields are missing or wrong. `errors` names the first 20 by a JSON pointer "
    "each, then how many more there are.",
    "invitation-exhausted": "The link has taken as many photos, or bytes, as its host allowed. "
    "Ask the host for more room. What was announced before may still be sent.",
    "invitation-expired": "The link takes no new photos any more. Ask whoever sent it to renew "
    "it. What was announced before may still be sent.",
    "invitation-revoked": "The host has withdrawn the link. Ask them for a new one.",
    "invitation-unknown": "There is no such link. Check that it is complete.",
    "last-owner": "A team always has an owner. Make somebody else one before the last one leaves "
    "or becomes something else.",
    "length-required": "The body comes in chunks and does not say how large it is. Send it with a "
    "`Content-Length`.",
    "link-lost": "The link still works, but the key that made it is gone, so that it can not be "
    "shown again. Rotate the invitation for a new link, which ends the old one.",
    "method-not-allowed": "This address does not take this method. See the documentation.",
    "no-picture": "The bytes of this photo never arrived, or the group had them already: then "
    "another photo shows them.",
    "not-acceptable": "This address answers JSON; accept that.",
    "not-authenticated": "Send `Authorization:` with `Bearer <token>`, `Api-Key <key>` or, as a "
    "guest, `Invitation <token>`.",
    "not-found": "There is nothing at this address, or nothing that you may see.",
    "not-ready": "The photo is still being processed. Wait as long as `Retry-After` says.",
    "original-dropped": "The original file was removed on request, or by the group's policy. The "
    "smaller sizes stay.",
    "original-lost": "Nobody removed the original file: the store did not have it any more. The "
    "smaller sizes stay.",
    "permission-denied": "You are known, but may not do this.",
    "photo-busy": "Somebody else moves, edits or removes this photo right now. Try again in a "
    "moment.",
    "photo-failed": "The photo could not be processed; the detail says why.",
    "place-from-photo": "Guests pin a place only on photos that do not carry one. `DELETE` on the "
    "photo's `location/` has that forgotten; then they can.",
    "precondition-failed": "The thing was changed since you read it, so that your `If-Match` does "
    "not fit any more. Read it again, and send your change with the new `ETag`.",
    "registration-closed": "This server takes no new users by itself. Ask whoever runs it.",
    "storage-events-off": "Whoever runs this server has not set STORAGE_EVENTS_SECRET, so that no "
    "store can send events here. The sweeper finds what arrived by itself.",
    "too-large": "`limit` says how many bytes are taken here. Large photos go by "
    "`/api/v1/uploads/`.",
    "too-many-pending": "A person may announce so many files before sending some: send or cancel "
    "those, or wait as long as `Retry-After` says.",
    "too-many-requests": "Wait as long as `Retry-After` says.",
    "two-credentials": "The Authorization header and `?access_token=` name different credentials. "
    "Send only one of them.",
    "unavailable": "A service behind this one does not answer. Nothing is lost; try again.",
    "unsupported-media-type": "Send JSON, with `Content-Type: application/json`.",
    "upload-mismatch": "The bucket held a file of another size than announced. It was removed: "
    "sign again and send the whole file.",
    "upload-not-arrived": "The bucket does not hold the file yet. `missing_parts` names the "
    "parts still to be sent, if it is sent in parts.",
    "upload-not-multipart": "Small files are sent whole, large ones in parts 1 to part_count.",
    "upload-not-pending": "The upload has arrived, was cancelled, or was given up. Bytes can no "
    "longer be sent for it.",
}


@require_safe
def explain_problem(request: HttpRequest, slug: str) -> HttpResponse:
    """What a problem's `type` points to."""
    if slug not in PROBLEMS:
        raise Http404
    return render(request, "problem.html", {"slug": slug, "explanation": PROBLEMS[slug]})


class Schema(SpectacularAPIView):
    """In English, whoever asks."""

    permission_classes = [AllowAny]
    authentication_classes = []

    def dispatch(self, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with translation.override(settings.LANGUAGE_CODE):
            return super().dispatch(*args, **kwargs)


# Swagger UI sets styles of its own and draws its icons from data: addresses.
@method_decorator(csp_update({"style-src": ["'unsafe-inline'"]}), name="dispatch")
class Docs(SpectacularSwaggerSplitView):
    permission_classes = [AllowAny]
    authentication_classes = []
    url_name = "schema"
