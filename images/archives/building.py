"""Builds an archive: writes the ZIP to the bucket as a multipart upload, part by part.

Names, order and sizes are decided before the first part. So the place of each byte is known, and a
worker that takes over goes on behind the last part that arrived. A photo that leaves the group
meanwhile ends the claim (a trigger counts `build_number` up), and the archive is begun anew.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone

from bandpics import stopping
from images.archives import claims, preparing
from images.archives.ordering import CONTENT_TYPE
from images.archives.zip_stream import Unreadable, ZipStream
from images.models import Archive
from images.processing.claims import LEASES_LOST, TRANSIENT_ERRORS
from images.storage.objects import ObjectChanged, ObjectMissing, photo_storage
from invitations import outbox
from invitations.models import OutgoingMail

if TYPE_CHECKING:
    from concurrent.futures import Future
    from datetime import datetime
    from uuid import UUID

    from images.archives.preparing import Members
    from images.storage.multipart import StoredPart

logger = logging.getLogger(__name__)

MIB = 1024 * 1024
# S3 takes no more than 10,000 parts, none above 5 GiB; three of them are held in memory.
PART_BYTES, PARTS_AT_MOST = 8 * MIB, 10_000
# How often one attempt begins anew, where the store lacks something.
STARTS = 3
# How often the row is told how far it is, and asked whether somebody else has the archive.
SAY_EACH_SECONDS = 0.5


def build(archive_id: UUID, *, seconds: float) -> bool:
    """Builds one archive for about so many seconds. Safe to call twice, or at the same time.

    False if it is to be built on. Trouble with the database, the bucket or the disk releases the
    claim, counts no attempt, and is raised.
    """
    photo_storage().raise_if_open()
    claim = claims.claim(archive_id)
    if claim is None:
        return True
    try:
        with claims.renewed_lease(claim):
            _Build(claim, stop_at=time.monotonic() + seconds).run()
    except claims.ClaimLost:
        # Where a photo left the group, the archive waits to be begun anew.
        is_begun_anew = Archive.objects.filter(pk=archive_id, state=Archive.State.QUEUED).exists()
        if not is_begun_anew:
            LEASES_LOST.inc(kind="archive")
        return not is_begun_anew
    except (OutOfTime, preparing.Postponed):
        claim.release()
        return False
    except TRANSIENT_ERRORS:
        claim.release()
        raise
    except Exception:  # a bug: the attempt counts, or it would be tried for ever
        logger.exception("Archive %s: attempt %s failed", archive_id, claim.archive.attempts)
        if not connection.in_atomic_block:
            connection.close()  # a time limit may have struck within a query
        claim.give_up()
    return True


class OutOfTime(Exception):
    """Others have their turn, or this worker stops; what was written stays."""


@dataclass
class _Build:
    claim: claims.Claim
    stop_at: float
    said_at: float = 0.0

    def run(self) -> None:
        """Raises OutOfTime, ClaimLost, StorageUnavailable."""
        archive = self.claim.archive
        if not archive.multipart_id and not preparing.prepare(self.claim):
            return
        for remaining in reversed(range(STARTS)):
            try:
                self._write(preparing.members(archive))
            except (ObjectMissing, ObjectChanged, Unreadable) as error:
                if not remaining:
                    raise
                self._start_anew()
                if not isinstance(error, Unreadable):
                    # The store does not have what the database says; the manifest will say so.
                    preparing.measure_all(self.claim)
            else:
                return

    def _write(self, members: Members) -> None:
        archive, storage = self.claim.archive, photo_storage()
        stream = ZipStream(storage, members.list, members.closing, members.closing_lines)
        part_bytes = max(PART_BYTES, -(-stream.byte_size // PARTS_AT_MOST))
        if not archive.multipart_id:
            self._begin(stream.byte_size)
        elif archive.total_bytes != stream.byte_size:
            raise Unreadable
        parts = self._parts_there(stream.byte_size, part_bytes)
        if parts is None:  # by a worker that died before it could say so
            self._finish()
            return
        written = sum(part.byte_size for part in parts)
        with (
            stream.parts(part_bytes=part_bytes, first=len(parts)) as made,
            ThreadPoolExecutor(1, "archive-write") as pool,
        ):
            sending: Future[None] | None = None
            for number, part in enumerate(made, start=len(parts) + 1):
                # First: who takes over needs the CRCs of all that was written.
                members.store_hashes()
                if sending is not None:  # the memory of that part is used again
                    sending.result()
                    self._say(written)
                written += len(part)
                sending = pool.submit(self._send, number, part)
            if sending is not None:
                sending.result()
        self._complete(stream.byte_size)

    def _begin(self, byte_size: int) -> None:
        archive, storage = self.claim.archive, photo_storage()
        multipart_id = storage.create_multipart(archive.key, content_type=CONTENT_TYPE)
        try:
            self.claim.update(multipart_id=multipart_id, total_bytes=byte_size, written_bytes=0)
        except claims.ClaimLost:
            storage.abort_multipart(archive.key, multipart_id=multipart_id)
            raise

    def _parts_there(self, byte_size: int, part_bytes: int) -> list[StoredPart] | None:
        """Returns the parts to go on behind; None if the ZIP is complete."""
        archive, storage = self.claim.archive, photo_storage()
        try:
            found = storage.list_parts(archive.key, multipart_id=archive.multipart_id)
        except ObjectMissing:
            if self._is_complete(byte_size):
                return None
            raise Unreadable from None  # the store has forgotten it
        parts = []
        for number, part in enumerate(found, start=1):
            left = byte_size - (number - 1) * part_bytes
            if part.number != number or part.byte_size != min(part_bytes, left):
                break
            parts.append(part)
        return parts

    def _say(self, written: int) -> None:
        """Writes the progress, now and then. Raises ClaimLost, OutOfTime."""
        now = time.monotonic()
        if now - self.said_at > SAY_EACH_SECONDS or now > self.stop_at:
            self.claim.update(written_bytes=written)
            self.said_at = now
        if now > self.stop_at or stopping.is_asked():
            raise OutOfTime

    def _send(self, number: int, part: memoryview) -> None:
        archive = self.claim.archive
        try:
            photo_storage().put_part(
                archive.key, multipart_id=archive.multipart_id, number=number, content=part
            )
        except ObjectMissing:
            raise Unreadable from None

    def _complete(self, byte_size: int) -> None:
        archive, storage = self.claim.archive, photo_storage()
        self.claim.update(written_bytes=byte_size)
        try:
            parts = storage.list_parts(archive.key, multipart_id=archive.multipart_id)
            storage.complete_multipart(archive.key, multipart_id=archive.multipart_id, parts=parts)
        except ObjectMissing:
            if not self._is_complete(byte_size):
                raise Unreadable from None
        self._finish()

    def _is_complete(self, byte_size: int) -> bool:
        try:
            return photo_storage().head(self.claim.archive.key).byte_size == byte_size
        except ObjectMissing:
            return False

    def _finish(self) -> None:
        archive = self.claim.archive
        expires_at = timezone.now() + settings.ARCHIVE_LIFETIME
        with transaction.atomic():
            won = self.claim.rows().update(
                state=Archive.State.READY,
                lease_until=None,
                multipart_id="",
                written_bytes=archive.total_bytes,
                ready_at=Now(),
                expires_at=expires_at,
            )
            if won:
                _mail(archive, expires_at)
        if not won:
            # A photo left the group at this moment: what was just made must not stay.
            photo_storage().delete_keys([archive.key])
            raise claims.ClaimLost

    def _start_anew(self) -> None:
        """Drops what was written, so that nothing of another layout is mixed with it."""
        archive = self.claim.archive
        old_key, old_id = archive.key, archive.multipart_id
        self.claim.update(build_number=archive.build_number + 1, multipart_id="", written_bytes=0)
        archive.entries.update(crc32=None)
        if old_id:
            photo_storage().abort_multipart(old_key, multipart_id=old_id)
            photo_storage().delete_keys([old_key])


def _mail(archive: Archive, expires_at: datetime) -> None:
    """Queues mails to the members who wanted one."""
    details = {
        "path": reverse("group-download", args=[archive.group_id]),
        "photo_count": archive.file_count,
        "byte_size": archive.total_bytes,
        "expires_at": expires_at.isoformat(),
    }
    for order in archive.orders.filter(wants_mail=True).select_related("user"):
        if order.user is not None:
            outbox.enqueue_to_member(
                OutgoingMail.Kind.ARCHIVE,
                order.user,
                archive.group,
                language=order.language,
                details=details,
            )
