"""gunicorn's threaded worker, changed so that slow clients occupy no thread, and none waits long in
silence.

gunicorn gives a thread to every connection that has sent a byte, so that eight slow clients block a
server. Here the main loop receives a whole request (a large body on disk) before a thread gets it,
and sends the part of a response that the client does not take at once. The loop does not wait for
a body that will be refused: that response says `Connection: close`. Late requests get a 408.

A server that gets more than it can serve would let everybody wait until they give up, and then
serve nobody. So a request that no thread has taken for QUEUE_SECONDS gets a 503, which says when to
ask again; and connections are accepted at once, for which those make room that are idle.
"""

from __future__ import annotations

import math
import selectors
import socket
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from django.conf import settings
from gunicorn.http import wsgi
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, ThreadWorker

from bandpics.buffered_socket import RECEIVE_BYTES, SEND_SECONDS, BufferedSocket
from bandpics.incoming_request import IncomingRequest

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

# Bodies up to this length are always received; longer ones only if the view accepts them.
ALWAYS_RECEIVED_BYTES = 64 * 1024
# How long a closed connection is read: unread bytes would reset it and lose the response.
LINGER_SECONDS = 5.0
# The longest time that a request waits for a thread.
QUEUE_SECONDS = 5.0
# How long a new connection may stay where there is no room: its request is on its way.
NEW_SECONDS = 0.25
# New connections that are accepted before the others have their turn.
ACCEPTED_AT_ONCE = 32


