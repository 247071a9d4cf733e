"""gunicorn's threaded worker, changed so that slow clients occupy no thread.

gunicorn gives a thread to every connection that has sent a byte, so that eight slow clients block a
server. Here the main loop receives a whole request (a large body on disk) before a thread gets it,
and sends the part of a response that the client does not take at once. The loop does not wait for
a body that will be refused: that response says `Connection: close`. Late requests get a 408.
"""

from __future__ import annotations

import io
import select
import selectors
import socket
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from django.conf import settings
from gunicorn.http import wsgi
from gunicorn.http.errors import LimitRequestHeaders
from gunicorn.http.message import Request
from gunicorn.http.unreader import IterUnreader
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, ThreadWorker

from bandpics.telemetry.web_server import REFUSED

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

RECEIVE_BYTES = 64 * 1024
HEAD_MAX_BYTES = 64 * 1024
# The longest body, or rest of a response, that is kept in memory; a longer one goes to disk.
MEMORY_BYTES = 64 * 1024
# Bodies up to this length are always received; longer ones only if the view accepts them.
ALWAYS_RECEIVED_BYTES = 64 * 1024
# The longest time from the first byte of a head to its last.
HEAD_SECONDS = 20.0
# The time for a body: so long, and one more second for every BYTES_PER_SECOND.
BODY_SECONDS, BYTES_PER_SECOND = 60.0, 1024
# How long a closed connection is read: unread bytes would reset it and lose the response.
LINGER_SECONDS = 5.0
# How long a client may take nothing of a response, and how much of one is buffered.
SEND_SECONDS, UNSENT_MAX_BYTES = 20.0, 16 * 1024 * 1024


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
        self.deadline = 0.0
        self._head = bytearray()
        self._missing = 0
        self._error: Exception | None = None

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
                self.body = tempfile.SpooledTemporaryFile(MEMORY_BYTES, dir=self._folder)  # noqa: SIM115
                self._missing = length
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


class BufferedSocket:
    """A socket whose sendall() does not wait for the client: it buffers the rest."""

    def __init__(self, sock: socket.socket, *, folder: str | None) -> None:
        self._sock, self._folder = sock, folder
        self._buffer: Any = None
        self._sent = self.unsent = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def sendall(self, data: bytes) -> None:
        if not self.unsent:
            data = data[self._send(data) :]
        if data:
            self._store(data)
        while self.unsent > UNSENT_MAX_BYTES:  # an export: its thread has to wait
            if not select.select([], [self._sock], [], SEND_SECONDS)[1]:
                raise TimeoutError
            self.flush()

    def flush(self) -> int:
        """Sends what can be sent now, and returns how many bytes that were."""
        before = self.unsent
        while self.unsent:
            self._buffer.seek(self._sent)
            count = self._send(self._buffer.read(RECEIVE_BYTES))
            if not count:
                break
            self._sent += count
            self.unsent -= count
        if not self.unsent:
            self._buffer = None
        return before - self.unsent

    def close(self) -> None:
        if self._buffer is not None:
            self._buffer.close()  # or its file stays open until garbage collection
        self._buffer, self.unsent = None, 0
        self._sock.close()

    def _send(self, data: bytes) -> int:
        with suppress(BlockingIOError):
            return self._sock.send(data, socket.MSG_DONTWAIT)
        return 0

    def _store(self, data: bytes) -> None:
        if self._buffer is None:
            self._buffer = tempfile.SpooledTemporaryFile(MEMORY_BYTES, dir=self._folder)  # noqa: SIM115
            self._sent = 0
        self._buffer.seek(0, io.SEEK_END)
        self._buffer.write(data)
        self.unsent += len(data)


