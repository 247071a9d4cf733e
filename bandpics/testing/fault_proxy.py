"""A way to a server that breaks when told to: cut, stalled, slow, closed, or answered by itself.

For tests. It stands in front of any TCP server (S3, web, Redis, Postgres) and passes bytes
untouched, so signatures of S3, which cover the Host header, hold as long as both who signs and who
sends are given *this* address:

    with FaultProxy(s3_endpoint_url) as proxy:
        # S3_ENDPOINT_URL=proxy.url S3_PUBLIC_ENDPOINT_URL=proxy.url
        fault = proxy.cut(after_bytes=100_000, matching=r"^PUT /bandpics/incoming/")
        ...
        assert fault.hits == 1

Faults are told from any thread, at any time. One *with* `matching` (a regular expression searched
in "METHOD /path?query") is about requests, and counts the bytes of their bodies, or of the answer
with its head; one *without* is about whole connections, those that are open already included.
It happens `times` times, once unless said otherwise (None: until lifted), after letting the first
`skip` requests or connections go. TLS and pipelined requests are beyond it; after a chunked
request body the rest of that connection passes unread.
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

# What S3 says when it is asked too much (AWS, "Error responses").
SLOW_DOWN = (
    503,
    {"Content-Type": "application/xml"},
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>",
)
# What a hotel's network answers to everything until somebody has clicked.
CAPTIVE_PORTAL = (
    200,
    {"Content-Type": "text/html"},
    b"<!doctype html><title>Welcome</title><h1>Accept our terms to go online</h1>",
)


class FaultProxy:
    """`url` is the target's with host and port of this proxy; a context manager."""

    def __init__(self, target: str, *, speaks_http: bool | None = None) -> None:
        """`target` is a URL, or host:port. HTTP is understood for http:// unless said otherwise."""
        parts = urlsplit(target if "://" in target else f"tcp://{target}")
        self.target = (parts.hostname or "", parts.port or DEFAULT_PORTS.get(parts.scheme, 0))
        self.host = addresses.LOOPBACK
        self.port = addresses.free_port(self.host)
        user, at, _ = parts.netloc.rpartition("@")
        self.url = parts._replace(netloc=f"{user}{at}{self.host}:{self.port}").geturl()
        self.connections = 0  # seen so far
        self.requests: list[str] = []  # "METHOD /path?query", in the order they came
        self._speaks_http = parts.scheme == "http" if speaks_http is None else speaks_http
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
        """End everything. Safe to call twice."""
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
        """End the connection once so many bytes have passed in one direction, by RST, or by FIN
        if polite. Down and after 0 bytes: the server did it, and nobody hears of it."""
        return self._add(
            "cut",
            *(times, skip, matching),
            direction=Direction(direction),
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
        """Once so many bytes have passed in one direction, nothing passes in either, and nobody
        closes anything. Lifted, it flows on."""
        return self._add(
            "stall",
            *(times, skip, matching),
            direction=Direction(direction),
            after_bytes=after_bytes,
        )

    def delay(
        self, seconds: float, *, matching: str | None = None, times: int | None = None
    ) -> Fault:
        """Every burst of bytes is this late, in both directions."""
        return self._add("delay", times, 0, matching, seconds=seconds)

    def trickle(
        self,
        bytes_per_second: int,
        *,
        direction: Direction | str | None = None,
        matching: str | None = None,
        times: int | None = None,
    ) -> Fault:
        """Only so many bytes pass in a second, of one direction or (None) of each."""
        return self._add(
            "trickle",
            *(times, 0, matching),
            direction=None if direction is None else Direction(direction),
            bytes_per_second=bytes_per_second,
        )

    def refuse(self, *, times: int | None = 1, skip: int = 0) -> Fault:
        """Close connections as soon as they are made. See down() for "connection refused"."""
        return self._add("refuse", times, skip, None)

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
        """Answer in the server's place, which never sees the request, and close."""
        lines = {"Content-Length": str(len(body)), "Connection": "close", **(headers or {})}
        try:
            phrase = HTTPStatus(status).phrase
        except ValueError:
            phrase = "Unknown"
        head = [f"HTTP/1.1 {status} {phrase}", *(f"{k}: {v}" for k, v in lines.items()), "", ""]
        answer = "\r\n".join(head).encode("latin-1") + body
        return self._add("answer", times, skip, matching, answer=answer)

    def heal(self) -> None:
        """All is well again: every fault lifted, and listening."""
        for fault in list(self._faults):
            fault.lift()
        self.up()

    # --- Connections ------------------------------------------------------------------------

    @property
    def open_connections(self) -> int:
        return len(self._open)

    def count_requests(self, matching: str) -> int:
        return sum(re.search(matching, request) is not None for request in list(self.requests))

    def close_connections(self) -> None:
        """Reset all that are open; new ones are welcome."""
        self._call(self._close_connections())

    def down(self) -> None:
        """As a server that is not there: connections refused, open ones reset."""
        self._call(self._stop_listening())

    def up(self) -> None:
        """Listen again, on the same port. Safe to call twice."""
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
        self, kind: str, times: int | None, skip: int, matching: str | None, **more: Any
    ) -> Fault:
        if matching is not None and not self._speaks_http:
            raise ValueError("This proxy reads no requests: say speaks_http=True.")
        fault = Fault(
            kind,
            times,
            skip,
            None if matching is None else re.compile(matching),
            _lifting=lambda fault: self._call(self._lift(fault)),
            **more,
        )
        self._call(self._attach(fault))
        return fault

    async def _attach(self, fault: Fault) -> None:
        self._faults.append(fault)
        if not fault.skip and fault.matching is None:
            for connection in self._open:
                connection.suffer(fault)

    async def _lift(self, fault: Fault) -> None:
        fault.is_lifted = True
        with contextlib.suppress(ValueError):
            self._faults.remove(fault)
        for connection in self._open:
            connection.forget(fault)

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
                if fault.kind == "refuse":
                    fault.hits += 1
                    connection.end(is_polite=False)
                    return
                connection.suffer(fault)
            await connection.run()
        except (OSError, EOFError, Ended, asyncio.CancelledError):  # cancelled: we are closing
            return
        finally:
            connection.end(is_polite=True)
            self._open.discard(connection)

    def faults_about(self, request: str | None) -> list[Fault]:
        return [fault for fault in self._faults if fault.is_about(request)]

    def reads_requests(self) -> bool:
        return self._speaks_http
