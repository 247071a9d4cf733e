"""Decides, for the worker that begins an archive, its files, their names and sizes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC
from typing import TYPE_CHECKING

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from images.archives import claims, content, manifest
from images.archives.ordering import expected_bytes
from images.archives.zip_stream import Member
from images.models import Archive, ArchiveEntry
from images.processing.outcomes import FAILURES
from images.storage.objects import ObjectMissing, photo_storage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from images.archives.claims import Claim
    from images.archives.content import File

BATCH = 1000
HEADS_AT_ONCE = 8


class Postponed(Exception):
    """Another archive with the same files is being built: this one is the next to try."""


def prepare(claim: Claim) -> bool:
    """Writes the entries of an archive that was not begun. False if nothing is left to be in it.

    Raises ClaimLost, Postponed.
    """
    archive = claim.archive
    while True:
        files = _files(archive)
        if not files:
            claim.update(
                state=Archive.State.FAILED,
                failure=claims.EMPTY,
                lease_until=None,
                expires_at=timezone.now(),
            )
            FAILURES.inc(kind="archive", reason=claims.EMPTY)
            return False
        fingerprint = content.fingerprint(files)
        _write(claim, files, fingerprint)
        # A photo that left before the entries were committed is found now, a later one by triggers.
        if content.fingerprint(_files(archive)) == fingerprint:
            break
    _measure(claim, [file.key for file in files if not file.is_size_known])
    return True


def _files(archive: Archive) -> list[File]:
    return list(content.files(archive.group, archive.what, for_guests=archive.for_guests))


def _write(claim: Claim, files: list[File], fingerprint: str) -> None:
    archive = claim.archive
    try:
        with transaction.atomic():
            claim.update(
                fingerprint=fingerprint,
                file_count=sum(1 for file in files if file.key),
                total_bytes=expected_bytes(files),
            )
            archive.entries.all().delete()
            ArchiveEntry.objects.bulk_create(
                (
                    ArchiveEntry(
                        archive=archive,
                        position=position,
                        image_id=file.image_id,
                        version=file.version,
                        key=file.key,
                        name=file.name,
                        byte_size=file.byte_size,
                        sha256=file.sha256,
                        modified=file.modified.replace(tzinfo=UTC),
                        row=file.row,
                    )
                    for position, file in enumerate(files)
                ),
                batch_size=BATCH,
            )
    except IntegrityError:
        raise Postponed from None


def measure_all(claim: Claim) -> None:
    """Asks the store for the size of every file; what it does not have is left out."""
    keys = claim.archive.entries.exclude(key="").values_list("key", flat=True)
    _measure(claim, list(keys))


def _measure(claim: Claim, keys: list[str]) -> None:
    if not keys:
        return
    storage = photo_storage()

    def size_of(key: str) -> int | None:
        try:
            return storage.head(key).byte_size or None
        except ObjectMissing:
            return None

    entries = claim.archive.entries
    _ = storage.client  # made here, not in one of the threads
    with ThreadPoolExecutor(HEADS_AT_ONCE, thread_name_prefix="archive-head") as pool:
        for key, size in zip(keys, pool.map(size_of, keys), strict=True):
            if size is not None:
                entries.filter(key=key).exclude(byte_size=size).update(byte_size=size, sha256="")
                continue
            for entry in entries.filter(key=key):
                entry.row[NOTE] = manifest.MISSING
                entry.key, entry.byte_size, entry.sha256 = "", 0, ""
                entry.save(update_fields=["key", "byte_size", "sha256", "row"])
    claim.update(file_count=entries.exclude(key="").count())


NOTE = manifest.COMMON.index("note") - 2  # within the columns after path and SHA-256


@dataclass
class Members:
    """The files of an archive, and the manifest at its end."""

    archive: Archive
    list: list[Member]
    closing: Member = field(init=False)
    _stored: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        while self._stored < len(self.list) and self.list[self._stored].crc32 is not None:
            self._stored += 1
        self.closing = Member(
            name=manifest.NAME,
            key="",
            byte_size=sum(map(len, self._lines({}))),
            modified=self.archive.created_at.astimezone(self.archive.group.zone),
        )

    def closing_lines(self) -> Iterator[bytes]:
        return self._lines({member.name: member.sha256 for member in self.list})

    def store_hashes(self) -> None:
        """Writes the CRC and SHA-256 of the files read since the last call."""
        first = self._stored
        while self._stored < len(self.list) and self.list[self._stored].crc32 is not None:
            self._stored += 1
        read = self.list[first : self._stored]
        if not read:
            return
        columns = zip(*((each.name, each.crc32, each.sha256) for each in read), strict=True)
        with connection.cursor() as cursor:
            # One statement: bulk_update() makes four, for each part that is written.
            cursor.execute(
                f"UPDATE {ArchiveEntry._meta.db_table} entry"  # noqa: S608 - our own name
                " SET crc32 = read.crc32, sha256 = read.sha256"
                " FROM unnest(%s::text[], %s::bigint[], %s::text[]) AS read (name, crc32, sha256)"
                " WHERE entry.archive_id = %s AND entry.name = read.name",
                [*map(list, columns), self.archive.pk],
            )

    def _lines(self, hashes: dict[str, str]) -> Iterator[bytes]:
        """Yields lines that are as long before the hashes are known."""
        rows = self.archive.entries.order_by("position").values_list("key", "name", "row")
        unknown = "0" * manifest.HASH_LENGTH
        return manifest.lines(
            (
                (name, hashes.get(name, unknown), row) if key else ("", "", row)
                for key, name, row in rows.iterator(chunk_size=BATCH)
            ),
            for_guests=self.archive.for_guests,
        )


def members(archive: Archive) -> Members:
    """Returns the files in the order of the archive."""
    rows = archive.entries.exclude(key="").order_by("position")
    columns = ("name", "key", "byte_size", "modified", "crc32", "sha256")
    found = rows.values_list(*columns).iterator(chunk_size=BATCH)
    return Members(archive, [Member(*row) for row in found])