class BufferingWorker(ThreadWorker):
    """Overrides gunicorn's enqueue_req, finish_request and murder_pending, which run in the main
    loop, and handle_request, which runs in a thread."""

    alive: bool

    def init_process(self) -> None:
        self._waiting: set[Any] = set()  # connections whose request has not arrived
        self._ending: set[Any] = set()  # connections that get a response, or are closed
        self._next_check = 0.0
        self._stops_at: float | None = None
        # /healthz gets a thread of its own, however busy the others are.
        self._liveness_pool = ThreadPoolExecutor(max_workers=1)
        super().init_process()

    def load_wsgi(self) -> None:
        super().load_wsgi()
        from bandpics import health  # they need Django, which is set up now
        from bandpics.middleware import body_limit

        self._is_accepted, self._is_stopping = body_limit.is_accepted, health.is_stopping

    def enqueue_req(self, conn: Any) -> None:
        """Waits for the next request of a new or kept connection."""
        conn.initialized = conn.data_ready = True  # gunicorn must not read
        conn.sock.setblocking(False)
        if conn.parser is None:
            folder = settings.FILE_UPLOAD_TEMP_DIR
            conn.sock = BufferedSocket(conn.sock, folder=folder)
            wants_body = partial(self._wants_body, conn)
            conn.parser = IncomingRequest(
                self.cfg, conn.client, folder=folder, wants_body=wants_body
            )
        elif conn.parser.start_next():
            self._dispatch(conn)
            return
        conn.set_timeout()
        if conn.parser.has_begun:
            conn.timeout = conn.parser.deadline
        elif not self.alive:
            conn.timeout = min(conn.timeout, time.monotonic() + STOP_KEEPALIVE_LINGER)
        self._waiting.add(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._receive, conn))

    def finish_request(self, conn: Any, fs: Future[bool]) -> None:
        """Keeps or closes the connection once the client has the response."""
        conn.parser.body.close()  # frees its disk space before the response is sent
        is_kept = not (fs.cancelled() or fs.exception()) and fs.result()
        finish = self.enqueue_req if is_kept else self._close
        if not conn.sock.unsent:
            finish(conn)
            return
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + SEND_SECONDS
        self._ending.add(conn)
        self.poller.register(conn.sock, selectors.EVENT_WRITE, partial(self._flush, conn, finish))

    def handle_request(self, req: Any, conn: Any) -> bool:
        if self._stops_at is not None:
            req.force_close()
        return bool(super().handle_request(req, conn))

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Handles SIGTERM: /readyz fails at once, the server goes on for WEB_DRAIN_SECONDS."""
        drain_seconds = settings.WEB_DRAIN_SECONDS if self.booted else 0
        if not drain_seconds:
            super().handle_exit(sig, frame)
        elif self._stops_at is None:
            self._is_stopping.set()
            self._stops_at = time.monotonic() + drain_seconds

    def murder_pending(self) -> None:
        """Ends late connections. gunicorn calls it at least once a second."""
        now = time.monotonic()
        if now < self._next_check:
            return
        self._next_check = now + 0.5
        if self._stops_at is not None and now > self._stops_at and self.alive:
            self.alive = False
        for conn in [conn for conn in self._ending if conn.timeout < now]:
            self._drop(conn, self._ending)
        for conn in [conn for conn in self._waiting if conn.timeout < now]:
            self._refuse(conn, b"408 Request Timeout")
        self._limit_load()

    def _cap_keepalive(self, deadline: float) -> None:
        """Ends idle connections at the deadline. gunicorn calls it when it stops."""
        for conn in self._waiting:
            if not conn.parser.has_begun:
                conn.timeout = min(conn.timeout, deadline)

    def _limit_load(self) -> None:
        """Ends the oldest waiting requests if connections or received bytes are too many."""
        oldest_first = sorted(self._waiting, key=lambda conn: conn.parser.began_at)
        count = self.nr_conns - self.worker_connections * 9 // 10
        for conn in list(self._ending)[: max(0, count - len(oldest_first))]:
            self._drop(conn, self._ending)
        size = sum(conn.parser.received for conn in oldest_first)
        max_size = settings.FORM_MAX_BYTES * self.cfg.threads
        for conn in oldest_first:
            if count <= 0 and size <= max_size:
                return
            if count > 0 or conn.parser.received:
                size -= conn.parser.received
                count -= 1
                self._refuse(conn, b"503 Service Unavailable")

    def _wants_body(self, conn: Any, request: Any) -> bool:
        """Whether to receive the body. Answers `Expect: 100-continue`."""
        expects, request._expected_100_continue = request._expected_100_continue, False
        if request.body.reader.length > ALWAYS_RECEIVED_BYTES:
            _, environ = wsgi.create(request, conn.sock, conn.client, conn.server, self.cfg)
            if not self._is_accepted(environ):
                return False
        if expects:
            with suppress(OSError):
                conn.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def _receive(self, conn: Any, _sock: socket.socket) -> None:
        try:
            data = conn.sock.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(conn, self._waiting)
        elif conn.parser.receive(data):
            self.poller.unregister(conn.sock)
            self._waiting.remove(conn)
            self._dispatch(conn)
        else:
            conn.timeout = conn.parser.deadline

    def _dispatch(self, conn: Any) -> None:
        """Gives a complete request to a thread."""
        request = conn.parser.request  # None: it is wrong
        is_probe = request is not None and request.path == "/healthz"
        pool = self._liveness_pool if is_probe else self.tpool
        pool.submit(self.handle, conn).add_done_callback(
            lambda future: self.method_queue.defer(self.finish_request, conn, future)
        )

    def _refuse(self, conn: Any, status: bytes) -> None:
        if conn.parser.has_begun:
            REFUSED.inc(status=status[:3].decode())
            with suppress(OSError):
                conn.sock.send(
                    b"HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n" % status
                )
        self._drop(conn, self._waiting)

    def _close(self, conn: Any) -> None:
        """Closes after reading for LINGER_SECONDS. gunicorn itself blocks its main loop for 2 s."""
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(socket.SHUT_WR)
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._discard, conn))
        except OSError:
            self.nr_conns -= 1
            conn.close()
            return
        conn.timeout = time.monotonic() + LINGER_SECONDS
        self._ending.add(conn)

    def _flush(self, conn: Any, finish: Callable[[Any], None], _sock: Any) -> None:
        try:
            if conn.sock.flush():
                conn.timeout = time.monotonic() + SEND_SECONDS
        except OSError:
            self._drop(conn, self._ending)
            return
        if not conn.sock.unsent:
            self.poller.unregister(conn.sock)
            self._ending.remove(conn)
            finish(conn)

    def _discard(self, conn: Any, _sock: socket.socket) -> None:
        try:
            more = bool(conn.sock.recv(RECEIVE_BYTES))
        except BlockingIOError:
            more = True
        except OSError:
            more = False
        if not more:
            self._drop(conn, self._ending)

    def _drop(self, conn: Any, where: set[Any]) -> None:
        where.remove(conn)
        self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.parser.body.close()
        conn.close()
