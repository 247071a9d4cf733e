"""Requests to the bucket: one client for each process, behind a circuit breaker.

Requests for one object cost a fraction of the CPU time of botocore's own: they go over botocore's
connections, with its proxies, certificates, timeouts and errors, and only the signature is ours,
instead of the forty hooks that make one there. The body is not signed, like that of a browser's
PUT: Content-Length and TCP or TLS guard it on its way.
"""

from __future__ import annotations

import random
import re
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
from botocore.awsrequest import AWSPreparedRequest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError
from botocore.utils import parse_timestamp
from storages.backends.s3 import S3Storage

from bandpics.telemetry import metrics, tracing
from images.storage.circuit_breaker import CircuitBreaker, CircuitOpen
from images.storage.presign import Credentials, Signer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from botocore.httpsession import URLLib3Session

NO_ANSWER = "The object store did not answer; it is asked again in a moment."

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

# A store that hangs may cost one request of this process every so often, not one for each photo.
FAILURES_IN_A_ROW = 3
LONG_SECONDS = 10.0
PAUSE_SECONDS = 10.0
LONGEST_TRY_SECONDS = 120.0  # more than all attempts of botocore and its pauses together

ATTEMPTS = 3
RETRIED = {429, 500, 502, 503, 504}
# With status 400: S3 waited in vain for the rest of a body.
RETRIED_CODES = {"RequestTimeout", "PriorRequestNotComplete"}
_CODE = re.compile(rb"<Code>([^<]+)</Code>")


class Operation(StrEnum):
    """What is asked of the store, as metrics and traces name it."""

    CHECK = "check"
    HEAD = "head"
    GET = "get"
    PUT = "put"
    COPY = "copy"
    DELETE = "delete"
    LIST = "list"
    MULTIPART = "multipart"
    SET_UP = "set-up"


_OPERATIONS = [{"operation": each.value} for each in Operation]
STORAGE_SECONDS = metrics.Histogram(
    "bandpics_storage_seconds",
    "How long calls of the store took, with their bytes and all attempts.",
    "operation",
    known=_OPERATIONS,
)
STORAGE_ERRORS = metrics.Counter(
    "bandpics_storage_errors_total",
    "Calls that the store did not answer, or refused.",
    "operation",
    known=_OPERATIONS,
)


class StorageUnavailable(Exception):
    """The bucket did not answer, or refused for a reason that is not about this object."""


class ObjectMissing(Exception):
    """There is no object under this key."""


class ObjectChanged(Exception):
    """The object has another size than it was said to have."""


