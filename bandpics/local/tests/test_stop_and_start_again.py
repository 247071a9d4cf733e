"""Ends of all kinds: asked, interrupted, killed; and what is there afterwards."""

from __future__ import annotations

import os
import signal
import time

import psutil
import psycopg
import pytest
import redis

from bandpics.local import postgres
from bandpics.local.tests.conftest import healthz, refused, s3_client, until, worker_listens

pytestmark = pytest.mark.xdist_group("up")

SECONDS = 10


def test_sigterm_stops_everything_and_a_restart_finds_everything(up):
    first = up.start()
    descendants = up.descendants()
    assert len(descendants) > 6
    s3_client(first).put_object(Bucket=first["s3_bucket"], Key="kept.jpg", Body=b"bytes")
    redis.Redis.from_url(first["redis_url"]).set("kept", "yes")
    with psycopg.connect(first["database_url"]) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")

    started = time.monotonic()
    assert up.stop(signal.SIGTERM) == 0
    assert time.monotonic() - started < SECONDS
    assert not [one for one in descendants if one.is_running()]
    assert "Your data is safe" in up.said()

    second = up.start()
    assert second == first  # the same link, keys, password and ports
    assert first["admin_password"] not in up.said()
    assert "changepassword" in up.said()
    answer = s3_client(second).get_object(Bucket=second["s3_bucket"], Key="kept.jpg")
    assert answer["Body"].read() == b"bytes"
    assert answer["ContentType"] == "image/jpeg"  # from the name: see s3_server
    assert redis.Redis.from_url(second["redis_url"]).get("kept") == b"yes"
    with psycopg.connect(second["database_url"]) as connection:
        assert connection.execute("SELECT one FROM kept").fetchone() == (1,)


def test_after_kill_9_it_starts_again_and_nothing_is_left(up):
    first = up.start()
    descendants = up.descendants()
    up.stop(signal.SIGKILL)
    assert up.start() == first
    assert "The last run was killed" in up.said()
    assert not [one for one in descendants if one.is_running()]
    assert healthz(first["web_url"]) == 200

    everything = [psutil.Process(up.process.pid), *up.descendants()]
    for one in everything:
        one.kill()
    psutil.wait_procs(everything, timeout=5)
    assert up.start() == first
    assert healthz(first["web_url"]) == 200


def test_ctrl_c_while_it_starts_stops_it(up):
    up.spawn()
    until((up.data_dir / "logs" / "postgres.log").exists, up.log)
    descendants = up.descendants()
    started = time.monotonic()
    assert up.stop(signal.SIGINT) == 0
    assert time.monotonic() - started < SECONDS
    assert not [one for one in descendants if one.is_running()]
    assert "Traceback" not in up.said()
    assert not (up.data_dir / "stack.json").exists()


def test_what_dies_is_brought_back(up):
    # The leftovers of an initdb cut short are in nobody's way.
    (up.data_dir / "postgres.new" / "base").mkdir(parents=True)
    stack = up.start()
    for name in ("worker", "redis", "web", "postgres"):
        before = up.pid_of(name)
        os.kill(before, signal.SIGKILL)
        up.waits_to_say(f"{name} was killed by SIGKILL; starting it again", seconds=5)
        until(lambda name=name, old=before: up.pid_of(name) != old, up.log, seconds=10)
    until(lambda: healthz(stack["web_url"]) == 200, up.log, seconds=20)
    until(lambda: worker_listens(stack), up.log, seconds=30)
    until(lambda: postgres.answers(stack["database_url"]), up.log, seconds=10)


def test_lost_keys_are_reported_instead_of_made_anew(tmp_path):
    (tmp_path / "data" / "postgres").mkdir(parents=True)
    assert "secrets.json is missing" in refused("--data-dir", str(tmp_path / "data"))
