"""The bucket: the only module that speaks S3, with images.storage.requests for what is asked often.
It knows keys and bytes, not photos."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from urllib.parse import quote

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.response import StreamingBody
from django.conf import settings
from django.core.files.storage import storages
from storages.backends.s3 import S3Storage

from images.storage.circuit_breaker import CircuitBreaker, CircuitOpen
from images.storage.presign import Credentials, Signer
from images.storage.requests import Requests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from images.storage.presign import Prepared

CHUNK_BYTES = 1024 * 1024
NO_ANSWER = "The object store did not answer; it is asked again in a moment."
PUTS_AT_ONCE = 5  # the original and its sizes
DELETE_BATCH = 1000  # S3 DeleteObjects takes no more keys

# Hosts answer slowly, or not at all; a worker must not wait for ever on either.
CONFIG = {
    "signature_version": "s3v4",
    "connect_timeout": 3,
    "read_timeout": 20,
    "retries": {"mode": "standard", "total_max_attempts": 3},
    "max_pool_connections": 16,
    # botocore's newer default checksums are refused by several S3-compatible stores.
    "request_checksum_calculation": "when_required",
    "response_checksum_validation": "when_required",
}

# What a store that hangs may cost is one request of this process every so often, not one a photo.
FAILURES_IN_A_ROW = 3
LONG_SECONDS = 10.0
PAUSE_SECONDS = 10.0
LONGEST_TRY_SECONDS = 120.0  # more than all attempts of botocore and its pauses together


class StorageUnavailable(Exception):
    """The bucket did not answer, or refused for a reason that is not about this object."""


class ObjectMissing(Exception):
    """There is no object under this key."""


@dataclass(frozen=True)
class StoredObject:
    key: str
    byte_size: int
    modified_at: datetime


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


@dataclass(frozen=True)
class SignedRequest:
    """What a browser needs to talk to the bucket once. Content-Length is signed, too: the
    browser sets it by itself."""

    method: str
    url: str
    headers: dict[str, str]
    expires_at: datetime


class PhotoStorage(S3Storage):  # type: ignore[misc]
    """django-storages' S3 backend, plus what an upload straight from a browser needs."""

    def __init__(self, **options: Any) -> None:
        style = options.pop("addressing_style", "path")
        options["client_config"] = Config(s3={"addressing_style": style}, **CONFIG)
        super().__init__(**options)
        self._path_style = style == "path"
        self._breaker = CircuitBreaker(
            failures_in_a_row=FAILURES_IN_A_ROW,
            long_seconds=LONG_SECONDS,
            pause_seconds=PAUSE_SECONDS,
            longest_try_seconds=LONGEST_TRY_SECONDS,
            is_failure=_is_trouble,
        )

    # --- Signing: arithmetic only, no request -----------------------------------------------

    def presign_put(self, key: str, *, content_type: str, byte_size: int) -> SignedRequest:
        """A PUT of exactly this many bytes of exactly this type."""
        return self._presign_upload(
            key, byte_size=byte_size, headers={"Content-Type": content_type}, query={}
        )

    def presign_part(
        self, key: str, *, multipart_id: str, number: int, byte_size: int
    ) -> SignedRequest:
        """The PUT of one part (S3 UploadPart) of exactly this many bytes."""
        query = {"uploadId": multipart_id, "partNumber": str(number)}
        return self._presign_upload(key, byte_size=byte_size, headers={}, query=query)

    def presign_get(
        self,
        key: str,
        *,
        content_type: str,
        filename: str | None = None,
        until: datetime | None = None,
    ) -> str:
        """A GET that is the same URL for a whole hour, and then valid for one more at least;
        but not beyond `until`, when the credential that asks for it ends.

        With `filename` the browser saves the file instead of showing it.
        """
        return self.prepare_get(content_type=content_type, filename=filename, until=until).url(key)

    def prepare_get(
        self, *, content_type: str, filename: str | None = None, until: datetime | None = None
    ) -> Prepared:
        """As presign_get(), for many keys at once."""
        query = {
            "response-cache-control": "private, max-age=3600, immutable",
            "response-content-type": content_type,
        }
        if filename is not None:
            query["response-content-disposition"] = attachment(filename)
        now = datetime.now(UTC)
        hour = now.replace(minute=0, second=0, microsecond=0)
        return self._signer.prepare(
            "GET",
            credentials=self._credentials(),
            signed_at=hour,
            lifetime=_lifetime_from(hour, now=now, until=until),
            query=query,
        )

    def _presign_upload(
        self, key: str, *, byte_size: int, headers: dict[str, str], query: dict[str, str]
    ) -> SignedRequest:
        now, lifetime = datetime.now(UTC), settings.UPLOAD_URL_LIFETIME
        url = self._signer.presign(
            "PUT",
            key,
            credentials=self._credentials(),
            signed_at=now,
            lifetime=lifetime,
            headers={**headers, "Content-Length": str(byte_size)},
            query=query,
        )
        return SignedRequest("PUT", url, headers, expires_at=now + lifetime)

    @cached_property
    def _signer(self) -> Signer:
        return Signer(
            endpoint_url=settings.S3_PUBLIC_ENDPOINT_URL
            or f"https://s3.{settings.S3_REGION}.amazonaws.com",
            bucket=self.bucket_name,
            region=settings.S3_REGION,
            path_style=self._path_style,
        )

    @cached_property
    def _botocore_credentials(self) -> Any:
        return self._create_session()._session.get_credentials()

    def _credentials(self) -> Credentials:
        if self.access_key and self.secret_key:
            return Credentials(self.access_key, self.secret_key, self.security_token)
        found = self._botocore_credentials
        if found is None:
            raise StorageUnavailable("No S3 credentials: set S3_ACCESS_KEY and S3_SECRET_KEY.")
        # Roles hand out short-lived keys; botocore renews them behind this call.
        frozen = found.get_frozen_credentials()
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)

    # --- Requests ---------------------------------------------------------------------------

    @property
    def _client(self) -> Any:
        return self.connection.meta.client

    @cached_property
    def _requests(self) -> Requests:
        return Requests(self._client, self.bucket_name, self._path_style, self._credentials)

    @contextmanager
    def _asked(self) -> Iterator[None]:
        """Around a request: botocore's errors in our two words; none is made while it is known
        that nobody answers."""
        try:
            with self._breaker.watched():
                yield
        except CircuitOpen:
            raise StorageUnavailable(NO_ANSWER) from None
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in {"404", "NoSuchKey", "NotFound", "NoSuchUpload"}:
                raise ObjectMissing(code) from error
            raise StorageUnavailable(f"The object store answered {code}.") from error
        except BotoCoreError as error:
            raise StorageUnavailable(f"The object store did not answer: {error}") from error

    def raise_if_open(self) -> None:
        """Raises StorageUnavailable where a request would be refused unasked. Makes none."""
        if self._breaker.is_open:
            raise StorageUnavailable(NO_ANSWER)

    def check(self) -> None:
        """Raises StorageUnavailable unless the bucket answers. One HEAD request."""
        try:
            with self._asked():
                self._client.head_bucket(Bucket=self.bucket_name)
        except ObjectMissing:
            raise StorageUnavailable(f"There is no bucket {self.bucket_name!r}.") from None

    def make_bucket(self) -> bool:
        """True if it was not there before."""
        try:
            self.check()
        except StorageUnavailable:
            where = (
                {} if self.region_name == "us-east-1" else {"LocationConstraint": self.region_name}
            )
            with self._asked():
                self._client.create_bucket(
                    Bucket=self.bucket_name,
                    **({"CreateBucketConfiguration": where} if where else {}),
                )
            return True
        return False

    def set_rules(self, *, origin: str) -> list[str]:
        """Let pages of `origin` PUT and GET, and expire what is forgotten in quarantine.

        Returns the kinds of rule this store takes only by its own configuration.
        """
        cors = {
            "AllowedOrigins": [origin],
            "AllowedMethods": ["PUT", "GET", "HEAD"],
            "AllowedHeaders": ["content-type"],
            "ExposeHeaders": ["ETag"],
            "MaxAgeSeconds": 3600,
        }
        # Only a backstop, far beyond every lifetime of ours: rows decide, not dates.
        forgotten = {
            "ID": "forgotten-incoming",
            "Status": "Enabled",
            "Filter": {"Prefix": "incoming/"},
            "Expiration": {"Days": 60},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 60},
        }
        rules: list[tuple[str, Callable[..., Any], dict[str, Any]]] = [
            ("CORS", self._client.put_bucket_cors, {"CORSConfiguration": {"CORSRules": [cors]}}),
            (
                "lifecycle",
                self._client.put_bucket_lifecycle_configuration,
                {"LifecycleConfiguration": {"Rules": [forgotten]}},
            ),
        ]
        refused = []
        for name, put, rule in rules:
            try:
                put(Bucket=self.bucket_name, **rule)
            except (ClientError, BotoCoreError):
                refused.append(name)
        return refused

    def head(self, key: str) -> StoredObject:
        """Raises ObjectMissing, StorageUnavailable."""
        with self._asked():
            found = self._requests.send("HEAD", key).headers
        modified_at = parsedate_to_datetime(found["Last-Modified"])
        return StoredObject(key, int(found["Content-Length"]), modified_at)

    def download(self, key: str, into: Path) -> str:
        """Copies the object to a file; returns the hex SHA-256 of what was written.

        Raises ObjectMissing, StorageUnavailable, and OSError if the disk is full.
        """
        hashed = hashlib.sha256()
        with self._asked():
            found = self._requests.send("GET", key, is_streamed=True)
            # Raises if there is less of it than was said.
            body = StreamingBody(found.raw, found.headers.get("Content-Length"))
            with closing(body), into.open("wb") as file:
                for chunk in body.iter_chunks(CHUNK_BYTES):
                    hashed.update(chunk)
                    file.write(chunk)
        return hashed.hexdigest()

    def put_file(self, key: str, path: Path, *, content_type: str) -> None:
        """Writes a whole file under `key`, replacing what was there."""
        headers = {"Content-Length": str(path.stat().st_size), "Content-Type": content_type}
        with self._asked():
            self._requests.send("PUT", key, headers=headers, body=partial(_chunks, path))

    def put_files(self, files: Iterable[tuple[str, Path, str]]) -> None:
        """As put_file, of (key, path, content type), at least one, all at once: a store takes its
        time for each, whatever its size. Raises when all have ended, if any failed."""

        def put(key: str, path: Path, content_type: str) -> None:
            self.put_file(key, path, content_type=content_type)

        _ = self._requests  # made here, not in every thread: django-storages has a client for each
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
        with self._asked():
            self._client.put_object(
                Bucket=self.bucket_name,
                Key=key,
                Body=file,
                ContentLength=byte_size,
                ContentType=content_type,
            )

    def copy(self, key: str, target: str) -> None:
        """Copies an object within the bucket; no byte passes here. Raises ObjectMissing."""
        with self._asked():
            self._client.copy_object(
                Bucket=self.bucket_name,
                Key=target,
                CopySource={"Bucket": self.bucket_name, "Key": key},
            )

    def delete_keys(self, keys: Iterable[str]) -> None:
        """Removes objects; those that are gone already are fine."""
        wanted = list(keys)
        if len(wanted) == 1:
            # Most stores answer 204 for one that is gone, some 404.
            with suppress(ObjectMissing), self._asked():
                self._requests.send("DELETE", wanted[0])
            return
        for start in range(0, len(wanted), DELETE_BATCH):
            batch = [{"Key": key} for key in wanted[start : start + DELETE_BATCH]]
            with self._asked():
                answer = self._client.delete_objects(
                    Bucket=self.bucket_name, Delete={"Objects": batch, "Quiet": True}
                )
            failed = [row for row in answer.get("Errors", []) if row.get("Code") != "NoSuchKey"]
            if failed:
                raise StorageUnavailable(f"{len(failed)} objects could not be deleted.")

    def list_keys(self, prefix: str) -> Iterator[StoredObject]:
        with self._asked():
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket_name, Prefix=prefix
            )
            for page in pages:
                for row in page.get("Contents", []):
                    yield StoredObject(row["Key"], row["Size"], row["LastModified"])

    # --- Multipart --------------------------------------------------------------------------

    def create_multipart(self, key: str, *, content_type: str) -> str:
        with self._asked():
            answer = self._client.create_multipart_upload(
                Bucket=self.bucket_name, Key=key, ContentType=content_type
            )
        return str(answer["UploadId"])

    def list_parts(self, key: str, *, multipart_id: str) -> list[StoredPart]:
        """Parts that arrived, by number. Raises ObjectMissing if the multipart is gone."""
        parts: list[StoredPart] = []
        with self._asked():
            pages = self._client.get_paginator("list_parts").paginate(
                Bucket=self.bucket_name, Key=key, UploadId=multipart_id
            )
            for page in pages:
                parts += [
                    StoredPart(row["PartNumber"], row["Size"], row["ETag"])
                    for row in page.get("Parts", [])
                ]
        return sorted(parts, key=lambda part: part.number)

    def open_multiparts(self, prefix: str) -> Iterator[OpenMultipart]:
        """S3 ListMultipartUploads. Raises StorageUnavailable, also where a store does not do it."""
        # Some stores (rclone) answer NoSuchUpload where there is none.
        with suppress(ObjectMissing), self._asked():
            pages = self._client.get_paginator("list_multipart_uploads").paginate(
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
        with self._asked():
            self._client.complete_multipart_upload(
                Bucket=self.bucket_name,
                Key=key,
                UploadId=multipart_id,
                MultipartUpload={"Parts": listed},
            )

    def abort_multipart(self, key: str, *, multipart_id: str) -> None:
        """Drops the parts that arrived. Safe to call twice."""
        try:
            with self._asked():
                self._client.abort_multipart_upload(
                    Bucket=self.bucket_name, Key=key, UploadId=multipart_id
                )
        except ObjectMissing:
            return


def photo_storage() -> PhotoStorage:
    return cast("PhotoStorage", storages["default"])


def _lifetime_from(hour: datetime, *, now: datetime, until: datetime | None) -> timedelta:
    """Counted from the hour in any case, so that one credential gets one URL within it.

    S3 counts in whole seconds and refuses none at all: where less than a second is left, or the
    credential has ended and still shows something, the URL is good for that one second.
    """
    longest: timedelta = settings.DOWNLOAD_URL_LIFETIME * 2
    if until is None:
        return longest
    return min(longest, max(until - hour, now - hour + timedelta(seconds=1)))


def attachment(filename: str) -> str:
    """Content-Disposition of a download (RFC 6266), its name encoded by RFC 8187."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in " -_.") else "_" for c in filename)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def _is_trouble(error: BaseException) -> bool:
    """No answer, or one that says: not now. Any other refusal is about that one request."""
    if isinstance(error, ClientError):
        return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) >= 500
    return isinstance(error, BotoCoreError)
