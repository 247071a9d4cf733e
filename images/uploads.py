"""The life of one upload before a worker sees it: announce, sign, complete, cancel."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from dataclasses import replace as with_changes
from functools import partial
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, F, Max, OuterRef, Q
from django.db.models.functions import Now

from images import doomed, doorbell, quota, versions
from images.media import formats
from images.media.storage import (
    ObjectMissing,
    SignedRequest,
    StorageUnavailable,
    StoredPart,
    photo_storage,
)
from images.models import KEEP_BYTES, Image, Upload
from images.senders import BY_INVITATION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from images.senders import Sender

# What the PUT is signed with when the browser does not know the type (HEIC on many Androids).
UNKNOWN_CONTENT_TYPE = "application/octet-stream"
BATCH_LIMIT = 100
REPLACE_TRIES = 5
NEVER = Q(pk__in=())
QUEUED_AGAIN = {
    "status": Upload.Status.QUEUED,
    "failure": "",
    "attempt": 0,
    "queued_at": Now(),
    "finished_at": None,
}


class NotPending(Exception):
    """The upload is past the point where bytes can be sent."""


class ClientIdTaken(Exception):
    """The client_id names another upload of the same sender."""


class TooManyPending(Exception):
    """The sender announced UPLOADS_PENDING_MAX files that were not sent yet."""


class TakesNothingNew(Exception):
    """Only what was announced before may still come."""


class ChangedMeanwhile(Exception):
    """The photo is gone, or no more what the caller has seen."""


class BytesGone(Exception):
    """Nothing to try again with: the bytes were bad, and removed, or are lost."""


class NotMultipart(Exception):
    """The file is small enough for one PUT; it has no parts."""


class NoSuchPart(Exception):
    """The part's number is not among those of this upload."""


class NotArrived(Exception):
    """The bucket does not hold the bytes yet; `missing_parts` says which, if it has parts."""

    def __init__(self, missing_parts: Sequence[int] = ()) -> None:
        super().__init__("The file has not arrived yet.")
        self.missing_parts = list(missing_parts)


class SizeMismatch(Exception):
    """The bucket holds something other than what was announced."""


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


def announce(
    sender: Sender,
    files: Sequence[Announced],
    *,
    uploader_name: str = "",
    takes_new: bool = True,
    bytes_are_here: bool = False,
) -> list[Ticket]:
    """Make a row for each file, or find the one made before. All of them, or none.

    A file is known again by its client_id, or by a declared SHA-256 among the sender's *own*
    uploads; announcing it again is harmless and answers where it stands.

    Raises quota.Exhausted, TooManyPending unless their `bytes_are_here`, ClientIdTaken for one that
    names a replacement, and TakesNothingNew unless it `takes_new` ones.
    """
    if not sender.is_known_again:
        # Strangers share this key: the client_id of one says nothing about the file of another.
        files = [with_changes(file, client_id=None) for file in files]
    options = {"takes_new": takes_new, "is_bounded": not bytes_are_here}
    announcing = partial(_announce, sender, files, uploader_name, **options)
    try:
        with transaction.atomic():
            return announcing()
    except IntegrityError:
        # Another tab announced one of the same client_ids just now; its rows are there to find.
        with transaction.atomic():
            return announcing()


def _announce(
    sender: Sender,
    files: Sequence[Announced],
    uploader_name: str,
    *,
    takes_new: bool,
    is_bounded: bool,
) -> list[Ticket]:
    known = _known_uploads(sender, files)
    tickets = []
    for file in files:
        before = _recall(known, file)
        if before is not None:
            tickets.append(Ticket(before, was_known=True))
            continue
        if not takes_new:
            raise TakesNothingNew
        upload = _new_upload(sender, file, uploader_name=uploader_name)
        _remember(known, upload)
        tickets.append(Ticket(upload))
    fresh = [ticket.upload for ticket in tickets if not ticket.was_known]
    if fresh and is_bounded:
        _refuse_too_many(sender, fresh)
    if fresh and sender.invitation is not None:
        byte_count = sum(upload.declared_byte_size for upload in fresh)
        quota.reserve(sender.invitation, files=len(fresh), byte_count=byte_count)
    Image.objects.bulk_create([upload.image for upload in fresh])
    Upload.objects.bulk_create(fresh)
    return tickets


