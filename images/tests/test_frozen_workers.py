"""A worker that is frozen at any step loses its photo to another; on waking it changes nothing."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from bandpics.local.stack import SWEEPER, WORKER
from images.tests import drawn_pictures
from images.tests.chaos import NotYet, Sender, World, poisonous
from images.tests.test_processing import STAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [
    pytest.mark.xdist_group("frozen"),
    pytest.mark.long,
    pytest.mark.chaos,
]

# The lease, the timer and the sweeper of images.tests.short_timeouts, and the work itself.
SECONDS = 25
WAITS_FOR_TABLE = """
    SELECT count(*) FROM pg_locks WHERE relation = 'images_variant'::regclass AND NOT granted
"""
HOLDERS = """
    SELECT client_port FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted
"""
TRASH = "UPDATE images_image SET trashed_at = '2020-01-01' WHERE id = %s"
OF_PHOTO = [
    "SELECT image::text FROM images_image image WHERE id = %s",
    "SELECT upload::text FROM images_upload upload WHERE image_id = %s ORDER BY 1",
    "SELECT variant::text FROM images_variant variant WHERE image_id = %s ORDER BY 1",
]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("frozen"))
    yield world
    world.end()


@pytest.fixture(scope="module")
def sender(world):
    """With the rights of a host."""
    group = Sender(world, group="any").ask("POST", "/groups/", {"name": "Frozen"})["id"]
    return Sender(world, group=group)


# --- Where it is frozen: each says how to tell that a worker is there -------------------------


@contextmanager
def at_the_download(world: World) -> Iterator[Callable[[], Any]]:
    fault = world.s3.stall(direction="down", matching="^GET /bandpics/incoming/")
    yield lambda: fault.hits


@contextmanager
def at_the_rendering(world: World) -> Iterator[Callable[[], Any]]:
    before = world.s3.count_requests("^GET /bandpics/incoming/")
    yield lambda: world.s3.count_requests("^GET /bandpics/incoming/") > before
    time.sleep(0.3)  # its decoder takes a second


@contextmanager
def at_the_writing(world: World) -> Iterator[Callable[[], Any]]:
    """The store has the original, and the worker never hears of it: on waking it sends it again."""
    fault = world.s3.stall(direction="down", matching="^PUT /bandpics/[^i].*/original/")
    yield lambda: fault.hits


@contextmanager
def at_the_commit(world: World) -> Iterator[Callable[[], Any]]:
    """In the middle of the transaction that ends it."""
    with world.postgres() as connection, world.postgres() as other, connection.transaction():
        connection.execute("LOCK TABLE images_variant IN SHARE MODE")
        yield lambda: other.execute(WAITS_FOR_TABLE).fetchone() != (0,)


@contextmanager
def at_the_clearing(world: World) -> Iterator[Callable[[], Any]]:
    fault = world.s3.stall(direction="down", matching="^DELETE /bandpics/incoming/")
    yield lambda: fault.hits


STEPS = [at_the_download, at_the_rendering, at_the_writing, at_the_commit, at_the_clearing]


@pytest.mark.parametrize("step", STEPS)
def test_its_photo_is_finished_by_another_and_it_changes_nothing_on_waking(world, sender, step):
    """All of it is frozen; before it wakes, the place is forgotten."""
    data = drawn_pictures.jpeg(width=1800, height=1200, seed=STEPS.index(step), **STAGE)
    with step(world) as is_reached:
        upload = sender.send(f"{step.__name__}.jpg", poisonous(data, "slow"))
        world.until(is_reached, seconds=10, what=step.__name__)
        frozen = world.freeze(world.worker, *world.worker_children())
    try:
        with world.another_worker():
            world.until(lambda: world.row(upload).status == "done", seconds=SECONDS)
            forget_place(world, sender, upload)
            before = state(world, upload)
            world.wake(frozen)
            world.wait(3)
            assert state(world, upload) == before, world
    finally:
        world.wake(frozen)
        world.s3.heal()


def test_a_frozen_child_loses_its_photo(world, sender):
    """Long before its time limit, at which the worker would kill it."""
    with at_the_writing(world) as is_reached:
        upload = sender.send("child.jpg", drawn_pictures.jpeg(width=1800, height=1200, seed=100))
        world.until(is_reached, seconds=10)
        (child,) = world.freeze(*holders_of_locks(world))
    world.until(lambda: child not in world.worker_children(), seconds=5, what="its end")
    world.until(lambda: world.row(upload).status == "done", seconds=SECONDS)
    world.s3.heal()


def test_a_frozen_sweeper_keeps_nothing_from_the_next_one(world, sender):
    upload = sender.send("trashed.jpg", drawn_pictures.jpeg(width=1800, height=1200, seed=200))
    world.until(lambda: world.row(upload).status == "done", seconds=SECONDS)
    fault = world.s3.stall(direction="down", matching="^POST .*delete")
    with world.postgres() as connection:
        connection.execute(
            "UPDATE images_image SET trashed_at = '2020-01-01' WHERE id = %s", [upload]
        )
    world.until(lambda: fault.hits, seconds=10)
    (sweeper,) = world.freeze(*holders_of_locks(world))
    assert sweeper.parent().pid == world.supervisor.children[SWEEPER].process.pid
    world.until(lambda: upload not in {str(row.id) for row in world.rows()}, seconds=SECONDS)
    assert not [key for key in world.stored() if upload in key]
    world.s3.heal()


def test_at_the_pace_of_production_another_is_done_within_a_minute(tmp_path, capsys):
    world = World(tmp_path, application="bandpics")
    try:
        sender = Sender(world)
        with at_the_writing(world) as is_reached:
            upload = sender.send(
                "frozen.jpg", drawn_pictures.jpeg(width=1800, height=1200, seed=300)
            )
            world.until(is_reached, seconds=10)
            world.freeze(world.worker, *world.worker_children())
        with world.another_worker():
            began = time.monotonic()
            world.until(lambda: world.row(upload).status == "done", seconds=60)
            seconds = time.monotonic() - began
    finally:
        world.end()
    with capsys.disabled():
        sys.stdout.write(f"\ndone by another after {seconds:.1f} s")


# --- Words ------------------------------------------------------------------------------------


def holders_of_locks(world: World) -> list[psutil.Process]:
    """The processes that hold an advisory lock, by their end of the connection to Postgres."""
    with world.postgres() as connection:
        found = connection.execute(HOLDERS).fetchall()
    ports = {port for (port,) in found}
    parents = [world.supervisor.children[name].process.pid for name in [WORKER, SWEEPER]]
    return [
        child
        for pid in parents
        for child in psutil.Process(pid).children()
        if ports & {one.laddr.port for one in child.net_connections("tcp")}
    ]


def forget_place(world: World, sender: Sender, upload: str) -> None:
    def is_forgotten() -> bool:
        with suppress(NotYet):
            sender.ask("DELETE", f"/images/{upload}/location/")
            return True
        return False

    world.until(is_forgotten, seconds=10)


def state(world: World, upload: str) -> list[Any]:
    """All that is said of a photo, and when each of its objects was written, once the sweeper has
    looked for photos that are like it."""
    due = "SELECT stack_due FROM images_image WHERE id = %s"
    with world.postgres() as connection:
        world.until(
            lambda: connection.execute(due, [upload]).fetchone() == (False,),
            seconds=SECONDS,
            what="the look for others like it",
        )
        rows = [connection.execute(query, [upload]).fetchall() for query in OF_PHOTO]
    return [rows, {key: at for key, at in world.stored().items() if upload in key}]