class BucketClient(S3Storage):  # type: ignore[misc]
    """django-storages' S3 backend with our timeouts, retries, errors and circuit breaker."""

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
            is_failure=_is_store_failure,
        )

    def _create_session(self) -> Any:
        """Overrides django-storages': botocore reads the times of a listing with dateutil, which
        takes longer than all the rest of it."""
        session = super()._create_session()
        parsers = session._session.get_component("response_parser_factory")
        parsers.set_parser_defaults(timestamp_parser=parsed_moment)
        return session

    @property
    def client(self) -> Any:
        """The boto3 client of this thread."""
        return self.connection.meta.client

    @cached_property
    def _first_client(self) -> Any:
        """One client for send(), shared by all threads: django-storages makes one for each."""
        return self.client

    def prepare(self) -> None:
        """Makes the client before this process forks, so that its forks share it. Connects to
        nothing: where the keys are not in the settings, looking for them might."""
        if self.access_key and self.secret_key:
            _ = self._request_signer

    @contextmanager
    def guarded(self, operation: Operation) -> Iterator[None]:
        """Translates botocore's errors into ours, and refuses while the circuit is open.

        Raises ObjectMissing, StorageUnavailable.
        """
        started_at = time.monotonic()
        try:
            with tracing.span(f"store {operation}"):
                yield from self._translated()
        except StorageUnavailable:
            STORAGE_ERRORS.inc(operation=operation)
            raise
        finally:
            # Whoever reads a listing takes their time for each page.
            if operation is not Operation.LIST:
                STORAGE_SECONDS.observe(time.monotonic() - started_at, operation=operation)

    def _translated(self) -> Iterator[None]:
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
            with self.guarded(Operation.CHECK):
                self.client.head_bucket(Bucket=self.bucket_name)
        except ObjectMissing:
            raise StorageUnavailable(f"There is no bucket {self.bucket_name!r}.") from None

    def credentials(self) -> Credentials:
        """The keys to sign with: those of the settings, or those botocore finds."""
        if self.access_key and self.secret_key:
            return Credentials(self.access_key, self.secret_key, self.security_token)
        found = self._session_credentials
        if found is None:
            raise StorageUnavailable("No S3 credentials: set S3_ACCESS_KEY and S3_SECRET_KEY.")
        # Roles hand out short-lived keys; botocore renews them behind this call.
        frozen = found.get_frozen_credentials()
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)

    @cached_property
    def _session_credentials(self) -> Any:
        return boto3.Session().get_credentials()

    @cached_property
    def _request_signer(self) -> Signer:
        meta = self._first_client.meta
        return Signer(meta.endpoint_url, self.bucket_name, meta.region_name, self._path_style)

    def send(
        self,
        method: str,
        key: str,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        body: Callable[[], Iterable[bytes | bytearray | memoryview]] | None = None,
        is_streamed: bool = False,
    ) -> Any:
        """Returns botocore's AWSResponse to a request for one object; if streamed, its body is
        still to be read from `.raw`. Safe to share between threads.

        `headers` must give the Content-Length of a body. Raises ClientError and BotoCoreError as
        a client does, after as many attempts; `body` is called for each.
        """
        for remaining in reversed(range(ATTEMPTS)):
            url, signed = self._request_signer.sign(
                method,
                key,
                credentials=self.credentials(),
                signed_at=datetime.now(UTC),
                headers=headers,
                query=query,
            )
            del signed["host"]  # http.client says it, the same
            request = AWSPreparedRequest(method, url, signed, body and body(), is_streamed)
            try:
                answer: Any = http_session(self._first_client).send(request)
            except (ConnectionError, HTTPClientError):
                if not remaining:
                    raise
            else:
                if answer.status_code < 300:
                    return answer
                error = _error(answer, method)
                if not remaining or not _may_pass(error):
                    raise error
            # With jitter, as botocore's standard mode: up to 1, then 2 seconds.
            time.sleep(random.uniform(0, ATTEMPTS - remaining))  # noqa: S311
        raise AssertionError("unreachable")


def parsed_moment(text: Any) -> datetime:
    """Reads a time as botocore does, and ISO 8601 faster."""
    try:
        moment: datetime | None = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        moment = None
    if moment is None or moment.tzinfo is None:
        moment = parse_timestamp(text)
    return moment


def http_session(client: Any) -> URLLib3Session:
    """The connections of a boto3 client. botocore has no public name for them."""
    session: URLLib3Session = client._endpoint.http_session
    return session


def _error(answer: Any, method: str) -> ClientError:
    """As botocore has it: S3 names the error in XML, but for HEAD, which has no body."""
    found = _CODE.search(answer.content)
    return ClientError(
        {
            "Error": {"Code": found[1].decode() if found else str(answer.status_code)},
            "ResponseMetadata": {"HTTPStatusCode": answer.status_code},
        },
        method,
    )


def _may_pass(error: ClientError) -> bool:
    is_retried = error.response["Error"]["Code"] in RETRIED_CODES
    return is_retried or _status_of(error) in RETRIED


def _is_store_failure(error: BaseException) -> bool:
    """The store gave no answer, or a 5xx. Any other refusal is about that one request."""
    if isinstance(error, ClientError):
        return _status_of(error) >= 500
    return isinstance(error, BotoCoreError)


def _status_of(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
