"""Roles are forks of one process: what they share, what each has for itself, and how they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import psutil
import pytest

from bandpics import forks
from bandpics.local import environment

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="roles are forks on Linux")

SCRIPT = """
import os, signal, sys, threading, time
from bandpics import forks
from bandpics.ids import new_id

def start(run, **more):
    return forks.fork(run, name="role", output=1, **{"environment": {}, **more})

"""


def run(script, *words, **variables):
    """Returns what a process with the settings of no server prints.

    Without `PYTHONUNBUFFERED`, which a CI sets: with it, `print` writes each word by itself, and
    the words of processes that print at the same time mix.
    """
    return subprocess.run(
        [sys.executable, "-c", SCRIPT + script, *words],
        cwd=environment.PROJECT,
        env={**os.environ, **environment.PRETENDED, "PYTHONUNBUFFERED": "", **variables},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.splitlines()


def test_what_is_prepared_has_no_thread_and_no_connection():
    script = """
forks.prepare()
import psutil
print(len(os.listdir("/proc/self/task")), psutil.Process().net_connections())
"""
    assert run(script) == ["1 []"]


def test_two_forks_make_different_ids():
    script = """
new_id()
for _ in range(2):
    start(lambda: [print(new_id(), flush=True) for _ in range(20)]).wait()
"""
    made = run(script)
    assert len(made) == 40
    # The first 48 bits are the time: what follows would repeat.
    assert len({each[14:] for each in made}) == 40


def test_a_fork_says_how_it_ended_and_unwinds_into_nothing():
    script = """
def fail():
    raise ValueError

try:
    for run in (lambda: None, lambda: sys.exit(3), lambda: sys.exit("why"), fail):
        print(start(run).wait(), flush=True)
    endless = start(lambda: time.sleep(60))
    endless.send_signal(signal.SIGTERM)
    print(endless.wait())
finally:
    print("once")
"""
    said = run(script)
    assert said[:4] == ["0", "3", "why", "1"]
    assert said[-4:] == ["ValueError", "1", "-15", "once"]
    assert said.count("once") == 1


def test_a_fork_has_an_environment_and_a_pool_of_its_own():
    script = """
forks.prepare()
from django.db import connections

def tell():
    options = connections["default"].settings_dict
    print(os.environ["METRICS_PORT"], options["OPTIONS"].get("pool"), options["CONN_MAX_AGE"])

start(tell, environment={"METRICS_PORT": "1", "DATABASE_POOL_SIZE": "3"}).wait()
start(tell, environment={"METRICS_PORT": "2"}).wait()
"""
    first, second = run(script)
    assert first == "1 {'min_size': 1, 'max_size': 3, 'timeout': 3.0} 0"
    assert second == "2 None 600"


def test_one_worker_that_stops_stops_no_other():
    script = """
forks.prepare()
from celery import signals
from bandpics import stopping
from bandpics.celery import app

def work(*more):
    app.WorkController(pool="solo")
    for signal in more:
        signal.send(sender=None)
    start(lambda: print(stopping.is_asked(), flush=True)).wait()

start(lambda: work(signals.worker_shutting_down)).wait()
start(work).wait()
"""
    # Child processes learn it of their own worker alone.
    assert run(script) == ["True", "False"]


def test_the_web_role_of_make_run_does_not_drain_and_workers_have_no_pool(tmp_path):
    script = """
from pathlib import Path
from bandpics.local.data_dir import DataDir
from bandpics.local.stack import Stack

place = {"environment": dict(os.environ), "host": "127.0.0.1", "port": 1}
Stack(DataDir(Path(sys.argv[1])), None, are_forks=True, **place).prepare_forks()
from django.conf import settings

print(settings.WEB_DRAIN_SECONDS, settings.DATABASES["default"]["OPTIONS"].get("pool"))
"""
    assert run(script, str(tmp_path), DATABASE_POOL_SIZE="3") == ["0 None"]


def test_a_fork_keeps_no_file_of_its_parent():
    script = """
kept = open("/dev/zero")

def read():
    try:
        os.fstat(kept.fileno())
    except OSError as error:
        print(error.strerror)
start(read).wait()
"""
    assert run(script) == ["Bad file descriptor"]


def test_a_fork_ends_with_its_parent():
    script = """
child = start(lambda: time.sleep(60))
print(child.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT + script],
        cwd=environment.PROJECT,
        stdout=subprocess.PIPE,
        text=True,
    )
    pid = int(process.stdout.readline())
    assert process.wait(30) == -signal.SIGKILL
    # Nobody can wait for it but its new parent, so it may stay as a zombie.
    if psutil.pid_exists(pid):
        child = psutil.Process(pid)
        with pytest.raises(psutil.NoSuchProcess):
            while child.status() != psutil.STATUS_ZOMBIE:
                child.wait(30)
            raise psutil.NoSuchProcess(pid)


def test_beside_a_thread_nothing_is_forked():
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait, name="another")
    thread.start()
    try:
        with pytest.raises(forks.CannotFork, match="another"):
            forks.fork(lambda: None, name="role", environment={}, output=1)
    finally:
        ended.set()
        thread.join()
