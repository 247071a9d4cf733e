"""The role `all` runs every other role of a small server, and brings back what dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time

import psutil
import pytest

from bandpics import entrypoint, probe
from bandpics.local import addresses, environment
from bandpics.local.tests.test_forks import run
from bandpics.local.tests.test_web_role import Web, bin_first
from bandpics.testing.matrix import few

pytestmark = [
    pytest.mark.xdist_group("up"),
    pytest.mark.skipif(sys.platform != "linux", reason="roles are forks on Linux"),
]
ROLES = [role for role in entrypoint.TOGETHER if role != "captions"]
SECONDS = 90


def until(happens):
    end = time.monotonic() + SECONDS
    while not (found := happens()):
        assert time.monotonic() < end, happens
        time.sleep(0.1)
    return found


def test_all_roles_run_in_one_container_and_one_that_dies_comes_back():
    port = addresses.free_port(addresses.LOOPBACK)
    known = {"WEB_HOST": "127.0.0.1", "WEB_PORT": str(port), "WEB_DRAIN_SECONDS": "0"}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "bandpics.entrypoint", "all"],
            cwd=environment.PROJECT,
            env={**os.environ, "PATH": bin_first(), "WORKER_PROCESSES": "1", **known},
            stdout=log,
            stderr=log,
        )
        try:
            Web(port, process).until_ready(log)
            root = psutil.Process(process.pid)
            assert [child.name() for child in root.children()] == ROLES
            old = next(child for child in root.children() if child.name() == "worker")
            children = until(old.children)
            old.kill()
            until(
                lambda: any(
                    child.name() == "worker" and child.pid != old.pid for child in root.children()
                )
            )
            # Nobody is left who would take photos unwatched.
            psutil.wait_procs(children, timeout=SECONDS)
            assert not any(child.is_running() for child in children)
            log.seek(0)
            assert b"role-ended: worker ended with -9; it starts again" in log.read()
            everything = root.children(recursive=True)
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(SECONDS)
        assert code == 0
        assert not any(one.is_running() for one in everything)


@pytest.mark.parametrize(("given", "size"), few([("", 4), ("3", 3)], 1))
def test_of_all_roles_web_has_a_pool(given, size):
    script = """
from bandpics import all_roles, entrypoint

def tell(words):
    from django.db import connections
    pool = connections["default"].settings_dict["OPTIONS"].get("pool")
    print(words[0], pool and pool["max_size"], flush=True)
    if words[0] == "gunicorn":
        os.kill(os.getppid(), signal.SIGTERM)

forks.run_program = tell
sys.stderr = sys.stdout
os.environ.update(entrypoint.variables("all", dict(os.environ)))
all_roles.main()
"""
    told = {line for line in run(script, DATABASE_POOL_SIZE=given) if "bandpics" not in line}
    # Some may be stopped before they say anything.
    assert f"gunicorn {size}" in told
    assert told <= {f"gunicorn {size}", "celery None"}


def test_it_ends_also_where_it_is_told_so_before_it_has_started_anything():
    script = """
from bandpics import all_roles

forks.prepare = lambda: os.kill(os.getpid(), signal.SIGTERM)
all_roles.main()
print("ended")
"""
    assert run(script)[-1] == "ended"


def test_the_probe_names_the_role_that_is_not_well(tmp_path, monkeypatch):
    monkeypatch.setattr(probe, "WORKER_HEARTBEAT", tmp_path / "worker-heartbeat")
    monkeypatch.setattr(probe, "BEAT_SCHEDULE", tmp_path / "beat-schedule")
    monkeypatch.setattr(probe, "trouble_of_web", lambda *_: "")
    for name in ("beat-schedule", "worker-heartbeat", "sweeper-heartbeat", "archives-heartbeat"):
        (tmp_path / name).touch()
    assert "transforms-heartbeat" in probe.trouble_of("all")
    (tmp_path / "transforms-heartbeat").touch()
    assert probe.trouble_of("all") == ""
    old = time.time() - 2 * probe.WORKER_SECONDS
    os.utime(tmp_path / "sweeper-heartbeat", (old, old))
    assert "sweeper-heartbeat" in probe.trouble_of("all")
