"""The stack is stopped, interrupted or killed, and starts again with its data."""

from __future__ import annotations

import contextlib
import signal
import sys
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest
import redis

from bandpics.local import addresses, environment
from bandpics.local.tests.conftest import healthz, refused, s3_client, until

pytestmark = pytest.mark.xdist_group("up")


def living(processes):
    """Returns running descendants, without zombies."""
    return [one for one in processes if _lives(one)]


def _lives(process):
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def test_for_a_phone_and_after_it_was_stopped_everything_is_there(up):
    """`--host 0.0.0.0`: links and signed addresses that a phone can reach, also the second time."""
    lan = ("--host", "0.0.0.0")  # noqa: S104 - that is the point
    first = up.start(*lan)
    _assert_a_phone_reaches_it(up, first)
    descendants = up.descendants()
    assert len(descendants) > 6
    s3_client(first).put_object(Bucket=first["s3_bucket"], Key="kept.jpg", Body=b"bytes")
    redis.Redis.from_url(first["redis_url"]).set("kept", "yes")
    with psycopg.connect(first["database_url"]) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")

    assert up.stop(signal.SIGTERM) == 0
    assert not living(descendants)
    assert "Your data is safe" in up.said()

    assert up.start(*lan) == first  # the same link, keys, password and ports
    assert first["admin_password"] not in up.said()
    command = f"manage.py --data-dir {up.data_dir} changepassword {first['admin_email']}"
    assert f"{sys.executable} {command}\n" in up.said()
    answer = s3_client(first).get_object(Bucket=first["s3_bucket"], Key="kept.jpg")
    assert answer["Body"].read() == b"bytes"
    assert answer["ContentType"] == "image/jpeg"  # from the name: see s3_server
    assert redis.Redis.from_url(first["redis_url"]).get("kept") == b"yes"
    with psycopg.connect(first["database_url"]) as connection:
        assert connection.execute("SELECT one FROM kept").fetchone() == (1,)


def _assert_a_phone_reaches_it(up, stack):
    address = addresses.lan_address()
    assert address != addresses.LOOPBACK
    assert stack["web_url"] == f"http://{address}:{up.port}"
    assert stack["upload_link"].startswith(stack["web_url"])
    assert healthz(stack["web_url"]) == 200
    assert healthz(f"http://localhost:{up.port}") == 200

    variables = environment.parse((up.data_dir / "env").read_text())
    public = urlsplit(variables["S3_PUBLIC_ENDPOINT_URL"])
    assert public.hostname == address
    from_outside = s3_client(stack, endpoint_url=variables["S3_PUBLIC_ENDPOINT_URL"])
    from_outside.head_bucket(Bucket=stack["s3_bucket"])
    for name in ("DATABASE_URL", "REDIS_URL"):
        assert urlsplit(variables[name]).hostname == "127.0.0.1"


@pytest.mark.long
def test_after_everything_was_killed_at_once_it_starts_again(up):
    first = up.start()
    s3_client(first).put_object(Bucket=first["s3_bucket"], Key="kept.jpg", Body=b"bytes")
    everything = [psutil.Process(up.process.pid), *up.descendants()]
    for one in everything:
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended with its parent
            one.kill()
    psutil.wait_procs(everything, timeout=5)
    assert up.start() == first
    assert healthz(first["web_url"]) == 200
    answer = s3_client(first).get_object(Bucket=first["s3_bucket"], Key="kept.jpg")
    assert answer["Body"].read() == b"bytes"


@pytest.mark.long
def test_after_it_alone_was_killed_its_services_are_stopped(up):
    first = up.start()
    descendants = up.descendants()
    up.stop(signal.SIGKILL)
    assert up.start() == first
    assert "The last run was killed" in up.said()
    assert not living(descendants)
    assert healthz(first["web_url"]) == 200


def test_ctrl_c_while_it_starts_stops_it(up):
    up.spawn()
    until((up.data_dir / "logs" / "postgres.log").exists, up.log)
    descendants = up.descendants()
    assert up.stop(signal.SIGINT) == 0
    assert not living(descendants)
    assert "Traceback" not in up.said()
    assert not (up.data_dir / "stack.json").exists()


def test_lost_keys_are_reported_instead_of_made_anew(tmp_path):
    (tmp_path / "data" / "postgres").mkdir(parents=True)
    assert "secrets.json is missing" in refused("--data-dir", str(tmp_path / "data"))
