"""Uploads whose bytes come through this server, by a form or inside JSON: announced, put into
quarantine and completed like all others."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO

from images.models import Upload
from images.storage.objects import StorageUnavailable, photo_storage
from images.uploads import announce, transfer

if TYPE_CHECKING:
    from groups.models import Licence
    from images.access import Uploader
    from images.models import Image, UploaderKey
    from images.uploads.announce import Announced, Ticket


def take(
    uploader: Uploader,
    file: BinaryIO,
    described: Announced,
    *,
    uploader_name: str = "",
    licence: Licence | None = None,
) -> Upload:
    """Creates a queued upload from the rest of a seekable file. The same bytes from the same
    uploader are the same upload.

    Raises quota.Exhausted, StorageUnavailable.
    """
    described = _hashed(file, described)
    (ticket,) = announce.create_announced(
        uploader,
        [described],
        uploader_name=uploader_name,
        bytes_are_here=True,
        licence=licence,
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
    """Creates a queued replacement. Raises like announce.replace(), and StorageUnavailable."""
    described = _hashed(file, described)
    ticket = announce.replace(image, described, uploader=uploader, expected=expected)
    return _send(ticket, file)


def _hashed(file: BinaryIO, described: Announced) -> Announced:
    sha256 = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # it reads
    file.seek(0)
    return replace(described, sha256=sha256)


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
    except (StorageUnavailable, transfer.CannotComplete) as error:
        if not ticket.was_known:
            with suppress(StorageUnavailable):
                transfer.discard(upload)
        raise StorageUnavailable("The photo could not be stored.") from error
    upload.refresh_from_db()
    return upload
