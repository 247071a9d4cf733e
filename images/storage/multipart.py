"""S3 multipart uploads: large files whose parts are sent one by one."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from images.storage.client import BucketClient, ObjectMissing, Operation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime


@dataclass(frozen=True)
class StoredPart:
    number: int
    byte_size: int
    etag: str


@dataclass(frozen=True)
class OpenMultipart:
    """A multipart upload that was begun, and neither completed nor aborted."""

    key: str
    multipart_id: str
    started_at: datetime


class MultipartUploads(BucketClient):
    def create_multipart(self, key: str, *, content_type: str) -> str:
        with self.guarded(Operation.MULTIPART):
            answer = self.client.create_multipart_upload(
                Bucket=self.bucket_name, Key=key, ContentType=content_type
            )
        return str(answer["UploadId"])

    def put_part(
        self,
        key: str,
        *,
        multipart_id: str,
        number: int,
        content: bytes | memoryview,
    ) -> None:
        """Writes one part (S3 UploadPart), replacing what was there under its number.

        Raises ObjectMissing if the multipart is gone.
        """
        with self.guarded(Operation.PUT):
            self.send(
                "PUT",
                key,
                headers={"Content-Length": str(len(content))},
                query={"partNumber": str(number), "uploadId": multipart_id},
                body=lambda: [content],
            )

    def list_parts(self, key: str, *, multipart_id: str) -> list[StoredPart]:
        """Parts that arrived, by number. Raises ObjectMissing if the multipart is gone."""
        with self.guarded(Operation.MULTIPART):
            pages = self.client.get_paginator("list_parts").paginate(
                Bucket=self.bucket_name, Key=key, UploadId=multipart_id
            )
            parts = [
                StoredPart(row["PartNumber"], row["Size"], row["ETag"])
                for page in pages
                for row in page.get("Parts", [])
            ]
        return sorted(parts, key=lambda part: part.number)

    def open_multiparts(self, prefix: str) -> Iterator[OpenMultipart]:
        """S3 ListMultipartUploads. Raises StorageUnavailable, also where a store does not do it."""
        # Some stores (rclone) answer NoSuchUpload where there is none.
        with suppress(ObjectMissing), self.guarded(Operation.LIST):
            pages = self.client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self.bucket_name, Prefix=prefix
            )
            for page in pages:
                for row in page.get("Uploads", []):
                    yield OpenMultipart(row["Key"], row["UploadId"], row["Initiated"])

    def complete_multipart(
        self, key: str, *, multipart_id: str, parts: Iterable[StoredPart]
    ) -> None:
        """Raises ObjectMissing if the multipart is gone, perhaps because it was completed."""
        listed = [{"PartNumber": part.number, "ETag": part.etag} for part in parts]
        with self.guarded(Operation.MULTIPART):
            self.client.complete_multipart_upload(
                Bucket=self.bucket_name,
                Key=key,
                UploadId=multipart_id,
                MultipartUpload={"Parts": listed},
            )

    def abort_multipart(self, key: str, *, multipart_id: str) -> None:
        """Drops the parts that arrived. Safe to call twice."""
        with suppress(ObjectMissing), self.guarded(Operation.MULTIPART):
            self.client.abort_multipart_upload(
                Bucket=self.bucket_name, Key=key, UploadId=multipart_id
            )
