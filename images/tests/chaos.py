"""A Bandpics of its own that may be broken, somebody who sends to it, and the books of both."""

from __future__ import annotations

import hashlib
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import psutil
import psycopg
import redis
import urllib3

from bandpics.local import addresses
from bandpics.local.backup import Bucket
from bandpics.local.data_dir import DataDir
from bandpics.local.stack import TRANSFORMS, WORKER, Stack
from bandpics.local.supervisor import NoSignals, Supervisor
from bandpics.testing import pytest_plugin
from bandpics.testing.fault_proxy import FaultProxy
from images.storage import object_keys
from images.tests.guest_client import DEVICE

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator
    from concurrent.futures import Future
    from datetime import datetime
    from pathlib import Path
    from uuid import UUID

# It may forget what a power cut would take, but nothing it has acknowledged when it is killed.
SURVIVES_KILL = ("fsync=off", "full_page_writes=off")
HASTY = "images.tests.short_timeouts"
ROWS = """
    SELECT upload.id, upload.status, upload.failure, upload.attempt, upload.processing_ms,
           image.id AS image_id, image.group_id, image.version, image.content_type,
           image.original_filename AS name
    FROM images_upload upload JOIN images_image image ON image.id = upload.image_id
"""
TRANSFORM_ROWS = """
    SELECT id, state, attempts, group_id, image_id, version, spec_hash, spec->>'format'
    FROM images_transform
"""


@dataclass(frozen=True)
class Row:
    """An upload and its photo, as Postgres has them."""

    id: UUID
    status: str
    failure: str
    attempt: int
    processing_ms: int | None
    image_id: UUID
    group_id: UUID
    version: int
    content_type: str
    name: str

    @property
    def is_at_its_end(self) -> bool:
        return self.status in {"done", "failed", "duplicate", "discarded"}

    @property
    def original_key(self) -> str:
        version = object_keys.Version(self.group_id, self.image_id, self.version)
        return version.original(content_type=self.content_type)


@dataclass(frozen=True)
class TransformRow:
    """A transform, as Postgres has it."""

    id: UUID
    state: str
    attempts: int
    key: str


