"""A SOCKS5 server (RFC 1928) that leads some addresses elsewhere.

A browser behind it keeps the addresses that signatures and links carry, and yet every byte passes
where a test wants it: through a fault proxy.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    Address = tuple[str, int]

READ_BYTES = 64 * 1024
# Kernels would take megabytes off a sender at once, and its progress would tell of nothing.
BUFFER_BYTES = 64 * 1024
CONNECT, IPV4, DOMAIN, IPV6 = 1, 1, 3, 4
GRANTED, REFUSED = 0, 5
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@contextlib.asynccontextmanager
async def socks_server(routes: Mapping[Address, Address]) -> AsyncIterator[str]:
    """Its URL. Connections to addresses that are not among the routes are refused."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(OSError, EOFError, asyncio.CancelledError):
            await _serve(reader, writer, routes)
        writer.close()
        tasks.discard(task)

    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    server = await asyncio.start_server(serve, sock=listener)
    try:
        yield f"socks5://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()


async def _serve(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    routes: Mapping[Address, Address],
) -> None:
    _, method_count = await reader.readexactly(2)
    await reader.readexactly(method_count)
    writer.write(bytes([5, 0]))
    _, command, _, kind = await reader.readexactly(4)
    if kind == DOMAIN:
        host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
    else:
        size, family = (4, socket.AF_INET) if kind == IPV4 else (16, socket.AF_INET6)
        host = socket.inet_ntop(family, await reader.readexactly(size))
    (port,) = struct.unpack(">H", await reader.readexactly(2))
    try:
        if command != CONNECT or (host, port) not in routes:
            raise OSError(f"no way to {host}:{port}")
        far_reader, far_writer = await asyncio.open_connection(*routes[host, port])
    except OSError:
        writer.write(_reply(REFUSED))
        await writer.drain()
        return
    writer.write(_reply(GRANTED))
    try:
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
    except OSError:
        # One side was reset: so is the other, and nothing is closed politely.
        _reset(writer)
        _reset(far_writer)
    finally:
        far_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.set_write_buffer_limits(high=0)
    while data := await reader.read(READ_BYTES):
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()


def _reply(status: int) -> bytes:
    return bytes([5, status, 0, IPV4, 0, 0, 0, 0, 0, 0])


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    writer.transport.abort()
