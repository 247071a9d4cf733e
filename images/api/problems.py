"""The problems of photos and uploads, and the exceptions of lower rooms that they answer."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _
from rest_framework import status
from rest_framework.exceptions import NotFound

from bandpics.api import problems
from bandpics.api.problems import Conflict, Problem, Unavailable
from groups import licences
from images.lifecycle import editing, forget_location
from images.models import locks
from images.processing import versions
from images.storage.objects import StorageUnavailable
from images.uploads import announce, group_with_photos, quota, transfer
from invitations.api.problems import InvitationExhausted

# --- Uploads --------------------------------------------------------------------------------


class NotPending(Conflict):
    slug = "upload-not-pending"
    title = _("This upload is past the point where bytes can be sent")
    explanation = "It arrived, was cancelled, or was given up; its bytes can no longer be sent."


class NotMultipart(Conflict):
    slug = "upload-not-multipart"
    title = "This file is sent whole: sign it without a part"
    explanation = "Small files are sent whole, large ones in parts 1 to part_count."


class ClientIdTaken(Conflict):
    slug = "client-id-taken"
    title = "You gave this client_id to another upload"
    default_detail = "Use another one for this file."


class TooManyPending(Problem):
    status_code = status.HTTP_429_TOO_MANY_REQUESTS
    slug = "too-many-pending"
    title = _("You announced many files that were not sent yet")
    default_detail = _("Send or cancel some of them, then announce more.")
    retry_after_seconds = 10


class DeviceInvalid(Problem):
    status_code = status.HTTP_400_BAD_REQUEST
    slug = "device-invalid"
    title = "The header Bandpics-Device is none"
    default_detail = (
        "Send 32 random hex digits, the same with each request of one device, or leave the header "
        "out."
    )


class NotArrived(Conflict):
    slug = "upload-not-arrived"
    title = "The file has not arrived yet"
    default_detail = "Send its bytes to the signed URL, then complete it again."
    explanation = (
        "The bucket does not hold the file yet. `missing_parts` names the parts still to be sent, "
        "if it is sent in parts."
    )
    retry_after_seconds = 2


class Mismatch(Conflict):
    slug = "upload-mismatch"
    title = "What arrived is not what was announced"
    default_detail = "Its size differs. It was removed: sign again and send the whole file."


class TooLarge(Problem):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    slug = "too-large"
    title = "This is larger than what is taken here"
    explanation = "`limit` says how many bytes are taken. Large photos go by `/api/v1/uploads/`."


class LicenceChanged(Conflict):
    slug = "licence-changed"
    title = _("The sentence to agree to has changed")
    default_detail = _("Please read it again. Nothing was sent.")
    explanation = (
        "The number is not that of the group's sentence of now. `licence` is that sentence, or "
        "null if guests are asked no longer. Send its number if they agree to it, or none."
    )


# --- Photos ---------------------------------------------------------------------------------


class NotReady(Conflict):
    slug = "not-ready"
    title = _("The photo is not ready yet")
    explanation = "The photo is still being processed. Wait as long as `Retry-After` says."
    retry_after_seconds = 2


class PhotoFailed(Conflict):
    slug = "photo-failed"
    title = "This photo could not be processed"
    explanation = "The photo could not be processed; the detail says why."


class NoPicture(Conflict):
    slug = "no-picture"
    title = "There is no picture of its own behind this photo"
    explanation = "Its bytes never arrived, or another photo of the group shows them already."


class OriginalDropped(Problem):
    status_code = status.HTTP_410_GONE
    slug = "original-dropped"
    title = "The original was removed; the smaller sizes stay"
    explanation = "It was removed on request, or by the group's policy. The smaller sizes stay."


class OriginalLost(Problem):
    status_code = status.HTTP_410_GONE
    slug = "original-lost"
    title = "The store has lost the original; the smaller sizes stay"
    explanation = "Nobody removed it: the store did not have it any more. The smaller sizes stay."


class DuplicateInGroup(Conflict):
    slug = "duplicate-in-group"
    title = _("This photo is here already")
    default_detail = _("This photo is here already. To have this one, delete the other first.")
    explanation = "The group shows a photo of the same bytes. Trash one of the two first."


class PlaceFromPhoto(Conflict):
    slug = "place-from-photo"
    title = _("This photo says itself where it was taken")
    default_detail = _("Nothing was changed. You can have its place forgotten.")
    explanation = (
        "Guests pin a place only on photos that do not carry one. `DELETE` on the photo's "
        "`location/` has that forgotten; then they can."
    )


class PhotoBusy(Conflict):
    slug = "photo-busy"
    title = _("Somebody else is changing this photo right now")
    default_detail = _("Try again in a moment: somebody else is changing this photo.")
    explanation = "Somebody else changes this photo right now. Try again in a moment."
    retry_after_seconds = 1


class CannotRetry(Conflict):
    slug = "cannot-retry"
    title = _("This photo cannot be tried again")
    explanation = (
        "Only a photo that failed can be tried again, and only if its bytes were kept. Where they "
        "were bad, send the photo again."
    )


def _licence_changed(error: licences.LicenceChanged) -> LicenceChanged:
    return LicenceChanged(licence=error.shown())


def _not_arrived(error: transfer.NotArrived) -> NotArrived:
    missing = error.missing_parts
    return NotArrived(missing_parts=missing) if missing else NotArrived()


problems.answer(
    {
        StorageUnavailable: lambda _error: Unavailable(
            _("The photo store does not answer. Nothing is lost; try again soon.")
        ),
        announce.ClientIdTaken: lambda _error: ClientIdTaken(),
        announce.TooManyPending: lambda _error: TooManyPending(),
        editing.DuplicateInGroup: lambda _error: DuplicateInGroup(),
        forget_location.Gone: lambda _error: NotFound(),
        group_with_photos.TeamGone: lambda _error: NotFound(),
        licences.LicenceChanged: _licence_changed,
        locks.Busy: lambda _error: PhotoBusy(),
        quota.Exhausted: lambda _error: InvitationExhausted(),
        transfer.NoSuchPart: lambda error: NotMultipart(str(error)),
        transfer.NotArrived: _not_arrived,
        transfer.NotMultipart: lambda _error: NotMultipart(),
        transfer.NotPending: lambda _error: NotPending(),
        transfer.SizeMismatch: lambda _error: Mismatch(),
        versions.InProcess: lambda _error: NotReady(
            _("Wait until the photo is ready, then try again.")
        ),
    }
)