class World:
    """Stores, web, beat and a worker with short timeouts. A proxy before S3 breaks on request."""

    def __init__(
        self,
        folder: Path,
        *,
        work_dir: Path | None = None,
        application: str = HASTY,
        concurrency: int = 2,
        **settings: str,
    ) -> None:
        self.said: list[str] = []
        self._application, self._concurrency = application, concurrency
        self.data_dir = DataDir(folder)
        pytest_plugin.copy_static_files(folder)
        pytest_plugin.copy_database(folder)
        outside = pytest_plugin.clean_environment() | dict.fromkeys(
            pytest_plugin.LIMITS, "1000000/minute"
        )
        outside |= settings
        if work_dir is not None:
            outside["WORK_DIR"] = str(work_dir)
        self.supervisor = Supervisor(self.data_dir, signals=NoSignals(), report=self.said.append)
        self.stack = Stack(
            self.data_dir,
            self.supervisor,
            environment=outside,
            host=addresses.LOOPBACK,
            port=addresses.free_port(addresses.LOOPBACK),
        )
        try:
            self._start()
        except BaseException:
            self.end()
            raise

    def _start(self) -> None:
        stack = self.stack
        stack.start_stores(postgres_settings=SURVIVES_KILL)
        self._direct_s3 = stack.variables["S3_ENDPOINT_URL"]
        self.s3 = FaultProxy(self._direct_s3)
        for name in ["S3_ENDPOINT_URL", "S3_PUBLIC_ENDPOINT_URL"]:
            stack.variables[name] = self.s3.url
        known = stack.prepare()
        stack.start_web()
        self.start_workers()
        stack.wait_until_healthy()
        self.web_url = stack.variables["PUBLIC_URL"]
        self.upload_link = known["upload_link"]
        self.api_key = known["admin_api_key"]
        self.redis_url = stack.variables["REDIS_URL"]
        self.bucket = Bucket(stack.variables | {"S3_ENDPOINT_URL": self._direct_s3})

    def start_workers(self) -> None:
        self.stack.start_workers(concurrency=self._concurrency, application=self._application)

    def end(self) -> None:
        with suppress(KeyError, psutil.NoSuchProcess):
            self.worker.kill()  # else what hangs would have to reach its limit
        self.stack.stop()
        if hasattr(self, "s3"):
            self.s3.close()
        self.data_dir.release()

    # --- Looking ----------------------------------------------------------------------------

    def until(self, happens: Callable[[], Any], *, seconds: float, what: str = "") -> Any:
        """Wait, while the supervisor brings back what dies."""
        end = time.monotonic() + seconds
        while not (answer := happens()):
            assert time.monotonic() < end, f"{what or happens} not within {seconds} s\n{self}"
            self.supervisor.check_children()
            time.sleep(0.02)
        return answer

    def rows(self) -> list[Row]:
        """Empty while Postgres is away."""
        with suppress(psycopg.OperationalError), self.postgres() as connection:
            return [Row(*found) for found in connection.execute(ROWS).fetchall()]
        return []

    def transforms(self) -> list[TransformRow]:
        """Empty while Postgres is away."""
        with suppress(psycopg.OperationalError), self.postgres() as connection:
            found = connection.execute(TRANSFORM_ROWS).fetchall()
            return [
                TransformRow(*row[:3], object_keys.Version(*row[3:6]).transform(*row[6:]))
                for row in found
            ]
        return []

    def wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() > end, seconds=seconds + 5)

    def row(self, upload_id: str) -> Row:
        return next(row for row in self.rows() if str(row.id) == upload_id)

    def postgres(self) -> psycopg.Connection[Any]:
        return psycopg.connect(
            self.stack.variables["DATABASE_URL"], connect_timeout=2, autocommit=True
        )

    def stored(self) -> dict[str, datetime]:
        """Every key in the bucket and when it was written, asked past the proxy."""
        return self.bucket.stored()

    def read(self, key: str) -> bytes:
        return self.bucket.read(key)

    def remove(self, key: str) -> None:
        self.bucket.remove(key)

    def variants(self) -> dict[UUID, dict[str, str]]:
        """The key of each variant of each photo."""
        found: dict[UUID, dict[str, str]] = {}
        with self.postgres() as connection:
            for image_id, name, key in connection.execute(
                "SELECT image_id, name, key FROM images_variant"
            ):
                found.setdefault(image_id, {})[name] = key
        return found

    def __str__(self) -> str:
        logs = [
            self.data_dir / "logs" / f"{name}.log"
            for name in ["worker", "transforms", "sweeper", "web", "beat"]
        ]
        tails = [f"--- {log.name}\n{log.read_text()[-3000:]}" for log in logs if log.exists()]
        return "\n".join(
            [*(str(row) for row in self.rows() if row.status != "done"), *self.said, *tails]
        )

    # --- Breaking ---------------------------------------------------------------------------

    @property
    def worker(self) -> psutil.Process:
        return psutil.Process(self.supervisor.children[WORKER].process.pid)

    def worker_children(self) -> list[psutil.Process]:
        """None while the worker itself is being brought back."""
        with suppress(psutil.NoSuchProcess):
            return [one for one in self.worker.children() if one.status() != "zombie"]
        return []

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """A program of the stack; the supervisor starts it again."""
        child = self.supervisor.children[name]
        if child.process.poll() is None:
            child.process.send_signal(number)
            self.until(lambda: child.process.poll() is not None, seconds=10)

    def freeze(self, *processes: psutil.Process) -> list[psutil.Process]:
        for process in processes:
            process.suspend()
        return list(processes)

    def wake(self, processes: Iterable[psutil.Process]) -> None:
        """Children first: their worker may find that they have reached their limit."""
        for process in reversed(list(processes)):
            with suppress(psutil.NoSuchProcess):
                process.resume()
                self.wait(1)

    @contextmanager
    def another_worker(self) -> Iterator[None]:
        program, name = self.supervisor.children[WORKER].program, f"another-{WORKER}"
        command = [word.replace(f"{WORKER}@", f"{name}@") for word in program.command]
        self.supervisor.start(replace(program, name=name, command=command))
        try:
            yield
        finally:
            self.supervisor.stop(name)

    def kill_while_rendering(self) -> None:
        """Kills whatever renders transforms, while one is claimed and not finished."""

        def killed() -> bool:
            at_work = {each.id for each in self.transforms() if each.state == "rendering"}
            if not at_work:
                return False
            with suppress(psutil.NoSuchProcess):
                worker = psutil.Process(self.supervisor.children[TRANSFORMS].process.pid)
                for child in worker.children():
                    child.kill()
            # The kill came in time if nobody has finished one of them.
            return any(
                each.id in at_work and each.state == "rendering" for each in self.transforms()
            )

        self.until(killed, seconds=60, what="a transform under way")

    def forget_queue(self) -> None:
        with suppress(redis.RedisError), redis.Redis.from_url(self.redis_url) as client:
            client.flushall()


@dataclass
class KillList:
    """Who was at work when something was killed: nobody more than twice.

    A third silent end is a poisonous photo's, and would be an honest failure.
    """

    world: World
    names: Container[str]  # of the files that may be at work then; poison dies by itself
    counts: Counter[UUID] = field(default_factory=Counter)

    def kill_a_child(self, *, seconds: float = 30) -> None:
        """As soon as somebody may be killed, at work on photos that may be."""
        self.world.until(self._kill_a_child, seconds=seconds, what="a child to kill")

    def kill_the_worker(self, *, seconds: float = 30) -> None:
        self.world.until(self._kill_the_worker, seconds=seconds, what="a worker to kill")

    def may_kill(self) -> bool:
        at_work = self._at_work()
        return bool(at_work) and all(self.counts[one] < 2 for one in at_work)

    def _kill_a_child(self) -> bool:
        children = self.world.worker_children()
        if not children or not self.may_kill():
            return False
        before = self._at_work()
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        self._remember(before)
        return True

    def _kill_the_worker(self) -> bool:
        if not self.world.worker_children() or not self.may_kill():
            return False
        before = self._at_work()
        self.world.kill(WORKER)
        self._remember(before)
        return True

    def _at_work(self) -> set[UUID]:
        return {
            row.id
            for row in self.world.rows()
            if row.status == "processing" and row.name in self.names
        }

    def _remember(self, before: set[UUID]) -> None:
        """Those claimed while we looked, too."""
        for one in before | self._at_work():
            self.counts[one] += 1


