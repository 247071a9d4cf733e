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
import socket
import struct
import threading
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from bandpics.local import addresses

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

READ_BYTES = 64 * 1024
TICKS_PER_SECOND = 20
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


class Direction(StrEnum):
    UP = "up"  # client to server
    DOWN = "down"


@dataclass(eq=False)
class Fault:
    """One thing that goes wrong. `hits` says how often it did."""

    kind: str
    times: int | None
    skip: int = 0
    matching: re.Pattern[str] | None = None
    direction: Direction | None = None
    after_bytes: int = 0
    seconds: float = 0.0
    bytes_per_second: int = 0
    is_polite: bool = False
    answer: bytes = b""
    hits: int = 0
    is_lifted: bool = False
    _lifting: Callable[[Fault], None] = field(default=lambda fault: None, repr=False)

    def lift(self) -> None:
        """It happens no more; what it stalled flows on."""
        self._lifting(self)

    @property
    def is_due(self) -> bool:
        return not self.is_lifted and (self.times is None or self.hits < self.times)

    def is_about(self, request: str | None) -> bool:
        """Of a request, or (None) of a connection; takes one of those that are skipped."""
        if self.matching is None or request is None:
            fits = self.matching is None and request is None
        else:
            fits = self.matching.search(request) is not None
        if not fits or not self.is_due:
            return False
        if self.skip:
            self.skip -= 1
            return False
        return True


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
        self._open: set[_Connection] = set()
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
        connection = _Connection(self, reader, writer)
        self._open.add(connection)
        try:
            for fault in self.faults_about(None):
                if fault.kind == "refuse":
                    fault.hits += 1
                    connection.end(is_polite=False)
                    return
                connection.suffer(fault)
            await connection.run()
        except (OSError, EOFError, _Ended, asyncio.CancelledError):  # cancelled: we are closing
            return
        finally:
            connection.end(is_polite=True)
            self._open.discard(connection)

    def faults_about(self, request: str | None) -> list[Fault]:
        return [fault for fault in self._faults if fault.is_about(request)]

    def reads_requests(self) -> bool:
        return self._speaks_http


class _Ended(Exception):
    """The connection was ended by a fault."""


