"""A second S3, for archives of many gigabytes: the one of the tests holds each multipart upload in
memory until it is complete."""

from __future__ import annotations

import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bandpics.local import addresses, s3_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOST = addresses.LOOPBACK


@contextmanager
def streaming_store(
    folder: Path, *, bucket: str, access_key: str, secret_key: str
) -> Iterator[str]:
    """Yields the address of a store that writes parts to disk as they come, in their order."""
    (folder / bucket).mkdir(parents=True, exist_ok=True)
    port = addresses.free_port(HOST)
    program = s3_server.program(
        folder, host=HOST, port=port, access_key=access_key, secret_key=secret_key
    )
    command = [word for word in program.command if word != "--disable-multipart-streaming"]
    with subprocess.Popen(command, env=dict(program.environment)) as process:
        try:
            while not s3_server.answers(host=HOST, port=port):
                time.sleep(0.1)
            yield f"http://{HOST}:{port}"
        finally:
            process.terminate()