def _refuse_too_many(sender: Sender, fresh: list[Upload]) -> None:
    """Rows cost nothing to ask for and stay a day: nobody needs many before sending some."""
    pending = Upload.objects.sent_by(sender.key).filter(status=Upload.Status.PENDING)
    room = settings.UPLOADS_PENDING_MAX - len(fresh)
    if pending[: room + 1].count() > room:
        raise TooManyPending


# --- Replace --------------------------------------------------------------------------------


def replace(
    image: Image,
    file: Announced,
    *,
    sender_key: str,
    expected: dict[str, Any] | None = None,
) -> Ticket:
    """Another version of a photo: what it shows stays until the new bytes are DONE.

    The caller sends and completes it like any upload; `expected` is what the row must still say.
    Raises quota.Exhausted, ClientIdTaken, ChangedMeanwhile.
    """
    for _ in range(REPLACE_TRIES):
        if (known := _known_replacement(image, file, sender_key=sender_key)) is not None:
            return Ticket(known, was_known=True)
        with contextlib.suppress(IntegrityError), transaction.atomic():
            # Two at once take the same number; the loser counts again.
            return Ticket(_new_version(image, file, sender_key=sender_key, expected=expected or {}))
    raise ClientIdTaken


def _known_replacement(image: Image, file: Announced, *, sender_key: str) -> Upload | None:
    if not file.client_id:
        return None
    found = Upload.objects.sent_by(sender_key).filter(client_id=file.client_id).first()
    if found is not None and (found.image_id != image.pk or found.version == 1):
        raise ClientIdTaken
    return found


def _new_version(
    image: Image, file: Announced, *, sender_key: str, expected: dict[str, Any]
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
        sender=sender_key,
        client_id=file.client_id,
        filename=file.filename,
        declared_content_type=file.content_type or UNKNOWN_CONTENT_TYPE,
        declared_byte_size=file.byte_size,
        declared_sha256=file.sha256,
        declared_last_modified=file.last_modified,
    )


def _new_upload(sender: Sender, file: Announced, *, uploader_name: str) -> Upload:
    image = Image(
        group=sender.group,
        invitation=sender.invitation,
        uploaded_by=sender.user,
        sender=sender.key,
        uploader_name=uploader_name or sender.name,
        original_filename=file.filename,
        description=file.description,
        moderation=(
            Image.Moderation.PENDING
            if sender.invitation is not None and not sender.invitation.trusted
            else Image.Moderation.APPROVED
        ),
    )
    return Upload(
        id=image.pk,  # the first upload's id is the image's, so /images/{id}/ works at once
        image=image,
        sender=sender.key,
        client_id=file.client_id,
        declared_content_type=file.content_type or UNKNOWN_CONTENT_TYPE,
        declared_byte_size=file.byte_size,
        declared_sha256=file.sha256,
        declared_last_modified=file.last_modified,
    )


_Mark = tuple[str, str]  # ("client_id", …) or ("sha256", "…:size")


def _known_uploads(sender: Sender, files: Sequence[Announced]) -> dict[_Mark, Upload]:
    """Replacements among them, and of photos that were moved: their client_ids are spent too."""
    client_ids = [file.client_id for file in files if file.client_id]
    hashes = [file.sha256 for file in files if file.sha256] if sender.is_known_again else []
    mine = Upload.objects.sent_by(sender.key)
    known: dict[_Mark, Upload] = {}
    if hashes:
        here = mine.filter(_here(), image__group=sender.group, declared_sha256__in=hashes)
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


# --- Sign -----------------------------------------------------------------------------------


def sign(upload: Upload) -> SignedRequest:
    """The PUT of the whole file. Arithmetic only. Raises NotPending."""
    if upload.status != Upload.Status.PENDING:
        raise NotPending
    return photo_storage().presign_put(
        upload.incoming_key,
        content_type=upload.declared_content_type,
        byte_size=upload.declared_byte_size,
    )


def sign_part(upload: Upload, *, number: int) -> SignedRequest:
    """The PUT of part `number`, from 1. The first call opens the multipart upload.

    Raises NotPending, NotMultipart, NoSuchPart, StorageUnavailable.
    """
    if upload.status != Upload.Status.PENDING:
        raise NotPending
    if not upload.is_multipart:
        raise NotMultipart
    if not 1 <= number <= upload.part_count:
        raise NoSuchPart
    return photo_storage().presign_part(
        upload.incoming_key,
        multipart_id=_multipart_id(upload),
        number=number,
        byte_size=upload.part_size(number),
    )


