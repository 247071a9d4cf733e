"""bandpics/probe.py, by which containers are found healthy."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from bandpics import probe
from bandpics.local.environment import PROJECT


@pytest.fixture
def server():
    """Answers by the status that its attribute says, and remembers the host it was asked for."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked = (self.path, self.headers["Host"])
            self.send_response(self.server.status)
            self.end_headers()

        def log_message(self, *_):
            pass

    found = HTTPServer(("127.0.0.1", 0), Answer)
    found.status = 200
    thread = Thread(target=found.serve_forever)
    thread.start()
    yield found
    found.shutdown()
    thread.join()
    found.server_close()


def probed(role, **variables):
    run = subprocess.run(
        [sys.executable, "-I", "bandpics/probe.py", role],
        cwd=PROJECT,
        env={"PATH": os.defpath, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    return run.returncode, run.stderr


def test_a_web_server_is_asked_by_its_own_name(server):
    variables = {"WEB_PORT": str(server.server_port), "PUBLIC_URL": "https://photos.example.org"}
    assert probed("web", **variables) == (0, "")
    assert server.asked == ("/healthz", "photos.example.org")
    server.status = 503
    assert probed("web", **variables) == (1, "The web server answers 503.\n")


def test_one_that_does_not_answer_is_not_well():
    code, said = probed("web", WEB_PORT="1")
    assert code == 1 and "does not answer" in said


def test_a_file_must_be_there_and_new(tmp_path):
    path = tmp_path / "beat-schedule"
    assert "is not there" in probe.trouble_of_file(path, seconds=60)
    (tmp_path / "beat-schedule.db").touch()
    assert probe.trouble_of_file(path, seconds=60) == ""
    old = time.time() - 100
    os.utime(tmp_path / "beat-schedule.db", (old, old))
    assert "was last written" in probe.trouble_of_file(path, seconds=60)


def test_it_loads_nothing_of_the_application():
    code = "import runpy, sys; runpy.run_path('bandpics/probe.py'); print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert not {"celery", "django", "bandpics"} & set(run.stdout.split())
