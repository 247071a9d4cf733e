"""Runs all roles of one server as forks of this process: `python -m bandpics.entrypoint all`.

For a server with little memory: together they take a third of what they take in containers of their
own. A role that ends is started again, and its end is an error in the log. Each role is a process
of its own, with its limits of memory and time; none waits for another.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from bandpics import entrypoint, forks, probe

if TYPE_CHECKING:
    from types import FrameType

logger = logging.getLogger(__name__)

FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS = 0.5, 30.0
# A role that ran for so long did not end by what kept it from starting.
SETTLED_SECONDS = 30.0
CHECK_SECONDS = 1.0


class Role:
    """One role: its process, and when it is started again."""

    def __init__(self, name: str, known: dict[str, str]) -> None:
        self.name = name
        self._known = known  # the variables of this container
        self.failures = 0
        self.started_at = self.due_at = 0.0
        self.process: forks.Fork | None = None

    def start(self) -> None:
        words = entrypoint.command(self.name, [], self._known)
        environment = entrypoint.variables(self.name, self._known) | {
            "WORKER_HEARTBEAT_FILE": str(probe.heartbeat_of(self.name)),
            **_metrics_port(self.name),
        }
        self.started_at = time.monotonic()
        self.process = forks.fork(
            partial(forks.run_program, words),
            name=self.name,
            environment=environment,
            output=sys.stderr.fileno(),
        )

    def check(self) -> None:
        """Starts it, or again if it has ended; later each time it ends early."""
        now = time.monotonic()
        if self.process is None:
            if now >= self.due_at:
                self.start()
        elif (code := self.process.poll()) is not None:
            if now - self.started_at > SETTLED_SECONDS:
                self.failures = 0
            delay = min(FIRST_DELAY_SECONDS * 2**self.failures, LONGEST_DELAY_SECONDS)
            self.failures += 1
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)  # its children, if it was killed
            self.process, self.due_at = None, now + delay
            # A negative code is the number of a signal: -9 may be a lack of memory.
            logger.error(
                "role-ended: %s ended with %s; it starts again in %.1f s", self.name, code, delay
            )


def main() -> None:
    """Runs the roles until SIGTERM; then lets each finish what it does."""
    known = dict(os.environ)
    # Of the settings that all roles share: a pool cannot be taken away again.
    os.environ["DATABASE_POOL_SIZE"] = "0"
    # First: Linux lets process 1 of a container ignore signals that it does not handle.
    with _Stop() as stop:
        forks.prepare()
        roles = [Role(name, known) for name in entrypoint.TOGETHER if _is_wanted(name)]
        while not stop.is_asked:
            for role in roles:
                role.check()
            _reap_orphans({role.process.pid for role in roles if role.process})
            stop.wait(CHECK_SECONDS)
        logger.info("stopping: %s", ", ".join(role.name for role in roles))
        _stop(roles)


def _stop(roles: list[Role]) -> None:
    """Sends SIGTERM to all roles and waits until each has ended. This wait has no end of its own:
    Docker kills the container once stop_grace_period is over."""
    running = [role.process for role in roles if role.process is not None]
    for process in running:
        process.send_signal(signal.SIGTERM)
    for process in running:
        process.wait()


def _reap_orphans(known: set[int]) -> None:
    """Waits for processes whose parent was killed: they come to the first of a container."""
    with suppress(ChildProcessError):
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if ended.si_pid in known:
                return  # the next check asks for it
            os.waitpid(ended.si_pid, 0)


def _is_wanted(name: str) -> bool:
    from django.conf import settings

    return name != "captions" or settings.CAPTIONS_ON


def _metrics_port(name: str) -> dict[str, str]:
    """Returns METRICS_PORT of a role: one number more than that of the role before it."""
    first = os.environ.get("METRICS_PORT")
    return {"METRICS_PORT": str(int(first) + entrypoint.TOGETHER.index(name))} if first else {}


class _Stop:
    """Notices SIGTERM and SIGINT, and wakes whoever waits, also when a child ends."""

    is_asked = False

    def __enter__(self) -> _Stop:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._ask)
        signal.signal(signal.SIGINT, self._ask)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(-1)

    def wait(self, seconds: float) -> None:
        if select.select([self._reader], [], [], seconds)[0]:
            with suppress(BlockingIOError):
                self._reader.recv(4096)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.is_asked = True


if __name__ == "__main__":
    main()