def _multipart_id(upload: Upload) -> str:
    if upload.multipart_id is None:
        storage, key = photo_storage(), upload.incoming_key
        mine = storage.create_multipart(key, content_type=upload.declared_content_type)
        won = (
            Upload.objects.pending()
            .filter(pk=upload.pk, multipart_id=None)
            .update(multipart_id=mine)
        )
        if not won:
            storage.abort_multipart(key, multipart_id=mine)
        upload.refresh_from_db(fields=["multipart_id", "status"])
    if upload.multipart_id is None:
        raise NotPending
    return upload.multipart_id


def arrived_parts(upload: Upload) -> list[StoredPart]:
    """Parts the bucket holds in full. Empty before the first, and for a single PUT."""
    if upload.multipart_id is None:
        return []
    try:
        listed = photo_storage().list_parts(upload.incoming_key, multipart_id=upload.multipart_id)
    except ObjectMissing:
        # Joined by another call, or dropped by a rule of the bucket: HEAD will tell which.
        _forget_multipart(upload)
        return []
    return [
        part
        for part in listed
        if 1 <= part.number <= upload.part_count and part.byte_size == upload.part_size(part.number)
    ]


# --- Complete -------------------------------------------------------------------------------


def complete(upload: Upload) -> bool:
    """Believe the bucket, not the browser: queue the photo once its bytes have arrived.

    Safe to call twice; True if this call made the move. Raises NotArrived, SizeMismatch,
    StorageUnavailable, and NotPending for a discarded upload.
    """
    if upload.status == Upload.Status.DISCARDED:
        raise NotPending
    if upload.status != Upload.Status.PENDING:
        return False
    is_joined = _join_parts(upload)
    try:
        stored = photo_storage().head(upload.incoming_key)
    except ObjectMissing:
        missing = _missing_parts(upload)
        if _is_past_pending(upload):
            return False  # another call and a quick worker were faster
        raise NotArrived(missing) from None
    if stored.byte_size != upload.declared_byte_size:
        if _is_past_pending(upload):
            return False  # others are there by now, and were accepted
        photo_storage().delete_keys([upload.incoming_key])
        _forget_multipart(upload)
        raise SizeMismatch
    if not accept(upload):
        return not _is_past_pending(upload, or_raise=True)
    if not is_joined:
        _drop_parts(upload)
    return True


def _is_past_pending(upload: Upload, *, or_raise: bool = False) -> bool:
    """Raises NotPending if it was discarded meanwhile, or, if so wished, is pending still."""
    upload.refresh_from_db(fields=["status"])
    is_pending = upload.status == Upload.Status.PENDING
    if upload.status == Upload.Status.DISCARDED or (is_pending and or_raise):
        raise NotPending
    return not is_pending


def _join_parts(upload: Upload) -> bool:
    """Finish the multipart upload from what ListParts says, never from the browser's list.

    False if it is not whole: what is there of it is of no use to bytes that came another way.
    """
    if upload.multipart_id is None:
        return True
    parts = arrived_parts(upload)
    is_whole = len(parts) == upload.part_count
    if is_whole:
        # Gone: another call finished it meanwhile. HEAD decides.
        with contextlib.suppress(ObjectMissing):
            photo_storage().complete_multipart(
                upload.incoming_key, multipart_id=upload.multipart_id, parts=parts
            )
    return is_whole


def _drop_parts(upload: Upload) -> None:
    """Of bytes that arrived as a whole in another way: by the plain form, for one."""
    parts = doomed.note_parts(upload)
    with contextlib.suppress(StorageUnavailable):  # the sweeper does it
        photo_storage().abort_multipart(upload.incoming_key, multipart_id=upload.multipart_id or "")
        parts.delete()


def _missing_parts(upload: Upload) -> list[int]:
    if not upload.is_multipart:
        return []
    here = {part.number for part in arrived_parts(upload)}
    return [number for number in range(1, upload.part_count + 1) if number not in here]


