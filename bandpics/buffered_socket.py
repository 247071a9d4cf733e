"""A socket that does not wait for a client who reads slowly."""

from __future__ import annotations

import io
import select
import socket
import tempfile
from contextlib import suppress
from typing import Any

RECEIVE_BYTES = 64 * 1024
# The longest body, or rest of a response, that is kept in memory; a longer one goes to disk.
MEMORY_BYTES = 64 * 1024
# How long a client may take nothing of a response, and how much of one is buffered.
SEND_SECONDS, UNSENT_MAX_BYTES = 20.0, 16 * 1024 * 1024


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
            self._buffer = tempfile.SpooledTemporaryFile(  # noqa: SIM115 - close() closes it
                MEMORY_BYTES, dir=self._folder
            )
            self._sent = 0
        self._buffer.seek(0, io.SEEK_END)
        self._buffer.write(data)
        self.unsent += len(data)
