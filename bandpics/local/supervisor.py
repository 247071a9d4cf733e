"""Programs as children: start them, watch them, bring them back, stop them, leave none behind."""

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
from typing import IO, TYPE_CHECKING, Self

import psutil

from bandpics.local import diagnostics
from bandpics.local.data_dir import DataDir, read_json, write_private
from bandpics.local.diagnostics import CannotStart
from bandpics.local.environment import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import FrameType

FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 30.0
SETTLED_SECONDS = 5.0
LEFTOVER_PATIENCE_SECONDS = 10.0
WATCH_SECONDS = 2.0
LOW_SPACE_BYTES = 32 * 1024 * 1024
FULL_BYTES = 4 * 1024 * 1024


class StopAsked(Exception):
    """Ctrl-C, SIGTERM or a closed terminal."""


class StopSignals:
    """Counts requests to stop and raises StopAsked, but only where the code waits."""

    def __init__(self) -> None:
        self.asked = 0
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
        """Sleep until something happens; raises StopAsked once somebody asked."""
        if not self.asked:
            self.wait(seconds)
        if self.asked:
            raise StopAsked

    def wait(self, seconds: float) -> None:
        if select.select([self._reader], [], [], seconds)[0]:
            with suppress(BlockingIOError):
                self._reader.recv(4096)

    def hurry(self) -> bool:
        """True after a second request: do not wait politely any more."""
        return self.asked > 1

    def _count(self, signal_number: int, frame: FrameType | None) -> None:
        self.asked += 1


class NoSignals:
    """For a host such as pytest that handles its own signals."""

    def pause(self, seconds: float) -> None:
        time.sleep(seconds)

    wait = pause

    def hurry(self) -> bool:
        return False


