"""The bucket as the application uses it: keys and bytes; it knows nothing of photos."""

from __future__ import annotations

import hashlib
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - of a dataclass
from email.utils import parsedate_to_datetime
from functools import cached_property, partial
from itertools import chain, pairwise
from typing import TYPE_CHECKING, BinaryIO, cast

from botocore.exceptions import ClientError
from botocore.response import StreamingBody
from django.core.files.storage import storages

from images.storage.client import ObjectChanged, ObjectMissing, Operation, StorageUnavailable
from images.storage.multipart import MultipartUploads
from images.storage.presign import PresignedRequests

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

__all__ = [
    "ObjectChanged",
    "ObjectMissing",
    "PhotoStorage",
    "StorageUnavailable",
    "StoredObject",
    "photo_storage",
]

CHUNK_BYTES = 1024 * 1024
PUTS_AT_ONCE = 5  # the original and its sizes
DELETE_BATCH = 1000  # S3 DeleteObjects takes no more keys
NO_BATCHES = {"NotImplemented", "MethodNotAllowed"}  # what stores without it answer


@dataclass(frozen=True)
class StoredObject:
    key: str
    byte_size: int
    modified_at: datetime


class PhotoStorage(MultipartUploads, PresignedRequests):
    """Objects of the bucket. Every method but the presigning ones raises StorageUnavailable."""

    def head(self, key: str) -> StoredObject:
        """Raises ObjectMissing."""
        with self.guarded(Operation.HEAD):
            found = self.send("HEAD", key).headers
        modified_at = parsedate_to_datetime(found["Last-Modified"])
        return StoredObject(key, int(found["Content-Length"]), modified_at)

    def download(self, key: str, into: Path) -> str:
        """Copies the object to a file; returns the hex SHA-256 of what was written.

        Raises ObjectMissing, and OSError if the disk is full.
        """
        hashed = hashlib.sha256()
        with self.guarded(Operation.GET):
            found = self.send("GET", key, is_streamed=True)
            # Raises if there is less of it than was announced.
            body = StreamingBody(found.raw, found.headers.get("Content-Length"))
            with closing(body), into.open("wb") as file:
                for chunk in body.iter_chunks(CHUNK_BYTES):
                    hashed.update(chunk)
                    file.write(chunk)
        return hashed.hexdigest()

    def read_into(
        self, key: str, memory: Iterable[memoryview], *, start: int, stop: int, byte_size: int
    ) -> Iterator[memoryview]:
        """Reads the bytes from `start` up to `stop` of an object of this size into pieces of
        memory that are as long together. Yields each once it is filled.

        Raises ObjectMissing, and ObjectChanged if it has another size.
        """
        with self.guarded(Operation.GET):
            try:
                asked = {"Range": f"bytes={start}-{stop - 1}"}
                found = self.send("GET", key, headers=asked, is_streamed=True)
            except ClientError as error:
                if error.response["Error"]["Code"] in {"InvalidRange", "416"}:
                    raise ObjectChanged(key) from error
                raise
            # Raises if there is less of it than was announced.
            body = StreamingBody(found.raw, found.headers.get("Content-Length"))
            with closing(body):
                if found.headers.get("Content-Range") != f"bytes {start}-{stop - 1}/{byte_size}":
                    raise ObjectChanged(key)
                for piece in memory:
                    filled = 0
                    while filled < len(piece):
                        filled += body.readinto(piece[filled:])
                    yield piece

    def put_file(self, key: str, path: Path, *, content_type: str) -> None:
        """Writes a whole file under `key`, replacing what was there."""
        headers = {"Content-Length": str(path.stat().st_size), "Content-Type": content_type}
        with self.guarded(Operation.PUT):
            self.send("PUT", key, headers=headers, body=partial(_chunks, path))

    def put_files(self, files: Iterable[tuple[str, Path, str]]) -> None:
        """Puts each (key, path, content type), at least one, all at once: a store takes its time
        for each, whatever its size. Raises when all have ended, if any failed."""

        def put(key: str, path: Path, content_type: str) -> None:
            self.put_file(key, path, content_type=content_type)

        _ = self._request_signer  # its client is made here, not in one of the threads
        *others, last = files
        started = [self._threads.submit(put, *file) for file in others]
        try:
            put(*last)
        finally:
            wait(started)  # whatever ends this, a time limit for one: no byte is written later
        for done in started:
            done.result()

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        """Kept from photo to photo. Made after a worker has forked: its parent never writes."""
        return ThreadPoolExecutor(PUTS_AT_ONCE - 1, thread_name_prefix="put")

    def put_stream(self, key: str, file: BinaryIO, *, byte_size: int, content_type: str) -> None:
        """Writes what is left to read of a seekable file under `key`."""
        with self.guarded(Operation.PUT):
            self.client.put_object(
                Bucket=self.bucket_name,
                Key=key,
                Body=file,
                ContentLength=byte_size,
                ContentType=content_type,
            )

    def copy(self, key: str, target: str) -> None:
        """Copies an object within the bucket; no byte passes here. Raises ObjectMissing."""
        source = {"Bucket": self.bucket_name, "Key": key}
        with self.guarded(Operation.COPY):
            self.client.copy_object(Bucket=self.bucket_name, Key=target, CopySource=source)

    def copy_all(self, targets: Mapping[str, str]) -> None:
        """Copies each object to its target, some at once. After one that fails no other is begun.

        Raises ObjectMissing.
        """
        started = [self._threads.submit(self.copy, *pair) for pair in targets.items()]
        try:
            wait(started, return_when=FIRST_EXCEPTION)
        finally:
            for each in started:
                each.cancel()
            wait(started)  # whatever ends this: no object is written later
        for done in started:
            if not done.cancelled():
                done.result()

    def delete_keys(self, keys: Iterable[str]) -> None:
        """Removes objects; those that are gone already are fine."""
        wanted = list(keys)
        if len(wanted) == 1:
            # Most stores answer 204 for one that is gone, some 404.
            with suppress(ObjectMissing), self.guarded(Operation.DELETE):
                self.send("DELETE", wanted[0])
            return
        for start in range(0, len(wanted), DELETE_BATCH):
            batch = [{"Key": key} for key in wanted[start : start + DELETE_BATCH]]
            with self.guarded(Operation.DELETE):
                try:
                    answer = self.client.delete_objects(
                        Bucket=self.bucket_name, Delete={"Objects": batch, "Quiet": True}
                    )
                except ClientError as error:
                    if error.response["Error"]["Code"] not in NO_BATCHES:
                        raise
                    answer = self._delete_each(batch)
            failed = [row for row in answer.get("Errors", []) if row.get("Code") != "NoSuchKey"]
            if failed:
                raise StorageUnavailable(f"{len(failed)} objects could not be deleted.")

    def _delete_each(self, batch: list[dict[str, str]]) -> dict[str, list[dict[str, str]]]:
        """Answers as DeleteObjects does, for stores that have none, such as Google's. Raises
        botocore's errors."""
        failed = []
        for each in batch:
            try:
                self.send("DELETE", each["Key"])
            except ClientError as error:
                code = str(error.response["Error"]["Code"])
                failed.append({**each, "Code": "NoSuchKey" if code == "404" else code})
        return {"Errors": failed}

    def list_keys(self, prefix: str) -> Iterator[StoredObject]:
        with self.guarded(Operation.LIST):
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket_name, Prefix=prefix
            )
            for page in pages:
                for row in page.get("Contents", []):
                    yield StoredObject(row["Key"], row["Size"], row["LastModified"])

    # --- Versions that the store keeps ------------------------------------------------------

    def keeps_versions(self) -> bool:
        """Returns whether the bucket keeps versions (S3 GetBucketVersioning); False, too, if the
        store does not know them. Raises StorageUnavailable, also if the key may not ask."""
        try:
            with self.guarded(Operation.CHECK):
                found = self.client.get_bucket_versioning(Bucket=self.bucket_name)
        except (StorageUnavailable, ObjectMissing) as error:
            cause = error.__cause__
            if isinstance(cause, ClientError) and _is_unknown_to_the_store(cause):
                return False
            raise
        return found.get("Status") in {"Enabled", "Suspended"}

    def deleted_since(self, moment: datetime) -> Iterator[tuple[str, str]]:
        """Yields key and version of each delete marker since then. An object that was deleted twice
        has two."""
        with self.guarded(Operation.LIST):
            pages = self.client.get_paginator("list_object_versions").paginate(
                Bucket=self.bucket_name
            )
            # The next page is asked for by the last version of this one, before the caller may
            # remove that: a store that does not find it may say that nothing follows.
            for page, _next in pairwise(chain(pages, [{}])):
                for row in page.get("DeleteMarkers", []):
                    if row["LastModified"] >= moment:
                        yield row["Key"], row["VersionId"]

    def undelete(self, key: str, version: str) -> None:
        """Removes a delete marker; without any, the version before it is the object again."""
        with self.guarded(Operation.DELETE):
            self.client.delete_object(Bucket=self.bucket_name, Key=key, VersionId=version)


def photo_storage() -> PhotoStorage:
    return cast("PhotoStorage", storages["default"])


def logs_storage() -> PhotoStorage:
    """The bucket of logs; its name is empty unless LOGS_BUCKET is set."""
    return cast("PhotoStorage", storages["logs"])


def _is_unknown_to_the_store(error: ClientError) -> bool:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status in {405, 501} or error.response.get("Error", {}).get("Code") == "NotImplemented"


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
