"""Measures a photo's whole way, from the announcement to DONE, against rendering alone.

A web server, a worker with two child processes, Postgres, Redis and S3 share two cores with the
client. The yardstick are two processes on the same cores that only render; both take turns, so that
a busy machine slows them alike. Photos that are in bucket and queue already need the worker and the
stores only; they are measured again with the worker on one core and the stores on the other, as
production has them on different machines. Last comes one photo's time from `complete` to DONE.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import urllib3
from PIL import Image

from bandpics.benchmarks import pixels, stack
from bandpics.local.environment import PROJECT
from images.tests import drawn_pictures

if TYPE_CHECKING:
    from collections.abc import Iterator

PHOTOS, ROUNDS, SINGLES = 72, 5, 9
SENDERS = 4
WARM = 4 * SENDERS
TRIES = 3
WORKERS = 2
GRAIN = 8.0  # standard deviation, of 255
PATIENCE_SECONDS = 300
PAUSE_SECONDS = 0.05  # polling more often would take cpu time from the worker
AS_PART = "   … as a share of the first"
RATIO_TARGET, SECONDS_TARGET = 0.6, 0.5


def main(*, rounds: int = ROUNDS) -> None:
    with stack.stores(), tempfile.TemporaryDirectory() as folder:
        token = _link()
        photo = drawn_pictures.jpeg(image=grainy(4032, 3024), quality=80, **pixels.CAMERA)
        yardstick = Yardstick(Path(folder) / "photo.jpg", photo)
        with stack.web(cores=None) as web:
            sender = Sender(web.port, token, photo)
            with _worker():
                sender.send_and_wait(WARM)  # children, threads, connections and caches
                rendering, drained, sent, cpu = [], [], [], Counter[str]()
                for _ in range(rounds):
                    rendering.append(yardstick.per_second())
                    drained.append(PHOTOS / sender.drain(PHOTOS))
                    before = _cpu_ms()
                    sent.append(PHOTOS / sender.send_and_wait(PHOTOS))
                    cpu.update(_cpu_ms())
                    cpu.subtract(before)
                singles = [sender.send_one() for _ in range(SINGLES)]
            rendering_alone, drained_alone = [], []
            mine, others = _cores()
            if others:
                _keep_to(others)
                with _worker(cores=mine):
                    sender.send_and_wait(WARM)
                    for _ in range(rounds):
                        rendering_alone.append(yardstick.per_second(cores=mine))
                        drained_alone.append(PHOTOS / sender.drain(PHOTOS))
    load = os.getloadavg()[0]
    per_photo = {name: ms / PHOTOS / rounds for name, ms in cpu.most_common()}
    spent = ", ".join(f"{name} {ms:.0f}" for name, ms in per_photo.items() if ms >= 1)
    print(f"12 MP JPEG of {len(photo) // 1024} kB, {rounds} rounds of {PHOTOS}; load {load:.1f}")
    print(f"{'median':>44} {'target':>8}")
    _print("only rendered, photos/s", rendering)
    _print("from queue to DONE, photos/s", drained)
    _print(AS_PART, _ratios(drained, rendering), f"≥ {RATIO_TARGET}")
    _print("sent meanwhile, photos/s", sent)
    _print(AS_PART, _ratios(sent, rendering))
    if others:
        _print("only rendered, on one core", rendering_alone)
        _print("from queue to DONE, on one core", drained_alone)
        _print(AS_PART, _ratios(drained_alone, rendering_alone), f"≥ {RATIO_TARGET}")
    else:
        print("There is no second core to keep the stores apart from the worker.")
    print(f"cpu ms of each that is sent: {spent}")
    _print("complete to DONE, idle, seconds", singles, f"≤ {SECONDS_TARGET}")


def _print(what: str, values: list[float], target: str = "") -> None:
    print(f"{what:35} {median(values):8.2f} {target:>8}")


def _ratios(rates: list[float], yardstick: list[float]) -> list[float]:
    return [one / other for one, other in zip(rates, yardstick, strict=True)]


def _cores() -> tuple[set[int], set[int]]:
    """Returns one core for the worker and one for everything else."""
    first, *more = sorted(os.sched_getaffinity(0))
    return {first}, set(more[:1])


def _keep_to(cores: set[int]) -> None:
    """Binds this process and its children, with all threads, to these cores."""
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            for thread in process.threads():
                with suppress(ProcessLookupError):
                    os.sched_setaffinity(thread.id, cores)


class Sender:
    """A guest with one link and several connections."""

    def __init__(self, port: int, token: str, photo: bytes) -> None:
        self._port, self._token, self._photo = port, token, photo
        self._number = 0
        self._pool = urllib3.PoolManager(maxsize=SENDERS, retries=False, timeout=60)

    def send_and_wait(self, count: int) -> float:
        """Returns the seconds from the announcement of so many photos until all are DONE."""
        photos = [self._next_photo() for _ in range(count)]
        started = time.perf_counter()
        upload_ids = self._send(photos)
        _wait_until_done(upload_ids, pause=PAUSE_SECONDS)
        return time.perf_counter() - started

    def drain(self, count: int) -> float:
        """Returns the seconds that photos need which are in bucket and queue already."""
        with _queue_held():
            upload_ids = self._send([self._next_photo() for _ in range(count)])
            started = time.perf_counter()
        _wait_until_done(upload_ids, pause=PAUSE_SECONDS)
        return time.perf_counter() - started

    def _send(self, photos: list[bytes]) -> list[str]:
        tickets = self._announce(photos)

        def put_and_complete(ticket: dict[str, Any], photo: bytes) -> None:
            self._put(ticket, photo)
            self._ask("POST", f"/api/v1/uploads/{ticket['id']}/complete/")

        with ThreadPoolExecutor(SENDERS) as threads:
            list(threads.map(put_and_complete, tickets, photos))
        return [ticket["id"] for ticket in tickets]

    def send_one(self) -> float:
        """Returns the seconds from `complete` to DONE."""
        photo = self._next_photo()
        (ticket,) = self._announce([photo])
        self._put(ticket, photo)
        started = time.perf_counter()
        self._ask("POST", f"/api/v1/uploads/{ticket['id']}/complete/")
        _wait_until_done([ticket["id"]])
        return time.perf_counter() - started

    def _next_photo(self) -> bytes:
        """Returns the same pixels in other bytes, by a comment at the start of the JPEG."""
        self._number += 1
        return self._photo[:2] + b"\xff\xfe\x00\x06" + b"%04d" % self._number + self._photo[2:]

    def _announce(self, photos: list[bytes]) -> list[dict[str, Any]]:
        files = [
            {"filename": "x.jpg", "content_type": "image/jpeg", "size": len(photo)}
            for photo in photos
        ]
        answer: dict[str, Any] = self._ask("POST", "/api/v1/uploads/", {"files": files})
        return list(answer["uploads"])

    def _put(self, ticket: dict[str, Any], photo: bytes) -> None:
        signed = ticket["upload"]
        for _ in range(TRIES):  # as the upload page does: a busy store may respond 500
            answer = self._pool.request("PUT", signed["url"], body=photo, headers=signed["headers"])
            if answer.status < 500:
                break
        assert answer.status == 200, answer.data

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        headers = {"Authorization": f"Invitation {self._token}", "Content-Type": "application/json"}
        connection.request(method, path, json.dumps(body or {}), headers)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        assert answer.status in {200, 201, 202}, data
        return json.loads(data)


@contextmanager
def _queue_held() -> Iterator[None]:
    """Keeps the worker from taking tasks meanwhile."""
    from bandpics.celery import app

    queue = app.conf.task_default_queue
    options: dict[str, Any] = {"reply": True, "timeout": PATIENCE_SECONDS, "limit": 1}
    assert app.control.cancel_consumer(queue, **options)
    yield
    assert app.control.add_consumer(queue, **options)


def _wait_until_done(upload_ids: list[str], *, pause: float = 0.01) -> None:
    from images.models import Upload

    end = time.monotonic() + PATIENCE_SECONDS
    waiting = Upload.objects.filter(pk__in=upload_ids).exclude(status=Upload.Status.DONE)
    while waiting.exists():
        assert time.monotonic() < end, list(waiting.values_list("status", "failure"))
        time.sleep(pause)


def grainy(width: int, height: int) -> Image.Image:
    """Draws a picture with the grain of a sensor, which makes files as large as a camera's."""
    smooth = np.asarray(drawn_pictures.detailed(width=width, height=height, seed=1), dtype=np.int16)
    grain = np.random.default_rng(1).normal(0, GRAIN, smooth.shape)
    return Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8))


