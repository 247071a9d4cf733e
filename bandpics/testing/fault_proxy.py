"""A TCP proxy for tests that causes faults: it cuts, stalls, slows, refuses or answers itself.

It stands before any server (S3, web, Redis, Postgres) and passes bytes unchanged. Signatures of S3
cover the Host header, so signer and sender must both use *its* address:

    with FaultProxy(s3_endpoint_url) as proxy:
        # S3_ENDPOINT_URL=proxy.url S3_PUBLIC_ENDPOINT_URL=proxy.url
        fault = proxy.cut(after_bytes=100_000, matching=r"^PUT /bandpics/incoming/")
        ...
        assert fault.hits == 1

Any thread may add faults at any time. A fault *with* `matching` (a regular expression for
"METHOD /path?query") hits requests, and counts the bytes of their bodies or of whole responses; one
*without* hits connections, also those that are open. It happens `times` times (None: until it is
lifted), after `skip` requests or connections. TLS and pipelining are not supported; after a chunked
request body the rest of the connection passes unread.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from bandpics.local import addresses
from bandpics.testing.faults import Direction, Fault
from bandpics.testing.faulty_connection import Connection, Ended

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

CLOSE_SECONDS = 5.0
DEFAULT_PORTS = {"http": 80, "redis": 6379, "postgres": 5432, "postgresql": 5432}

# S3's answer to too many requests (AWS, "Error responses").
SLOW_DOWN = (
    503,
    {"Content-Type": "application/xml"},
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>",
)
# The answer of a captive portal to every request.
CAPTIVE_PORTAL = (
    200,
    {"Content-Type": "text/html"},
    b"<!doctype html><title>Welcome</title><h1>Accept our terms to go online</h1>",
)


class FaultProxy:
    """A context manager; `url` is the target's, with host and port of this proxy."""

    def __init__(self, target: str) -> None:
        """`target` is a URL or host:port. Requests are read if it starts with http://."""
        parts = urlsplit(target if "://" in target else f"tcp://{target}")
        self.target = (parts.hostname or "", parts.port or DEFAULT_PORTS.get(parts.scheme, 0))
        self.host = addresses.LOOPBACK
        self.port = addresses.free_port(self.host)
        user, at, _ = parts.netloc.rpartition("@")
        self.url = parts._replace(netloc=f"{user}{at}{self.host}:{self.port}").geturl()
        self.connections = 0  # so far
        self.requests: list[str] = []  # "METHOD /path?query", in the order they came
        self.speaks_http = parts.scheme == "http"
        self._faults: list[Fault] = []
        self._open: set[Connection] = set()
        self._listener: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="fault-proxy", daemon=True)
        self._thread.start()
        self.up()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stops the proxy. Safe to call twice."""
        if self._loop.is_closed():
            return
        self.down()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLOSE_SECONDS)

    # --- Faults -----------------------------------------------------------------------------

    def cut(
        self,
        *,
        after_bytes: int = 0,
        direction: Direction | str = Direction.UP,
        matching: str | None = None,
        times: int | None = 1,
        skip: int = 0,
        is_polite: bool = False,
    ) -> Fault:
        """Ends the connection after so many bytes in one direction, by RST, or by FIN if polite.

        Down after 0 bytes: the server does its work, and the response is lost.
        """
        return self._add(
            *("cut", times, skip, matching, direction),
            after_bytes=after_bytes,
            is_polite=is_polite,
        )

    def stall(
        self,
        *,
        after_bytes: int = 0,
        direction: Direction | str = Direction.UP,
        matching: str | None = None,
        times: int | None = 1,
        skip: int = 0,
    ) -> Fault:
        """Passes nothing in either direction after so many bytes in one, until it is lifted."""
        return self._add("stall", times, skip, matching, direction, after_bytes=after_bytes)

    def delay(
        self, seconds: float, *, matching: str | None = None, times: int | None = None
    ) -> Fault:
        """Delays every burst of bytes, in both directions."""
        return self._add("delay", times, 0, matching, seconds=seconds)

    def trickle(
        self,
        bytes_per_second: int,
        *,
        direction: Direction | str | None = None,
        matching: str | None = None,
        times: int | None = None,
    ) -> Fault:
        """Limits the bytes per second, in one direction or (None) in each."""
        return self._add(
            "trickle", times, 0, matching, direction, bytes_per_second=bytes_per_second
        )

    def answer(
        self,
        status: int,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        matching: str = "",
        times: int | None = 1,
        skip: int = 0,
    ) -> Fault:
        """Answers instead of the server, which does not see the request, and closes."""
        lines = {"Content-Length": str(len(body)), "Connection": "close", **(headers or {})}
        try:
            phrase = HTTPStatus(status).phrase
        except ValueError:
            phrase = "Unknown"
        head = [f"HTTP/1.1 {status} {phrase}", *(f"{k}: {v}" for k, v in lines.items()), "", ""]
        answer = "\r\n".join(head).encode("latin-1") + body
        return self._add("answer", times, skip, matching, answer=answer)

    def heal(self) -> None:
        """Lifts all faults, and listens."""
        for fault in list(self._faults):
            fault.lift()
        self.up()

    # --- Connections ------------------------------------------------------------------------

    def count_requests(self, matching: str) -> int:
        return sum(re.search(matching, request) is not None for request in list(self.requests))

    def close_connections(self) -> None:
        """Resets open connections, and accepts new ones."""
        self._call(self._close_connections())

    def down(self) -> None:
        """Refuses new connections and resets open ones, as if there were no server."""
        self._call(self._stop_listening())

    def up(self) -> None:
        """Listens again on the same port. Safe to call twice."""
        self._call(self._listen())

    # --- In the thread of the loop ----------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    def _call(self, doing: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(doing, self._loop).result(CLOSE_SECONDS)

    def _add(
        self,
        kind: str,
        times: int | None,
        skip: int,
        matching: str | None,
        direction: Direction | str | None = None,
        **more: Any,
    ) -> Fault:
        if matching is not None and not self.speaks_http:
            raise ValueError("This proxy reads requests only for http://.")
        fault = Fault(
            kind,
            times,
            skip,
            None if matching is None else re.compile(matching),
            None if direction is None else Direction(direction),
            _lifting=lambda fault: self._call(self._lift(fault)),
            **more,
        )
        self._call(self._attach(fault))
        return fault

    async def _attach(self, fault: Fault) -> None:
        self._faults.append(fault)
        if not fault.skip and fault.matching is None:
            for connection in self._open:
                connection.apply(fault)

    async def _lift(self, fault: Fault) -> None:
        fault.is_lifted = True
        with contextlib.suppress(ValueError):
            self._faults.remove(fault)
        for connection in self._open:
            connection.remove(fault)

    async def _listen(self) -> None:
        if self._listener is None:
            self._listener = await asyncio.start_server(self._serve, self.host, self.port)

    async def _stop_listening(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        await self._close_connections()

    async def _close_connections(self) -> None:
        for connection in list(self._open):
            connection.end(is_polite=False)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        connection = Connection(self, reader, writer)
        self._open.add(connection)
        try:
            for fault in self.faults_about(None):
                connection.apply(fault)
            await connection.run()
        except (OSError, EOFError, Ended, asyncio.CancelledError):  # cancelled by close()
            return
        finally:
            connection.end(is_polite=True)
            self._open.discard(connection)

    def faults_about(self, request: str | None) -> list[Fault]:
        return [fault for fault in self._faults if fault.is_about(request)]