@dataclass(frozen=True)
class _Request:
    """A head as it came, and how many bytes of body follow (None: nobody knows)."""

    line: str
    head: bytes
    body_bytes: int | None
    waits_for_continue: bool

    @classmethod
    def read(cls, head: bytes) -> _Request:
        first, *lines = head.decode("latin-1").split("\r\n")
        named = (line.partition(":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in named}
        is_open = "transfer-encoding" in headers or "upgrade" in headers
        return cls(
            line=first.rpartition(" ")[0],
            head=head,
            body_bytes=None if is_open else int(headers.get("content-length", "0")),
            waits_for_continue=headers.get("expect", "").lower() == "100-continue",
        )


class _Connection:
    """Client and server, and what they are to suffer."""

    def __init__(
        self, proxy: FaultProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._proxy = proxy
        self._client, self._to_client = reader, writer
        self._to_server: asyncio.StreamWriter | None = None
        self._passed: dict[Fault, int] = {}  # bytes, in the fault's direction
        self._stalls: set[Fault] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self._last_burst: tuple[Direction | None, float] = (None, 0.0)
        self._buffer = b""

    async def run(self) -> None:
        server, to_server = await asyncio.open_connection(*self._proxy.target)
        self._to_server = to_server
        for writer in (self._to_client, to_server):
            writer.transport.set_write_buffer_limits(high=0)  # drain() means: handed over
        up = self._requests if self._proxy.reads_requests() else self._bytes_up
        pumps = [
            asyncio.ensure_future(up(to_server)),
            asyncio.ensure_future(self._bytes_down(server)),
        ]
        try:
            # One side may close its half and still be listening.
            await asyncio.gather(*pumps)
        finally:
            for pump in pumps:
                pump.cancel()

    def suffer(self, fault: Fault) -> None:
        if fault not in self._passed:
            self._passed[fault] = 0
            if fault.kind in {"delay", "trickle"}:
                fault.hits += 1

    def forget(self, fault: Fault) -> None:
        self._passed.pop(fault, None)
        self._stalls.discard(fault)
        if not self._stalls:
            self._flows.set()

    def end(self, *, is_polite: bool) -> None:
        for writer in (self._to_client, self._to_server):
            if writer is None or writer.is_closing():
                continue
            if is_polite:
                writer.close()
            else:
                _reset(writer)

    # --- Bytes ------------------------------------------------------------------------------

    async def _bytes_up(self, to_server: asyncio.StreamWriter) -> None:
        while data := self._buffer or await self._client.read(READ_BYTES):
            self._buffer = b""
            await self._pass(data, Direction.UP, to_server)
        with contextlib.suppress(OSError):
            to_server.write_eof()

    async def _bytes_down(self, server: asyncio.StreamReader) -> None:
        while data := await server.read(READ_BYTES):
            await self._pass(data, Direction.DOWN, self._to_client)
        await self._flows.wait()  # the end, too, has to wait
        with contextlib.suppress(OSError):
            self._to_client.write_eof()
        if self._proxy.reads_requests():
            raise _Ended  # nobody answers any more

    async def _requests(self, to_server: asyncio.StreamWriter) -> None:
        while (request := await self._next_request()) is not None:
            self._proxy.requests.append(request.line)
            self._forget_last_request()
            for fault in self._proxy.faults_about(request.line):
                if fault.kind == "answer":
                    await self._answer(fault, request)
                self.suffer(fault)
            await self._pass(request.head, Direction.UP, to_server, is_head=True)
            await self._break_if_due(Direction.UP)
            if request.body_bytes is None:
                await self._bytes_up(to_server)
                return
            left = request.body_bytes
            while left:
                data = await self._read(left)
                left -= len(data)
                await self._pass(data, Direction.UP, to_server)
        with contextlib.suppress(OSError):
            to_server.write_eof()

    async def _next_request(self) -> _Request | None:
        while b"\r\n\r\n" not in self._buffer:
            data = await self._client.read(READ_BYTES)
            if not data:
                return None
            self._buffer += data
        head, end, self._buffer = self._buffer.partition(b"\r\n\r\n")
        return _Request.read(head + end)

    async def _read(self, at_most: int) -> bytes:
        data = self._buffer or await self._client.read(min(at_most, READ_BYTES))
        if not data:
            raise _Ended
        self._buffer, data = data[at_most:], data[:at_most]
        return data

    def _forget_last_request(self) -> None:
        for fault in [fault for fault in self._passed if fault.matching is not None]:
            self.forget(fault)

    async def _answer(self, fault: Fault, request: _Request) -> None:
        fault.hits += 1
        left = request.body_bytes or 0
        if not request.waits_for_continue:
            while left:
                left -= len(await self._read(left))
        self._to_client.write(fault.answer)
        await self._to_client.drain()
        raise _Ended

    async def _pass(
        self,
        data: bytes,
        direction: Direction,
        writer: asyncio.StreamWriter,
        *,
        is_head: bool = False,
    ) -> None:
        """Hand bytes on as slowly, and as far, as the faults allow. Raises _Ended."""
        await self._be_late(direction)
        while data:
            counting = self._counting(direction, is_head=is_head)
            room = min(
                [
                    fault.after_bytes - self._passed[fault]
                    for fault in counting
                    if fault.kind in {"cut", "stall"} and fault.is_due
                ],
                default=len(data),
            )
            if room <= 0:
                await self._break_if_due(direction)
                continue
            pace = self._pace(direction)
            size = min(room, len(data), pace or len(data))
            await self._flows.wait()
            writer.write(data[:size])
            await writer.drain()
            data = data[size:]
            for fault in counting:
                if fault in self._passed:
                    self._passed[fault] += size
            await self._break_if_due(direction, passed=True)
            if pace:
                await asyncio.sleep(1 / TICKS_PER_SECOND)
        self._last_burst = (direction, self._now())

    def _counting(self, direction: Direction, *, is_head: bool) -> list[Fault]:
        """Faults of requests count only the body on the way up."""
        return [
            fault
            for fault in self._passed
            if fault.direction == direction and not (is_head and fault.matching is not None)
        ]

    async def _break_if_due(self, direction: Direction, *, passed: bool = False) -> None:
        for fault in list(self._passed):
            if fault.kind not in {"cut", "stall"} or fault.direction != direction:
                continue
            count = self._passed.get(fault, 0)
            if not fault.is_due or count < fault.after_bytes or (passed and not count):
                continue
            fault.hits += 1
            if fault.kind == "cut":
                self.end(is_polite=fault.is_polite)
                raise _Ended
            self._stalls.add(fault)
            self._passed.pop(fault)
            self._flows.clear()
            await self._flows.wait()

    async def _be_late(self, direction: Direction) -> None:
        seconds = sum(fault.seconds for fault in self._passed if fault.kind == "delay")
        last_direction, last_at = self._last_burst
        if seconds and (last_direction != direction or self._now() - last_at > seconds / 2):
            await asyncio.sleep(seconds)

    def _pace(self, direction: Direction) -> int:
        """Bytes a tick, 0 for as fast as can be."""
        paces = [
            fault.bytes_per_second
            for fault in self._passed
            if fault.kind == "trickle" and fault.direction in {None, direction}
        ]
        return max(1, min(paces) // TICKS_PER_SECOND) if paces else 0

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close by RST, as a network that breaks down, or a process that is killed."""
    open_socket = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        open_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
