"""Requests for one object of the bucket, at a fraction of the cpu time of botocore's own.

They go over botocore's connections, so its proxies, certificates, timeouts and errors are theirs;
only the signature is ours, instead of the forty hooks that make one there. The body is not part of
it, like that of a browser's PUT: Content-Length and TCP or TLS guard it on its way.
"""

from __future__ import annotations

import random
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

from images.storage.presign import Signer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from images.storage.presign import Credentials

TRIES = 3
RETRIED = {429, 500, 502, 503, 504}
# With status 400: S3 waited in vain for the rest of a body.
RETRIED_CODES = {"RequestTimeout", "PriorRequestNotComplete"}
_CODE = re.compile(rb"<Code>([^<]+)</Code>")


@dataclass
class Requests:
    """To the objects of the bucket a boto3 client is for. Safe to share between threads."""

    client: Any
    bucket: str
    path_style: bool
    credentials: Callable[[], Credentials]  # temporary ones change behind it

    @cached_property
    def _signer(self) -> Signer:
        meta = self.client.meta
        return Signer(meta.endpoint_url, self.bucket, meta.region_name, self.path_style)

    def send(
        self,
        method: str,
        key: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Callable[[], Iterable[bytes]] | None = None,
        is_streamed: bool = False,
    ) -> Any:
        """botocore's AWSResponse; if streamed, its body is still to be read from `.raw`.

        `headers` must give the Content-Length of a body. Raises ClientError and BotoCoreError as
        a client does, after as many tries; `body` is called for each.
        """
        for remaining in reversed(range(TRIES)):
            try:
                answer = self._once(method, key, headers or {}, body, is_streamed=is_streamed)
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
            time.sleep(random.uniform(0, TRIES - remaining))  # noqa: S311
        raise AssertionError("unreachable")

    def _once(
        self,
        method: str,
        key: str,
        headers: Mapping[str, str],
        body: Callable[[], Iterable[bytes]] | None,
        *,
        is_streamed: bool,
    ) -> Any:
        url, signed = self._signer.sign(
            method,
            key,
            credentials=self.credentials(),
            signed_at=datetime.now(UTC),
            headers=headers,
        )
        del signed["host"]  # http.client says it, the same
        request = AWSPreparedRequest(method, url, signed, body and body(), is_streamed)
        return self.client._endpoint.http_session.send(request)


def _error(answer: Any, method: str) -> ClientError:
    """As botocore has it: S3 names the trouble in XML, but for HEAD, which has no body."""
    found = _CODE.search(answer.content)
    return ClientError(
        {
            "Error": {"Code": found[1].decode() if found else str(answer.status_code)},
            "ResponseMetadata": {"HTTPStatusCode": answer.status_code},
        },
        method,
    )


def _may_pass(error: ClientError) -> bool:
    response: Any = error.response
    return (
        response["ResponseMetadata"]["HTTPStatusCode"] in RETRIED
        or response["Error"]["Code"] in RETRIED_CODES
    )
