"""Creates uploads from what clients announce, and finds those they announced before."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from dataclasses import replace as with_changes
from functools import partial
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Max, Q
from django.db.models.functions import Now

from images.models import Image, Upload
from images.uploads import quota

if TYPE_CHECKING:
    from collections.abc import Sequence

    from images.access import Uploader
    from images.models import UploaderKey

# What the PUT is signed with when the browser does not know the type (HEIC on many Androids).
UNKNOWN_CONTENT_TYPE = "application/octet-stream"
BATCH_LIMIT = 100
REPLACE_TRIES = 5


class ClientIdTaken(Exception):
    """The client_id names another upload of the same uploader."""


class TooManyPending(Exception):
    """The uploader announced UPLOADS_PENDING_MAX files and has not sent them yet."""


class TakesNothingNew(Exception):
    """Only what was announced before may still come."""


class ChangedMeanwhile(Exception):
    """The photo is gone, or no longer what the client has seen."""


@dataclass(frozen=True)
class Announced:
    """What a browser says of a file before it sends it. Hints, all but the size."""

    filename: str
    content_type: str
    byte_size: int
    client_id: str | None = None
    sha256: str = ""
    last_modified: int | None = None
    description: str = ""


@dataclass(frozen=True)
class Ticket:
    """An upload, and whether this announcement found it here already."""

    upload: Upload
    was_known: bool = False


def create_announced(
    uploader: Uploader,
    files: Sequence[Announced],
    *,
    uploader_name: str = "",
    takes_new: bool = True,
    bytes_are_here: bool = False,
) -> list[Ticket]:
    """Make a row for each file, or find the one made before. All of them, or none.

    A file is known again by its client_id, or by a declared SHA-256 among the uploader's *own*
    uploads; announcing it again is harmless and answers where it stands.

    Raises quota.Exhausted, TooManyPending unless their `bytes_are_here`, ClientIdTaken for one that
    names a replacement, and TakesNothingNew unless it `takes_new` ones.
    """
    if not uploader.key.is_identified:
        # Strangers share this key: the client_id of one says nothing about the file of another.
        files = [with_changes(file, client_id=None) for file in files]
    options = {"takes_new": takes_new, "is_bounded": not bytes_are_here}
    announcing = partial(_announce, uploader, files, uploader_name, **options)
    try:
        with transaction.atomic():
            return announcing()
    except IntegrityError:
        # Another tab announced one of the same client_ids just now; its rows are there to find.
        with transaction.atomic():
            return announcing()


def _announce(
    uploader: Uploader,
    files: Sequence[Announced],
    uploader_name: str,
    *,
    takes_new: bool,
    is_bounded: bool,
) -> list[Ticket]:
    known = _known_uploads(uploader, files)
    tickets = []
    for file in files:
        before = _recall(known, file)
        if before is not None:
            tickets.append(Ticket(before, was_known=True))
            continue
        if not takes_new:
            raise TakesNothingNew
        upload = _new_upload(uploader, file, uploader_name=uploader_name)
        _remember(known, upload)
        tickets.append(Ticket(upload))
    fresh = [ticket.upload for ticket in tickets if not ticket.was_known]
    if fresh and is_bounded:
        _refuse_too_many(uploader, fresh)
    if fresh and uploader.invitation is not None:
        byte_count = sum(upload.declared_byte_size for upload in fresh)
        quota.reserve(uploader.invitation, files=len(fresh), byte_count=byte_count)
    Image.objects.bulk_create([upload.image for upload in fresh])
    Upload.objects.bulk_create(fresh)
    return tickets


def _refuse_too_many(uploader: Uploader, fresh: list[Upload]) -> None:
    """Rows cost nothing to ask for and stay a day: nobody needs many before sending some."""
    pending = uploader.uploads().pending()
    room = settings.UPLOADS_PENDING_MAX - len(fresh)
    if pending[: room + 1].count() > room:
        raise TooManyPending


# --- Replace --------------------------------------------------------------------------------


def replace(
    image: Image,
    file: Announced,
    *,
    uploader: UploaderKey,
    expected: dict[str, Any] | None = None,
) -> Ticket:
    """Another version of a photo: what it shows stays until the new bytes are DONE.

    The caller sends and completes it like any upload; `expected` is what the row must still say.
    Raises quota.Exhausted, ClientIdTaken, ChangedMeanwhile.
    """
    for _ in range(REPLACE_TRIES):
        if (known := _known_replacement(image, file, uploader=uploader)) is not None:
            return Ticket(known, was_known=True)
        with contextlib.suppress(IntegrityError), transaction.atomic():
            # Two at once take the same number; the loser counts again.
            return Ticket(_new_version(image, file, uploader=uploader, expected=expected or {}))
    raise ClientIdTaken


def _known_replacement(image: Image, file: Announced, *, uploader: UploaderKey) -> Upload | None:
    if not file.client_id:
        return None
    mine = Upload.objects.sent_by(uploader).filter(announced_in=image.group_id)
    found = mine.filter(client_id=file.client_id).first()
    if found is not None and (found.image_id != image.pk or found.version == 1):
        raise ClientIdTaken
    return found


def _new_version(
    image: Image, file: Announced, *, uploader: UploaderKey, expected: dict[str, Any]
) -> Upload:
    # The one UPDATE that decides; of two who expect the same, the second finds it changed.
    if not Image.objects.kept().filter(pk=image.pk, **expected).update(updated_at=Now()):
        raise ChangedMeanwhile
    if image.invitation is not None:
        quota.reserve(image.invitation, files=1, byte_count=file.byte_size)
    newest = image.uploads.aggregate(newest=Max("version"))["newest"] or 0
    return Upload.objects.create(
        image=image,
        version=newest + 1,
        **uploader.columns,
        announced_in=image.group_id,
        client_id=file.client_id,
        filename=file.filename,
        declared_content_type=file.content_type or UNKNOWN_CONTENT_TYPE,
        declared_byte_size=file.byte_size,
        declared_sha256=file.sha256,
        declared_last_modified=file.last_modified,
    )


def _new_upload(uploader: Uploader, file: Announced, *, uploader_name: str) -> Upload:
    image = Image(
        group=uploader.group,
        invitation=uploader.invitation,
        uploaded_by=uploader.user,
        **uploader.key.columns,
        uploader_name=uploader_name or uploader.name,
        original_filename=file.filename,
        description=file.description,
        moderation=(
            Image.Moderation.PENDING
            if uploader.invitation is not None and not uploader.invitation.trusted
            else Image.Moderation.APPROVED
        ),
    )
    return Upload(
        id=image.pk,  # the first upload's id is the image's, so /images/{id}/ works at once
        image=image,
        **uploader.key.columns,
        announced_in=uploader.group.pk,
        client_id=file.client_id,
        declared_content_type=file.content_type or UNKNOWN_CONTENT_TYPE,
        declared_byte_size=file.byte_size,
        declared_sha256=file.sha256,
        declared_last_modified=file.last_modified,
    )


_Mark = tuple[str, str]  # ("client_id", …) or ("sha256", "…:size")


def _known_uploads(uploader: Uploader, files: Sequence[Announced]) -> dict[_Mark, Upload]:
    """Replacements among them, and of photos that were moved: their client_ids are spent too."""
    client_ids = [file.client_id for file in files if file.client_id]
    hashes = [file.sha256 for file in files if file.sha256] if uploader.key.is_identified else []
    mine = uploader.uploads()
    known: dict[_Mark, Upload] = {}
    if hashes:
        here = mine.filter(_here(), image__group=uploader.group, declared_sha256__in=hashes)
        for upload in here.order_by("-id"):
            known[_hash_mark(upload.declared_sha256, upload.declared_byte_size)] = upload
    if client_ids:
        for upload in mine.filter(client_id__in=client_ids):
            known["client_id", str(upload.client_id)] = upload
    return known


def _here() -> Q:
    """Of uploads: a photo that shows the declared bytes, or is about to. What was trashed or
    replaced is there to be sent again; a replacement speaks for its own photo only."""
    status = Upload.Status
    return Q(version=1, image__trashed_at=None) & (
        Q(status__in=[status.PENDING, status.QUEUED, status.PROCESSING])
        | Q(status=status.DONE, image__sha256=F("declared_sha256"))
        | Q(
            status=status.DUPLICATE,
            duplicate_of__group=F("image__group"),
            duplicate_of__version__gt=0,
            duplicate_of__trashed_at=None,
            duplicate_of__sha256=F("declared_sha256"),
        )
    )


def _hash_mark(sha256: str, byte_size: int) -> _Mark:
    return "sha256", f"{sha256}:{byte_size}"


def _remember(known: dict[_Mark, Upload], upload: Upload) -> None:
    """So that the same file twice in one announcement is one upload."""
    if upload.client_id:
        known["client_id", upload.client_id] = upload
    if upload.declared_sha256:
        known[_hash_mark(upload.declared_sha256, upload.declared_byte_size)] = upload


def _recall(known: dict[_Mark, Upload], file: Announced) -> Upload | None:
    if file.client_id and (found := known.get(("client_id", file.client_id))):
        if found.version > 1:
            raise ClientIdTaken
        return found
    if file.sha256:
        return known.get(_hash_mark(file.sha256, file.byte_size))
    return None