class Sender:
    """Sends photos as the upload page does: again and again, until they are acknowledged."""

    def __init__(
        self,
        world: World,
        *,
        group: str = "",
        device: str = DEVICE,
        patience_seconds: float = 60,
    ) -> None:
        """By the upload link on one device, or into a group with the admin's key."""
        token = world.upload_link.rstrip("/").rpartition("/")[2]
        self._headers = {
            "Authorization": f"Api-Key {world.api_key}" if group else f"Invitation {token}",
            **({} if group else {"Bandpics-Device": device}),
        }
        self._more = {"group": group} if group else {}
        self._api = f"{world.web_url}/api/v1"
        self._pool = urllib3.PoolManager(maxsize=3, retries=False, timeout=5)
        self._patience_seconds = patience_seconds
        self.acknowledged: dict[str, str] = {}  # upload ids by file name

    def send(self, name: str, data: bytes) -> str:
        end = time.monotonic() + self._patience_seconds
        while True:
            with suppress(urllib3.exceptions.HTTPError, NotYet):
                upload_id = self._send(name, data)
                self.acknowledged[name] = upload_id
                return upload_id
            assert time.monotonic() < end, f"{name} was not acknowledged"
            time.sleep(0.2)

    def send_all(self, photos: dict[str, bytes]) -> list[Future[str]]:
        """Three at a time, in the background."""
        with_three = ThreadPoolExecutor(3)
        futures = [with_three.submit(self.send, name, data) for name, data in photos.items()]
        with_three.shutdown(wait=False)
        return futures

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._pool.request(method, self._api + path, json=body, headers=self._headers)
        if answer.status >= 500 or answer.status in {409, 429}:
            raise NotYet
        assert answer.status < 300, answer.data
        return answer.json() if answer.data else None

    def _send(self, name: str, data: bytes) -> str:
        described = {
            "filename": name,
            "content_type": "image/jpeg",
            "size": len(data),
            "client_id": f"{name}-{hashlib.sha256(data).hexdigest()[:16]}",
        }
        answer = self.ask("POST", "/uploads/", {"files": [described], **self._more})
        (ticket,) = answer["uploads"]
        if ticket["status"] == "pending":
            signed = ticket["upload"]
            put = self._pool.request("PUT", signed["url"], body=data, headers=signed["headers"])
            if put.status != 200:
                raise NotYet
        self.ask("POST", f"/uploads/{ticket['id']}/complete/")
        return str(ticket["id"])


class NotYet(Exception):
    """To be tried again."""


def poisonous(data: bytes, how: str) -> bytes:
    """A picture at which the decoder of images.tests.short_timeouts will `how`."""
    return data + f"<test:{how}>".encode()


def assert_nothing_is_lost(world: World, photos: dict[str, bytes], sender: Sender) -> None:
    """Every photo that was acknowledged is DONE or honestly FAILED, and the bucket and the
    database say the same, both ways."""
    rows = {row.name: row for row in world.rows() if str(row.id) in sender.acknowledged.values()}
    assert set(rows) == set(sender.acknowledged), world
    assert all(row.is_at_its_end for row in rows.values()), world
    for name, row in rows.items():
        if row.status == "done":
            assert world.read(row.original_key) == photos[name]


def assert_books_agree(world: World) -> None:
    """No object without a row, no row without its objects, nothing left in quarantine. Waits for
    uploads of other senders, too: until one has ended, its bytes are in quarantine."""
    world.until(lambda: has_ended(world.rows()), seconds=90, what="the end of all uploads")
    with suppress(AssertionError):
        world.until(lambda: set(world.stored()) == _wanted(world), seconds=8)
    stored, wanted = set(world.stored()), _wanted(world)
    assert stored == wanted, f"no row: {stored - wanted}, no object: {wanted - stored}\n{world}"


def has_ended(rows: list[Row]) -> bool:
    """Whether all have. An empty list may mean that Postgres is away."""
    return bool(rows) and all(row.is_at_its_end for row in rows)


def _wanted(world: World) -> set[str]:
    variants = world.variants()
    wanted = set()
    for row in world.rows():
        if row.status == "done":
            assert len(variants[row.image_id]) == 5
            wanted |= {row.original_key, *variants[row.image_id].values()}
        elif row.failure == "crashed":
            wanted.add(object_keys.incoming(row.id))  # kept for somebody to look at
    return wanted | {each.key for each in world.transforms() if each.state == "done"}


def variants_by_name(world: World, uploads: Iterable[str]) -> dict[str, dict[str, bytes]]:
    """The bytes of every variant, by the file's name and the variant's."""
    wanted, variants = set(uploads), world.variants()
    return {
        row.name: {name: world.read(key) for name, key in variants[row.image_id].items()}
        for row in world.rows()
        if str(row.id) in wanted and row.status == "done"
    }
