"""Creates uploads from what clients announce, and finds those they announced before."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from dataclasses import replace as with_changes
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import F, Max, Q
from django.db.models.functions import Now

from bandpics.lookups import Lookup
from bandpics.writes import insert, unsaved
from images import history, journey
from images.models import Image, PhotoChange, Upload, UploaderKey
from images.uploads import agreement, quota, when_and_where

if TYPE_CHECKING:
    from collections.abc import Sequence

    from groups.models import Licence
    from images.access import Uploader

# The PUT is signed with it when the browser does not know the type (HEIC on many Androids).
UNKNOWN_CONTENT_TYPE = "application/octet-stream"
BATCH_LIMIT = 100
REPLACE_TRIES = 5


class ClientIdTaken(Exception):
    """The client_id names another upload of the same uploader."""


class TooManyPending(Exception):
    """The uploader announced UPLOADS_PENDING_MAX files that were not sent yet."""


class TakesNothingNew(Exception):
    """Only files that were announced before may still be sent."""


class ChangedMeanwhile(Exception):
    """The photo is gone, or no longer what the caller has seen."""


@dataclass(frozen=True)
class Announced:
    """A file as its client describes it before sending it. Only the size is binding."""

    filename: str
    content_type: str
    byte_size: int
    client_id: str | None = None
    sha256: str = ""
    last_modified: int | None = None
    description: str = ""
    taken: when_and_where.Taken | None = None  # None: as the file says
    place: tuple[float, float] | None = None  # latitude and longitude
    made_from: UUID | None = None  # the photo of which this server made the file

    @property
    def photo_columns(self) -> dict[str, Any]:
        columns: dict[str, Any] = {
            "original_filename": self.filename,
            "description": self.description,
        }
        if self.taken is not None:
            columns |= when_and_where.taken_columns(self.taken)
        if self.place is not None:
            columns |= when_and_where.place_columns(self.place)
        return columns

    @property
    def columns(self) -> dict[str, Any]:
        return {
            "client_id": self.client_id,
            "declared_content_type": self.content_type or UNKNOWN_CONTENT_TYPE,
            "declared_byte_size": self.byte_size,
            "declared_sha256": self.sha256,
            "declared_last_modified": self.last_modified,
        }


@dataclass(frozen=True)
class Ticket:
    """An upload, and whether it was announced before."""

    upload: Upload
    was_known: bool = False


def create_announced(
    uploader: Uploader,
    files: Sequence[Announced],
    *,
    uploader_name: str = "",
    takes_new: bool = True,
    bytes_are_here: bool = False,
    licence: Licence | None = None,
) -> list[Ticket]:
    """Creates an upload for each file, or finds the one announced before. All of them, or none.

    A file is known again by its client_id, or by a declared SHA-256 among the uploader's *own*
    uploads; announcing it again changes nothing but the `licence` that its sender agrees to.

    Raises quota.Exhausted, TooManyPending unless `bytes_are_here`, ClientIdTaken for one that
    names a replacement, and TakesNothingNew unless it `takes_new` ones.
    """
    if not uploader.key.is_identified:
        # Strangers share this key: the client_id of one says nothing about the file of another.
        files = [with_changes(file, client_id=None) for file in files]
    options = {"takes_new": takes_new, "bytes_are_here": bytes_are_here}
    announce = partial(_announce, uploader, files, uploader_name, licence, **options)
    # What is new is written by one statement. A transaction would be four more messages.
    is_one = not connection.in_atomic_block and licence is None and not any(map(_is_made, files))
    try:
        with contextlib.nullcontext() if is_one else transaction.atomic():
            return announce()
    except IntegrityError:
        # Another tab announced one of the same client_ids just now; its rows are there to find.
        with transaction.atomic():
            return announce()


def _is_made(file: Announced) -> bool:
    return file.made_from is not None


def _announce(
    uploader: Uploader,
    files: Sequence[Announced],
    uploader_name: str,
    licence: Licence | None,
    *,
    takes_new: bool,
    bytes_are_here: bool,
) -> list[Ticket]:
    known = _KnownUploads(uploader, files)
    tickets = []
    for file in files:
        before = known.find(file)
        if before is not None:
            tickets.append(Ticket(before, was_known=True))
            continue
        if not takes_new:
            raise TakesNothingNew
        upload = _new_upload(uploader, file, uploader_name=uploader_name, licence=licence)
        known.add(upload)  # the same file twice in one announcement is one upload
        tickets.append(Ticket(upload))
    new = [ticket.upload for ticket in tickets if not ticket.was_known]
    if new and not bytes_are_here:
        # Rows cost nothing to ask for and stay a day: nobody needs many before sending some.
        room = settings.UPLOADS_PENDING_MAX - len(new)
        if _has_more_pending(uploader, room):
            raise TooManyPending
    if new:
        _insert(uploader, new)
    for upload in new:
        _tell(upload, uploader.group.pk)
    _record_origins(uploader, files, tickets)
    agreement.add(uploader, [ticket.upload for ticket in tickets if ticket.was_known], licence)
    return tickets


def _insert(uploader: Uploader, new: Sequence[Upload]) -> None:
    """Raises quota.Exhausted, and inserts nothing."""
    reserved = None
    if uploader.invitation is not None:
        byte_count = sum(upload.declared_byte_size for upload in new)
        reserved = quota.reservation(uploader.invitation, files=len(new), byte_count=byte_count)
    if not insert([upload.image for upload in new], new, if_changed=reserved):
        raise quota.Exhausted


def _has_more_pending(uploader: Uploader, room: int) -> bool:
    if room < 0:
        return True
    # Each that is pending has its place in the quota of the link.
    if uploader.invitation is not None and uploader.invitation.used_files <= room:
        return False
    found = _pending_beyond(room).first(**uploader.key.columns, announced_to=uploader.announces_to)
    return found is not None


@lru_cache(maxsize=2 * BATCH_LIMIT)
def _pending_beyond(room: int) -> Lookup:
    """Finds a pending upload of an uploader who has more of them than `room`."""
    return Lookup(
        lambda announced_to, **key: (
            Upload.objects.sent_by(UploaderKey(*key.values()), announced_to=announced_to)
            .pending()
            .order_by()
            .values_list("announced_to")[room : room + 1]
        ),
        uploader_kind="a kind",
        uploader_id="an id",
        device_hash="a device",
        announced_to=UUID(int=1_618_033_988),
    )


def _tell(upload: Upload, group_id: UUID) -> None:
    journey.tell(
        journey.Step.ANNOUNCED,
        image_id=upload.image_id,
        upload_id=upload.pk,
        group_id=str(group_id),
        version=upload.version,
        byte_size=upload.declared_byte_size,
    )


def _record_origins(
    uploader: Uploader, files: Sequence[Announced], tickets: Sequence[Ticket]
) -> None:
    """Tells the history of each new photo from which other one it was made."""
    for file, ticket in zip(files, tickets, strict=True):
        if file.made_from is not None and not ticket.was_known:
            origin = {"image": str(file.made_from)}
            made = [ticket.upload.image]
            history.record(made, PhotoChange.Kind.MADE_FROM, by=uploader.user, details=origin)


class _KnownUploads:
    """Earlier uploads of the uploader, by client_id, and by declared hash and size."""

    def __init__(self, uploader: Uploader, files: Sequence[Announced]) -> None:
        self._by_client_id: dict[str | None, Upload] = {}
        self._by_bytes: dict[tuple[str, int], Upload] = {}
        client_ids = [file.client_id for file in files if file.client_id]
        hashes = [file.sha256 for file in files if file.sha256]
        if hashes and uploader.key.is_identified:
            mine = uploader.uploads()
            shown = mine.filter(_shows_its_bytes(), image__group=uploader.group)
            for upload in shown.filter(declared_sha256__in=hashes).order_by("-id"):
                self._by_bytes[upload.declared_sha256, upload.declared_byte_size] = upload
        if client_ids:
            # Of replacements, and of photos that were moved, too: their client_ids are taken.
            for upload in uploader.uploads().filter(client_id__in=client_ids):
                self._by_client_id[upload.client_id] = upload

    def add(self, upload: Upload) -> None:
        if upload.client_id:
            self._by_client_id[upload.client_id] = upload
        if upload.declared_sha256:
            self._by_bytes[upload.declared_sha256, upload.declared_byte_size] = upload

    def find(self, file: Announced) -> Upload | None:
        """Raises ClientIdTaken if the file's names a replacement."""
        found = self._by_client_id.get(file.client_id)
        if found is not None and found.version > 1:
            raise ClientIdTaken
        return found or self._by_bytes.get((file.sha256, file.byte_size))


