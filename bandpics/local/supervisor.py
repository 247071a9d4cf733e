"""Starts, watches, restarts and stops the programs of a local stack."""

from __future__ import annotations

import functools
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import IO, TYPE_CHECKING, Self

import psutil

from bandpics import forks
from bandpics.local import diagnostics
from bandpics.local.data_dir import DataDir, read_json, write_private
from bandpics.local.diagnostics import CannotStart
from bandpics.local.environment import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import FrameType

    from bandpics.forks import Fork

FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 30.0
SETTLED_SECONDS = 5.0
LEFTOVER_STOP_SECONDS = 10.0
WATCH_SECONDS = 2.0
LOW_SPACE_BYTES = 32 * 1024 * 1024
FULL_BYTES = 4 * 1024 * 1024


class StopRequested(Exception):
    """Somebody pressed Ctrl-C, sent SIGTERM or closed the terminal."""


class StopSignals:
    """Counts requests to stop, and raises StopRequested where the code waits."""

    def __init__(self) -> None:
        self.requests = 0
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def __enter__(self) -> Self:
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGINT, self._count)
        signal.signal(signal.SIGTERM, self._count)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup keeps its meaning
            signal.signal(signal.SIGHUP, self._count)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # only wakes wait()
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(-1)

    def pause(self, seconds: float) -> None:
        """Sleeps until something happens. Raises StopRequested after a request to stop."""
        if not self.requests:
            self.wait(seconds)
        if self.requests:
            raise StopRequested

    def wait(self, seconds: float) -> None:
        if select.select([self._reader], [], [], seconds)[0]:
            with suppress(BlockingIOError):
                self._reader.recv(4096)

    def _count(self, signal_number: int, frame: FrameType | None) -> None:
        self.requests += 1


class NoSignals:
    """Waits in a process that handles signals itself, such as pytest."""

    requests = 0

    def pause(self, seconds: float) -> None:
        time.sleep(seconds)

    wait = pause


