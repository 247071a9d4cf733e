"""Counting in several processes, and answering for them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from bandpics.local import addresses, environment

# A parent that prepares, two children that count and end, one of them killed; then it answers.
PROGRAM = """
import logging, os, signal, sys, urllib.request
logging.basicConfig(stream=sys.stderr)
from bandpics.telemetry import metrics

COUNTED = metrics.Counter("bandpics_things_total", "Things.", "kind", known=[{"kind": "zero"}])
TIMED = metrics.Histogram("bandpics_things_seconds", "Seconds.")

def readings():
    if mode == "broken":
        raise RuntimeError("Postgres is away")
    return [metrics.Reading("bandpics_waiting", "Waiting.", 7, {"queue": "images"})]

mode = sys.argv[1]
metrics.provide(readings, queue="sweep")
metrics.prepare()
metrics.begin()
for ending in (0, 9):
    child = os.fork()
    if not child:
        COUNTED.inc(kind="one")
        TIMED.observe(0.2)
        if ending:
            os.kill(os.getpid(), signal.SIGKILL)
        os._exit(0)
    os.waitpid(child, 0)
    metrics.forget_process(child)
metrics.serve(*(["sweep"] if mode != "web" else []))
port = os.environ["METRICS_PORT"]
try:
    print(urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode())
except OSError as error:
    print(error)
print("goes on", "prometheus_client" in sys.modules)
"""


def run(mode, port):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, mode],
        cwd=environment.PROJECT,
        env={**os.environ, "METRICS_PORT": str(port)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )


@pytest.fixture
def port():
    return addresses.free_port(addresses.LOOPBACK)


def test_one_process_answers_for_all_also_for_those_that_died(port):
    said = run("sweep", port).stdout
    assert 'bandpics_things_total{kind="one"} 2.0' in said
    assert "bandpics_things_seconds_count 2.0" in said


def test_what_never_happened_is_zero(port):
    assert 'bandpics_things_total{kind="zero"} 0.0' in run("sweep", port).stdout


def test_readings_are_those_of_the_queue_that_the_worker_serves(port):
    assert 'bandpics_waiting{queue="images"} 7.0' in run("sweep", port).stdout
    assert "bandpics_waiting" not in run("web", port).stdout


def test_numbers_that_cannot_be_read_are_counted_and_the_others_shown(port):
    result = run("broken", port)
    assert "bandpics_unreadable_metrics 1.0" in result.stdout
    assert 'bandpics_things_total{kind="one"} 2.0' in result.stdout
    assert "Postgres is away" in result.stderr


def test_a_port_that_is_taken_stops_nothing(port):
    with socket.create_server(("127.0.0.1", port)):
        result = run("taken", port)
    assert f"METRICS_PORT {port} cannot be opened" in result.stderr
    assert "goes on" in result.stdout


def test_what_a_killed_role_left_is_not_counted_again(port):
    run("sweep", port)
    assert 'bandpics_things_total{kind="one"} 2.0' in run("sweep", port).stdout
