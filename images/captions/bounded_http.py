"""An HTTP client for the libraries of providers that waits for a whole answer, not for each byte,
and reads no more than a caption can need."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING

import httpx2
from django.conf import settings

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

MAX_ANSWER_BYTES = 1024 * 1024


class TooLarge(httpx2.DecodingError):
    """The answer has more bytes than any caption needs."""


class _Bounded(httpx2.SyncByteStream):
    """The body of an answer, up to its end, a moment or a size."""

    def __init__(self, stream: httpx2.SyncByteStream, *, request: httpx2.Request) -> None:
        self._stream, self._request = stream, request
        self._end = time.monotonic() + settings.CAPTION_TIMEOUT_SECONDS

    def __iter__(self) -> Iterator[bytes]:
        left = MAX_ANSWER_BYTES
        for chunk in self._stream:
            left -= len(chunk)
            if left < 0:
                raise TooLarge("The answer is too large.", request=self._request)
            if time.monotonic() > self._end:
                raise httpx2.ReadTimeout("The answer takes too long.", request=self._request)
            yield chunk

    def close(self) -> None:
        self._stream.close()


class _Transport(httpx2.HTTPTransport):
    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        # Packed, a small answer could become a large one.
        request.headers["Accept-Encoding"] = "identity"
        answer = super().handle_request(request)
        if isinstance(answer.stream, httpx2.SyncByteStream):
            answer.stream = _Bounded(answer.stream, request=request)
        return answer


@functools.cache
def certificates() -> ssl.SSLContext:
    """Returns those that this machine trusts. To read them takes 30 ms."""
    return httpx2.create_ssl_context()


def client() -> httpx2.Client:
    """Returns a client that follows no redirects: the picture goes to the host that was set."""
    return httpx2.Client(
        transport=_Transport(verify=certificates()),
        timeout=httpx2.Timeout(settings.CAPTION_TIMEOUT_SECONDS),
        follow_redirects=False,
    )
