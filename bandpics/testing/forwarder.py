"""A balancer for tests: a TCP forwarder that opens connections only to servers that are ready."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Self

from bandpics.local import addresses

LOOK_SECONDS = 0.5
# How long a connection waits for a server that takes it, as in infra/caddy/Caddyfile.
TRY_SECONDS = 5.0
PROBE = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class Forwarder:
    """A context manager. Each new connection goes to the server with the fewest of them; one that
    refuses a connection is not asked again until /readyz says 200."""

    def __init__(self) -> None:
        self.port = addresses.free_port(addresses.LOOPBACK)
        self.ready: set[int] = set()
        self._servers: set[int] = set()
        self._open: dict[int, int] = {}
        self._loop = asyncio.new_event_loop()
        self._has_begun = threading.Event()
        self._thread = threading.Thread(target=self._run, name="forwarder", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._has_begun.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def add(self, port: int) -> None:
        self._servers.add(port)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        listening = asyncio.start_server(self._serve, addresses.LOOPBACK, self.port)
        server = self._loop.run_until_complete(listening)
        looking = self._loop.create_task(self._look())
        self._has_begun.set()
        self._loop.run_forever()
        looking.cancel()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.1))
        self._loop.close()

    async def _look(self) -> None:
        while True:
            for port in list(self._servers):
                if await _is_ready(port):
                    self.ready.add(port)
                else:
                    self.ready.discard(port)
            await asyncio.sleep(LOOK_SECONDS)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            port, server = await self._connect()
        except TimeoutError:
            writer.close()
            return
        self._open[port] = self._open.get(port, 0) + 1
        try:
            await asyncio.gather(_pump(reader, server[1]), _pump(server[0], writer))
        finally:
            self._open[port] -= 1

    async def _connect(
        self,
    ) -> tuple[int, tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        async with asyncio.timeout(TRY_SECONDS):
            while True:
                for port in sorted(self.ready, key=lambda one: self._open.get(one, 0)):
                    try:
                        return port, await asyncio.open_connection(addresses.LOOPBACK, port)
                    except OSError:
                        self.ready.discard(port)
                await asyncio.sleep(0.05)


async def _is_ready(port: int) -> bool:
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(3):
            reader, writer = await asyncio.open_connection(addresses.LOOPBACK, port)
            try:
                writer.write(PROBE)
                return (await reader.readline()).split()[1:2] == [b"200"]
            finally:
                writer.close()
    return False


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(64 * 1024):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.close()
