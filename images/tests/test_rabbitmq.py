"""RabbitMQ in Redis' place, the real one: link to gallery, what breaks, and who is served first.

Without a RabbitMQ these tests fail: see images/tests/rabbitmq.py.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress

import pytest
import redis

from bandpics.local.stack import BEAT, WORKER
from images.tests import chaos, drawn_pictures, rabbitmq
from images.tests.chaos import KillList, Sender, World
from images.tests.test_chaos import are_at_their_end, photos, rows_of

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("rabbitmq")]

MIAS_DEVICE = "5" * 32


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory):
    broker = rabbitmq.started(tmp_path_factory.mktemp("rabbitmq") / "node")
    yield broker
    broker.stop()


@contextmanager
def started_world(folder, **options):
    world = World(folder, **options)
    try:
        yield world
    finally:
        world.end()


def test_without_one_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.delenv("BANDPICS_RABBITMQ_URL", raising=False)
    monkeypatch.setattr(rabbitmq, "SERVER", tmp_path / "rabbitmq-server")
    with pytest.raises(rabbitmq.NoRabbitMq, match="apt-get install rabbitmq-server"):
        rabbitmq.started(tmp_path / "node")


def test_from_link_to_gallery_nothing_is_lost_whatever_breaks(rabbit, tmp_path):
    with started_world(tmp_path / "world", BROKER_URL=rabbit.url) as world:
        sender, wanted = Sender(world, patience_seconds=240), photos(10, seed=7000)
        some, others = dict(list(wanted.items())[:3]), dict(list(wanted.items())[3:])
        send(world, sender, some)
        world.until(lambda: are_at_their_end(world, sender), seconds=120, what="a calm start")
        for upload_id in sender.acknowledged.values():
            shown = sender.ask("GET", f"/images/{upload_id}/")
            assert (shown["status"], len(shown["variants"])) == ("done", 5)
        assert world.redis_url.startswith("redis://")  # which carried no task:
        assert not _redis_queues(world)

        host, shown_id = Sender(world, group="any"), next(iter(sender.acknowledged.values()))
        first = asked_for(host, shown_id, {"filters": {"grayscale": True}})
        world.until(first, seconds=120, what="a transform")

        kills = KillList(world, set(others))
        futures = sender.send_all(others)
        kills.kill_a_child(seconds=120)
        second = asked_for(host, shown_id, {"rotate": 90})
        rabbit.restart()
        kills.kill_the_worker(seconds=120)
        rabbitmq.forget(rabbit.url)
        world.until(lambda: all(each.done() for each in futures), seconds=300, what="sending")
        assert [each.exception() for each in futures] == [None] * len(others)
        world.until(lambda: are_at_their_end(world, sender), seconds=300, what="the end of all")
        world.until(second, seconds=300, what="a transform asked for before the fall")
        chaos.assert_nothing_is_lost(world, wanted, sender)
        rows = rows_of(world, sender)
        assert {row.status for row in rows} == {"done"}, world
        assert max(row.attempt for row in rows) > 1  # somebody was really killed at work


@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_one_process_takes_one_at_a_time_and_nobody_waits_behind_hundreds(
    broker, request, tmp_path
):
    """Of those who have little waiting before those who have much; each in the order they came."""
    url = "" if broker == "redis" else request.getfixturevalue("rabbit").url
    with started_world(
        tmp_path / "world", application="bandpics", concurrency=1, BROKER_URL=url
    ) as world:
        program = world.supervisor.children[WORKER].program
        world.supervisor.stop(BEAT, WORKER)  # nothing is queued a second time
        cleo, mia = Sender(world), Sender(world, device=MIAS_DEVICE)
        many = [cleo.send(f"{n}.jpg", small(n)) for n in range(52)]
        first = mia.send("mia.jpg", small(99))
        assert {row.status for row in rows_of(world, cleo)} == {"queued"}

        world.supervisor.start(program)
        most = watched(world, cleo, mia)
        assert finished(world) == [*many[:5], first, *many[5:50], *many[50:]]
        assert most == 1


# --- Wording --------------------------------------------------------------------------------


def small(seed: int) -> bytes:
    return drawn_pictures.jpeg(width=8, height=8, seed=seed)


def send(world, sender, wanted):
    for future in sender.send_all(wanted):
        assert future.exception() is None, world


def asked_for(host, image_id, wanted):
    """Asks for a transform; returns whether it is there, each time it is called."""
    address = f"/images/{image_id}/transforms/"
    made = host.ask("POST", address, {"transformations": wanted})

    def is_there() -> bool:
        with suppress(chaos.NotYet):
            return bool(host.ask("GET", f"{address}{made['hash']}/")["status"] == "done")
        return False

    return is_there


def watched(world, *senders) -> int:
    """Waits for the end of all; returns how many were seen at work at a time, at most."""
    most, end = 0, time.monotonic() + 300
    while not all(are_at_their_end(world, each) for each in senders):
        assert time.monotonic() < end, world
        most = max(most, sum(row.status == "processing" for row in world.rows()))
    return most


def finished(world) -> list[str]:
    with world.postgres() as connection:
        rows = connection.execute(
            "SELECT id FROM images_upload WHERE status = 'done' ORDER BY finished_at"
        )
        return [str(row[0]) for row in rows]


def _redis_queues(world) -> list[bytes]:
    with redis.Redis.from_url(world.redis_url) as store:
        return [key for key in store.keys("*") if key.split(b"\x06")[0] in {b"images", b"sweep"}]
