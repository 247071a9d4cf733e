"""One connection through the fault proxy."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass
from typing import Protocol

from bandpics.testing.faults import Direction, Fault

READ_BYTES = 64 * 1024
TICKS_PER_SECOND = 20


class Proxy(Protocol):
    """The part of a proxy that a connection uses."""

    target: tuple[str, int]
    speaks_http: bool
    requests: list[str]

    def faults_about(self, request: str | None) -> list[Fault]: ...


class Ended(Exception):
    """The connection was ended by a fault."""


@dataclass(frozen=True)
class Request:
    """The head of a request, and how many bytes of body follow (None: unknown)."""

    line: str
    head: bytes
    body_bytes: int | None
    waits_for_continue: bool

    @classmethod
    def read(cls, head: bytes) -> Request:
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


class Connection:
    """A client, a server, and the faults between them."""

    def __init__(
        self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
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
            # So drain() waits until everything is sent.
            writer.transport.set_write_buffer_limits(high=0)
        up = self._requests if self._proxy.speaks_http else self._bytes_up
        pumps = [
            asyncio.ensure_future(up(to_server)),
            asyncio.ensure_future(self._bytes_down(server)),
        ]
        try:
            # One side may close its half and still read.
            await asyncio.gather(*pumps)
        finally:
            for pump in pumps:
                pump.cancel()

    def apply(self, fault: Fault) -> None:
        if fault not in self._passed:
            self._passed[fault] = 0
            if fault.kind in {"delay", "trickle"}:
                fault.hits += 1

    def remove(self, fault: Fault) -> None:
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
        await self._flows.wait()  # the end of a stalled connection waits, too
        with contextlib.suppress(OSError):
            self._to_client.write_eof()
        if self._proxy.speaks_http:
            raise Ended  # no more responses

    async def _requests(self, to_server: asyncio.StreamWriter) -> None:
        while (request := await self._next_request()) is not None:
            self._proxy.requests.append(request.line)
            for fault in [fault for fault in self._passed if fault.matching is not None]:
                self.remove(fault)  # it was about the last request
            for fault in self._proxy.faults_about(request.line):
                if fault.kind == "answer":
                    await self._answer(fault, request)
                self.apply(fault)
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

    async def _next_request(self) -> Request | None:
        while b"\r\n\r\n" not in self._buffer:
            data = await self._client.read(READ_BYTES)
            if not data:
                return None
            self._buffer += data
        head, end, self._buffer = self._buffer.partition(b"\r\n\r\n")
        return Request.read(head + end)

    async def _read(self, at_most: int) -> bytes:
        data = self._buffer or await self._client.read(min(at_most, READ_BYTES))
        if not data:
            raise Ended
        self._buffer, data = data[at_most:], data[:at_most]
        return data

    async def _answer(self, fault: Fault, request: Request) -> None:
        fault.hits += 1
        left = request.body_bytes or 0
        if not request.waits_for_continue:
            while left:
                left -= len(await self._read(left))
        self._to_client.write(fault.answer)
        await self._to_client.drain()
        raise Ended

    async def _pass(
        self,
        data: bytes,
        direction: Direction,
        writer: asyncio.StreamWriter,
        *,
        is_head: bool = False,
    ) -> None:
        """Sends bytes as slowly, and as far, as the faults allow. Raises Ended."""
        await self._delay(direction)
        while data:
            # The heads of requests count for connections only.
            counting = [
                fault
                for fault in self._passed
                if fault.direction == direction and not (is_head and fault.matching is not None)
            ]
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
            limit = self._bytes_per_tick(direction)
            size = min(room, len(data), limit or len(data))
            await self._flows.wait()
            writer.write(data[:size])
            await writer.drain()
            data = data[size:]
            for fault in counting:
                if fault in self._passed:
                    self._passed[fault] += size
            await self._break_if_due(direction, passed=True)
            if limit:
                await asyncio.sleep(1 / TICKS_PER_SECOND)
        self._last_burst = (direction, self._now())

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
                raise Ended
            self._stalls.add(fault)
            self._passed.pop(fault)
            self._flows.clear()
            await self._flows.wait()

    async def _delay(self, direction: Direction) -> None:
        seconds = sum(fault.seconds for fault in self._passed if fault.kind == "delay")
        last_direction, last_at = self._last_burst
        if seconds and (last_direction != direction or self._now() - last_at > seconds / 2):
            await asyncio.sleep(seconds)

    def _bytes_per_tick(self, direction: Direction) -> int:
        """Returns how many bytes may pass per tick; 0: no limit."""
        rates = [
            fault.bytes_per_second
            for fault in self._passed
            if fault.kind == "trickle" and fault.direction in {None, direction}
        ]
        return max(1, min(rates) // TICKS_PER_SECOND) if rates else 0

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Closes by RST, as a broken network or a killed process would."""
    open_socket = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        open_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
