"""Faults that are caused, not simulated: processes killed, stores flushed, restarted, silent, full.

The short run is part of `make test`; `make chaos` does the same to 200 photos, fault by fault.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from itertools import cycle, islice

import pytest
import urllib3

from bandpics.local.stack import TRANSFORMS
from images.tests import chaos, drawn_pictures
from images.tests.chaos import KillList, Sender, World, poisonous

pytestmark = pytest.mark.xdist_group("chaos")

PHOTOS = 8
LONG_PHOTOS = int(os.environ.get("BANDPICS_CHAOS_PHOTOS", "200"))
BATCH = max(2, LONG_PHOTOS // 20)
DISK_BYTES = 24 * 1024 * 1024
# Of the final keys, not of quarantine.
FINAL = "/bandpics/[^i]"


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory):
    """A folder that can be filled up; None where mounting is not allowed."""
    folder = tmp_path_factory.mktemp("work")
    options = f"size={DISK_BYTES},mode=700"
    mount = ["/bin/mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
    is_mounted = subprocess.run(mount, check=False, capture_output=True).returncode == 0
    yield folder if is_mounted else None
    if is_mounted:
        subprocess.run(["/bin/umount", "--lazy", str(folder)], check=False, capture_output=True)


@pytest.fixture(scope="module")
def world(tmp_path_factory, small_disk):
    world = World(tmp_path_factory.mktemp("chaos"), work_dir=small_disk)
    yield world
    world.end()


@pytest.fixture(scope="module")
def poison(world):
    """Two photos whose decoding ends badly, every time; what they do is seen by later tests."""
    world.until(lambda: len(_pids(world)) == 2, seconds=20, what="the worker")
    sender, before = Sender(world), (world.worker.pid, _pids(world))
    memory = sender.send("memory.jpg", poisonous(photo(1), "out-of-memory"))
    world.until(lambda: world.row(memory).attempt, seconds=10)
    world.until(lambda: world.row(memory).status == "queued", seconds=30)
    assert (world.worker.pid, _pids(world)) == before
    sender.send("segfault.jpg", poisonous(photo(2), "segfault"))
    return sender


def photo(seed: int) -> bytes:
    return drawn_pictures.jpeg(width=1800, height=1200, seed=seed)


def photos(count: int, *, seed: int) -> dict[str, bytes]:
    return {f"{seed + n}.jpg": photo(seed + n) for n in range(count)}


def test_nothing_is_lost_whatever_breaks(world, poison):
    wanted = photos(PHOTOS, seed=1000)
    calm = calm_run(world, wanted)
    sender, kills = Sender(world), KillList(world, set(wanted))
    futures = sender.send_all(wanted)

    kills.kill_a_child()
    world.s3.answer(500, times=2, matching=f"^(GET|HEAD|PUT {FINAL})")
    world.s3.stall(direction="down", matching="^GET")
    kills.kill_the_worker()
    world.forget_queue()
    world.s3.cut(direction="down", matching=f"^PUT {FINAL}")
    world.kill("redis")
    world.kill("postgres", signal.SIGINT)

    world.until(lambda: all(future.done() for future in futures), seconds=60)
    assert [future.exception() for future in futures] == [None] * PHOTOS
    world.until(lambda: are_at_their_end(world, sender), seconds=60, what="the end of all")
    world.s3.heal()
    chaos.assert_nothing_is_lost(world, wanted, sender)
    rows = rows_of(world, sender)
    assert {row.status for row in rows} == {"done"}, world
    assert max(row.attempt for row in rows) > 1  # somebody was really killed at work
    assert chaos.variants_by_name(world, sender.acknowledged.values()) == calm


@pytest.mark.long  # test_transforms_work.py causes each fault alone
@pytest.mark.chaos
def test_transforms_under_way_survive_what_breaks(world):
    sender, host = Sender(world), Sender(world, group="any")
    upload = sender.send("transformed.jpg", photo(9000))
    world.until(lambda: world.row(upload).status == "done", seconds=60)
    path = f"/images/{world.row(upload).image_id}/transforms/"
    specs = [{"transformations": {"resize": {"width": 300 + n}}} for n in range(12)]
    for body in specs[:6]:
        host.ask("POST", path, body)
    world.kill_while_rendering()
    for body in specs[6:]:
        host.ask("POST", path, body)
    world.s3.answer(500, times=2, matching="^PUT /bandpics/[^/]+/transforms/")
    world.kill(TRANSFORMS)
    world.forget_queue()
    world.kill("postgres", signal.SIGINT)
    world.until(
        lambda: [each.state for each in world.transforms()] == ["done"] * len(specs),
        seconds=90,
        what="the end of all transforms",
    )
    world.s3.heal()
    assert max(each.attempts for each in world.transforms()) > 1
    chaos.assert_books_agree(world)


@pytest.mark.long  # test_circuit_breaker.py does it without a stack
@pytest.mark.chaos
def test_a_store_in_trouble_is_left_alone_and_costs_no_attempt(world):
    sender, wanted = Sender(world), photos(6, seed=2000)
    broken = world.s3.answer(500, times=None, matching="^GET /bandpics/incoming/")
    for future in sender.send_all(wanted):
        future.result()
    world.until(lambda: broken.hits > 3, seconds=10)
    assert {(row.status, row.attempt) for row in rows_of(world, sender)} <= {
        ("queued", 0),
        ("processing", 1),
    }
    broken.lift()
    world.until(lambda: are_at_their_end(world, sender), seconds=20)
    assert {row.status for row in rows_of(world, sender)} == {"done"}


def test_while_the_disk_is_full_photos_wait(world, small_disk):
    if small_disk is None:
        pytest.skip("no right to mount a small disk; see also test_infrastructure_faults.py")
    sender, log = Sender(world), world.data_dir / "logs" / "worker.log"
    worker = world.worker.pid
    with filled_up(small_disk):
        sender.send("full.jpg", photo(3000))
        world.until(lambda: "No room in" in log.read_text(), seconds=10)
        readyz = urllib3.request("GET", f"{world.web_url}/readyz", retries=False)
        assert (readyz.status, readyz.json()["disk"]) == (200, "unavailable")
        (row,) = rows_of(world, sender)
        assert row.status in {"queued", "processing"}
        # A form of this size is kept on disk while the web passes it on.
        form = urllib3.request(
            *("POST", f"{world.web_url}/api/v1/images/"),
            fields={"file": ("large.jpg", photo(3001) + bytes(3_000_000), "image/jpeg")},
            headers={"Authorization": f"Api-Key {world.api_key}"},
            retries=False,
        )
        assert (form.status, form.json()["type"]) == (507, "/problems/disk-full/"), form.data
    world.until(lambda: are_at_their_end(world, sender), seconds=20)
    (row,) = rows_of(world, sender)
    assert (row.status, row.attempt, world.worker.pid) == ("done", 1, worker)


def test_a_photo_that_kills_its_worker_fails_alone_and_is_kept(world, poison):
    world.until(lambda: are_at_their_end(world, poison), seconds=40, what="the end of poison")
    assert {(row.status, row.failure) for row in rows_of(world, poison)} == {("failed", "crashed")}
    chaos.assert_books_agree(world)


@pytest.mark.long  # test_forks.py tells its CONN_MAX_AGE
def test_a_worker_keeps_its_connection_to_postgres(world):
    """For as long as nothing is tried again, which closes it."""
    sender = Sender(world)
    sender.send("first.jpg", photo(4999))
    world.until(lambda: chaos.has_ended(world.rows()), seconds=40)
    for future in sender.send_all(photos(6, seed=5000)):
        future.result()
    world.until(lambda: are_at_their_end(world, sender), seconds=20)
    before = _ports_to_postgres(world)
    assert before  # one child may have done them all
    for future in sender.send_all(photos(6, seed=5100)):
        future.result()
    world.until(lambda: are_at_their_end(world, sender), seconds=20)
    assert before <= _ports_to_postgres(world)


def test_a_locked_table_costs_no_attempt(world):
    """As by a migration: Postgres says after a second that it will not be soon."""
    sender = Sender(world)
    with world.postgres() as connection, connection.transaction():
        connection.execute("LOCK TABLE images_variant IN SHARE MODE")
        waiting = sender.send("waits.jpg", photo(5200))
        world.until(lambda: world.row(waiting).status == "processing", seconds=10)
        world.until(lambda: world.row(waiting).status == "queued", seconds=30)
        assert world.row(waiting).attempt == 0
    world.until(lambda: are_at_their_end(world, sender), seconds=20)
    row = world.row(waiting)
    assert (row.status, row.attempt) == ("done", 1), world


def test_while_a_photo_hangs_others_are_done_as_ever(world):
    """It holds one of two children until its limit; the sweeper has a worker of its own."""
    sender = Sender(world)
    hanging = sender.send("hangs.jpg", poisonous(photo(5), "hang"))
    world.until(lambda: world.row(hanging).status == "processing", seconds=10)
    waits = [seconds_until_done(world, sender, f"{n}.jpg", photo(n)) for n in range(4000, 4003)]
    assert world.row(hanging).status in {"processing", "queued"}, world
    assert sorted(waits)[1] < 5, waits  # one may meet a busy machine


# --- Long -----------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.chaos
def test_every_fault_in_turn_over_two_hundred_photos(world, small_disk, capsys):
    """Each batch meets one fault at work; the last third meet any three of them at once."""
    wanted = photos(LONG_PHOTOS, seed=10_000)
    calm = calm_run(world, wanted)
    sender, kills = Sender(world, patience_seconds=120), KillList(world, set(wanted))
    sender.send("hang.jpg", poisonous(photo(1), "hang"))
    sender.send("never-end.jpg", poisonous(photo(2), "never-end"))
    poisoned = set(sender.acknowledged)
    faults, chance = _faults(world, kills, small_disk), random.Random(1)
    names, turns = list(wanted), cycle(faults)
    for start in range(0, LONG_PHOTOS, BATCH):
        batch = {name: wanted[name] for name in names[start : start + BATCH]}
        is_calm = start < LONG_PHOTOS * 2 // 3
        chosen = list(islice(turns, 1)) if is_calm else chance.sample(list(faults), 3)
        began = time.monotonic()
        _send_while_it_breaks(world, sender, batch, [faults[name] for name in chosen])
        with capsys.disabled():
            seconds = time.monotonic() - began
            sys.stdout.write(f"\n{', '.join(chosen):64} all at rest after {seconds:5.1f} s")
    world.until(lambda: are_at_their_end(world, sender), seconds=60)
    chaos.assert_nothing_is_lost(world, wanted, sender)
    for row in rows_of(world, sender):
        expected = ("failed", "crashed") if row.name in poisoned else ("done", "")
        assert (row.status, row.failure) == expected, world
    assert chaos.variants_by_name(world, sender.acknowledged.values()) == calm
    chaos.assert_books_agree(world)


@pytest.mark.long
@pytest.mark.chaos
def test_a_photo_that_hangs_when_redis_dies_is_ended_all_the_same(world):
    """Celery forgets the time limits of what is running when it loses its broker."""
    sender = Sender(world)
    hanging = [
        sender.send(f"never-end-{n}.jpg", poisonous(photo(5 + n), "never-end")) for n in range(2)
    ]
    world.until(lambda: {world.row(one).status for one in hanging} == {"processing"}, seconds=20)
    world.kill("redis")
    # Both children are taken until our own limit; then the worker is there for others.
    seconds_until_done(world, sender, "after.jpg", photo(4100), patience_seconds=30)
    world.until(lambda: are_at_their_end(world, sender), seconds=90, what="the end of poison")
    assert {world.row(one).failure for one in hanging} == {"crashed"}


@pytest.mark.long
@pytest.mark.chaos
def test_a_worker_that_stands_still_is_started_again(world):
    sender = Sender(world)
    # A worker that has done something listens to the signal.
    seconds_until_done(world, sender, "before.jpg", photo(4201), patience_seconds=30)
    worker = world.worker
    worker.send_signal(signal.SIGWINCH)
    seconds_until_done(world, sender, "still.jpg", photo(4200), patience_seconds=30)
    assert world.worker.pid != worker.pid
    assert "worker-silent" in (world.data_dir / "logs" / "worker.log").read_text()


@pytest.mark.long
@pytest.mark.chaos
def test_the_photo_of_a_killed_child_is_done_within_30_seconds(tmp_path, capsys):
    """At the pace of production: its lease, its sweeper, its limits."""
    world = World(tmp_path, application="bandpics")
    try:
        sender, waits = Sender(world), []
        for n in range(3):
            name, data = (
                f"killed-{n}.jpg",
                drawn_pictures.jpeg(width=6000, height=4000, seed=4300 + n),
            )
            upload = sender.send(name, data)
            KillList(world, {name}).kill_a_child()
            began = time.monotonic()
            world.until(lambda upload=upload: world.row(upload).status == "done", seconds=60)
            waits.append(time.monotonic() - began)
            assert world.row(upload).attempt == 2
            world.wait(n * 2.5)  # so that the sweeper comes by at another time of the lease
    finally:
        world.end()
    with capsys.disabled():
        sys.stdout.write(f"\ndone again after {', '.join(f'{wait:.1f}' for wait in waits)} s")
    assert max(waits) <= 30


def _send_while_it_breaks(world, sender, batch, faults) -> None:
    futures = sender.send_all(batch)
    for fault in faults:
        world.until(lambda: any(row.status == "processing" for row in world.rows()), seconds=60)
        fault()
    world.until(lambda: all(future.done() for future in futures), seconds=150)
    assert [future.exception() for future in futures] == [None] * len(futures)
    world.s3.heal()
    world.until(lambda: _are_done(world, sender, batch), seconds=150, what="the batch's end")


def _faults(world, kills, small_disk):
    def restart_postgres(number):
        return lambda: world.kill("postgres", number)

    def the_store_goes_away():
        world.s3.down()
        world.wait(2)
        world.s3.up()

    def the_disk_fills_up():
        if small_disk is not None:
            with filled_up(small_disk):
                world.wait(2)

    return {
        "a child is killed": kills.kill_a_child,
        "the worker is killed": kills.kill_the_worker,
        "the queue is forgotten": world.forget_queue,
        "Redis is killed": lambda: world.kill("redis"),
        "Postgres restarts": restart_postgres(signal.SIGINT),
        "Postgres is killed": restart_postgres(signal.SIGKILL),
        "S3 answers 500": lambda: world.s3.answer(500, times=20, matching=f"GET|{FINAL}"),
        "S3 is silent": lambda: world.s3.stall(direction="down", times=4),
        "S3 cuts": lambda: world.s3.cut(direction="down", matching="^PUT|^GET", times=10),
        "S3 goes away": the_store_goes_away,
        "S3 is killed": lambda: world.kill("s3"),
        "the web is killed": lambda: world.kill("web"),
        "beat is killed": lambda: world.kill("beat"),
        "the disk is full": the_disk_fills_up,
    }


# --- Wording --------------------------------------------------------------------------------


def calm_run(world: World, wanted: dict[str, bytes]) -> dict[str, dict[str, bytes]]:
    """What becomes of these photos when nothing breaks: the same bytes in a group of their own."""
    group = Sender(world, group="any").ask("POST", "/groups/", {"name": "Calm"})["id"]
    sender = Sender(world, group=group)
    for future in sender.send_all(wanted):
        future.result()
    world.until(lambda: are_at_their_end(world, sender), seconds=240, what="the calm run")
    return chaos.variants_by_name(world, sender.acknowledged.values())


def seconds_until_done(
    world: World, sender: Sender, name: str, data: bytes, *, patience_seconds: float = 20
) -> float:
    """From the first word of its sender to DONE."""
    began = time.monotonic()
    upload = sender.send(name, data)
    world.until(lambda: world.row(upload).status == "done", seconds=patience_seconds, what=name)
    return time.monotonic() - began


def rows_of(world: World, sender: Sender) -> list[chaos.Row]:
    sent = set(sender.acknowledged.values())
    return [row for row in world.rows() if str(row.id) in sent]


def are_at_their_end(world: World, sender: Sender) -> bool:
    rows = rows_of(world, sender)
    return len(rows) == len(sender.acknowledged) and all(row.is_at_its_end for row in rows)


def _are_done(world: World, sender: Sender, batch: dict[str, bytes]) -> bool:
    rows = [row for row in rows_of(world, sender) if row.name in batch]
    return len(rows) == len(batch) and all(row.is_at_its_end for row in rows)


@contextmanager
def filled_up(disk):
    filler = disk / "filler"
    try:
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(64 * 1024))
        yield
    finally:
        filler.unlink()


def _ports_to_postgres(world: World) -> set[int]:
    """Our ends of the connections the worker's children have."""
    port = urllib3.util.parse_url(world.stack.variables["DATABASE_URL"]).port
    return {
        connection.laddr.port
        for child in world.worker_children()
        for connection in child.net_connections("tcp")
        if connection.raddr and connection.raddr.port == port
    }


def _pids(world: World) -> set[int]:
    return {child.pid for child in world.worker_children()}