@dataclass(frozen=True)
class Program:
    """What to run, and how it likes to be asked to stop."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    stop_signal: signal.Signals = signal.SIGTERM
    patience_seconds: float = 8.0
    setpriv: Sequence[str] = ()


@dataclass
class Child:
    """A program and the process that runs it now."""

    program: Program
    log: Path
    process: subprocess.Popen[bytes]
    created: float
    started: float = field(default_factory=time.monotonic)
    log_start: int = 0
    failures: int = 0
    due: float | None = None

    def last_words(self) -> str:
        """What this process wrote into its log, the end of it."""
        with suppress(OSError), self.log.open("rb") as log:
            log.seek(max(self.log_start, self.log.stat().st_size - 8192))
            return log.read().decode(errors="replace")
        return ""


class Supervisor:
    """Keeps children of this process. Use it from the main thread only.

    Linux sends a child the death signal when the *thread* that started it ends.
    """

    def __init__(
        self,
        data_dir: DataDir,
        *,
        signals: StopSignals | NoSignals,
        say: Callable[[str], None],
    ) -> None:
        self.data_dir = data_dir
        self.children: dict[str, Child] = {}
        self._signals = signals
        self._say = say
        self._disk_is_low = False

    def start(self, program: Program) -> Child:
        log = self.data_dir.new_log(program.name)
        child = self._spawn(program, log)
        self.children[program.name] = child
        self._write_down()
        return child

    def wait_for(self, child: Child, answers: Callable[[], bool], *, seconds: float = 60) -> None:
        """Return once it answers; raise CannotStart if it dies or stays silent."""
        end = time.monotonic() + seconds
        while not answers():
            if child.process.poll() is not None:
                raise self.explain(child, "did not start", child.last_words())
            if time.monotonic() > end:
                raise CannotStart(
                    f"{child.program.name} does not answer",
                    f"{seconds:.0f} seconds have passed",
                    f"See {child.log}",
                )
            self._signals.pause(0.05)

    def run(self, *programs: Program) -> list[str]:
        """Run programs side by side to their end; what each printed."""
        running = []
        for program in programs:
            output, words = _scratch(), _scratch()
            log = self.data_dir.new_log(program.name)
            child = self._spawn(program, log, into=(output, words))
            running.append((child, output, words))
        try:
            for child, _, _ in running:
                while child.process.poll() is None:
                    self._signals.pause(0.05)
        finally:
            for child, _, _ in running:
                _kill_group(child.process)
        for child, output, words in running:
            said, failed = _read(output) + _read(words), bool(child.process.returncode)
            with suppress(OSError):  # a full disk must not hide what was said
                # What a program answers may be a secret, and is for the caller alone.
                child.log.write_text(said if failed else _read(words))
            if failed:
                raise self.explain(child, "failed", said)
        return [_read(output) for _, output, _ in running]

    def watch(self) -> None:
        """Bring back whatever dies, until somebody asks to stop."""
        while True:
            self.look_after_all()
            now = time.monotonic()
            dues = [child.due - now for child in self.children.values() if child.due]
            self._signals.pause(max(0.05, min([WATCH_SECONDS, *dues])))

    def look_after_all(self) -> None:
        """One round of watch(), for a host that waits by itself."""
        for child in list(self.children.values()):
            self._look_after(child)
        self._look_at_disk()

    def stop(self, *names: str) -> None:
        """Ask these (all, if none is named) to stop, the youngest first; kill what will not."""
        chosen = [self.children[name] for name in names or self.children if name in self.children]
        asked_at = time.monotonic()
        for child in reversed(chosen):
            if child.process.poll() is None:
                child.process.send_signal(child.program.stop_signal)
        for child in reversed(chosen):
            while child.process.poll() is None:
                waited = time.monotonic() - asked_at
                patience = child.program.patience_seconds / (4 if self._signals.hurry() else 1)
                if waited > patience:
                    self._say(f"{child.program.name} did not stop in time and was killed.")
                    break
                self._signals.wait(0.1)
            _kill_group(child.process)
            self.children.pop(child.program.name)
        with suppress(OSError):  # a full disk must not keep us from stopping
            self._write_down()

    def stop_leftovers(self) -> bool:
        """Stop what a killed run left behind. True if there was a killed run."""
        left = read_json(self.data_dir / "children.json").get("children", [])
        alive = []
        for entry in left:
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(entry["pid"])
                # The number may belong to somebody else by now; the birthday tells.
                if abs(process.create_time() - entry["created"]) < 2:
                    process.send_signal(entry["stop_signal"])
                    alive.append(process)
        _, stubborn = psutil.wait_procs(alive, timeout=LEFTOVER_PATIENCE_SECONDS)
        for process in stubborn:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(stubborn, timeout=2)
        return bool(left)

    def explain(self, child: Child, what: str, words: str) -> CannotStart:
        if self._was_disk_full(words):
            return diagnostics.disk_full(self.data_dir.path)
        why = diagnostics.last_line(words)
        return CannotStart(f"{child.program.name} {what}", why, f"See {child.log}")

    def _spawn(
        self, program: Program, log: Path, *, into: tuple[IO[bytes], IO[bytes]] | None = None
    ) -> Child:
        with log.open("ab") as log_file:
            process = subprocess.Popen(
                [*leash(program), *program.command],
                env=program.environment,
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=into[0] if into else log_file,
                stderr=into[1] if into else log_file,
                start_new_session=True,  # Ctrl-C is for us; we stop them in order
            )
            return Child(
                program=program,
                log=log,
                process=process,
                created=_birthday(process.pid),
                log_start=log_file.tell(),
            )

    def _look_after(self, child: Child) -> None:
        name, now = child.program.name, time.monotonic()
        if child.due is not None:
            if now >= child.due:
                self._bring_back(child)
        elif child.process.poll() is not None:
            _kill_group(child.process)
            if now - child.started > LONGEST_DELAY_SECONDS:
                child.failures = 0
            if not child.failures:
                self._say(f"{name} {self._ending(child)}; starting it again. Log: {child.log}")
            delay = min(FIRST_DELAY_SECONDS * 2**child.failures, LONGEST_DELAY_SECONDS)
            child.failures += 1
            child.due = now + delay
        elif child.failures and now - child.started > SETTLED_SECONDS:
            child.failures = 0
            self._say(f"{name} is back.")

    def _bring_back(self, child: Child) -> None:
        try:
            again = self._spawn(child.program, child.log)
        except OSError as error:  # out of processes or disk: try later, never give up
            self._say(f"{child.program.name} cannot be started: {error.strerror}.")
            child.due = time.monotonic() + LONGEST_DELAY_SECONDS
            return
        again.failures = child.failures
        self.children[child.program.name] = again
        with suppress(OSError):
            self._write_down()

    def _look_at_disk(self) -> None:
        """Say once when the disk fills up: the stores stay and refuse writes until it is freed."""
        free, where = self._free_bytes(), self.data_dir.path
        if free < LOW_SPACE_BYTES and not self._disk_is_low:
            self._disk_is_low = True
            self._say(
                f"The disk is {'full' if free < FULL_BYTES else 'almost full'}: "
                f"{free // 1_000_000} MB left where {where} is. Free some space, or new photos "
                f"cannot be kept; nothing needs a restart. Logs: {where / 'logs'}"
            )
        elif free > 2 * LOW_SPACE_BYTES and self._disk_is_low:
            self._disk_is_low = False
            self._say("There is room on the disk again.")

    def _ending(self, child: Child) -> str:
        code, words = child.process.returncode, child.last_words()
        if self._was_disk_full(words):
            return f"stopped because the disk is full where {self.data_dir.path} is"
        if code < 0:
            return f"was killed by {signal.Signals(-code).name}"
        return f"stopped by itself ({diagnostics.last_line(words)})"

    def _was_disk_full(self, words: str) -> bool:
        # The words alone would not do: a full disk may keep them out of the log.
        said = any(mark in words for mark in diagnostics.DISK_FULL_MARKS)
        return said or self._free_bytes() < FULL_BYTES

    def _free_bytes(self) -> int:
        return shutil.disk_usage(self.data_dir.path).free

    def _write_down(self) -> None:
        """For the next run, in case this one is killed."""
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
    """Where util-linux's `setpriv` is, if there is one that can do what we need."""
    path = shutil.which("setpriv")
    if path is None:
        return None
    probe = subprocess.run([path, "--pdeathsig", "TERM", "true"], check=False, capture_output=True)
    return path if probe.returncode == 0 else None


def leash(program: Program) -> list[str]:
    """A child on this leash ends when its supervisor is killed. macOS has no such thing;
    there the next start stops what is left over."""
    path = setpriv_path()
    if path is None:
        return []
    death = "INT" if program.stop_signal == signal.SIGINT else "TERM"
    return [path, "--pdeathsig", death, *program.setpriv]


def _scratch() -> IO[bytes]:
    """A file in memory where there is such a thing: the disk may be full."""
    if hasattr(os, "memfd_create"):
        return open(os.memfd_create("output"), "w+b")  # noqa: PTH123 - a descriptor, no path
    return tempfile.TemporaryFile()


def _read(scratch: IO[bytes]) -> str:
    scratch.seek(0)
    return scratch.read().decode(errors="replace")


def _birthday(pid: int) -> float:
    with suppress(psutil.NoSuchProcess):
        return float(psutil.Process(pid).create_time())
    return 0.0


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """End what a dead or stubborn child may have left in its group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