def _cpu_ms() -> Counter[str]:
    """Returns the cpu milliseconds of each program; this one is `client`."""
    spent = Counter({"client": round(time.process_time() * 1000)})
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            words = process.cmdline()
            name = next((word for word in ("celery", "gunicorn") if word in words), process.name())
            times = process.cpu_times()
            spent[name] += round((times.user + times.system) * 1000)
    return spent


class Yardstick:
    """Renders the photo in as many processes as the worker has."""

    def __init__(self, path: Path, photo: bytes) -> None:
        self._path = path
        path.write_bytes(photo)

    def per_second(self, *, cores: set[int] | None = None) -> float:
        """Returns how many photos per second are rendered on these cores, or all."""
        wanted = cores or os.sched_getaffinity(0)
        with ProcessPoolExecutor(
            WORKERS, initializer=partial(os.sched_setaffinity, 0, wanted)
        ) as processes:
            list(processes.map(_render, [self._path] * WORKERS))  # imports
            started = time.perf_counter()
            list(processes.map(_render, [self._path] * PHOTOS))
            return PHOTOS / (time.perf_counter() - started)


def _render(path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent) as into:
        pixels.render(path, Path(into))


@contextmanager
def _worker(*, cores: set[int] | None = None) -> Iterator[None]:
    """Runs a worker as bandpics.entrypoint does, on these cores, or all."""
    command = [
        *(sys.executable, "-m", "celery", "-A", "bandpics", "worker", "-Q", "images,sweep"),
        *("--concurrency", str(WORKERS), "--without-gossip", "--without-mingle", "-l", "error"),
    ]
    environment = {**os.environ, "MALLOC_ARENA_MAX": "2"}
    with subprocess.Popen(command, cwd=PROJECT, env=environment) as process:
        try:
            # Set before it forks: its children inherit them.
            os.sched_setaffinity(process.pid, cores or os.sched_getaffinity(0))
            yield
        finally:
            process.terminate()


def _link() -> str:
    import django

    django.setup()
    from django.core.management import call_command

    from groups.models import Group, Team
    from invitations.models import Invitation

    call_command("migrate", verbosity=0)
    group = Group.objects.create(team=Team.objects.create(name="The band"), name="The evening")
    link = Invitation.objects.create(
        group=group, kind=Invitation.Kind.PERSONAL, email="c@d.example"
    )
    return link.token