class BufferingWorker(ThreadWorker):
    """Overrides gunicorn's set_accept_enabled, accept, enqueue_req, finish_request,
    wait_for_and_dispatch_events and murder_pending, which run in the main loop, and handle_request
    and handle_error, which run in a thread."""

    alive: bool

    def init_process(self) -> None:
        self._waiting: set[Any] = set()  # connections whose request has not arrived
        # Connections whose request waits for a thread, and until when.
        self._queue: deque[tuple[Any, float]] = deque()
        self._running = 0  # requests that have a thread
        self._probe: Any = None  # the connection whose /readyz goes before all others
        self._ending: set[Any] = set()  # connections that get a response, or are closed
        self._next_check = 0.0
        self._stops_at: float | None = None
        # With more connections each is closed behind its answer.
        self._crowd = self.worker_connections * 8 // 10
        # Beyond the soft limit those that had their answer are closed; beyond the hard one those
        # that have not asked, too.
        self._soft_limit = self.worker_connections * 9 // 10
        self._hard_limit = self.worker_connections * 19 // 20
        # /healthz gets a thread of its own, however busy the others are.
        self._liveness_pool = ThreadPoolExecutor(max_workers=1)
        super().init_process()

    def load_wsgi(self) -> None:
        super().load_wsgi()
        from bandpics import health, refusals  # they need Django, which is set up now
        from bandpics.middleware import body_limit

        self._is_accepted, self._is_stopping = body_limit.is_accepted, health.is_stopping
        self._refusals = refusals

    def set_accept_enabled(self, enabled: bool) -> None:
        """Takes new connections, or not. A server that has stopped closes its sockets at once, for
        the kernel would go on to accept connections that nobody serves; those that it has accepted
        are still served."""
        super().set_accept_enabled(enabled)
        if enabled or self.alive:
            return
        for listener in self.sockets:
            listener.setblocking(False)
            self._accept_all(listener)
            listener.close()

    def accept(self, listener: Any) -> None:
        """Takes new connections. Those that are idle make room for them at once."""
        self._accept_all(listener, most=ACCEPTED_AT_ONCE)
        if self.alive:
            self._limit_load()

    def _accept_all(self, listener: Any, *, most: float = math.inf) -> None:
        count, before = 0, -1
        while before != self.nr_conns and count < most:
            before = self.nr_conns
            super().accept(listener)
            count += 1

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
        self._forget_probe(conn)
        if conn.has_thread_of_pool:
            self._running -= 1
            self._hand_over()
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
        if self._stops_at is not None or self.nr_conns > self._crowd:
            # The client is told so, and sends its next request by a new connection. An idle one
            # would be closed to make room, perhaps while a request is on its way.
            req.force_close()
        return bool(super().handle_request(req, conn))

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answers a request that cannot be read. Runs in a thread."""
        status = self._refusals.status_of(exc)
        if status is None:
            super().handle_error(req, client, addr, exc)
            return
        began_at = getattr(exc, "began_at", time.monotonic())
        answer = self._refusals.refuse(status, request=req, client=addr, began_at=began_at)
        with suppress(OSError):
            client.sendall(answer)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Handles SIGTERM: /readyz fails at once, the server goes on for WEB_DRAIN_SECONDS."""
        drain_seconds = settings.WEB_DRAIN_SECONDS if self.booted else 0
        if not drain_seconds:
            super().handle_exit(sig, frame)
        elif self._stops_at is None:
            self._is_stopping.set()
            self._stops_at = time.monotonic() + drain_seconds

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Waits for events, and no longer than until the next check."""
        super().wait_for_and_dispatch_events(min(timeout, self._seconds_to_check()))

    def _seconds_to_check(self) -> float:
        """Returns how long to wait for the next check. Beyond the hard limit it comes soon, because
        new connections that stay silent make room for others then."""
        return NEW_SECONDS / 2 if self.nr_conns > self._hard_limit else 0.5

    def murder_pending(self) -> None:
        """Ends late connections. gunicorn calls it at least once a second."""
        now = time.monotonic()
        if now < self._next_check:
            return
        self._next_check = now + self._seconds_to_check()
        if self._stops_at is not None and now > self._stops_at and self.alive:
            self.alive = False
        for conn in [conn for conn in self._ending if conn.timeout < now]:
            self._drop(conn, self._ending)
        for conn in [conn for conn in self._waiting if conn.timeout < now]:
            self._refuse(conn, 408)
        for entry in [entry for entry in self._queue if entry[1] < now]:
            self._queue.remove(entry)
            self._refuse_queued(entry[0])
        self._limit_load()

    def _cap_keepalive(self, deadline: float) -> None:
        """Ends idle connections at the deadline. gunicorn calls it when it stops."""
        for conn in self._waiting:
            if not conn.parser.has_begun:
                conn.timeout = min(conn.timeout, deadline)

    def _limit_load(self) -> None:
        """Closes connections beyond the limits, of each kind the oldest first.

        Beyond the soft limit: those whose answer is sent, then those that idle after a request.
        Beyond the hard limit, which does not count new ones: those whose request has not arrived,
        then those that read their answer slowly. Requests in the queue get a 503, the newest
        first, if they alone are beyond the soft limit; unfinished ones, if their bytes are too
        many.
        """
        size = sum(conn.parser.received for conn in self._waiting)
        max_size = settings.FORM_MAX_BYTES * self.cfg.threads
        if self.nr_conns <= self._soft_limit and size <= max_size:
            return
        ending = sorted(self._ending, key=lambda conn: conn.timeout)
        answered = [conn for conn in ending if conn.parser.is_wanted and not conn.sock.unsent]
        for conn in answered[: max(0, self.nr_conns - self._soft_limit)]:
            self._drop(conn, self._ending)
        new = [conn for conn in self._waiting if conn.parser.silent_seconds < NEW_SECONDS]
        hard_limit = self._hard_limit + len(new)
        for conn in sorted(self._waiting.difference(new), key=lambda conn: conn.parser.leaves_at):
            limit = self._soft_limit if conn.parser.is_idle else hard_limit
            is_beyond = self.nr_conns > limit
            if is_beyond:
                self._receive(conn)  # perhaps the rest is there, and was not seen yet
            if conn in self._waiting and (is_beyond or (size > max_size and conn.parser.received)):
                size -= conn.parser.received
                self._refuse(conn, 503)
        for conn in ending:
            if self.nr_conns > hard_limit and conn in self._ending:
                self._drop(conn, self._ending)
        asking = self.nr_conns - len(self._waiting)
        for _ in range(min(asking - self._soft_limit, len(self._queue))):
            self._refuse_queued(self._queue.pop()[0])

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

    def _receive(self, conn: Any, _sock: socket.socket | None = None) -> None:
        if conn not in self._waiting:
            return  # it had to make room for one that came at the same moment
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
        """Queues a complete request for the threads; a probe before all others, if it is the only
        one: who sends many must not keep all others from the threads."""
        request = conn.parser.request  # None: it is wrong
        path = None if request is None else request.path
        if path == "/healthz":
            self._submit(conn, self._liveness_pool)
        elif path == "/readyz" and self._probe is None:
            self._probe = conn
            self._queue.appendleft((conn, math.inf))
        else:
            self._queue.append((conn, time.monotonic() + QUEUE_SECONDS))
        self._hand_over()

    def _hand_over(self) -> None:
        """Gives each thread that is free the request that waits for longest."""
        while self._queue and self._running < self.cfg.threads:
            self._running += 1
            self._submit(self._queue.popleft()[0], self.tpool)

    def _submit(self, conn: Any, pool: ThreadPoolExecutor) -> None:
        conn.has_thread_of_pool = pool is self.tpool
        pool.submit(self.handle, conn).add_done_callback(
            lambda future: self.method_queue.defer(self.finish_request, conn, future)
        )

    def _forget_probe(self, conn: Any) -> None:
        if conn is self._probe:
            self._probe = None

    def _refuse_queued(self, conn: Any) -> None:
        """Answers 503 to a request that would wait too long."""
        self._forget_probe(conn)
        with suppress(OSError):
            conn.sock.send(self._refusal(conn, 503))
        self.nr_conns -= 1
        conn.parser.body.close()
        conn.close()

    def _refusal(self, conn: Any, status: int) -> bytes:
        answer: bytes = self._refusals.refuse(
            status,
            request=conn.parser.request,
            client=conn.client,
            began_at=conn.parser.began_at,
        )
        return answer

    def _refuse(self, conn: Any, status: int) -> None:
        if conn.parser.has_begun:
            with suppress(OSError):
                conn.sock.send(self._refusal(conn, status))
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
        if conn not in self._ending:
            return
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
        if conn not in self._ending:
            return
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