def _forget_multipart(upload: Upload) -> None:
    """The next signature opens a new multipart upload, unless somebody opened one already."""
    Upload.objects.pending().filter(pk=upload.pk, multipart_id=upload.multipart_id).update(
        multipart_id=None
    )


def accept(upload: Upload) -> bool:
    """PENDING -> QUEUED, unless its link was revoked meanwhile. The winner rings the worker."""
    # Not joined: Django turns that into `WHERE id IN (SELECT …)`, and who waited for the row would
    # look at the status it had before.
    revoked = Image.objects.filter(pk=OuterRef("image"), invitation__revoked_at__isnull=False)
    # What a member sends for a guest's photo came by no link.
    return _queue(upload, unless=Q(sender__startswith=BY_INVITATION) & Exists(revoked))


def recover(upload: Upload) -> bool:
    """To QUEUED where the bucket holds the finished photo: an older database was restored, for
    which it never arrived, or ended without one. By a link that was revoked since, too. True if
    this call made the move. Raises StorageUnavailable.
    """
    if versions.find_stored(versions.keys_of(upload.image, upload.version)) is None:
        return False
    if upload.status == Upload.Status.PENDING:
        return _queue(upload)
    with transaction.atomic():
        won = Upload.objects.filter(pk=upload.pk, status=upload.status).update(
            **QUEUED_AGAIN, duplicate_of=None, sha256=""
        )
        if won:
            if upload.image.invitation is not None:
                quota.reserve_regardless(upload)
            transaction.on_commit(partial(doorbell.ring, upload.pk))
    return bool(won)


def _queue(upload: Upload, *, unless: Any = NEVER) -> bool:
    with transaction.atomic():
        won = (
            Upload.objects.pending()
            .filter(~unless, pk=upload.pk)
            .update(status=Upload.Status.QUEUED, arrived_at=Now(), queued_at=Now())
        )
        if won:
            transaction.on_commit(partial(doorbell.ring, upload.pk))
    return bool(won)


# --- Again ----------------------------------------------------------------------------------


def retry(upload: Upload) -> bool:
    """FAILED -> QUEUED with its bytes and all its attempts. True if this call made the move.

    Raises BytesGone, quota.Exhausted, StorageUnavailable.
    """
    if upload.failure not in KEEP_BYTES:
        raise BytesGone
    try:
        photo_storage().head(upload.incoming_key)
    except ObjectMissing:
        # In an older database that was restored, it failed; in the bucket it was done since.
        if versions.find_stored(versions.keys_of(upload.image, upload.version)) is None:
            raise BytesGone from None
    with transaction.atomic():
        won = Upload.objects.filter(pk=upload.pk, status=Upload.Status.FAILED).update(
            **QUEUED_AGAIN
        )
        if won:
            if upload.image.invitation is not None:
                quota.reserve(
                    upload.image.invitation, files=1, byte_count=upload.declared_byte_size
                )
            transaction.on_commit(partial(doorbell.ring, upload.pk))
    return bool(won)


# --- Give up --------------------------------------------------------------------------------


def discard(upload: Upload) -> bool:
    """PENDING -> DISCARDED, quota returned, whatever arrived of it removed. Safe to call twice.

    True if this call made the move. Raises StorageUnavailable after the move. What is left,
    or comes later by a URL that is still signed, images.strays and images.doomed remove.
    """
    with transaction.atomic():
        won = (
            Upload.objects.pending()
            .filter(pk=upload.pk)
            .update(status=Upload.Status.DISCARDED, finished_at=Now())
        )
        if won:
            quota.give_back(upload)
            upload.refresh_from_db(fields=["multipart_id"])
            parts = doomed.note_parts(upload) if upload.multipart_id is not None else None
    if won:
        if upload.multipart_id is not None:
            photo_storage().abort_multipart(upload.incoming_key, multipart_id=upload.multipart_id)
        photo_storage().delete_keys([upload.incoming_key])
        if parts is not None:
            parts.delete()
    return bool(won)


def is_type_acceptable(content_type: str) -> bool:
    """Whether the declared type may become a photo. Only a hint: workers look at the bytes."""
    return content_type in {"", UNKNOWN_CONTENT_TYPE} | formats.ACCEPTED_CONTENT_TYPES


def is_size_acceptable(byte_size: int) -> bool:
    return 0 < byte_size <= int(settings.UPLOAD_MAX_BYTES)
