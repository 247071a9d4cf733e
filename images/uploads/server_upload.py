"""Photos whose bytes come through the server: by a form, or inside JSON. From here on they go the
way of all others: announced, put into quarantine, completed."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO

from images.models import Upload
from images.storage.objects import StorageUnavailable, photo_storage
from images.uploads import announce, transfer

if TYPE_CHECKING:
    from images.access import Uploader
    from images.models import Image, UploaderKey
    from images.uploads.announce import Announced, Ticket

CHUNK_BYTES = 1024 * 1024


def take(
    uploader: Uploader, file: BinaryIO, described: Announced, *, uploader_name: str = ""
) -> Upload:
    """Make a photo of the rest of a seekable file. The same bytes of the same uploader again are
    the same upload.

    Raises quota.Exhausted, StorageUnavailable.
    """
    described = _hashed(file, described)
    (ticket,) = announce.create_announced(
        uploader, [described], uploader_name=uploader_name, bytes_are_here=True
    )
    return _send(ticket, file)


def replace_file(
    image: Image,
    file: BinaryIO,
    described: Announced,
    *,
    uploader: UploaderKey,
    expected: dict[str, Any] | None = None,
) -> Upload:
    """As uploads.replace, with the bytes. Raises as it does, and StorageUnavailable."""
    described = _hashed(file, described)
    ticket = announce.replace(image, described, uploader=uploader, expected=expected)
    return _send(ticket, file)


def _hashed(file: BinaryIO, described: Announced) -> Announced:
    hashed = hashlib.sha256()
    while chunk := file.read(CHUNK_BYTES):
        hashed.update(chunk)
    file.seek(0)
    return replace(described, sha256=hashed.hexdigest())


def _send(ticket: Ticket, file: BinaryIO) -> Upload:
    upload = ticket.upload
    if upload.status != Upload.Status.PENDING:
        return upload
    try:
        photo_storage().put_stream(
            upload.incoming_key,
            file,
            byte_size=upload.declared_byte_size,
            content_type=upload.declared_content_type,
        )
        transfer.complete(upload)
    except (
        *(StorageUnavailable, transfer.NotArrived),
        *(transfer.SizeMismatch, transfer.NotPending),
    ) as error:
        if not ticket.was_known:
            with suppress(StorageUnavailable):
                transfer.discard(upload)
        raise StorageUnavailable("The photo could not be stored.") from error
    upload.refresh_from_db()
    return upload