def _shows_its_bytes() -> Q:
    """Uploads whose photo shows the declared bytes, or is about to. What was trashed or replaced
    may be sent again; a replacement is known for its own photo only."""
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


def _new_upload(
    uploader: Uploader, file: Announced, *, uploader_name: str, licence: Licence | None
) -> Upload:
    is_trusted = uploader.invitation is None or uploader.invitation.trusted
    waits = uploader.group.needs_approval and not is_trusted
    image = unsaved(
        Image,
        group=uploader.group,
        invitation=uploader.invitation,
        uploaded_by=uploader.user,
        **uploader.key.columns,
        uploader_name=uploader_name or uploader.name,
        **file.photo_columns,
        moderation=Image.Moderation.PENDING if waits else Image.Moderation.APPROVED,
        **agreement.columns(licence),
    )
    return unsaved(
        Upload,
        id=image.pk,  # the first upload's id is the image's, so /images/{id}/ works at once
        image=image,
        announced_to=uploader.announces_to,
        **uploader.key.columns,
        **file.columns,
    )


# --- Replace --------------------------------------------------------------------------------


def replace(
    image: Image,
    file: Announced,
    *,
    uploader: UploaderKey,
    expected: dict[str, Any] | None = None,
) -> Ticket:
    """Creates an upload of another version of a photo, which shows the old one until that is DONE.

    The caller sends and completes it like any upload; `expected` is what the row must still say.
    Raises quota.Exhausted, ClientIdTaken, ChangedMeanwhile.
    """
    for _ in range(REPLACE_TRIES):
        if (known := _known_replacement(image, file, uploader=uploader)) is not None:
            return Ticket(known, was_known=True)
        with contextlib.suppress(IntegrityError), transaction.atomic():
            # Two at once take the same number; the loser tries the next one.
            return Ticket(_new_version(image, file, uploader=uploader, expected=expected or {}))
    raise ClientIdTaken


def _known_replacement(image: Image, file: Announced, *, uploader: UploaderKey) -> Upload | None:
    if not file.client_id:
        return None
    mine = Upload.objects.sent_by(uploader, announced_to=image.group_id)
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
    upload = Upload.objects.create(
        image=image,
        version=newest + 1,
        filename=file.filename,
        announced_to=image.group_id,
        **uploader.columns,
        **file.columns,
    )
    _tell(upload, image.group_id)
    return upload
