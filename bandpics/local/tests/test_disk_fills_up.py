"""A full disk is reported once, and the stack goes on when there is room."""

from __future__ import annotations

import contextlib

import psycopg
import pytest
import redis

from bandpics.local.tests.conftest import Up, healthz, until

pytestmark = pytest.mark.xdist_group("up")

MIB = 1024 * 1024


@pytest.mark.long
def test_it_is_said_and_work_goes_on_once_there_is_room(small_disk):
    up = Up(small_disk("220m") / "data")
    try:
        stack = up.start()
        filler = up.data_dir.parent / "filler"
        with contextlib.suppress(OSError), filler.open("wb") as file:
            while True:
                file.write(b"\0" * MIB)
        up.waits_to_say("The disk is full: 0 MB left", seconds=10)
        with pytest.raises(psycopg.errors.DiskFull):
            _fill(stack)
        assert healthz(stack["web_url"]) == 200

        filler.unlink()
        up.waits_to_say("There is room on the disk again.", seconds=10)
        until(lambda: _remembers(stack), up.log, seconds=20)
        with psycopg.connect(stack["database_url"]) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1")
    finally:
        up.stop()


def _fill(stack: dict) -> None:
    with psycopg.connect(stack["database_url"], autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE big AS SELECT repeat('x', 500) FROM generate_series(1, 1e6)"
        )


def _remembers(stack: dict) -> bool:
    with contextlib.suppress(redis.RedisError):
        return bool(redis.Redis.from_url(stack["redis_url"]).set("kept", "yes"))
    return False
