"""Ends of all kinds: asked, interrupted, killed; and what is there afterwards."""

from __future__ import annotations

import shutil
import signal
import time

import boto3
import psutil
import psycopg
import pytest
import redis

from bandpics.local.tests.conftest import healthz, until

pytestmark = pytest.mark.xdist_group("up")

SECONDS = 10


def test_sigterm_stops_everything_and_a_restart_finds_everything(up):
    first = up.start()
    descendants = up.descendants()
    assert len(descendants) > 6
    _s3(first).put_object(Bucket=first["s3_bucket"], Key="kept.jpg", Body=b"bytes")
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
    answer = _s3(second).get_object(Bucket=second["s3_bucket"], Key="kept.jpg")
    assert answer["Body"].read() == b"bytes"
    assert answer["ContentType"] == "image/jpeg"  # from the name: see s3_server
    assert redis.Redis.from_url(second["redis_url"]).get("kept") == b"yes"
    with psycopg.connect(second["database_url"]) as connection:
        assert connection.execute("SELECT one FROM kept").fetchone() == (1,)


def test_after_kill_9_of_itself_nothing_is_left_and_it_starts_again(up):
    first = up.start()
    descendants = up.descendants()
    up.stop(signal.SIGKILL)
    second = up.start()
    assert second == first
    assert "The last run was killed" in up.said()
    assert not [one for one in descendants if one.is_running()]
    assert healthz(second["web_url"]) == 200


def test_after_kill_9_of_everything_it_starts_again(up):
    first = up.start()
    everything = [psutil.Process(up.process.pid), *up.descendants()]
    for one in everything:
        one.kill()
    psutil.wait_procs(everything, timeout=5)
    assert up.start() == first


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
    stack = up.start()
    for name in ("worker", "redis", "web", "postgres"):
        before = up.child(name)
        before.kill()
        up.waits_to_say(f"{name} was killed by SIGKILL; starting it again", seconds=5)
        until(lambda name=name, old=before: up.child(name).pid != old.pid, up.log, seconds=10)
    until(lambda: healthz(stack["web_url"]) == 200, up.log, seconds=20)
    client = redis.Redis.from_url(stack["redis_url"])
    until(lambda: _listens(client), up.log, seconds=30)
    with psycopg.connect(stack["database_url"]) as connection:
        connection.execute("SELECT 1")


def test_a_half_made_database_is_made_again(up):
    (up.data_dir / "postgres.new" / "base").mkdir(parents=True)
    (up.data_dir / "postgres.new" / "PG_VERSION").write_text("18")
    assert healthz(up.start()["web_url"]) == 200


def test_lost_keys_are_reported_instead_of_made_anew(up):
    up.start()
    up.stop()
    (up.data_dir / "secrets.json").unlink()
    up.spawn()
    assert up.process.wait(10) == 1
    assert "secrets.json is missing" in up.said()
    shutil.rmtree(up.data_dir)


def _listens(client: redis.Redis) -> bool:
    try:
        return any(one["cmd"].lower() in {"brpop", "bzmpop"} for one in client.client_list())
    except redis.RedisError:
        return False


def _s3(stack):
    return boto3.client(
        "s3",
        endpoint_url=stack["s3_endpoint_url"],
        region_name="us-east-1",
        aws_access_key_id=stack["s3_access_key"],
        aws_secret_access_key=stack["s3_secret_key"],
    )
