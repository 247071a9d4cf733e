"""A RabbitMQ of its own for tests, of Debian's package `rabbitmq-server`; or one that runs already.

BANDPICS_RABBITMQ_URL names one that runs, such as the service of a CI job, and
BANDPICS_RABBITMQ_RESTART the command that restarts it.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from kombu import Connection
from kombu.exceptions import OperationalError

from bandpics.local import addresses

if TYPE_CHECKING:
    from typing import Any

# Debian's /usr/sbin/rabbitmq-server would change to another user.
SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
START_SECONDS = 90
QUEUES = ("images", "sweep", "mail", "archives", "transforms", "captions")


class NoRabbitMq(Exception):
    """There is no RabbitMQ to test with."""


class OwnRabbitMq:
    """A node in a folder, with an epmd of its own; both end with stop()."""

    def __init__(self, folder: Path) -> None:
        epmd = shutil.which("epmd")
        if epmd is None or not SERVER.exists():
            raise NoRabbitMq(
                "There is no RabbitMQ. Install it (apt-get install rabbitmq-server; it need not "
                "run), or set BANDPICS_RABBITMQ_URL to one that runs."
            )
        port, epmd_port, node_port = (addresses.free_port(addresses.LOOPBACK) for _ in range(3))
        self.url = f"amqp://guest:guest@{addresses.LOOPBACK}:{port}//"
        self._folder = folder
        (folder / "conf").mkdir(parents=True)
        (folder / "conf" / "rabbitmq.conf").write_text(
            "disk_free_limit.absolute = 1MB\nlog.console = false\n"
        )
        (folder / "conf" / "enabled_plugins").write_text("[].\n")
        (folder / "conf" / "env.conf").write_text("")
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),  # of the cookie
            "ERL_EPMD_PORT": str(epmd_port),
            "ERL_EPMD_ADDRESS": addresses.LOOPBACK,
            "RABBITMQ_NODENAME": f"bandpics{port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": addresses.LOOPBACK,
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_DIST_PORT": str(node_port),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "logs"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "conf" / "env.conf"),
            "RABBITMQ_CONFIG_FILE": str(folder / "conf" / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "conf" / "enabled_plugins"),
        }
        self._epmd = self._run(epmd, "-port", str(epmd_port), "-address", addresses.LOOPBACK)
        self._server: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        self._server = self._run(str(SERVER))
        _wait_for(self.url, self._server, self._folder / "output.log")

    def kill(self) -> None:
        """As a power cut: what was not written is gone."""
        _end(self._server)

    def restart(self) -> None:
        self.kill()
        self.start()

    def stop(self) -> None:
        _end(self._server)
        _end(self._epmd)

    def _run(self, *command: str) -> subprocess.Popen[bytes]:
        with (self._folder / "output.log").open("ab") as log:
            return subprocess.Popen(
                command,
                env=self._environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # the script's children end with it
            )


class RunningRabbitMq:
    """One that somebody else started; it is emptied first."""

    def __init__(self, url: str, restart: str) -> None:
        self.url = url
        self._restart = shlex.split(restart)
        _wait_for(url)
        forget(url)

    def restart(self) -> None:
        if not self._restart:
            raise NoRabbitMq("Set BANDPICS_RABBITMQ_RESTART to the command that restarts it.")
        subprocess.run(self._restart, check=True, timeout=START_SECONDS)
        _wait_for(self.url)

    def stop(self) -> None:
        forget(self.url)


def started(folder: Path) -> OwnRabbitMq | RunningRabbitMq:
    """Raises NoRabbitMq, which says what to do."""
    if url := os.environ.get("BANDPICS_RABBITMQ_URL"):
        return RunningRabbitMq(url, os.environ.get("BANDPICS_RABBITMQ_RESTART", ""))
    return OwnRabbitMq(folder)


def forget(url: str) -> None:
    """Deletes the messages of all our queues; they may be in use."""
    for name in QUEUES:
        with suppress(*_errors(url)), Connection(url, connect_timeout=2) as broker:
            broker.default_channel.queue_purge(name)


def depth(url: str, name: str = "images") -> int:
    """Counts the messages that wait in a queue."""
    with Connection(url, connect_timeout=2) as broker:
        return int(broker.default_channel.queue_declare(name, passive=True).message_count)


def _errors(url: str) -> tuple[type[BaseException], ...]:
    broker: Any = Connection(url)
    return (OperationalError, *broker.connection_errors, *broker.channel_errors)


def _wait_for(
    url: str, server: subprocess.Popen[bytes] | None = None, log: Path | None = None
) -> None:
    end = time.monotonic() + START_SECONDS
    while True:
        with suppress(*_errors(url)), Connection(url, connect_timeout=2) as broker:
            broker.connect()
            return
        has_ended = server is not None and server.poll() is not None
        if has_ended or time.monotonic() > end:
            said = log.read_text(errors="replace")[-2000:] if log else ""
            raise NoRabbitMq(f"RabbitMQ at {url} does not answer.\n{said}")
        time.sleep(0.2)


def _end(process: subprocess.Popen[bytes] | None) -> None:
    if process is None:
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)
