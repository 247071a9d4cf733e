"""Measures the memory of all that `make run` starts: idle, and at its peak while photos arrive.

A page of memory that several processes share is counted once in the sum of their PSS, each with its
share, and nowhere in that of their USS. So PSS is what a server needs; USS is what would be free
again if that process ended. Twenty photos of real cameras come first, where this machine has the
folder (images/tests/real_photos.py), then as many of 12 megapixels, whose rate is printed as well.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import psutil
import urllib3

from bandpics.benchmarks import pixels
from bandpics.benchmarks.ingest import grainy
from bandpics.local import addresses
from bandpics.local.environment import PROJECT
from bandpics.local.stack import OWN, ROLES
from images.tests import drawn_pictures, real_photos

if TYPE_CHECKING:
    from collections.abc import Iterator

PHOTOS, ROUNDS = 20, 3
SENDERS = 4
PROCESSES = "2"
START_SECONDS, DONE_SECONDS = 180, 300
# Until the sweeper, and whoever sends mail, have run a few times.
SETTLE_SECONDS = 35.0
PAUSE_SECONDS = 0.05
IDLE_TARGET, PEAK_TARGET = 400, 500
_pool = urllib3.PoolManager(maxsize=SENDERS, retries=False, timeout=60)


def main(*, rounds: int = ROUNDS) -> None:
    with tempfile.TemporaryDirectory(prefix="bandpics-bench-") as folder, _make_run(folder) as run:
        time.sleep(SETTLE_SECONDS)
        idle = Sizes.of(run.process)
        photos = {"real cameras": _real_photos(), "12 MP": _large_photos()}
        peaks, rates, cpu = {}, [], 0.0
        for name, files in photos.items():
            if not files:
                print(f"There are no photos of {name} on this machine (BANDPICS_PHOTOS).")
                continue
            before = _cpu_seconds(run.process)
            with _watched(run.process) as peaks[name]:
                seconds = [run.send(files) for _ in range(rounds)]
            rates = [len(files) / each for each in seconds]
            cpu = (_cpu_seconds(run.process) - before) / len(files) / rounds
        time.sleep(SETTLE_SECONDS)
        after = Sizes.of(run.process)
    _print_table({"idle": idle, **peaks, "idle again": after})
    print(f"\n{'MB':>44} {'PSS':>6} {'USS':>6} {'target':>8}")
    _print("idle", idle, f"≤ {IDLE_TARGET}")
    for name, peak in peaks.items():
        _print(f"{PHOTOS} photos of {name}, peak", peak, f"≤ {PEAK_TARGET}")
    _print("idle again", after, "")
    load = os.getloadavg()[0]
    print(
        f"{'12 MP, from announcement to DONE, photos/s':44} {median(rates):6.2f}  load {load:.1f}"
    )
    print(f"{'   … cpu milliseconds for each':44} {1000 * cpu:6.0f}")


@dataclass
class Sizes:
    """What each program has, in kilobytes."""

    pss: Counter[str] = field(default_factory=Counter)
    uss: Counter[str] = field(default_factory=Counter)
    processes: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, root: psutil.Process) -> Sizes:
        """Measures a process and all its descendants."""
        sizes = cls()
        for process in [root, *root.children(recursive=True)]:
            with suppress(psutil.Error, OSError):  # it has just ended
                name = _name(process)
                found = _rollup(process.pid)
                sizes.pss[name] += found["Pss"]
                sizes.uss[name] += found["Private_Clean"] + found["Private_Dirty"]
                sizes.processes[name] += 1
        return sizes


def _rollup(pid: int) -> dict[str, int]:
    """Returns the kilobytes of a process, as Linux sums them up."""
    _, *lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return {name.rstrip(":"): int(size) for name, size, *_ in map(str.split, lines)}


def _name(process: psutil.Process) -> str:
    """Returns the role of a process, or the name of its program."""
    words = process.cmdline()
    if (name := process.name()) in ROLES:
        return str(name)  # a fork: its words are those of `up`
    hosts = [word.partition("@")[0] for word in words if word.endswith("@%h")]
    known = [word for word in ("up", "beat", "gunicorn") if word in words]
    return str((hosts or known or [name])[0])


def _cpu_seconds(root: psutil.Process) -> float:
    """Returns the cpu time of a process and its descendants so far; a busy machine adds little."""
    spent = 0.0
    for process in [root, *root.children(recursive=True)]:
        with suppress(psutil.Error):
            times = process.cpu_times()
            spent += times.user + times.system
    return spent


@contextmanager
def _watched(root: psutil.Process) -> Iterator[Sizes]:
    """Measures again and again; what is yielded has the largest sum at the end."""
    largest, ended = Sizes(), threading.Event()

    def watch() -> None:
        while not ended.wait(PAUSE_SECONDS):
            sizes = Sizes.of(root)
            if sizes.pss.total() > largest.pss.total():
                vars(largest).update(vars(sizes))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield largest
    finally:
        ended.set()
        thread.join()


@dataclass
class Run:
    """A running stack, and its admin as a client."""

    process: psutil.Process
    facts: dict[str, str]

    def send(self, photos: list[bytes]) -> float:
        """Sends photos to a new group; returns the seconds until each is at its end."""
        group = self._ask("POST", "groups/", {"name": "The evening"})["id"]
        kind = "application/octet-stream"
        files = [{"filename": "x", "content_type": kind, "size": len(each)} for each in photos]
        started = time.perf_counter()
        tickets = self._ask("POST", "uploads/", {"group": group, "files": files})["uploads"]
        with ThreadPoolExecutor(SENDERS) as threads:
            list(threads.map(self._put_and_complete, tickets, photos))
        waiting = [ticket["id"] for ticket in tickets]
        end = time.monotonic() + DONE_SECONDS
        while waiting:
            assert time.monotonic() < end, waiting
            if self._ask("GET", f"uploads/{waiting[0]}/")["is_final"]:
                waiting.pop(0)
            else:
                time.sleep(PAUSE_SECONDS)
        return time.perf_counter() - started

    def _put_and_complete(self, ticket: dict[str, Any], photo: bytes) -> None:
        signed = ticket["upload"]
        answer = _pool.request("PUT", signed["url"], body=photo, headers=signed["headers"])
        assert answer.status == 200, answer.data
        self._ask("POST", f"uploads/{ticket['id']}/complete/")

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Api-Key {self.facts['admin_api_key']}"}
        url = f"{self.facts['web_url']}/api/v1/{path}"
        more = {} if method == "GET" else {"json": body or {}}
        answer = _pool.request(method, url, headers=headers, **more)
        assert answer.status < 300, answer.data
        return answer.json()


@contextmanager
def _make_run(folder: str) -> Iterator[Run]:
    """Starts an empty stack, as `make run` does."""
    environment = {name: value for name, value in os.environ.items() if name not in OWN}
    port = addresses.free_port(addresses.LOOPBACK)
    words = ["--data-dir", folder, "--port", str(port), "--concurrency", PROCESSES]
    command = [sys.executable, "manage.py", "up", *words]
    with subprocess.Popen(
        command, cwd=PROJECT, env=environment, stdout=subprocess.DEVNULL
    ) as process:
        try:
            facts = Path(folder) / "stack.json"
            end = time.monotonic() + START_SECONDS
            while not facts.exists():
                assert process.poll() is None and time.monotonic() < end, "it did not start"
                time.sleep(PAUSE_SECONDS)
            yield Run(psutil.Process(process.pid), json.loads(facts.read_text()))
        finally:
            process.terminate()


def _real_photos() -> list[bytes]:
    """The largest photos of cameras and phones, among them HEIC."""
    paths = [real_photos.FOLDER / name for name in real_photos.TAKEN]
    largest = sorted(paths, key=lambda path: path.stat().st_size, reverse=True)
    return [path.read_bytes() for path in largest[:PHOTOS]]


def _large_photos() -> list[bytes]:
    photo = drawn_pictures.jpeg(image=grainy(4032, 3024), quality=80, **pixels.CAMERA)
    # The same pixels in other bytes, by a comment at the start of the JPEG.
    return [photo[:2] + b"\xff\xfe\x00\x06%04d" % i + photo[2:] for i in range(PHOTOS)]


def _print_table(columns: dict[str, Sizes]) -> None:
    first, *_ = columns.values()
    print(f"{'MB: PSS (USS)':16} {'count':>6}", *(f"{name:>15}" for name in columns))
    for name, _ in first.pss.most_common():
        cells = [
            f"{each.pss[name] / 1024:8.0f} ({each.uss[name] / 1024:4.0f})"
            for each in columns.values()
        ]
        print(f"{name:16} {first.processes[name]:6}", *cells)


def _print(what: str, sizes: Sizes, target: str) -> None:
    pss, uss = sizes.pss.total() / 1024, sizes.uss.total() / 1024
    print(f"{what:44} {pss:6.0f} {uss:6.0f} {target:>8}")