@dataclass(frozen=True)
class Program:
    """A command, and how to stop it. A fork runs the words behind `python -m` in this process."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 8.0
    setpriv: Sequence[str] = ()
    is_fork: bool = False


@dataclass
class Child:
    """A program and its process."""

    program: Program
    log: Path
    process: subprocess.Popen[bytes] | Fork
    created: float
    started: float = field(default_factory=time.monotonic)
    log_start: int = 0
    failures: int = 0
    due: float | None = None

    def log_end(self) -> str:
        """Returns the end of what this process has logged."""
        with suppress(OSError), self.log.open("rb") as log:
            log.seek(max(self.log_start, self.log.stat().st_size - 8192))
            return log.read().decode(errors="replace")
        return ""


class Supervisor:
    """Runs programs as children of this process. Use it from the main thread only.

    Linux sends a child the signal of its parent's death when the *thread* ends that started it.
    """

    def __init__(
        self, data_dir: DataDir, *, signals: StopSignals | NoSignals, report: Callable[[str], None]
    ) -> None:
        self.data_dir = data_dir
        self.children: dict[str, Child] = {}
        self._signals = signals
        self._report = report
        self._disk_is_low = False

    def start(self, program: Program) -> Child:
        log = self.data_dir.new_log(program.name)
        child = self._spawn(program, log)
        self.children[program.name] = child
        self._store_children()
        return child

    def wait_for(self, child: Child, answers: Callable[[], bool], *, seconds: float = 60) -> None:
        """Waits until it answers. Raises CannotStart if it ends, or does not answer in time."""
        end = time.monotonic() + seconds
        while not answers():
            if child.process.poll() is not None:
                raise self._explain(child, "did not start", child.log_end())
            if time.monotonic() > end:
                raise CannotStart(
                    f"{child.program.name} does not answer",
                    f"{seconds:.0f} seconds have passed",
                    f"See {child.log}",
                )
            self._signals.pause(0.05)

    def run(self, *programs: Program) -> list[str]:
        """Runs programs side by side to their end; returns what each printed."""
        running = []
        for program in programs:
            output, errors = _memory_file(), _memory_file()
            log = self.data_dir.new_log(program.name)
            child = self._spawn(program, log, into=(output, errors))
            running.append((child, output, errors))
        try:
            for child, _, _ in running:
                while child.process.poll() is None:
                    self._signals.pause(0.05)
        finally:
            for child, _, _ in running:
                _kill_group(child.process)
        for child, output, errors in running:
            failed = bool(child.process.returncode)
            # The output of a program that succeeds may hold secrets.
            text = _read(output) + _read(errors) if failed else _read(errors)
            with suppress(OSError):  # the disk may be full
                child.log.write_text(text)
            if failed:
                raise self._explain(child, "failed", text)
        return [_read(output) for _, output, _ in running]

    def watch(self) -> None:
        """Restarts whatever ends, until somebody asks to stop."""
        while True:
            self.check_children()
            now = time.monotonic()
            dues = [child.due - now for child in self.children.values() if child.due]
            self._signals.pause(max(0.05, min([WATCH_SECONDS, *dues])))

    def check_children(self) -> None:
        """Does one round of watch()."""
        for child in list(self.children.values()):
            self._check_child(child)
        self._check_disk()

    def stop(self, *names: str) -> None:
        """Stops these programs (all, if none is named), the youngest first."""
        children = [self.children[name] for name in names or self.children if name in self.children]
        requested_at = time.monotonic()
        for child in reversed(children):
            if child.process.poll() is None:
                child.process.send_signal(child.program.stop_signal)
        for child in reversed(children):
            while child.process.poll() is None:
                waited = time.monotonic() - requested_at
                # After a second request to stop, programs get less time.
                if waited > child.program.stop_seconds / (4 if self._signals.requests > 1 else 1):
                    self._report(f"{child.program.name} did not stop in time and was killed.")
                    break
                self._signals.wait(0.1)
            _kill_group(child.process)
            self.children.pop(child.program.name)
        with suppress(OSError):  # the disk may be full
            self._store_children()

    def stop_leftovers(self) -> bool:
        """Stops what a killed run left behind. True if there was such a run."""
        leftovers = read_json(self.data_dir / "children.json").get("children", [])
        alive = []
        for entry in leftovers:
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(entry["pid"])
                # The pid may belong to another process by now.
                if abs(process.create_time() - entry["created"]) < 2:
                    process.send_signal(entry["stop_signal"])
                    alive.append(process)
        _, remaining = psutil.wait_procs(alive, timeout=LEFTOVER_STOP_SECONDS)
        for process in remaining:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(remaining, timeout=2)
        return bool(leftovers)

    def _explain(self, child: Child, what: str, log: str) -> CannotStart:
        if self._was_disk_full(log):
            return diagnostics.disk_full(self.data_dir.path)
        why = diagnostics.last_line(log)
        return CannotStart(f"{child.program.name} {what}", why, f"See {child.log}")

    def _spawn(
        self, program: Program, log: Path, *, into: tuple[IO[bytes], IO[bytes]] | None = None
    ) -> Child:
        with log.open("ab") as log_file:
            process = (
                forks.fork(
                    partial(forks.run_program, program.command),
                    name=program.name,
                    environment=program.environment,
                    output=log_file.fileno(),
                )
                if program.is_fork
                else subprocess.Popen(
                    [*tied_to_parent(program), *program.command],
                    env=program.environment,
                    cwd=PROJECT,
                    stdin=subprocess.DEVNULL,
                    stdout=into[0] if into else log_file,
                    stderr=into[1] if into else log_file,
                    # Ctrl-C goes to this process, which stops them in order.
                    start_new_session=True,
                )
            )
            return Child(
                program=program,
                log=log,
                process=process,
                created=_created_at(process.pid),
                log_start=log_file.tell(),
            )

    def _check_child(self, child: Child) -> None:
        name, now = child.program.name, time.monotonic()
        if child.due is not None:
            if now >= child.due:
                self._restart(child)
        elif child.process.poll() is not None:
            _kill_group(child.process)
            if now - child.started > LONGEST_DELAY_SECONDS:
                child.failures = 0
            if not child.failures:
                self._report(
                    f"{name} {self._describe_end(child)}; starting it again. Log: {child.log}"
                )
            delay = min(FIRST_DELAY_SECONDS * 2**child.failures, LONGEST_DELAY_SECONDS)
            child.failures += 1
            child.due = now + delay
        elif child.failures and now - child.started > SETTLED_SECONDS:
            child.failures = 0
            self._report(f"{name} runs again.")

    def _restart(self, child: Child) -> None:
        try:
            again = self._spawn(child.program, child.log)
        except OSError as error:  # no more processes, or a full disk: try again later
            self._report(f"{child.program.name} cannot be started: {error.strerror}.")
            child.due = time.monotonic() + LONGEST_DELAY_SECONDS
            return
        again.failures = child.failures
        self.children[child.program.name] = again
        with suppress(OSError):
            self._store_children()

    def _check_disk(self) -> None:
        """Reports once that the disk is full, and once that it has room again."""
        free, where = self._free_bytes(), self.data_dir.path
        if free < LOW_SPACE_BYTES and not self._disk_is_low:
            self._disk_is_low = True
            self._report(
                f"The disk is {'full' if free < FULL_BYTES else 'almost full'}: "
                f"{free // 1_000_000} MB left where {where} is. Free some space, or new photos "
                f"cannot be kept; nothing needs a restart. Logs: {where / 'logs'}"
            )
        elif free > 2 * LOW_SPACE_BYTES and self._disk_is_low:
            self._disk_is_low = False
            self._report("There is room on the disk again.")

    def _describe_end(self, child: Child) -> str:
        code, log = child.process.wait(), child.log_end()
        if self._was_disk_full(log):
            return f"stopped because the disk is full where {self.data_dir.path} is"
        if code < 0:
            return f"was killed by {signal.Signals(-code).name}"
        return f"stopped by itself ({diagnostics.last_line(log)})"

    def _was_disk_full(self, log: str) -> bool:
        # A full disk may keep the message out of the log.
        is_logged = any(message in log for message in diagnostics.DISK_FULL_MESSAGES)
        return is_logged or self._free_bytes() < FULL_BYTES

    def _free_bytes(self) -> int:
        return shutil.disk_usage(self.data_dir.path).free

    def _store_children(self) -> None:
        """Writes down the children, for stop_leftovers() if this process is killed."""
        entries = [
            {
                "name": name,
                "pid": child.process.pid,
                "created": child.created,
                "stop_signal": int(child.program.stop_signal),
            }
            for name, child in self.children.items()
        ]
        write_private(self.data_dir / "children.json", json.dumps({"children": entries}))


@functools.cache
def setpriv_path() -> str | None:
    """Returns where util-linux's `setpriv` is, if it can tie a child to its parent."""
    path = shutil.which("setpriv")
    if path is None:
        return None
    probe = subprocess.run([path, "--pdeathsig", "TERM", "true"], check=False, capture_output=True)
    return path if probe.returncode == 0 else None


def tied_to_parent(program: Program) -> list[str]:
    """Returns words before a command that end it with its parent. Empty where setpriv is missing,
    as on macOS: there the next start stops what is left."""
    path = setpriv_path()
    if path is None:
        return []
    death_signal = "INT" if program.stop_signal == signal.SIGINT else "TERM"
    return [path, "--pdeathsig", death_signal, *program.setpriv]


def _memory_file() -> IO[bytes]:
    """Opens a file in memory where there is such a thing, because the disk may be full."""
    if hasattr(os, "memfd_create"):
        return open(os.memfd_create("output"), "w+b")  # noqa: PTH123 - not a path
    return tempfile.TemporaryFile()


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def _created_at(pid: int) -> float:
    with suppress(psutil.NoSuchProcess):
        return float(psutil.Process(pid).create_time())
    return 0.0


def _kill_group(process: subprocess.Popen[bytes] | Fork) -> None:
    """Kills the process and whatever it has started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
