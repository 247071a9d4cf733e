"""Receives a request of a connection as it arrives, before a thread reads it."""

from __future__ import annotations

import io
import math
import tempfile
import time
from typing import TYPE_CHECKING, Any

from gunicorn.http.errors import LimitRequestHeaders
from gunicorn.http.message import Request
from gunicorn.http.unreader import IterUnreader

from bandpics.buffered_socket import MEMORY_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

HEAD_MAX_BYTES = 64 * 1024
# The longest time from the first byte of a head to its last.
HEAD_SECONDS = 20.0
# The time for a body: so long, and one more second for every BYTES_PER_SECOND.
BODY_SECONDS, BYTES_PER_SECOND = 60.0, 1024


class IncomingRequest:
    """The next request of a connection, as far as it has arrived.

    gunicorn uses it as the connection's parser: `next()` returns the request. Large bodies are
    kept in `folder`.
    """

    def __init__(
        self, cfg: Any, client: Any, *, folder: str | None, wants_body: Callable[[Any], bool]
    ) -> None:
        self._cfg, self._client, self._folder, self._wants_body = cfg, client, folder, wants_body
        self._count = 0
        self._ahead = b""
        self._begin()

    def _begin(self) -> None:
        self.request: Any = None
        self.body: Any = io.BytesIO()
        self.received = 0
        self.has_begun, self.began_at = False, time.monotonic()
        self.is_wanted = False  # False: its body is not received, and a client may still send it
        self.deadline = 0.0
        self._head = bytearray()
        self._missing = 0
        self._error: Exception | None = None

    @property
    def is_idle(self) -> bool:
        """Whether its connection had an answer, and may not ask again."""
        return self._count > 0 and not self.has_begun

    @property
    def silent_seconds(self) -> float:
        """How long its connection has been open, if nothing ever came by it; else infinity."""
        return math.inf if self._count or self.has_begun else time.monotonic() - self.began_at

    @property
    def leaves_at(self) -> tuple[bool, float]:
        """Sorts connections: those that are idle leave first."""
        return not self.is_idle, self.began_at

    def start_next(self) -> bool:
        """Starts the next request. True if it has arrived already."""
        ahead, self._ahead = self._ahead, b""
        self._begin()
        return bool(ahead) and self.receive(ahead)

    def receive(self, data: bytes) -> bool:
        """Adds bytes that arrived. True once the request is complete or wrong."""
        if not self.has_begun:
            self.has_begun, self.began_at = True, time.monotonic()
            self.deadline = self.began_at + HEAD_SECONDS
        if self.request is None:
            self._head += data
            end = self._head.find(b"\r\n\r\n", max(0, len(self._head) - len(data) - 3))
            if end < 0:
                if len(self._head) > HEAD_MAX_BYTES:
                    self._error = LimitRequestHeaders("the head is too long")
                return self._error is not None
            data = bytes(self._head[end + 4 :])
            self._parse(bytes(self._head[: end + 4]))
        self._take_body(data)
        return not self._missing

    def __next__(self) -> Any:
        if self._error:
            self._error.began_at = self.began_at  # type: ignore[attr-defined]  # for its log line
            raise self._error
        return self.request

    def finish_body(self, *, deadline: float) -> bool:
        """Whether another request can follow on this connection."""
        return not self.request.must_close

    def _parse(self, head: bytes) -> None:
        self._count += 1
        try:
            self.request = Request(self._cfg, IterUnreader([head]), self._client, self._count)
            length = getattr(self.request.body.reader, "length", None)  # None: chunked
            if length == 0 or (length is not None and self._wants_body(self.request)):
                self.body = tempfile.SpooledTemporaryFile(MEMORY_BYTES, dir=self._folder)  # noqa: SIM115 - the server closes it
                self._missing = length
                self.is_wanted = True
                self.deadline = time.monotonic() + BODY_SECONDS
            else:
                self.request.force_close()
            self.request.body = self.body
        except Exception as error:  # noqa: BLE001 - gunicorn responds to it in a thread
            self._error = error

    def _take_body(self, data: bytes) -> None:
        body, self._ahead = data[: self._missing], data[self._missing :]
        try:
            self.body.write(body)
        except OSError as error:  # a full disk: reading the body raises it again
            self.body = self.request.body = _UnreadableBody(error)
            self.request.force_close()
            self._missing = 0
            self.is_wanted = False
            return
        self._missing -= len(body)
        self.received += len(body)
        self.deadline += len(body) / BYTES_PER_SECOND
        if not self._missing:
            self.body.seek(0)


class _UnreadableBody(io.RawIOBase):
    """A body that could not be stored; reading it raises the error."""

    def __init__(self, error: OSError) -> None:
        self._error = error

    def read(self, *_: Any) -> Any:
        raise self._error

    readline = readinto = read
