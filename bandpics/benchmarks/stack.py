"""The stores and the web server that are measured."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from bandpics import entrypoint
from bandpics.local import addresses, postgres
from bandpics.local.data_dir import DataDir
from bandpics.local.environment import PROJECT
from bandpics.local.stack import OWN, Stack
from bandpics.local.supervisor import NoSignals, Supervisor

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTINGS = "bandpics.benchmarks.settings"
START_SECONDS = 30


@contextmanager
def stores() -> Iterator[None]:
    """Starts empty stores; their addresses are in the environment."""
    environment = {name: value for name, value in os.environ.items() if name not in OWN}
    with ExitStack() as cleanup:
        folder = cleanup.enter_context(tempfile.TemporaryDirectory(prefix="bandpics-bench-"))
        data_dir = DataDir(Path(folder))
        (data_dir / "static").mkdir()
        supervisor = Supervisor(data_dir, signals=NoSignals(), report=lambda line: None)
        stack = Stack(
            data_dir, supervisor, environment=environment, host=addresses.LOOPBACK, port=8000
        )
        cleanup.callback(stack.stop)
        stack.start_stores(postgres_settings=postgres.NOT_DURABLE)
        os.environ.update(stack.variables)
        os.environ["DJANGO_SETTINGS_MODULE"] = SETTINGS
        yield


@dataclass(frozen=True)
class Web:
    port: int
    pid: int  # of the process that answers

    def cpu_seconds(self) -> float:
        """Returns the cpu time of all threads so far, more finely than `ps` does."""
        threads = Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


@contextmanager
def web(*, cores: int | None = 1) -> Iterator[Web]:
    """Starts a web server as production does, but with one process, on so many cores or all."""
    port = addresses.free_port(addresses.LOOPBACK)
    variables = {
        "WEB_HOST": addresses.LOOPBACK,
        "WEB_PORT": str(port),
        "WEB_PROCESSES": "1",
        "WEB_DRAIN_SECONDS": "0",
    }
    command = entrypoint.command("web", ["--log-level", "error"], {**os.environ, **variables})
    with subprocess.Popen([sys.executable, "-m", *command], cwd=PROJECT) as process:
        try:
            # Set before gunicorn forks: its worker inherits them.
            os.sched_setaffinity(process.pid, sorted(os.sched_getaffinity(0))[:cores])
            _wait_for(f"http://{addresses.LOOPBACK}:{port}/healthz")
            (worker,) = psutil.Process(process.pid).children()
            yield Web(port, worker.pid)
        finally:
            process.terminate()


def _wait_for(url: str) -> None:
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            urllib.request.urlopen(url, timeout=2).close()  # noqa: S310 - our own address
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
